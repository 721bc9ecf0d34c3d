"""From a volume and a lesion to the network's input: `extract` cuts the window, `normalise` sets its scale.

Training on ready-made crops uses `normalise` alone; inference, and training on full volumes, use both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pcr.manifest import Normalisation


def normalise(pixels: npt.NDArray[np.generic], spec: Normalisation) -> npt.NDArray[np.float32]:
    """Scale one crop to the network's input, by robust percentiles of the crop itself.

    One scale serves all phases and slices, so enhancement between phases survives, and any affine change of the
    stored signal (16-bit DICOM, 8-bit training crops) gives the same input up to its quantisation.

    Args:
        pixels: signal [phases, slices, rows, columns], any real type and unit.
        spec: the percentiles that become 0 and 1, and the value at which the rest is cut.

    Returns:
        float32 of the same shape, within [0, spec.ceiling].

    Raises:
        ValueError: the crop is flat or not finite, so it has no scale.
    """
    low, high = np.percentile(pixels, [spec.low_percentile, spec.high_percentile])
    if not (np.isfinite(low) and np.isfinite(high)) or high <= low:
        raise ValueError(f"crop has no contrast to scale by (percentiles {low:g} and {high:g})")
    scaled = (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0.0, spec.ceiling).astype(np.float32, copy=False)
