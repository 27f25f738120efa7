"""Find the cases of sets that have a folder for each case and a file for each structure.

PanTS, AbdomenAtlas and TotalSegmentator lie so: `CASE/ct.nii.gz`, and `CASE/segmentations/STRUCTURE.nii.gz` beside it
or below another root. They differ in where cases lie, which structures they have, and what their tables say of a case.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from pnetkit.cohort.layouts import Entry
from pnetkit.cohort.spreadsheet import Rows, column, read_table
from pnetkit.errors import CohortError, Fault, counted
from pnetkit.types import CLASSES, PANCREAS, TUMOR

IMAGE = "ct.nii.gz"
"""The image of a case."""

ANY = "ct"
"""What stands for a phase where all images are of one, whatever a table says."""

TEST_SPLITS = frozenset({"test", "testing"})


@dataclass(frozen=True, slots=True)
class Root:
    """Name the folder of cases and that of their masks, both below the set; of a set's own test cases, or not."""

    images: str = ""
    masks: str = ""
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Say where a set has its cases, which masks are which label, and what its table is called; empty without one."""

    roots: tuple[Root, ...]
    masks: Mapping[str, int]
    metadata: str = ""


_BESIDE = (Root(),)

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "pants": Layout(
            (Root("ImageTr", "LabelTr"), Root("ImageTe", "LabelTe", is_test=True)),
            {"pancreas": PANCREAS, "pancreatic_lesion": TUMOR},
            "metadata.xlsx",
        ),
        "abdomenatlas": Layout(_BESIDE, {"pancreas": PANCREAS, "pancreatic_lesion": TUMOR}),
        "totalsegmentator": Layout(_BESIDE, {"pancreas": PANCREAS}, "meta.csv"),
    }
)
"""The sets that are known. A duct is taken where it is asked for: in none of them it is the dilated one alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hold the cases of a set, the masks of each by label, one or several of each, and what is worth knowing."""

    entries: list[Entry]
    masks: Mapping[str, Mapping[int, list[Path]]]
    notes: list[str] = field(default_factory=list)


def structure_cases(
    name: str,
    folder: Path,
    phases: Mapping[str, str],
    metadata: Path | None = None,
    masks: Mapping[str, int] | None = None,
) -> Found:
    """Find the cases of a set, with what its table says of them: phase, site, lesions, the set's own test cases.

    `phases` maps words of the table's phase to phases, or `ct` to the phase of all. Cases of other phases are left out.
    `masks` are further structures with their labels; of several of one label the label map holds all.

    Raises CohortError where there are no cases, the table does not fit them, or phases are not known.
    """
    layout = LAYOUTS[name]
    wanted = {**layout.masks, **(masks or {})}
    cases = _cases(layout, folder)
    table = metadata if metadata is not None else folder / layout.metadata
    if metadata is None and not (layout.metadata and table.is_file()):
        if set(phases) != {ANY}:
            missing = f"has no {layout.metadata}" if layout.metadata else f"has no table that is known of {name}"
            remedy = "name the table with --metadata, or say which phase all images are: --phase ct=PHASE"
            raise _wrong(folder, f"{missing}, so phases are not known; {remedy}")
        return _found(cases, {}, phases, wanted, [])
    rows = read_table(table)
    by_case, notes = _by_case(table, rows, cases)
    return _found(cases, by_case, phases, wanted, notes)


def _cases(layout: Layout, folder: Path) -> dict[str, tuple[Path, Path, bool]]:
    """Give image, folder of masks, and whether a set's own test has it, by case."""
    found: dict[str, tuple[Path, Path, bool]] = {}
    if not folder.is_dir():
        raise _wrong(folder, "there is no such folder")
    for root in layout.roots:
        for place in _folders_of_cases(folder / root.images):
            if place.name in found:
                raise _wrong(
                    place, f"is a second folder of the case {place.name}, beside {found[place.name][0].parent}"
                )
            beside = place.parent if root.images == root.masks else folder / root.masks
            found[place.name] = (place / IMAGE, beside / place.name / "segmentations", root.is_test)
    if not found:
        wanted = " and ".join(f"{Path(root.images) / 'CASE' / IMAGE}" for root in layout.roots)
        raise _wrong(folder, f"has no case; wanted {wanted}")
    return found


def _folders_of_cases(folder: Path, below: int = 1) -> list[Path]:
    """Give the folders that hold an image, here or one folder further down; masks beside the image are not walked."""
    if not folder.is_dir():
        return []
    found: list[Path] = []
    for place in sorted(folder.iterdir()):
        if place.name.startswith(".") or not place.is_dir():
            continue
        if (place / IMAGE).is_file():
            found.append(place)
        elif below:
            found += _folders_of_cases(place, below - 1)
    return found


def _by_case(
    table: Path, rows: Rows, cases: Mapping[str, tuple[Path, Path, bool]]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Give the row of each case: the column of ids is the one that names most of them, however it is called."""
    named = {name: sum(row[name] in cases for row in rows) for name in rows[0]}
    ids = max(named, key=lambda name: named[name])
    if not named[ids]:
        raise _wrong(table, f"names none of the cases ({', '.join(sorted(cases)[:3])}, …) in any column")
    counts = Counter(row[ids] for row in rows if row[ids] in cases)
    twice = [case for case, count in counts.items() if count > 1]
    if twice:
        raise _wrong(table, f"has {counts[twice[0]]} rows of {twice[0]}; wanted one")
    by_case = {row[ids]: row for row in rows if row[ids] in cases}
    without, more = len(cases) - len(by_case), len(rows) - len(by_case)
    notes = [f"{table} has no row of {counted(without, 'case')}"] if without else []
    return by_case, notes + ([f"{table} names {more} that are no case here"] if more else [])


def _found(
    cases: Mapping[str, tuple[Path, Path, bool]],
    by_case: Mapping[str, dict[str, str]],
    phases: Mapping[str, str],
    wanted: Mapping[str, int],
    notes: list[str],
) -> Found:
    words = {word.lower(): phase for word, phase in phases.items()}
    rows = list(by_case.values())
    of = {
        "phase": column(rows, "ct phase", "phase", "contrast phase") if rows else None,
        "site": column(rows, "site detail", "site", "institute", "center", "centre") if rows else None,
        "split": column(rows, "split") if rows else None,
        "lesions": column(rows, "number of pancreatic lesion instances") if rows else None,
        "tumor": column(rows, "tumor?", "pancreatic tumor") if rows else None,
    }
    if ANY not in words and of["phase"] is None:
        raise CohortError(
            "The cohort cannot be imported:",
            [Fault("--phase", f"the table has no column of phases, so say which all images are: {ANY}=PHASE")],
        )
    entries: list[Entry] = []
    masks: dict[str, dict[int, list[Path]]] = {}
    left_out: Counter[str] = Counter()
    contradicted: list[str] = []
    for case, (image, folder, is_test) in sorted(cases.items()):
        said = {what: by_case.get(case, {}).get(name, "") if name else "" for what, name in of.items()}
        phase = words.get(ANY, words.get(said["phase"].lower()))
        if phase is None:
            left_out[said["phase"] or "no phase"] += 1
            continue
        abnormal, contradicts = _diagnosis(said["lesions"], said["tumor"])
        contradicted += [case] if contradicts else []
        masks[case] = {}
        for name, value in wanted.items():
            if (path := folder / f"{name}.nii.gz").is_file():
                masks[case].setdefault(value, []).append(path)
        held_out = is_test or said["split"].lower() in TEST_SPLITS
        more = {"lesion_count": _whole(said["lesions"])} if of["lesions"] else {}
        entries.append(
            Entry(case, case, {phase: image}, site=said["site"], abnormal=abnormal, held_out=held_out, more=more)
        )
    notes = notes + _notes(entries, left_out, contradicted)
    return Found(entries, masks, notes)


def with_labels(found: Found, labels: Mapping[str, Path]) -> list[Entry]:
    """Give the cases with the label maps that were made of their masks, and of which classes each has a mask."""
    entries = []
    for entry in found.entries:
        if entry.case_id not in labels:
            entries.append(entry)
            continue
        named = [CLASSES[value] for value in sorted(found.masks[entry.case_id])]
        drawn = dict.fromkeys(entry.images, labels[entry.case_id])
        entries.append(replace(entry, labels=drawn, more={**entry.more, "labeled": " ".join(named)}))
    return entries


def _diagnosis(lesions: str, tumor: str) -> tuple[bool | None, bool]:
    """Give whether a case is abnormal by its table, and whether two columns contradict each other."""
    counts = None if not _whole(lesions) else int(_whole(lesions)) > 0
    says = {"1": True, "0": False, "yes": True, "no": False, "true": True, "false": False}.get(
        _whole(tumor) or tumor.lower()
    )
    if counts is not None and says is not None and counts != says:
        return True, True  # an empty mask of a tumor that is known is the usual fault
    return (counts if says is None else says), False


def _whole(text: str) -> str:
    """Give a count as a spreadsheet keeps it (3, 3.0) as a whole number; empty where it is none."""
    whole, _, rest = text.partition(".")
    return str(int(whole)) if whole.isdecimal() and not rest.strip("0") else ""


def _notes(entries: list[Entry], left_out: Counter[str], contradicted: list[str]) -> list[str]:
    notes = []
    if left_out:
        words = ", ".join(f"{count} {word}" for word, count in sorted(left_out.items()))
        notes.append(f"{counted(left_out.total(), 'case')} of phases that no --phase names left out ({words})")
    if contradicted:
        some = ", ".join(contradicted[:5]) + (", …" if len(contradicted) > 5 else "")  # noqa: PLR2004
        notes.append(
            f"{counted(len(contradicted), 'case')} taken as abnormal, where one column says tumor and one none: {some}"
        )
    held_out = sum(entry.held_out for entry in entries)
    if held_out:
        notes.append(
            f"{counted(held_out, 'case')} of the set's own test: held_out is 1, so nothing is learned from them"
        )
    return notes


def _wrong(where: Path, message: str) -> CohortError:
    return CohortError("The cohort cannot be imported:", [Fault(str(where), message)])
