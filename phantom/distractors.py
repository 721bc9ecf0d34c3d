"""The series of a breast study that are no contrast phases: localiser, T2, T1 after contrast, subtraction.

The first three show the same patient on grids of their own; the subtraction has the grid of the dynamic series.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset

from phantom.anatomy import coil_sensitivity
from phantom.dicom import Series, StudyContext, spin_echo
from phantom.grid import Grid
from phantom.physics import concentrations, spin_echo_curves
from phantom.randomness import stream
from phantom.spec import GridSpec, Orientation
from phantom.voxels import digitise, paint


def localizer(study: StudyContext, number: int) -> Iterator[Dataset]:
    """One coarse slice in each of the three planes."""
    series = Series(
        number=number,
        description="localizer",
        start_s=-360.0,
        sequence=spin_echo(study.phantom.spec.protocol, 400, 9, 1),
    )
    planes: dict[Orientation, tuple[float, float, float]] = {
        "axial": (0.0, 18.0, -40.0),
        "sagittal": (85.0, 18.0, -40.0),
        "coronal": (0.0, -30.0, -40.0),
    }
    for instance, (orientation, centre) in enumerate(planes.items(), start=1):
        grid = GridSpec(
            slices=1,
            rows=64,
            columns=64,
            pixel_spacing_mm=(6.0, 6.0),
            slice_spacing_mm=8.0,
            centre_lps_mm=centre,
            orientation=orientation,
        )
        yield from _spin_echo_images(study, series, grid, first_instance=instance)


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


def subtraction(study: StudyContext, number: int, description: str, sequence: dict[str, object]) -> Iterator[Dataset]:
    """The first post-contrast phase less the last pre-contrast one, as the scanner's console derives it."""
    phantom = study.phantom
    post = next((index for index, phase in enumerate(phantom.phases) if phase.role == "post"), None)
    if post is None:
        return
    difference = np.maximum(phantom.voxels[post].astype(np.int32) - phantom.voxels[post - 1], 0).astype(np.uint16)
    time = phantom.phases[post].time_s
    series = Series(
        number=number,
        description=description,
        start_s=phantom.phases[-1].time_s + 200,
        sequence=sequence | study.agent(post) | {"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]},
    )
    for slice_index, pixels in enumerate(difference):
        yield study.image(
            series,
            instance=slice_index + 1,
            pixels=pixels,
            geometry=phantom.geometry,
            slice_index=slice_index,
            acquired_s=time,
        )


def _spin_echo_images(
    study: StudyContext, series: Series, spec: GridSpec, first_instance: int = 1
) -> Iterator[Dataset]:
    """The patient on another grid, with the contrast agent that she has in her by then."""
    phantom, grid = study.phantom, Grid.from_spec(spec)
    tissues = phantom.anatomy.tissues
    agent = concentrations([max(series.start_s, 0.0)], phantom.spec.injection_time_s, tissues)
    curves = spin_echo_curves(
        phantom.spec.protocol,
        tissues,
        agent,
        repetition_time_ms=series.sequence["RepetitionTime"],
        echo_time_ms=series.sequence["EchoTime"],
    )
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
            acquired_s=series.start_s + 2.0 * slice_index,
        )


def _thick_slices() -> GridSpec:
    return GridSpec(
        slices=14,
        rows=96,
        columns=96,
        pixel_spacing_mm=(3.6, 3.6),
        slice_spacing_mm=9.0,
        centre_lps_mm=(4.0, 22.0, -38.0),
    )
