"""Deal patients into folds: grouped by patient, the same for every phase and every arm.

Two ways. `even` looks at all patients at once and spreads diagnoses as evenly as can be; a patient more moves others.
`stable` looks at one patient at a time, so that nobody is ever moved. It cannot look at anybody else: where a patient
lies must be the same in the cohort of this one alone and in every larger one. So what it spreads, it spreads by chance.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pnetkit.errors import CohortError, Fault
from pnetkit.types import Case

Dealing = Literal["even", "stable"]
"""How patients are dealt into folds that the table does not give."""


def assign_folds(
    cases: Sequence[Case], *, folds: int, seed: int, dealing: Dealing = "even", may_be_empty: bool = False
) -> dict[str, int]:
    """Give each case's fold, by case id; folds given in the table win, whatever else is asked for.

    All cases of a patient fall into one fold. `even`: patients are shuffled under the seed and dealt one by one to the
    fold that has the fewest cases of their diagnosis so far (then the fewest cases, then the lowest number), so that
    diagnoses are spread as evenly as patients allow: 228 and 148 single-case patients make four folds of 57 and 37.
    `stable`: a patient's fold is a digest of seed and patient id. Of n patients of a diagnosis a fold of k then holds
    n/k, give or take sqrt(n (k - 1)) / k: 57 and 37 give or take 7 and 5.

    Patients of whom all cases are held out are dealt as by `stable` in either way, and move nobody.

    With `may_be_empty` nothing is trained, and `stable` may leave folds without anybody.

    Raises:
        CohortError: there are fewer patients to learn from than folds, or `stable` leaves a fold without any.
    """
    if cases and all(case.fold is not None for case in cases):
        return {case.id: case.fold for case in cases if case.fold is not None}
    learned: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.id):
        if not case.held_out:
            learned[case.patient].append(case)
    is_stable, may_be_empty = dealing == "stable", may_be_empty and dealing == "stable"
    if len(learned) < folds and folds > 1 and not may_be_empty:
        raise CohortError("The cohort cannot be split:", [Fault("cohort", _too_few(len(learned), folds))])
    if is_stable:
        of_patient = {patient: _fold_of(patient, folds, seed) for patient in learned}
        if not may_be_empty:
            _require_filled(of_patient, folds)
    else:
        of_patient = _dealt(learned, folds, seed)
    return {
        case.id: of_patient[case.patient] if case.patient in of_patient else _fold_of(case.patient, folds, seed)
        for case in cases
    }


def _dealt(patients: dict[str, list[Case]], folds: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    of_diagnosis: dict[str, list[int]] = defaultdict(lambda: [0] * folds)
    of_all = [0] * folds
    result: dict[str, int] = {}
    for diagnosis in ("abnormal", "normal", "unknown"):
        names = sorted(name for name, own in patients.items() if _diagnosis(own) == diagnosis)
        shuffled = [names[i] for i in rng.permutation(len(names))]
        for name in sorted(shuffled, key=lambda name: -len(patients[name])):  # large families first, else as shuffled
            fold = min(range(folds), key=lambda k: (of_diagnosis[diagnosis][k], of_all[k], k))
            of_diagnosis[diagnosis][fold] += len(patients[name])
            of_all[fold] += len(patients[name])
            result[name] = fold
    return result


def _fold_of(patient: str, folds: int, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {patient}".encode()).digest()) % folds


def _require_filled(of_patient: dict[str, int], folds: int) -> None:
    empty = sorted(set(range(folds)) - set(of_patient.values()))
    if empty:
        message = (
            f"the stable dealing leaves {'fold' if len(empty) == 1 else 'folds'} {', '.join(map(str, empty))} of "
            f"{folds} without a patient to learn from ({len(of_patient)} patients); set cohort.folds lower, or choose "
            "cohort.dealing: even"
        )
        raise CohortError("The cohort cannot be split:", [Fault("cohort", message)])


def _too_few(patients: int, folds: int) -> str:
    if patients < 2:  # noqa: PLR2004
        return (
            f"{patients} patient cannot be trained on and tested; add others, or evaluate segmentations that were made "
            "elsewhere (--predictions)"
        )
    return f"{patients} patients cannot fill {folds} folds; set cohort.folds lower"


def _diagnosis(cases: Sequence[Case]) -> str:
    if any(case.abnormal for case in cases):
        return "abnormal"
    return "normal" if any(case.abnormal is False for case in cases) else "unknown"
