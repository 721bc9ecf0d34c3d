"""Measures the motion between phases by rigid registration on a reduced grid.

All constants are ours; docs/motion.md has the figures behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from highdicom.volume import VolumeGeometry
from scipy import ndimage

from pcr.aligned_resampling import reached, resample_linearly
from pcr.breast_region import SKIN_MM, find_breast_region
from pcr.motion import Motion, PhaseMotion
from pcr.volume import DceVolume, axis_aligned_grid, resample, to_simpleitk

GRID_MM = 4.0
SMOOTHING_MM = 2.0
# Contrast leaves the edge between skin and air alone, so it belongs to what is registered.
AIR_MM = 8.0
BORDER_MM = 12.0
SAMPLED_PART = 1 / 8
BINS = 32
# Nobody moves that far within a coil: such a result is a failure of the registration.
MAX_DISPLACEMENT_MM = 30.0
MIN_VOXELS = 1000
_THREADS = 2


def measure_motion(volume: DceVolume) -> Motion:
    """Measure the rigid motion of the phases with a role against the first post-contrast one, over the breast region.

    A phase that can not be registered (no breast, no contrast between tissues, nothing that fits) is unmeasured.
    """
    reference = volume.series.index("pre") + 1
    wanted = sorted({reference, *(index for index, phase in enumerate(volume.series.phases) if phase.role != "other")})
    scene = _Scene.of(volume, wanted)
    with ThreadPoolExecutor(_THREADS) as pool:
        phases = tuple(pool.map(lambda index: scene.register(index, reference), wanted))
    return Motion(reference=reference, phases=phases)


@dataclass(frozen=True, slots=True)
class _Scene:
    """The phases on a reduced grid along their own axes, cut to the breasts.

    Attributes:
        phases: float32 [slices, rows, columns] by their place in the series.
        compared: bool on the grid: the breast region with the skin and the air in front.
        breast_lps_mm: voxel centres of the breast region [n, 3].
    """

    grid: VolumeGeometry
    phases: dict[int, npt.NDArray[np.float32]]
    compared: npt.NDArray[np.bool_]
    breast_lps_mm: npt.NDArray[np.float64]

    @classmethod
    def of(cls, volume: DceVolume, wanted: Sequence[int]) -> _Scene:
        grid = _reduced(volume.geometry)
        sigma = SMOOTHING_MM / np.asarray(grid.spacing)

        def reduced(index: int) -> npt.NDArray[np.float32]:
            smooth: npt.NDArray[np.float32] = ndimage.gaussian_filter(
                resample_linearly(volume.pixels[index], volume.geometry, grid), sigma
            )
            return smooth

        with ThreadPoolExecutor(_THREADS) as pool:
            phases = dict(zip(wanted, pool.map(reduced, wanted), strict=True))
        breast, compared = _regions(np.mean(list(phases.values()), axis=0), grid)
        if breast.any():
            box = _box_around(compared, grid)
            grid, breast, compared = grid[box], breast[box], compared[box]  # type: ignore[index]  # takes all three
            phases = {index: np.ascontiguousarray(phase[box]) for index, phase in phases.items()}
        return cls(grid, phases, compared, grid.map_indices_to_reference(np.argwhere(breast).astype(float)))

    def register(self, index: int, reference: int) -> PhaseMotion:
        """The motion of a phase."""
        if index == reference:
            return PhaseMotion.none(index)
        fixed, moving = self.phases[reference], self.phases[index]
        if len(self.breast_lps_mm) < MIN_VOXELS or any(np.ptp(phase[self.compared]) == 0 for phase in (fixed, moving)):
            return PhaseMotion.unmeasured(index)
        centre = self.breast_lps_mm.mean(axis=0)
        try:
            transform, gain = _register(
                to_simpleitk(fixed, self.grid),
                to_simpleitk(moving, self.grid),
                to_simpleitk(self.compared.astype(np.uint8), self.grid),
                centre,
            )
        except RuntimeError:  # ITK's word for images without overlap, or with too few voxels along an axis
            return PhaseMotion.unmeasured(index)
        moved = self.breast_lps_mm @ transform[:3, :3].T + transform[:3, 3] - self.breast_lps_mm
        displacement = np.linalg.norm(moved, axis=1)
        p95 = float(np.percentile(displacement, 95))
        if p95 > MAX_DISPLACEMENT_MM:
            return PhaseMotion.unmeasured(index)
        return PhaseMotion(
            index=index,
            mean_mm=round(float(displacement.mean()), 2),
            p95_mm=round(p95, 2),
            similarity_gain=round(gain, 4),
            transform=transform,
        )


def _reduced(geometry: VolumeGeometry) -> VolumeGeometry:
    """The same field of view and axes with voxels of `GRID_MM`, or as large as they are."""
    own = np.asarray(geometry.spacing)
    spacing = np.maximum(own, GRID_MM)
    affine = geometry.affine.copy()
    affine[:3, :3] *= spacing / own
    shape = np.floor((np.asarray(geometry.spatial_shape) - 1) * own / spacing + 1e-6).astype(int) + 1
    return VolumeGeometry(
        affine=affine,
        spatial_shape=tuple(int(n) for n in shape),
        coordinate_system=geometry.coordinate_system,
        frame_of_reference_uid=geometry.frame_of_reference_uid,
    )


def _regions(
    mean: npt.NDArray[np.float32], grid: VolumeGeometry
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The breast region, and the same with the skin and the air in front, on the grid of the mean signal."""
    upright = axis_aligned_grid(grid, GRID_MM)
    breast = find_breast_region(resample_linearly(mean, grid, upright), reached(grid, upright), GRID_MM).mask
    compared = breast.copy()
    for steps in range(1, round((SKIN_MM + AIR_MM) / GRID_MM) + 1):
        compared[:, :-steps] |= breast[:, steps:]
    first, second = (resample(mask.astype(np.uint8), upright, grid, nearest=True) > 0 for mask in (breast, compared))
    return first, second


def _box_around(mask: npt.NDArray[np.bool_], grid: VolumeGeometry) -> tuple[slice, ...]:
    """The part of the grid that holds a mask with `BORDER_MM` around it."""
    more = np.ceil(BORDER_MM / np.asarray(grid.spacing)).astype(int)
    sides = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(
        slice(max(side.start - extra, 0), min(side.stop + extra, size))
        for side, extra, size in zip(sides, more.tolist(), mask.shape, strict=True)
    )


def _register(
    fixed: sitk.Image, moving: sitk.Image, mask: sitk.Image, centre_lps_mm: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """The rigid transform (4 x 4, LPS mm) from the fixed to the moving image, and the nats that it gains.

    Raises RuntimeError where ITK finds nothing to compare.
    """
    found = sitk.Euler3DTransform()
    found.SetCenter(centre_lps_mm.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetInitialTransform(found, inPlace=True)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED_PART, seed=1)
    # Differences between neighbours: half the time of ITK's gradient images, and less false motion.
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(learningRate=2.0, minStep=0.02, numberOfIterations=100)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([3.0, 0.0])
    method.SetNumberOfThreads(1)
    before = method.MetricEvaluate(fixed, moving)
    method.Execute(fixed, moving)
    # ITK's threads add in the order in which they end; what is rounded is the same every time.
    found.SetParameters([*np.round(found.GetParameters()[:3], 6), *np.round(found.GetParameters()[3:], 4)])
    after = method.MetricEvaluate(fixed, moving)
    transform = np.eye(4)
    transform[:3, :3] = np.reshape(found.GetMatrix(), (3, 3))
    transform[:3, 3] = found.TransformPoint((0.0, 0.0, 0.0))
    return transform, float(before - after)
