"""Changes of intensity: those of nnU-Net's library, held to MONAI's and batchgeneratorsv2's own."""

import numpy as np
import pytest
import torch

from pnetkit.training.intensity_changes import blurred, changed, low_resolution, with_contrast, with_gamma


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(0.3, 1, (12, 14, 16)).astype(np.float32)


def test_gamma_is_that_of_both_libraries(image):
    transforms = pytest.importorskip("monai.transforms")
    as_monai = transforms.AdjustContrast(1.3, invert_image=False, retain_stats=True)(image[None])[0]
    assert np.allclose(with_gamma(image, 1.3), as_monai, atol=1e-4)
    inverted = transforms.AdjustContrast(0.8, invert_image=True, retain_stats=True)(image[None])[0]
    assert np.allclose(-with_gamma(-image, 0.8), inverted, atol=1e-4)


def test_contrast_is_that_of_both_libraries(image):
    transforms = pytest.importorskip("monai.transforms")
    as_monai = transforms.ScaleIntensityFixedMean(factor=0.2, preserve_range=True, fixed_mean=True)(image[None])[0]
    assert np.allclose(with_contrast(image, 1.2), as_monai, atol=1e-4)


def test_blur_is_monais(image):
    transforms = pytest.importorskip("monai.transforms")
    theirs = transforms.GaussianSmooth((0.6, 0.8, 1.0), approx="sampled")(image[None])[0].numpy()
    ours = blurred(image, [0.6, 0.8, 1.0])
    inner = (slice(5, -5),) * 3  # beyond the edge MONAI has zeros, and a patch's edge is no edge of the patient
    assert np.allclose(ours[inner], theirs[inner], atol=2e-3)


def test_every_change_is_batchgeneratorsv2s(image):
    pytest.importorskip("batchgeneratorsv2")
    from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform

    def theirs(transform, **drawn):
        return transform._apply_to_image(torch.from_numpy(image.copy())[None], **drawn)[0].numpy()

    first, one = torch.tensor([0]), torch.tensor([True])
    contrast = theirs(ContrastTransform(1.2, True, True, 1), apply_to_channel=first, multipliers=torch.tensor([1.2]))
    assert np.allclose(with_contrast(image, 1.2), contrast, atol=1e-5)
    low = theirs(
        SimulateLowResolutionTransform((0.5, 1), True, True, None, None, 1),
        apply_to_channel=first,
        scales=torch.tensor([[0.6, 0.6, 0.6]]),
    )
    assert np.array_equal(low_resolution(image, 0.6), low)
    drawn = {"retain_stats": one, "invert_image": ~one, "gamma": torch.tensor([0.8])}
    gamma = theirs(GammaTransform(0.8, 0, True, 1, 1), apply_to_channel=first, **drawn)
    assert np.allclose(with_gamma(image, 0.8), gamma, atol=1e-4)


def test_a_patch_of_one_value_stays_finite_and_as_it_is():
    flat = np.full((6, 6, 6), 0.7, np.float32)
    for change in (lambda of: with_gamma(of, 0.8), lambda of: with_contrast(of, 1.2)):
        assert np.allclose(change(flat), flat)
    for seed in range(50):
        assert np.isfinite(changed(flat[None], np.random.default_rng(seed), (1.0,))).all()


def test_noise_is_measured_by_the_window_so_that_every_normalization_has_as_much_of_it(image):
    """Of inputs that differ in scale alone, all changes but that of brightness make inputs that do."""
    seeds = [n for n in range(200) if np.random.default_rng(n).random() < 0.1]
    assert seeds
    for seed in seeds:
        small = changed(image[None], np.random.default_rng(seed), (1.0,))
        large = changed(100 * image[None], np.random.default_rng(seed), (100.0,))
        assert np.allclose(100 * small, large, atol=0.05)


def test_channels_are_changed_each_by_a_draw_of_its_own_and_the_input_is_left_alone(image):
    pair = np.stack([image, image])
    before = pair.copy()
    differ = [not np.array_equal(*changed(pair, np.random.default_rng(seed), (1.0, 1.0))) for seed in range(60)]
    assert 20 < sum(differ) < 60
    assert np.array_equal(pair, before)
