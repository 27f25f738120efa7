"""One training in several processes: the weights of a single one, to the bit; none waits for a dead one."""

import multiprocessing
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from pnetkit.errors import ProcessDiedError, TrainingError
from pnetkit.training.checkpoint import read_checkpoint
from pnetkit.training.group import Helpers
from pnetkit.training.loop import train
from pnetkit.training.voxel_loss import VoxelLoss
from tests.forked import begin
from tests.shared_training import Counting, Fragile, InGroups, Synchronized, TwoNorms, lead, opened, refused

MAKER = {"plugin": "two-norms"}
TWO_NORMS = partial(opened, TwoNorms)


MODERN = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "warmup_iterations": 2,
    "decay": "weights",
    "loss": VoxelLoss("dice-cross-entropy"),
    "average_decay": 0.9,
    "gradient_checkpointing": True,
}
"""All that a training may do otherwise than the paper's, at once."""


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(autouse=True)
def one_thread():
    """As a worker has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def four_parts(plan):
    def build(**changes):
        sampling = replace(plan().sampling, batch_size=8, accumulation=4)
        return plan(**({"sampling": sampling, "accumulation": 4, "iterations": 6, "checkpoint_every": 4} | changes))

    return build


def run(plan, checkpoint, *, processes, opening=TWO_NORMS, **options):
    network, cases = opening()
    helpers = Helpers(("cpu",) * (processes - 1), opening)
    trained = train(
        network,
        cases,
        plan,
        **{"seed": 3, "device": "cpu", "report": lambda *_: None} | options,
        checkpoint=checkpoint,
        maker=MAKER,
        helpers=helpers,
    )
    return trained.losses, network.state_dict()


def same(one, other):
    return one[0] == other[0] and all(torch.equal(value, other[1][name]) for name, value in one[1].items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("several", "changes", "kind"),
    [
        ((2, 4), {}, TwoNorms),
        ((2,), {"precision": "bf16", "gradient_clip": 0.5, "nesterov": True}, TwoNorms),
        ((2,), MODERN, InGroups),
    ],
)
def test_two_and_four_processes_give_the_weights_of_one_to_the_bit(four_parts, tmp_path, several, changes, kind):
    opening = partial(opened, kind)
    one = run(four_parts(**changes), tmp_path / "1", processes=1, opening=opening)
    for processes in several:
        assert same(one, run(four_parts(**changes), tmp_path / str(processes), processes=processes, opening=opening))
        assert (tmp_path / "1").read_bytes() == (tmp_path / str(processes)).read_bytes()  # the checkpoints
    assert one[1]["first_norm.num_batches_tracked"] == 6 * 4
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_training_goes_on_with_another_number_of_processes_to_the_same_weights(four_parts, tmp_path, before, after):
    def kill(*_):
        raise KilledError

    long = four_parts(iterations=12)
    whole = run(long, tmp_path / "whole", processes=1)
    with pytest.raises(KilledError):
        run(long, tmp_path / "cut", processes=before, report=kill)
    assert not multiprocessing.active_children()
    assert read_checkpoint(tmp_path / "cut").iteration == 8
    assert same(whole, run(long, tmp_path / "cut", processes=after))


@pytest.mark.slow
def test_batches_drawn_ahead_in_every_process_give_the_same_weights(four_parts, tmp_path):
    one = run(four_parts(), tmp_path / "1", processes=1)
    assert same(one, run(four_parts(), tmp_path / "2", processes=2, draw_ahead=True))


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_training_and_is_named(four_parts, tmp_path):
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match=r"lost its process 2 of 2, which was killed by SIGKILL") as caught:
        run(four_parts(), tmp_path / "c", processes=2, opening=partial(opened, Fragile, os.getpid(), True))
    assert caught.value.how.startswith("lost")
    assert time.monotonic() - started < 60
    assert not multiprocessing.active_children()
    run(four_parts(), tmp_path / "d", processes=2)  # this process can lead another training


def is_running(process):
    """Tell whether a process computes; one that has ended may wait for its parent to look."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_helper_ends_with_the_leading_process_however_that_ends(tmp_path):
    leading = begin(lead, tmp_path)
    try:
        for _ in range(6000):
            if len(names := {int(path.name) for path in tmp_path.iterdir()}) == 2 or not leading.is_alive():
                break
            time.sleep(0.01)
        (helper,) = names - {leading.pid}
        assert is_running(helper)
    finally:
        leading.kill()
        leading.join()
    for _ in range(1000):
        if not is_running(helper):
            return
        time.sleep(0.01)
    pytest.fail("the helper goes on")


@pytest.mark.slow
def test_an_error_in_a_process_that_helps_is_raised_with_its_traceback(four_parts, tmp_path):
    with pytest.raises(RuntimeError, match=r"in process 2 of the training: Traceback[^$]*a fault of the network"):
        run(four_parts(), tmp_path / "c", processes=2, opening=partial(opened, Fragile, os.getpid(), False))
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_that_cannot_begin_says_why(four_parts, tmp_path):
    network, cases = opened(TwoNorms)
    how = {"seed": 3, "device": "cpu", "report": print, "maker": MAKER}
    with pytest.raises(MemoryError, match="no room for the cases"):
        train(network, cases, four_parts(), **how, checkpoint=tmp_path / "c", helpers=Helpers(("cpu",), refused))


@pytest.mark.slow
def test_a_network_whose_parts_depend_on_each_other_is_refused_by_several_processes_and_trained_by_one(
    four_parts, tmp_path
):
    run(four_parts(), tmp_path / "c", processes=1, opening=partial(opened, Counting))
    with pytest.raises(TrainingError, match=r"Counting writes its buffer seen in a training step.*per-training 1"):
        run(four_parts(), tmp_path / "d", processes=2, opening=partial(opened, Counting))


def test_norms_that_are_synchronized_between_processes_are_refused(four_parts, tmp_path):
    with pytest.raises(TrainingError, match=r"Synchronized has batch norms that are synchronized"):
        run(four_parts(), tmp_path / "c", processes=2, opening=partial(opened, Synchronized))


def test_parts_that_cannot_be_dealt_out_are_refused_with_the_numbers_that_can(four_parts, tmp_path):
    with pytest.raises(TrainingError, match=r"4 parts .* cannot be dealt out to 3 processes\..*it: 1, 2 or 4\."):
        run(four_parts(), tmp_path / "c", processes=3)
