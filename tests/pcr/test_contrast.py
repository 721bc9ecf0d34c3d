"""Which phases came before contrast, by what headers and images say of it."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_mr import Images, change, dynamic, in_one_series, of_phase, select
from volumes import grid_of, volume_of_pixels

from pcr.enhancement import check_enhancement
from pcr.phases import DceSeries
from pcr.reasons import NotEvaluable

SHAPE = (16, 32, 32)


def refusal_of(images: Images) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        select(images)
    return caught.value


def with_agent_from(first: int, phases: int = 5, slices: int = 8) -> Images:
    images = dynamic(phases, slices=slices)
    for phase in range(first, phases):
        change(of_phase(images, phase), ContrastBolusAgent="gadobutrol")
    return images


def roles_of(series: DceSeries) -> list[str]:
    return [phase.role for phase in series.phases]


def test_the_last_phase_without_contrast_agent_is_the_one_before_contrast() -> None:
    assert roles_of(select(with_agent_from(2)))[:2] == ["other", "pre"]
    assert select(with_agent_from(2)).phases[2].after_injection_s == 30


def test_an_agent_that_all_phases_name_tells_nothing() -> None:
    assert roles_of(select(with_agent_from(0)))[0] == "pre"


def test_names_tell_of_a_pre_contrast_phase_that_was_taken_twice() -> None:
    images = dynamic(5)
    for (phase, _), image in images.items():
        image.SeriesDescription = "ax dyn pre" if phase < 2 else f"ax dyn {phase} pass"
    assert roles_of(select(images))[:2] == ["other", "pre"]


def test_a_start_that_each_phase_states_as_its_own_is_no_injection() -> None:
    images = with_agent_from(1)
    for (phase, _), image in images.items():
        if phase:
            image.ContrastBolusStartTime = image.AcquisitionTime
    series = select(images)
    assert (series.injection_source, roles_of(series)[0]) == ("estimated", "pre")


def test_phases_that_are_all_named_as_after_contrast_lack_the_one_before() -> None:
    images = dynamic(5)
    for (phase, _), image in images.items():
        image.SeriesDescription = f"ax dyn {phase + 1}th pass"
    refusal = refusal_of(images)
    assert (refusal.code, "pre-contrast phase" in refusal.message) == ("too_few_phases", True)


def test_a_phase_without_agent_after_one_with_it_is_refused() -> None:
    images = with_agent_from(1)
    change(of_phase(images, 3), ContrastBolusAgent=None)
    refusal = refusal_of(images)
    assert (refusal.code, "order of the phases" in refusal.message) == ("no_dce_series", True)


def test_a_bolus_before_a_phase_without_agent_is_refused() -> None:
    images = with_agent_from(3)
    change(images.values(), ContrastBolusStartTime="090730")
    assert refusal_of(images).code == "no_dce_series"


def test_a_pre_contrast_phase_broken_off_and_taken_again_is_left_out() -> None:
    images = with_agent_from(2, 6, slices=12)
    one = select({key: image for key, image in images.items() if key[0] != 0 or key[1] < 8})
    other = select({key: image for key, image in images.items() if key[0] != 0})
    assert roles_of(one) == roles_of(other)
    assert [p.after_injection_s for p in one.phases] == [p.after_injection_s for p in other.phases]


def test_a_phase_broken_off_after_contrast_is_refused() -> None:
    images = {key: image for key, image in with_agent_from(1).items() if key != (2, 7)}
    assert refusal_of(images).code == "missing_slices"


def test_a_pre_contrast_phase_broken_off_that_nothing_replaces_is_refused() -> None:
    for images in (with_agent_from(1), dynamic(5), in_one_series(dynamic(5))):
        assert refusal_of({k: i for k, i in images.items() if k != (0, 7)}).code == "missing_slices"


def volume(levels: list[float], pre: int = 0, early: int = 2):
    """Phases in which a bright part of the field rises to these levels over a noisy ground of 100."""
    noise = np.random.default_rng(1).normal(100, 3, (len(levels), *SHAPE))
    noise[:, 4:12, 8:24, 8:24] += np.array(levels)[:, None, None, None]
    after = tuple(90.0 * (index - pre) - 60 for index in range(len(levels)))
    return volume_of_pixels(noise, grid_of(SHAPE, (2, 1, 1)), after_injection_s=after, pre=pre, early=early)


def test_phases_that_enhance_in_order_are_believed() -> None:
    check_enhancement(volume([0, 200, 180, 160]))
    check_enhancement(volume([0, 5, 200, 180, 160], pre=1, early=3))


@pytest.mark.parametrize(
    ("levels", "pre", "said"),
    [
        ([0, 2, 200, 190], 0, "hardly anything enhances"),
        ([150, 170, 180, 190], 0, "hardly anything enhances"),
        ([0, 0, 0, 0], 0, "hardly anything enhances"),
        ([0, 200, 190, 10], 0, "does not enhance as the others do"),
        ([0, 150, 330, 320, 300], 1, "already enhanced"),
    ],
)
def test_signal_that_contradicts_the_headers_is_refused(levels: list[float], pre: int, said: str) -> None:
    with pytest.raises(NotEvaluable, match=said) as caught:
        check_enhancement(volume(levels, pre=pre, early=pre + 2))
    assert caught.value.code == "no_dce_series"


def test_a_subtraction_among_the_phases_is_refused() -> None:
    dynamic = volume([0, 200, 180, 160])
    dynamic.pixels[3] = dynamic.pixels[1] - dynamic.pixels[0]
    with pytest.raises(NotEvaluable, match="brightness"):
        check_enhancement(dynamic)
