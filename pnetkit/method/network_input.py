"""How scans become a network's input: one channel for each, on one grid, normalized as the recipe says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.intensity import Intensity, fit_intensity
from pnetkit.types import Grid, Scan


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """Hold what a network sees: `volume` (channel, x, y, z) on `grid`, air in each channel; `hu` of the first."""

    volume: NDArray[np.float32]
    grid: Grid
    air: tuple[float, ...]
    hu: NDArray[np.float32]


def as_network_input(scans: Sequence[Scan], intensity_settings: Mapping[str, Any]) -> NetworkInput:
    """Make a network's input of scans on one grid, one for each channel."""
    intensities = [fitted_intensity(intensity_settings, scan.hu) for scan in scans]
    volume = np.empty((len(scans), *scans[0].hu.shape), dtype=np.float32)
    for channel, scan, intensity in zip(volume, scans, intensities, strict=True):
        channel[...] = intensity.apply(scan.hu)
    air = tuple(intensity.air for intensity in intensities)
    return NetworkInput(volume, scans[0].grid, air, scans[0].hu)


def fitted_intensity(wanted: Mapping[str, Any], hu: NDArray[np.float32]) -> Intensity:
    """Fit the intensity transform that a recipe's `intensity` section asks for."""
    low, high = wanted["window_hu"]
    how = wanted["normalization"]
    fixed = (wanted["mean_hu"], wanted["deviation_hu"]) if how == "fixed" else (0.0, 1.0)
    return fit_intensity(hu, window_hu=(low, high), normalization=how, fixed_hu=fixed)
