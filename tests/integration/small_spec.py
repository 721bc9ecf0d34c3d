"""The small patient of the integration tests: four phases of 26 slices, a few seconds' work."""

from __future__ import annotations

from phantom import GridSpec, LesionSpec, PhantomSpec


def small_spec(seed: int = 11) -> PhantomSpec:
    """A patient whom the model may be asked about; not every seed's lesion fits into the small grid."""
    return PhantomSpec(
        seed=seed,
        grid=GridSpec(slices=26, slice_spacing_mm=4.0),
        lesion=LesionSpec(side="left", diameter_mm=20, kinetics="washout"),
        phase_times_s=(0.0, 129.0, 219.0, 549.0),
    )
