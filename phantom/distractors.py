"""The series that a scanner acquires around the contrast phases and that are none: localisers, T2, other T1.

They show the same patient, on grids of their own but for the T1 without fat suppression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydicom.dataset import Dataset

from phantom.anatomy import coil_sensitivity
from phantom.dicom import Series, StudyContext, gradient_echo, spin_echo
from phantom.grid import Grid
from phantom.physics import Curves, concentrations, gradient_echo_curves, spin_echo_curves
from phantom.randomness import stream
from phantom.spec import GridSpec, Orientation
from phantom.voxels import digitise, paint


def localizer(study: StudyContext, number: int) -> Iterator[Dataset]:
    """One coarse slice in each of the three planes, spin echo."""
    sequence = spin_echo(study.phantom.spec.protocol, 400, 9, 1)
    series = Series(number=number, description="localizer", start_s=-360.0, sequence=sequence)
    for instance, plane in enumerate(_three_planes(1), start=1):
        yield from _spin_echo_images(study, series, plane, first_instance=instance)


def gradient_echo_scout(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """Nine coarse slices in each of the three planes, gradient echo: enough for a volume, in three directions."""
    sequence = gradient_echo(study.phantom.spec.protocol) | {"MRAcquisitionType": "2D", "ScanOptions": ""}
    series = Series(number=number, description=description, start_s=-380.0, sequence=sequence)
    curves = _without_suppression(study, 0.0)
    for place, plane in enumerate(_three_planes(9)):
        yield from _images(study, series, Grid.from_spec(plane), curves, first_instance=9 * place + 1)


def t2(study: StudyContext, number: int) -> Iterator[Dataset]:
    """A T2-weighted turbo spin echo before contrast."""
    sequence = spin_echo(study.phantom.spec.protocol, 4500, 84, 15)
    series = Series(number=number, description="ax t2 tse", start_s=-200.0, sequence=sequence)
    yield from _spin_echo_images(study, series, _thick_slices())


def t1_after_contrast(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """A T1-weighted turbo spin echo after the last phase: late, enhanced, and not a phase."""
    protocol, last = study.phantom.spec.protocol, study.phantom.phases[-1].time_s
    sequence = spin_echo(protocol, 600, 12, 7) | study.agent(-1)
    series = Series(number=number, description=description, start_s=last + 300, sequence=sequence)
    yield from _spin_echo_images(study, series, _thick_slices())


def without_fat_suppression(
    study: StudyContext, number: int, description: str, *, after_contrast: bool
) -> Iterator[Dataset]:
    """The sequence and the grid of the dynamic series, but with all of the fat: before or after all phases."""
    start = study.phantom.phases[-1].time_s + 180 if after_contrast else -150.0
    sequence = gradient_echo(study.phantom.spec.protocol) | {"ScanOptions": ""}
    agent = study.agent(-1) if after_contrast else {}
    series = Series(number=number, description=description, start_s=start, sequence=sequence | agent)
    curves = _without_suppression(study, max(start, 0.0))
    yield from _images(study, series, Grid(study.phantom.geometry), curves, step_s=0.0)


def two_stacks(study: StudyContext, number: int, description: str) -> Iterator[Dataset]:
    """An inversion recovery of each breast in a sagittal stack of its own, both in one series."""
    sequence = spin_echo(study.phantom.spec.protocol, 5000, 60, 9) | {"ScanningSequence": "IR", "InversionTime": 150}
    series = Series(number=number, description=description, start_s=-100.0, sequence=sequence)
    for place, x in enumerate((-88.0, 88.0)):
        stack = GridSpec(
            slices=12,
            rows=64,
            columns=64,
            pixel_spacing_mm=(3.6, 3.6),
            slice_spacing_mm=6.0,
            centre_lps_mm=(x, -35.0, -40.0),
            orientation="sagittal",
        )
        yield from _spin_echo_images(study, series, stack, first_instance=12 * place + 1)


def _spin_echo_images(
    study: StudyContext, series: Series, spec: GridSpec, first_instance: int = 1
) -> Iterator[Dataset]:
    """The patient on another grid, with the contrast agent that she has in her by then."""
    phantom = study.phantom
    tissues = phantom.anatomy.tissues
    curves = spin_echo_curves(
        phantom.spec.protocol,
        tissues,
        concentrations([max(series.start_s, 0.0)], phantom.spec.injection_time_s, tissues),
        repetition_time_ms=series.sequence["RepetitionTime"],
        echo_time_ms=series.sequence["EchoTime"],
    )
    return _images(study, series, Grid.from_spec(spec), curves, first_instance=first_instance)


def _without_suppression(study: StudyContext, time_s: float) -> Curves:
    """Signal of each tissue in the dynamic sequence without fat suppression, [1]."""
    spec = study.phantom.spec
    tissues = {tissue: replace(found, suppressed=1.0) for tissue, found in study.phantom.anatomy.tissues.items()}
    return gradient_echo_curves(spec.protocol, tissues, concentrations([time_s], spec.injection_time_s, tissues))


def _images(
    study: StudyContext, series: Series, grid: Grid, curves: Curves, *, first_instance: int = 1, step_s: float = 2.0
) -> Iterator[Dataset]:
    """The patient on a grid; slices start `step_s` after each other."""
    phantom = study.phantom
    signal = paint(phantom.anatomy, grid, curves)[0]
    signal *= coil_sensitivity(phantom.spec.seed, grid, phantom.spec.coil_bias)
    noise = stream(phantom.spec.seed, f"noise {series.number} {first_instance}")
    for slice_index, pixels in enumerate(digitise(signal, phantom.spec.noise_sd, noise)):
        yield study.image(
            series,
            instance=first_instance + slice_index,
            pixels=pixels,
            geometry=grid.geometry,
            slice_index=slice_index,
            acquired_s=series.start_s + step_s * slice_index,
        )


def _three_planes(slices: int) -> list[GridSpec]:
    """Coarse slices in each direction."""
    planes: dict[Orientation, tuple[float, float, float]] = {
        "axial": (0.0, 18.0, -40.0),
        "sagittal": (85.0, 18.0, -40.0),
        "coronal": (0.0, -30.0, -40.0),
    }
    return [
        GridSpec(
            slices=slices,
            rows=64,
            columns=64,
            pixel_spacing_mm=(6.0, 6.0),
            slice_spacing_mm=8.0,
            centre_lps_mm=centre,
            orientation=orientation,
        )
        for orientation, centre in planes.items()
    ]


def _thick_slices() -> GridSpec:
    return GridSpec(
        slices=14,
        rows=96,
        columns=96,
        pixel_spacing_mm=(3.6, 3.6),
        slice_spacing_mm=9.0,
        centre_lps_mm=(4.0, 22.0, -38.0),
    )
