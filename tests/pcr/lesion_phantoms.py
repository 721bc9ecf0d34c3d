"""Phantoms with a lesion, and what the kinetic localiser finds in them."""

from __future__ import annotations

from dataclasses import dataclass

from volumes import volume_of_phantom

from pcr.kinetic_localizer import LocalizerSettings, find_lesion
from pcr.lesion import Lesion
from pcr.volume import DceVolume
from phantom import GridSpec, LesionSpec, Phantom, PhantomSpec, simulate

# Both breasts, the heart and the large vessels, without the back: what the localiser looks at, in fewer voxels.
CHEST = GridSpec(
    slices=36,
    rows=104,
    columns=140,
    pixel_spacing_mm=(2.4, 2.4),
    slice_spacing_mm=2.8,
    centre_lps_mm=(0.0, -20.0, -40.0),
)

PHANTOMS = {
    "left washout": PhantomSpec(
        seed=3,
        grid=CHEST,
        lesion=LesionSpec(side="left", quadrant="upper-outer", diameter_mm=24, margin="irregular", kinetics="washout"),
    ),
    "right persistent": PhantomSpec(
        seed=5,
        grid=CHEST,
        lesion=LesionSpec(side="right", quadrant="lower-outer", diameter_mm=22, margin="smooth", kinetics="persistent"),
    ),
    "small": PhantomSpec(
        seed=11,
        grid=CHEST,
        lesion=LesionSpec(side="left", quadrant="upper-inner", diameter_mm=10, margin="smooth", kinetics="washout"),
    ),
    "spiculated plateau": PhantomSpec(
        seed=13,
        grid=CHEST,
        lesion=LesionSpec(side="right", quadrant="central", diameter_mm=30, margin="spiculated", kinetics="plateau"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A phantom with a lesion, the dynamic volume of it, and the lesion that was found there."""

    phantom: Phantom
    volume: DceVolume
    lesion: Lesion


def localised(spec: PhantomSpec) -> Found:
    phantom = simulate(spec)
    volume = volume_of_phantom(phantom)
    return Found(phantom=phantom, volume=volume, lesion=find_lesion(volume, LocalizerSettings()))
