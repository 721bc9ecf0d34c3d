"""The best guess at the tumour's place that never looks at the image: what attention has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def best_prior(coverage: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Weights [slices, rows, columns], summing to one, with the largest mean mass inside the regions of training.

    The mean mass is linear in the weights, so no weighting, no Gaussian either, beats the cell that lies inside the
    regions most often; cells that do so equally share.

    Args:
        coverage: share of each cell inside the region [..., slices, rows, columns], of displaced training copies.
    """
    mean = coverage.reshape(-1, *coverage.shape[-3:]).mean(axis=0, dtype=np.float64)
    best: npt.NDArray[np.float64] = np.isclose(mean, mean.max(), rtol=1e-9).astype(np.float64)
    return best / best.sum()
