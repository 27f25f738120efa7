"""What weights of another phantom cohort are worth: synthetic, and said so in docs/transfer.md."""

import pytest

from pnetkit.method.trained_network import new_backbone
from tests.benchmarks.transfer import IDENTITY, dice, learned, scans, started

pytestmark = pytest.mark.slow


def test_from_another_phantom_cohort_s_weights_half_of_the_steps_reach_the_dice_of_all_from_nothing():
    there, unseen = scans(11, "venous", range(4)), scans(11, "venous", range(6, 8))
    source = learned(new_backbone(IDENTITY, in_channels=1, seed=1), scans(7, "arterial", range(4)), 120)
    fresh = dice(learned(new_backbone(IDENTITY, in_channels=1, seed=2), there, 60), unseen)
    other = dice(learned(started(source), there, 30), unseen)
    assert other > max(fresh, 0.1)
