"""Read finished runs back, and tell whether they may be compared."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnetkit.errors import Fault, RunError, StoreError, counted
from pnetkit.evaluation.comparison import Call, CaseTruth
from pnetkit.evaluation.lesions import LesionMatch
from pnetkit.files import read_json
from pnetkit.pipeline.outcome.cases_csv import fused_calls, phase_calls, read_cases
from pnetkit.pipeline.outcome.lesions_csv import read_lesions
from pnetkit.pipeline.stages import fit, measure, train
from pnetkit.store.store import RUN_RECORD

EARLIER = "was written by an earlier release"
AGAIN = "Run its recipe again with the same store: nothing is computed anew."


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """Hold a run as its folder tells it: its record, what is true of its cases, and its calls, fused and by phase."""

    name: str
    folder: Path
    record: Mapping[str, Any]
    truth: Mapping[str, CaseTruth]
    fused: Mapping[str, Call]
    by_phase: Mapping[str, Mapping[str, Call]]
    lesions: Mapping[str, Mapping[str, Sequence[LesionMatch]]]
    """By phase and criterion, one match for each scan with a reference label."""
    lines: Sequence[Mapping[str, str]] = ()
    """Its `cases.csv`, as text."""
    labeled: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By phase the cases of the scans whose lesions are told, in their order."""

    @property
    def cohort(self) -> str:
        """Give the cohort in words."""
        return str(self.record["cohort"])

    @property
    def store(self) -> Path:
        """Give the folder of the store that holds its results, as it was when the run ended.

        Raises StoreError for a run of an earlier release, which does not say.
        """
        if "store" not in self.record:
            raise StoreError(f"{self.folder}: {EARLIER}, and does not say where its store is; give --store. {AGAIN}")
        return Path(os.path.normpath(self.folder / self.record["store"]))

    @property
    def failed(self) -> Mapping[str, str]:
        """Give the reasons of the cases that failed, by case."""
        return {line["case_id"]: line["reason"] for line in self.lines if line["status"] == "failed"}

    @property
    def trainings(self) -> frozenset[str]:
        """Give the keys of its trainings."""
        return frozenset(of["key"] for of in self.record["stages"] if of["stage"] == train.STAGE.name)

    def results(self, *stages: str) -> list[Mapping[str, Any]]:
        """Name the results of some stages, with what each is of. Raises StoreError for a run of an earlier release."""
        found = [of for of in self.record["stages"] if of["stage"] in stages]
        if any("input" not in of for of in found):
            raise StoreError(f"{self.folder}: {EARLIER}, and does not say what its results are of. {AGAIN}")
        return found


def behind(run: FinishedRun, case_id: str) -> list[Mapping[str, Any]]:
    """Name the results behind one case's figures: its own, and the networks and classifiers that tested its fold.

    Raises StoreError for a run of an earlier release.
    """
    learned, fold = {train.STAGE.name, fit.STAGE.name}, run.record["cases"][case_id]["fold"]
    return [
        of
        for of in run.results(*{of["stage"] for of in run.record["stages"]})
        if (of["folds"] == [fold] if of["stage"] in learned else of["case"] == case_id)
    ]


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / RUN_RECORD).is_file()


def find_run(path: Path, root: Path = Path("runs")) -> Path:
    """Give the folder of a run by its path, its name in the folder of runs, or the beginning of one name there.

    What is nothing of that is given back as it is: `read_run` says what it lacks. Raises StoreError where several names
    begin so.
    """
    if path.exists() or path.is_absolute() or not root.is_dir():
        return path
    if is_run(root / path):
        return root / path
    begin = [folder for folder in sorted(root.iterdir()) if folder.name.startswith(f"{path}-") and is_run(folder)]
    if len(begin) > 1:
        names = ", ".join(folder.name for folder in begin)
        raise StoreError(f"{path}: {len(begin)} runs in {root} are called so ({names}). Choose one.")
    return begin[0] if begin else path


def read_run(folder: Path) -> FinishedRun:
    """Read a run's folder.

    Raises:
        StoreError: it holds no finished run, or one that is damaged or was written by another release.
    """
    try:
        record = read_json(folder / RUN_RECORD)
        lines, matches = read_cases(folder), read_lesions(folder)
        truth = {case: CaseTruth(of["abnormal"], of["patient"]) for case, of in record["cases"].items()}
        by_phase = {phase: phase_calls(lines, phase) for phase in record["inputs"]}
        labeled = {phase: _labeled(record, phase, by_phase[phase]) for phase in record["inputs"]}
        lesions = {phase: _lesions(matches, phase, labeled[phase]) for phase in record["inputs"]}
        fused, name = fused_calls(lines), str(record["recipe"])
        return FinishedRun(name, folder, record, truth, fused, by_phase, lesions, tuple(lines), labeled)
    except FileNotFoundError as error:
        raise StoreError(f"{folder}: holds no finished run ({Path(error.filename).name} is missing).") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder}: its files cannot be read as a run ({error!r}). Run its recipe again.") from error


def shared_truth(runs: Sequence[FinishedRun]) -> dict[str, CaseTruth]:
    """Give what is true of the cases of all runs; where they differ, the first that has a case counts.

    Each run numbers its own patients, so one number in two runs is one patient only where a case that both have says
    so. The first run's numbers stay as they are.
    """
    numbers: dict[tuple[int, int], int] = {}
    truth: dict[str, CaseTruth] = {}
    for place, run in enumerate(runs):
        known = {of.patient: truth[case].patient for case, of in run.truth.items() if case in truth}
        for case, of in run.truth.items():
            free = max(numbers.values(), default=-1) + 1
            number = numbers.setdefault((place, of.patient), known.get(of.patient, of.patient if place == 0 else free))
            truth.setdefault(case, CaseTruth(of.abnormal, number))
    return truth


def differences(runs: Sequence[FinishedRun]) -> list[Fault]:
    """Say in what the runs' cohorts, folds or label policies differ from the first one's."""
    faults: list[Fault] = []
    first = runs[0]
    for other in runs[1:]:
        where = f"{other.name} and {first.name}"
        faults += [Fault(where, message) for message in _differences(first.record, other.record)]
    return faults


def require_comparable(runs: Sequence[FinishedRun]) -> None:
    """Raise RunError listing every difference that makes a comparison one of cohorts and not of methods."""
    faults = differences(runs)
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise RunError(
            f"These runs cannot be compared:\n{lines}\nRun them on the same cohort, folds and labels; or compare "
            f"--anyway, and the table says so."
        )


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    found = []
    one, two = first["cases"], other["cases"]
    for label, missing in (("lacks", sorted(one.keys() - two.keys())), ("adds", sorted(two.keys() - one.keys()))):
        if missing:
            found.append(f"the first of them {label} {counted(len(missing), 'case')} ({_few(missing)})")
    shared = sorted(one.keys() & two.keys())
    families = [_families({case: cases[case]["patient"] for case in shared}) for cases in (one, two)]
    of = [case for case in shared if families[0][case] != families[1][case]]
    if of:
        found.append(f"the patients of {len(of)} cases differ ({_few(of)})")
    for what, part in (("diagnoses", "abnormal"), ("folds", "fold")):
        of = [case for case in shared if one[case][part] != two[case][part]]
        if of:
            found.append(f"the {what} of {counted(len(of), 'case')} differ ({_few(of)})")
    of = [case for case in shared if bool(one[case].get("held_out")) != bool(two[case].get("held_out"))]
    if of:
        found.append(
            f"whether {counted(len(of), 'case')} {'is' if len(of) == 1 else 'are'} held out differs ({_few(of)})"
        )
    of = [case for case in shared if one[case].get("labeled") != two[case].get("labeled")]
    if of:
        found.append(f"which classes {counted(len(of), 'case')} have labels of differs ({_few(of)})")
    for kind in ("image", "label"):
        of = [case for case in shared if _files_differ(one[case], two[case], kind)]
        if of:
            found.append(f"the {kind}s of {counted(len(of), 'case')} differ ({_few(of)})")
    if first["labels"] != other["labels"]:
        found.append(f"the label policies differ: {other['labels']} and {first['labels']}")
    return found


def _families(patients: Mapping[str, int]) -> dict[str, list[str]]:
    """Give each case's patient as a list of the cases: a run's numbers of patients mean nothing in another one."""
    of: dict[int, list[str]] = {}
    for case, patient in patients.items():
        of.setdefault(patient, []).append(case)
    return {case: of[patient] for case, patient in patients.items()}


def _files_differ(one: Mapping[str, Any], two: Mapping[str, Any], kind: str) -> bool:
    phases = one["files"].keys() & two["files"].keys()  # an arm may use fewer phases
    return any(one["files"][phase][kind] != two["files"][phase][kind] for phase in phases)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004


def _labeled(record: Mapping[str, Any], phase: str, calls: Mapping[str, Call]) -> list[str]:
    labeling = record["inputs"][phase][0]
    of = {case: record["cases"][case] for case in calls}
    there = [case for case in calls if of[case]["files"][labeling]["label"] is not None]
    return [case for case in there if "tumor" in of[case].get("labeled", ("tumor",))]


def _lesions(
    found: Mapping[tuple[str, str, str], LesionMatch], phase: str, labeled: Sequence[str]
) -> dict[str, Sequence[LesionMatch]]:
    """Give the lesions of one phase; a scan with a label of tumors, but no tumor, counts as one without lesions."""
    nothing = LesionMatch((), ())
    return {
        criterion: [found.get((case, phase, criterion), nothing) for case in labeled] for criterion in measure.CRITERIA
    }
