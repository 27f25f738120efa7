"""Deal patients into folds: stratified by diagnosis, grouped by patient, the same for every phase and every arm."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pnetkit.errors import CohortError, Fault
from pnetkit.types import Case


def assign_folds(cases: Sequence[Case], *, folds: int, seed: int) -> dict[str, int]:
    """Give each case's fold, by case id; folds given in the table win, whatever `folds` says.

    All cases of a patient fall into one fold. Patients are shuffled under the seed and dealt one by one to the fold
    that has the fewest cases of their diagnosis so far (then the fewest cases, then the lowest number), so that
    diagnoses are spread as evenly as patients allow: 228 and 148 single-case patients make four folds of 57 and 37.

    Raises:
        CohortError: there are fewer patients than folds.
    """
    if cases and all(case.fold is not None for case in cases):
        return {case.id: case.fold for case in cases if case.fold is not None}
    patients: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda case: case.id):
        patients[case.patient].append(case)
    if len(patients) < folds:
        advice = f"{len(patients)} patients cannot fill {folds} folds; set cohort.folds lower"
        if len(patients) < 2:  # noqa: PLR2004
            advice = (
                f"{len(patients)} patient cannot be trained on and tested; add others, or evaluate segmentations that "
                "were made elsewhere (--predictions)"
            )
        fault = Fault("cohort", advice)
        raise CohortError("The cohort cannot be split:", [fault])
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
            result |= {case.id: fold for case in patients[name]}
    return result


def _diagnosis(cases: Sequence[Case]) -> str:
    if any(case.abnormal for case in cases):
        return "abnormal"
    return "normal" if any(case.abnormal is False for case in cases) else "unknown"
