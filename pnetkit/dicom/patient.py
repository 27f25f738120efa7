"""Tell whether images say that they are of one patient; what they say of the patient is repeated in a trace alone."""

from collections.abc import Iterable, Mapping

from pnetkit.dicom.series import Instance

SAID_OF_PATIENT = ("PatientID", "PatientBirthDate", "PatientSex", "PatientName")
"""What tells patients apart; an image that says nothing contradicts nothing."""


def contradictions(instances: Iterable[Instance]) -> list[str]:
    """Name the attributes in which images contradict each other about their patient, in the order above."""
    return [keyword for keyword, known in said_of_patient(instances).items() if len(known) > 1]


def said_of_patient(instances: Iterable[Instance]) -> Mapping[str, set[str]]:
    """Give all that images say of their patient, by attribute; for comparisons only."""
    values: dict[str, set[str]] = {keyword: set() for keyword in SAID_OF_PATIENT}
    for instance in instances:
        for keyword, known in values.items():
            text = _plain(str(instance.header.get(keyword) or ""))
            if text:
                known.add(text)
    return values


def may_be_one(said: Mapping[str, set[str]], other: Mapping[str, set[str]]) -> bool:
    """Tell whether two groups of images may have a patient in common: no attribute is there in both and differs."""
    return all(not said[keyword] or not other[keyword] or said[keyword] & other[keyword] for keyword in SAID_OF_PATIENT)


def values_of(instances: Iterable[Instance], keyword: str) -> tuple[str, ...]:
    """Give what images hold in an attribute, each value once and sorted; nothing of those where it cannot be read."""
    found = set()
    for instance in instances:
        try:
            found.add(str(instance.header.get(keyword) or ""))
        except Exception:  # noqa: BLE001  # pydicom decodes when asked, and raises whatever damaged bytes bring
            continue
    return tuple(sorted(found - {""}))


def _plain(text: str) -> str:
    """Give a value without what systems write differently: capitals, spaces, empty parts of a name."""
    return " ".join(text.replace("^", " ").replace("=", " ").casefold().split())
