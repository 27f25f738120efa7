"""The loop: it learns, it is deterministic, it goes on after a kill as if nothing had happened."""

import threading
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from pnetkit.errors import PluginError, StoreError, TrainingError
from pnetkit.networks import build_seeded, choose_device
from pnetkit.training import loop, parts
from pnetkit.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from pnetkit.training.loop import train
from pnetkit.training.sampling import draw_batch
from pnetkit.training.step import one_step, ready_to_train
from pnetkit.training.voxel_loss import VoxelLoss


class KilledError(Exception):
    """Stands for a kill."""


OURS = {"plugin": "tiny", "distribution": "acme-tiny", "version": "1.2", "source": "a" * 64}
THEIRS = OURS | {"source": "b" * 64}


def run(net, cases, plan, checkpoint, *, report=lambda *_: None, seed=3, maker=OURS):
    trained = train(net, cases, plan, seed=seed, device="cpu", checkpoint=checkpoint, report=report, maker=maker)
    return trained.losses, {key: value.clone() for key, value in net.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_loss_falls(tiny_net, cases, plan, tmp_path):
    losses, _ = run(tiny_net(), cases, plan(iterations=60), tmp_path / "c.safetensors")
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]


def test_a_network_is_trained_channels_last_and_loses_what_it_loses_in_the_default_layout(tiny_net, cases, plan):
    batch = draw_batch(cases, plan().sampling, np.random.default_rng(0))
    default, last = tiny_net().train(), tiny_net()
    ready_to_train(last, "cpu")
    assert last.training
    assert last.body.weight.is_contiguous(memory_format=torch.channels_last_3d)
    for net in (default, last):
        net.dropout.eval()  # which channels it drops is another matter
    for _ in range(3):
        losses = [one_step(net, batch, plan(), "cpu") for net in (default, last)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_two_trainings_with_one_seed_give_the_same_weights_and_another_seed_gives_others(
    tiny_net, cases, plan, tmp_path
):
    first = run(tiny_net(), cases, plan(), tmp_path / "a")
    second = run(tiny_net(), cases, plan(), tmp_path / "b")
    other = run(tiny_net(), cases, plan(), tmp_path / "c", seed=4)
    assert first[0] == second[0]
    assert same(first[1], second[1])
    assert not same(first[1], other[1])


@pytest.mark.parametrize("killed_after", [10, 20])
def test_a_killed_training_goes_on_to_the_same_weights(tiny_net, cases, plan, tmp_path, killed_after):
    whole_losses, whole = run(tiny_net(), cases, plan(iterations=23, checkpoint_every=3), tmp_path / "whole")

    def kill(iteration, _loss):
        if iteration == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        run(tiny_net(), cases, plan(iterations=23, checkpoint_every=3), tmp_path / "cut", report=kill)
    assert read_checkpoint(tmp_path / "cut").iteration == killed_after // 3 * 3
    torch.manual_seed(999)  # whatever state the new process is in
    losses, weights = run(tiny_net(), cases, plan(iterations=23, checkpoint_every=3), tmp_path / "cut")
    assert losses == whole_losses
    assert same(weights, whole)


def test_a_checkpoint_says_what_made_it_and_who_takes_it_up_is_named_beside_that(tiny_net, cases, plan, tmp_path):
    def kill(iteration, _loss):
        if iteration == 10:
            raise KilledError

    long, path = plan(iterations=30, checkpoint_every=3), tmp_path / "c"
    for maker in (OURS, OURS):
        with pytest.raises(KilledError):
            run(tiny_net(), cases, long, path, report=kill, maker=maker)
        assert read_checkpoint(path).makers == (OURS,)
    trained = train(
        tiny_net(), cases, long, seed=3, device="cpu", checkpoint=path, report=lambda *_: None, maker=THEIRS
    )
    assert trained.makers == (OURS, THEIRS)
    assert read_checkpoint(path).makers == (OURS, THEIRS)
    whole = train(
        tiny_net(), cases, long, seed=3, device="cpu", checkpoint=tmp_path / "w", report=lambda *_: None, maker=OURS
    )
    assert whole.makers == (OURS,)


def test_a_checkpoint_that_does_not_fit_is_named_with_who_wrote_it(tiny_net, cases, plan, tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, Checkpoint(3, {"other": torch.ones(2)}, {}, {"losses": [], "pending": []}, (THEIRS,)))
    with pytest.raises(StoreError, match=r"by distribution acme-tiny, .* source b{64}, .*; here is .*a{64}"):
        run(tiny_net(), cases, plan(), path)


def threads_of_batches():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_batches_drawn_ahead_give_the_same_weights_after_a_kill_too_and_leave_no_thread(
    tiny_net, cases, plan, tmp_path
):
    def ahead(folder, report=lambda *_: None):
        net = tiny_net()
        settings = plan(iterations=23, checkpoint_every=3)
        trained = train(
            net,
            cases,
            settings,
            seed=3,
            device="cpu",
            checkpoint=tmp_path / folder,
            report=report,
            maker=OURS,
            draw_ahead=True,
        )
        return trained.losses, net.state_dict()

    def kill(iteration, _loss):
        if iteration == 20:
            raise KilledError

    losses, weights = run(tiny_net(), cases, plan(iterations=23, checkpoint_every=3), tmp_path / "plain")
    found = ahead("whole")
    assert found[0] == losses
    assert same(found[1], weights)
    with pytest.raises(KilledError):
        ahead("cut", kill)
    assert not threads_of_batches()
    assert read_checkpoint(tmp_path / "cut").iteration == 18
    found = ahead("cut")
    assert found[0] == losses
    assert same(found[1], weights)
    assert not threads_of_batches()


def test_an_error_in_drawing_ahead_is_raised_as_it_was(tiny_net, cases, plan, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError("the disk is gone")

    monkeypatch.setattr(parts, "draw_batch", fail)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        train(
            tiny_net(),
            cases,
            plan(),
            seed=3,
            device="cpu",
            checkpoint=tmp_path / "c",
            report=print,
            maker=OURS,
            draw_ahead=True,
        )
    assert caught.traceback[-1].name == "fail"
    assert not threads_of_batches()


def test_checkpoints_do_not_change_the_result(tiny_net, cases, plan, tmp_path):
    often = run(tiny_net(), cases, plan(checkpoint_every=1), tmp_path / "a")
    never = run(tiny_net(), cases, plan(checkpoint_every=100), tmp_path / "b")
    assert same(often[1], never[1])


def test_a_damaged_checkpoint_is_named(tiny_net, cases, plan, tmp_path):
    (tmp_path / "c").write_bytes(b"not a checkpoint")
    with pytest.raises(StoreError, match="is not a readable checkpoint"):
        run(tiny_net(), cases, plan(), tmp_path / "c")


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    stored = Checkpoint(7, {"w": torch.arange(3.0)}, {"w": torch.ones(3)}, {"losses": [0.1], "pending": []}, (OURS,))
    write_checkpoint(tmp_path / "c", stored)
    read = read_checkpoint(tmp_path / "c")
    assert (read.iteration, read.record, read.makers) == (7, stored.record, (OURS,))
    assert same(dict(read.model), dict(stored.model))
    assert same(dict(read.optimizer), dict(stored.optimizer))


def test_accumulating_micro_batches_gives_the_gradient_of_the_whole_batch(cases, plan, tmp_path):
    class Linear(torch.nn.Module):
        """No batch statistics: a sum of halves is the whole."""

        def __init__(self):
            super().__init__()
            from pnetkit.types import BackboneSpec

            self.spec = BackboneSpec(1, 4, (1, 1, 1))
            self.head = torch.nn.Conv3d(1, 4, 3, padding=1)

        def forward(self, x):
            from pnetkit.interfaces import BackboneOutput

            return BackboneOutput(self.head(x))

    sampling = replace(plan().sampling, batch_size=4)
    whole = run(build_seeded(Linear, 1), cases, plan(sampling=sampling), tmp_path / "a")
    in_parts = run(build_seeded(Linear, 1), cases, plan(sampling=sampling, accumulation=4), tmp_path / "b")
    assert np.allclose(whole[0], in_parts[0], rtol=1e-5)
    for key in whole[1]:
        assert torch.allclose(whole[1][key], in_parts[1][key], atol=1e-5)


def test_each_attempt_is_kept_with_what_it_ran_on(tiny_net, cases, plan, tmp_path):
    path, how = tmp_path / "c", {"seed": 3, "device": "cpu", "maker": OURS}

    def killed(*_):
        raise KilledError

    with pytest.raises(KilledError):
        train(tiny_net(), cases, plan(), **how, checkpoint=path, report=killed, where={"torch": "2.6", "on": "this"})
    assert read_checkpoint(path).attempts == ({"from_iteration": 0, "torch": "2.6", "on": "this"},)
    there = {"torch": "2.7", "on": "that"}
    trained = train(tiny_net(), cases, plan(), **how, checkpoint=path, report=lambda *_: None, where=there)
    assert trained.attempts == (
        {"from_iteration": 0, "torch": "2.6", "on": "this"},
        {"from_iteration": 5, "torch": "2.7", "on": "that"},
    )


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_a_training_computes_in_tf32_where_it_says_so_and_nowhere_else(tiny_net, cases, plan, tmp_path, precision):
    """In the backward pass too, which runs outside of the network's own call."""
    net, seen = tiny_net(), set()

    def note(*_):
        seen.add((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))

    net.body.register_forward_hook(note)
    net.body.weight.register_hook(note)
    run(net, cases, plan(precision=precision), tmp_path / "c")
    assert seen == {(precision == "tf32",) * 2}
    seen.clear()
    one_step(net, draw_batch(cases, plan().sampling, np.random.default_rng(0)), plan(precision=precision), "cpu")
    assert seen == {(precision == "tf32",) * 2}


def test_on_a_cpu_tf32_would_give_the_same_bytes(tiny_net, cases, plan, tmp_path):
    """What stands in keys of results that were made on a CPU has not changed its meaning."""
    found = [run(tiny_net(), cases, plan(precision=of), tmp_path / of) for of in ("fp32", "tf32")]
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1])


@pytest.fixture
def scaled_only(monkeypatch):
    """With fp16, scale the loss and compute in single precision: not every CPU convolves in half precision."""
    monkeypatch.setattr(parts, "autocast", lambda *_: nullcontext())


def one_change(net, cases, plan, folder):
    """Train for one step, without decay, and give by how much it moved the weights, all in one row."""
    before = [weight.clone() for weight in net.parameters()]
    run(net, cases, replace(plan, iterations=1, weight_decay=0.0), folder / "c")
    return torch.cat([(now - was).flatten() for now, was in zip(net.parameters(), before, strict=True)]).detach()


@pytest.mark.usefixtures("scaled_only")
@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gradient_is_cut_to_the_norm_that_the_plan_allows(tiny_net, cases, plan, tmp_path, precision, accumulation):
    how = {"precision": precision, "accumulation": accumulation, "learning_rate": 0.5}
    whole = one_change(tiny_net(), cases, plan(**how), tmp_path)
    assert whole.norm() > 0.5 * 0.01
    clipped = one_change(tiny_net(), cases, plan(**how, gradient_clip=0.01), tmp_path)
    assert torch.allclose(clipped, whole * (0.5 * 0.01 / whole.norm()), rtol=1e-3, atol=1e-7)
    assert torch.equal(one_change(tiny_net(), cases, plan(**how, gradient_clip=1e6), tmp_path), whole)


@pytest.mark.usefixtures("scaled_only")
def test_a_step_whose_scaled_gradient_overflows_is_left_out_by_adamw_too(tiny_net, cases, plan, tmp_path):
    """The scale begins at 2^16: a loss of 1e36 overflows with it, and is halved until it does not."""
    net = tiny_net()
    first = net.head.bias.detach().clone()
    net.head.weight.register_hook(lambda gradient: gradient * 1e36)
    how = {"precision": "fp16", "optimizer": "adamw", "learning_rate": 1e-3, "average_decay": 0.9}
    run(net, cases, plan(**how, loss=VoxelLoss("dice-cross-entropy"), iterations=2), tmp_path / "c")
    assert torch.equal(net.head.bias, first)  # both steps were left out, and the average of the same is the same


@pytest.mark.usefixtures("scaled_only")
def test_a_training_in_half_precision_goes_on_with_the_loss_scale_that_it_had(tiny_net, cases, plan, tmp_path):
    path = tmp_path / "c"
    run(tiny_net(), cases, plan(precision="fp16", iterations=4, checkpoint_every=3), path)
    stored = read_checkpoint(path)
    scaler = stored.record["scaler"] | {"scale": 1024.0, "_growth_tracker": 1999, "growth_interval": 2000}
    write_checkpoint(path, replace(stored, record={**stored.record, "scaler": scaler}))
    run(tiny_net(), cases, plan(precision="fp16", iterations=7, checkpoint_every=3), path)
    found = read_checkpoint(path)
    assert found.iteration == 6
    # the first of three more steps is the 2000th without an overflow, and doubles the scale
    assert found.record["scaler"] == scaler | {"scale": 2048.0, "_growth_tracker": 2}


def test_a_loss_that_is_no_longer_finite_stops_and_says_where(tiny_net, cases, plan, tmp_path):
    net = tiny_net()
    with torch.no_grad():
        net.head.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"became nan at iteration 0 of 12 \(cases P\d, P\d; last finite loss none"):
        run(net, cases, plan(), tmp_path / "c")


def test_a_loss_that_breaks_in_the_middle_is_said_of_its_own_iteration_and_cases(tiny_net, cases, plan, tmp_path):
    net, passes = tiny_net(), []

    def breaks(_module, _given, output):
        passes.append(output)
        return output * float("nan") if len(passes) == 5 else output

    net.body.register_forward_hook(breaks)
    others = [replace(cases[i % 3], id=f"Q{i}") for i in range(40)]
    drawn = draw_batch(others, plan().sampling, after_the_seed_of_dropout(iteration=4))
    said = rf"became nan at iteration 4 of 12 \(cases {', '.join(drawn.case_ids)}; last finite loss \d"
    with pytest.raises(TrainingError, match=said):
        run(net, others, plan(), tmp_path / "c")


def after_the_seed_of_dropout(iteration, seed=3):
    rng = np.random.default_rng([seed, iteration])
    rng.integers(2**63)
    return rng


def test_nothing_waits_for_a_step_s_loss_before_the_next_is_taken_unless_it_is_reported_or_kept(
    tiny_net, cases, plan, tmp_path, monkeypatch
):
    events = []
    take_step = loop.take_step

    def taken(*given):
        events.append("step")
        return take_step(*given)

    def fetched(losses):
        number = events.count("step") - 1

        def wait():
            events.append(number)
            return losses.numpy()

        return wait

    monkeypatch.setattr(loop, "take_step", taken)
    monkeypatch.setattr(loop.cuda, "fetched", fetched)
    run(tiny_net(), cases, plan(iterations=12, checkpoint_every=5), tmp_path / "c")
    waited = {number: events[: events.index(number)].count("step") for number in range(12)}
    soon = {number for number, steps in waited.items() if steps == number + 1}
    assert soon == {4, 9, 11}  # two checkpoints, of which one is a report, and the end
    assert all(steps == number + 2 for number, steps in waited.items() if number not in soon)


def test_weights_that_are_not_finite_at_the_end_are_refused_although_every_loss_was(tiny_net, cases, plan, tmp_path):
    with pytest.raises(TrainingError, match=r"After the last iteration \d+ tensors of the network are not finite"):
        run(tiny_net(), cases, plan(iterations=1, learning_rate=float("inf")), tmp_path / "c")


def test_training_on_nothing_is_refused(tiny_net, plan, tmp_path):
    with pytest.raises(TrainingError, match="no case with a reference label"):
        run(tiny_net(), [], plan(), tmp_path / "c")


def test_a_patch_that_the_backbone_cannot_divide_is_refused_with_one_that_fits(tiny_net, cases, plan, tmp_path):
    odd = plan(sampling=replace(plan().sampling, patch_size=(8, 7, 8)))
    with pytest.raises(PluginError, match=r"is \(8, 7, 8\).*multiples of \(2, 2, 2\).*next that fits is \(8, 8, 8\)"):
        run(tiny_net(), cases, odd, tmp_path / "c")


def test_bfloat16_trains_too(tiny_net, cases, plan, tmp_path):
    losses, _ = run(tiny_net(), cases, plan(precision="bf16", iterations=30), tmp_path / "c")
    assert losses[-1] < losses[0]


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(Exception, match=r"There is no device 'cuda:77' here\. Choose one of: auto, cpu"):
        choose_device("cuda:77")
    assert choose_device("cpu") == "cpu"


def test_building_under_a_seed_leaves_the_callers_random_state_alone(tiny_net):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_seeded(tiny_net, 1)
    assert torch.equal(torch.rand(3), expected)


def test_what_is_no_backbone_is_refused_with_what_it_lacks():
    with pytest.raises(PluginError, match="Linear is not a Backbone: it lacks spec"):
        build_seeded(lambda: torch.nn.Linear(1, 1), 0)
