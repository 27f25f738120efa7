"""Change a patch's intensities as another scanner, dose or time after the injection might have.

Kinds, order, shares and ranges are those of nnU-Net v2's training. Noise has to be measured in something, as not every
normalization has unit variance: here in quarters of the intensity window, which is about what a CT of the abdomen
varies by.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn.functional import interpolate

Image = NDArray[np.float32]
"""One channel of a patch (x, y, z)."""

P_NOISE, NOISE = 0.1, (0.0, 0.1)
P_BLUR, BLUR_VOXELS = 0.2, (0.5, 1.0)
P_BRIGHTNESS, BRIGHTNESS = 0.15, (0.75, 1.25)
P_CONTRAST, CONTRAST = 0.15, (0.75, 1.25)
P_LOW_RESOLUTION, RESOLUTION = 0.25, (0.5, 1.0)
P_INVERTED_GAMMA, P_GAMMA, GAMMA = 0.1, 0.3, (0.7, 1.5)
"""Share of patches that each change is made to, and the range that its strength is drawn from."""

P_CHANNEL = 0.5
"""Share of the channels of such a patch that are blurred, or lose their resolution."""


def changed(image: Image, rng: np.random.Generator, quarter_window: tuple[float, ...]) -> Image:
    """Draw which changes are made to a patch (channel, x, y, z), and make them.

    `quarter_window` is a fourth of the intensity window in network input, of each channel.
    """
    image = np.array(image, order="C")
    if rng.random() < P_NOISE:
        deviation = rng.uniform(*NOISE)
        units = (deviation * np.array(quarter_window, dtype=np.float32))[:, None, None, None]
        image += rng.standard_normal(image.shape, dtype=np.float32) * units.astype(np.float32)
    _change(image, rng, P_BLUR, lambda of: blurred(of, [rng.uniform(*BLUR_VOXELS) for _ in range(3)]), P_CHANNEL)
    _change(image, rng, P_BRIGHTNESS, lambda of: of * np.float32(_about_one(rng, BRIGHTNESS)))
    _change(image, rng, P_CONTRAST, lambda of: with_contrast(of, _about_one(rng, CONTRAST)))
    _change(image, rng, P_LOW_RESOLUTION, lambda of: low_resolution(of, rng.uniform(*RESOLUTION)), P_CHANNEL)
    _change(image, rng, P_INVERTED_GAMMA, lambda of: -with_gamma(-of, _about_one(rng, GAMMA)))
    _change(image, rng, P_GAMMA, lambda of: with_gamma(of, _about_one(rng, GAMMA)))
    return image


def blurred(image: Image, sigma_voxels: list[float]) -> Image:
    """Blur by a Gaussian of these deviations along the axes; beyond the patch lies what lies at its edge."""
    found: Image = ndimage.gaussian_filter(image, sigma_voxels, mode="nearest")
    return found


def with_contrast(image: Image, factor: float) -> Image:
    """Stretch about the mean, and keep to the range that was there."""
    low, high, mean = image.min(), image.max(), image.mean()
    found: Image = np.clip((image - mean) * np.float32(factor) + mean, low, high)
    return found


def low_resolution(image: Image, share: float) -> Image:
    """Keep a share of the voxels along each axis, the nearest ones, and interpolate the others linearly."""
    size = [max(round(edge * share), 1) for edge in image.shape]
    kept = interpolate(torch.from_numpy(np.ascontiguousarray(image))[None, None], size, mode="nearest-exact")
    found: Image = interpolate(kept, list(image.shape), mode="trilinear", align_corners=False)[0, 0].numpy()
    return found


def with_gamma(image: Image, gamma: float) -> Image:
    """Raise to a power within the range that was there, then give mean and deviation back; a flat patch stays."""
    low, high = image.min(), image.max()
    if not high > low:
        return image
    found: Image = ((image - low) / (high - low)) ** np.float32(gamma)
    deviation = found.std()
    if not deviation > 0:
        return image
    found -= found.mean()
    found *= image.std() / deviation
    found += image.mean()
    return found


def _change(
    image: Image, rng: np.random.Generator, share: float, change: Callable[[Image], Image], of_channels: float = 1.0
) -> None:
    """Make a change to this share of patches, in place; in these to a share of the channels, each by its own draw."""
    if rng.random() >= share:
        return
    for number, channel in enumerate(image):
        if rng.random() < of_channels:
            image[number] = change(channel)


def _about_one(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a factor that is as often below 1 as above."""
    low, high = limits
    return float(rng.uniform(low, 1.0) if rng.random() < 0.5 else rng.uniform(1.0, high))  # noqa: PLR2004
