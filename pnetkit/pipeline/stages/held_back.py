"""Which cases of a training are held back, to be watched while it goes."""

from collections.abc import Sequence
from itertools import chain, zip_longest

import numpy as np

from pnetkit.cohort.check import CheckedCase


def held_back(cases: Sequence[CheckedCase], patients: int, *, seed: int) -> set[int]:
    """Give the places of the cases of so many patients: all of a patient's, abnormal ones and others in turn.

    `cases` are those that a network may be trained on, so that no tested one is among them. Who is chosen depends on
    the seed and on the order of the patients, and on no name.
    """
    by_patient: dict[str, list[int]] = {}
    for place, item in enumerate(cases):
        by_patient.setdefault(item.case.patient, []).append(place)
    drawn = [list(by_patient.values())[i] for i in np.random.default_rng([seed]).permutation(len(by_patient))]
    abnormal = [places for places in drawn if any(cases[place].case.abnormal for place in places)]
    others = [places for places in drawn if places not in abnormal]
    in_turn = [places for places in chain.from_iterable(zip_longest(abnormal, others)) if places is not None]
    return {place for places in in_turn[:patients] for place in places}
