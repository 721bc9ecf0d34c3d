"""From a dynamic series to its lesion: the study's own segmentation where there is one, else the kinetic localiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pcr import kinetic_localizer
from pcr.given_segmentation import GivenSegmentations, read_given_segmentations
from pcr.kinetic_localizer import LocalizerSettings, find_lesion
from pcr.lesion import Lesion, outlined
from pcr.reasons import NotEvaluable, ReasonCode
from pcr.study import Study
from pcr.volume import DceVolume

# Ours: a segment that enhances less lies in air, fat or another study's place; weak lesions enhance by 50 % and more.
MIN_ENHANCEMENT_PERCENT = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalizationSettings:
    """Whose outline is taken, and what the kinetic localiser asks of a candidate."""

    accept_automatic_segmentation: bool = False
    kinetic: LocalizerSettings = field(default_factory=LocalizerSettings)


@dataclass(frozen=True, slots=True)
class Localization:
    """The lesion, the volume that holds it, and sentences for the report on how it was chosen."""

    volume: DceVolume
    lesion: Lesion
    remarks: tuple[str, ...]


def locate(study: Study, volumes: Sequence[DceVolume], settings: LocalizationSettings) -> Localization:
    """Find the lesion that the probability is to be for, in one volume or in those of the two breasts.

    Raises:
        NotEvaluable: `no_lesion_found`.
    """
    found: list[Localization] = []
    refusals: list[NotEvaluable] = []
    for volume in volumes:
        try:
            found.append(_locate_in(study, volume, settings))
        except NotEvaluable as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    # Only an outline that came with the study has no score of the localiser's; it goes first.
    best, *others = sorted(found, key=lambda f: (f.lesion.score is not None, -(f.lesion.score or 0)))
    return Localization(best.volume, best.lesion, best.remarks + tuple(_elsewhere(other.lesion) for other in others))


def _locate_in(study: Study, volume: DceVolume, settings: LocalizationSettings) -> Localization:
    given = read_given_segmentations(study, volume, accept_automatic=settings.accept_automatic_segmentation)
    if not given.masks:
        lesion = find_lesion(volume, settings.kinetic)
        return Localization(volume, lesion, given.remarks + _rivals(lesion, settings.kinetic))
    return Localization(volume, _largest(given, volume), given.remarks + _others(given))


def _elsewhere(lesion: Lesion) -> str:
    return (
        f"the {lesion.laterality} breast, which was taken apart, might hold a lesion too: {lesion.volume_ml:.1f} ml, "
        f"at ({', '.join(f'{value:.0f}' for value in lesion.centroid_lps_mm)}) mm LPS"
    )


def _rivals(lesion: Lesion, settings: LocalizerSettings) -> tuple[str, ...]:
    """A sentence for each runner-up that would have been taken by itself."""
    return tuple(
        f"another region might be a lesion too: score {rival.score:.2f}, {rival.volume_ml:.1f} ml, "
        f"at ({', '.join(f'{value:.0f}' for value in rival.centroid_lps_mm)}) mm LPS"
        for rival in lesion.runners_up
        if rival.score >= settings.min_score
    )


def _largest(given: GivenSegmentations, volume: DceVolume) -> Lesion:
    mask = given.masks[0].mask
    laterality = kinetic_localizer.laterality_of_mask(mask, volume)
    try:
        lesion = outlined(mask, volume, source="segmentation", laterality=laterality)
    except ValueError as error:
        raise _unusable(str(error)) from None
    if lesion.kinetics.early_enhancement_percent < MIN_ENHANCEMENT_PERCENT:
        raise _unusable(f"it enhances by {lesion.kinetics.early_enhancement_percent:.0f} % only")
    return lesion


def _unusable(why: str) -> NotEvaluable:
    return NotEvaluable(
        ReasonCode.NO_LESION_FOUND, f"the lesion segmentation of the study can not be used: {why}; correct it"
    )


def _others(given: GivenSegmentations) -> tuple[str, ...]:
    if len(given.masks) == 1:
        return ()
    return (f"the study has {len(given.masks)} lesion segments; the largest is used",)
