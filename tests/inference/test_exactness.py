"""The exact search gives, with the paper's network, the labels of a loop that anyone would write."""

import numpy as np
import pytest
import torch
from pnetkit_s4c.network import S4C

from pnetkit.acceleration import accelerated
from pnetkit.imaging.body import body_mask
from pnetkit.inference.predictors import probability_predictor
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.networks import build_seeded
from pnetkit.types import Grid

WINDOW, STRIDE, AIR = 16, 6, -1.5


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = build_seeded(lambda: S4C(width=3), 0)
    made.train()
    for _ in range(3):  # statistics of their own for the batch norms, so that folding them is something
        made(torch.randn(2, 1, WINDOW, WINDOW, WINDOW))
    return accelerated(made.eval(), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def hu():
    """An ellipsoid of tissue in much air, so that windows hold no body, or one value only."""
    x, y, z = np.ogrid[-1:1:52j, -1:1:44j, -1:1:36j]
    hu = np.full((52, 44, 36), -1000, np.float32)
    noise = np.random.default_rng(1).normal(60, 60, hu.shape)
    return np.where((x + 0.3) ** 2 + (y + 0.3) ** 2 + z**2 < 0.2, noise, hu).astype(np.float32)


def starts(n):
    return sorted({*range(0, n - WINDOW, STRIDE), n - WINDOW})


def plain_loop(network, volume, *, copies=1):
    """Every window, one at a time or beside copies, each voxel's votes counted in a whole volume of counters."""
    counts = np.zeros((4, *volume.shape), np.int64)
    for x in starts(volume.shape[0]):
        for y in starts(volume.shape[1]):
            for z in starts(volume.shape[2]):
                place = (slice(x, x + WINDOW), slice(y, y + WINDOW), slice(z, z + WINDOW))
                with torch.inference_mode():
                    patch = torch.from_numpy(np.repeat(volume[place][None, None], copies, axis=0))
                    logits = network(patch.contiguous(memory_format=torch.channels_last_3d)).logits
                labels = logits.argmax(1)[0].numpy()
                for label in range(4):
                    counts[(label, *place)] += labels == label
    return counts.argmax(0)


@pytest.mark.slow
def test_the_exact_search_with_s4c_equals_the_plain_loop_voxel_for_voxel_inside_the_body(network, hu):
    volume = np.clip(hu, -100, 240) / 100 - 0.5
    body = body_mask(hu)
    settings = Settings((WINDOW,) * 3, (STRIDE,) * 3, 1, AIR, "cpu", "fp32")
    found = segment(network, volume[None], Grid(hu.shape, np.eye(4)), settings, body=body)
    expected = np.where(body, plain_loop(network, volume), 0)
    assert np.array_equal(found.segmentation.labels, expected)
    assert len(np.unique(expected)) > 1
    assert found.windows < np.prod([len(starts(n)) for n in hu.shape])


@pytest.fixture(scope="module")
def in_batches(network, hu):
    """The labels of a plain loop whose windows have company."""
    return plain_loop(network, np.clip(hu, -100, 240) / 100 - 0.5, copies=2)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [2, 3, 7])
def test_windows_in_batches_of_any_size_get_the_labels_of_a_plain_loop_in_batches(network, hu, in_batches, batch_size):
    volume = np.clip(hu, -100, 240) / 100 - 0.5
    settings = Settings((WINDOW,) * 3, (STRIDE,) * 3, batch_size, AIR, "cpu", "fp32")
    found = segment(network, volume[None], Grid(hu.shape, np.eye(4)), settings, body=body_mask(hu))
    expected = np.where(body_mask(hu), in_batches, 0)
    assert np.array_equal(found.segmentation.labels, expected)


def test_a_window_that_is_left_alone_is_answered_as_in_company_to_the_bit(network):
    patches = np.random.default_rng(2).normal(size=(4, 1, WINDOW, WINDOW, WINDOW)).astype(np.float32)
    predict = probability_predictor(network, device="cpu", precision="fp32", in_batches=True)
    together = predict(patches)
    for index in range(len(patches)):
        alone = predict(patches[index : index + 1])
        assert alone.shape == (1, 4, WINDOW, WINDOW, WINDOW)
        assert np.array_equal(alone[0], together[index])
