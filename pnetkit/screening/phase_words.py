"""Tell the contrast phase from the words that radiology writes, in six languages; what is ambiguous says nothing.

Words are compared as a whole, without accents and regard to case: "intravenous" is not venous, an "artery" is no phase,
and "AP" is the abdomen and the pelvis as often as the arterial phase.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

DescribedPhase = Literal["non-contrast", "arterial", "venous", "delayed"]

_FORMS: dict[DescribedPhase, re.Pattern[str]] = {
    "arterial": re.compile(r"(?:fruh|frueh|spat|spaet)?(?:art|arter|arteri(?:(?:al|el|eel|os)[a-z]{0,3})?)|hap"),
    "venous": re.compile(
        r"(?:spat|spaet|porto|portal|hepato)?(?:ven|veno(?:s|es|us)[a-z]{0,3}|vei?neu[xsz]e?)|porta(?:al|l(?:e[nrs]?)?)|"
        r"portalv|pv|pvp|pvph|hvp"
    ),
    "delayed": re.compile(
        r"delayed|tardi(?:f|v[aeo]|[ao])|e[xs]cret(?:ory|ora|oria|oire)|urographic|equilibri(?:um|o)|equilibre"
    ),
    "non-contrast": re.compile(
        r"nativ(?:e[nrs]?|[ao])?|unenhanced|nonenhanced|noncon(?:trast)?|ncct|precontrast[eo]?|vnc|blan[ck]o|basale?|"
        r"simple|smdc"
    ),
}  # fmt: skip
"""Words of a phase, in whole; a compound with the word for "phase" is taken apart first."""

_PHASE = {"ph", "phase", "phasen", "fase", "temps", "tps"}
_COMPOUND = re.compile(r"([a-z]{3,})(?:phase|fase)")
_COMPOUNDS: dict[str, DescribedPhase] = {
    "arterien": "arterial", "pankreas": "arterial", "pancreas": "arterial", "porto": "venous", "spat": "delayed",
    "spaet": "delayed", "ausscheidungs": "delayed", "uitscheidings": "delayed",
}  # fmt: skip
"""What says a phase only in one word with "phase"."""

_PANCREATIC_PHASE = {"pancreatic", "panc", "pankreatische", "pancreatische"}
_PHASE_PANCREATIC = {"pancreatica", "pancreatique"}
_LATE = {"late", "laat", "spate", "spaete"}

_NON = {("non", "contrast"), ("no", "contrast"), ("non", "con"), ("non", "enhanced"), ("non", "injecte"),
        ("pre", "contrast"), ("pre", "contraste"), ("pre", "contrasto")}  # fmt: skip
_WITHOUT = {"without", "wo", "ohne", "sans", "sin", "senza", "sem", "zonder"}
_WITH = {"with", "w", "mit", "avec", "con", "com", "met"}
_CONTRAST = re.compile(
    r"[ck]ontrast[a-z]*|con|cont|cte|km|mdc|pdc|pc|inj|injection|iv|civ|ev|ic|mezzo|medio|meio|produit"
)

_BEFORE_NO_PHASE = {"intra", "endo", "non", "no", "contrast", "contraste", "contrasto", "mdc", "injection", "via",
                    "voie", "acceso", "acesso", "accesso", "pulmonary", "pulm", "pulmonar", "pulmonaire", "polmonare",
                    "cerebral", "coronary", "cardiac", "sinus"}  # fmt: skip
_AFTER_NO_PHASE = {"access", "line", "catheter", "contrast", "mapping", "thrombosis", "sampling", "cava", "portae",
                   "mesenterica", "hepatica", "renalis", "carotis", "femoralis", "iliaca", "poplitea", "lienalis",
                   "subclavia", "pulmonalis", "jugularis"}  # fmt: skip
"""Beside one of these a word is a vessel, a way of injection, or the phase of another organ."""

_CHEST_VESSELS = {"pulmonary", "pulm", "pulmonar", "pulmonaire", "polmonare", "atrium", "cardiac", "heart", "herz",
                  "coronary", "ablation"}  # fmt: skip
"""Beside one of these, PV are the veins of the lungs."""


def described_phase(text: str) -> DescribedPhase | None:
    """Give the contrast phase that a description names; None where it names none, or more than one."""
    said = phases_named(text)
    return next(iter(said)) if len(said) == 1 else None


def phases_named(text: str) -> set[DescribedPhase]:
    """Give all contrast phases that a text names. "Late arterial" is arterial; "late venous" is two phases."""
    words = _words(text)
    around = list(zip(["", *words], words, [*words[1:], ""], strict=False))
    said = {phase for before, word, after in around if (phase := _phase_of(word, before, after)) is not None}
    if _CHEST_VESSELS & set(words) and {"pv", "ven"} & set(words):
        said.discard("venous")
    if not said and _without_contrast(around):
        said.add("non-contrast")
    return said


def _phase_of(word: str, before: str, after: str) -> DescribedPhase | None:
    if (before, word) in _NON:
        return "non-contrast"
    if (word in _PANCREATIC_PHASE and after in _PHASE) or (word in _PHASE_PANCREATIC and before in _PHASE):
        return "arterial"
    if word in _LATE and (after in _PHASE or _form(after) == "venous"):
        return "delayed"
    phase = _form(word)
    if phase == "delayed" and _form(before) == "arterial":
        return None  # Romance languages put "late" behind
    if phase in {"arterial", "venous"} and (before in _BEFORE_NO_PHASE or after in _AFTER_NO_PHASE):
        return None
    return phase


def _form(word: str) -> DescribedPhase | None:
    """Give the phase that a word names whatever stands beside it."""
    compound = _COMPOUND.fullmatch(word)
    if compound and compound[1] in _COMPOUNDS:
        return _COMPOUNDS[compound[1]]
    stem = compound[1] if compound else word
    return next((phase for phase, forms in _FORMS.items() if forms.fullmatch(stem)), None)


def _without_contrast(around: Sequence[tuple[str, str, str]]) -> bool:
    """Tell whether a text excludes contrast, and does not also speak of a scan with it ("without and with")."""
    without = any(word in _WITHOUT and (not after or _CONTRAST.fullmatch(after)) for _, word, after in around)
    return without and not any(
        word in _WITH and before not in _WITHOUT and not _CONTRAST.fullmatch(before) for before, word, _ in around
    )


def _words(text: str) -> list[str]:
    """Take a text apart into words and numbers without accents: "AbdPV70s" has abd, pv, 70 and s; "w/o" is wo."""
    parts = re.sub(r"([a-zß-öø-ÿ])([A-Z])", r"\1 \2", text).casefold()
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", parts) if not unicodedata.combining(letter))
    for pattern, words in (
        (r"\bw/o\b", " wo "), (r"\bs/\s?(?=c)", " sem "), (r"\bc/\s?(?=c)", " com "), (r"\bsem c\b", " sem contraste "),
        (r"\b([ie])\.\s?v\b", r" \1v "),
    ):  # fmt: skip
        plain = re.sub(pattern, words, plain)
    return re.findall(r"[a-z]+|\d+", plain)
