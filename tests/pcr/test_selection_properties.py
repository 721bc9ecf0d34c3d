"""Whatever a gateway does to a study, the same phases come out of it in the same roles, or a reason does."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from tiny_mr import Images, change, dce_of, dynamic, in_one_series, save, study_of

from pcr.phases import DceSeries
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox

PHASES, SLICES = 5, 10
TIME_FIELDS = ("AcquisitionTime", "ContentTime")
Change = Callable[[Images, random.Random], list[Dataset]]


def written(layout: str) -> Images:
    """A dynamic study in one layout, with all that scanners note beside the times."""
    images = dynamic(PHASES, slices=SLICES)
    if layout != "series-per-phase":
        in_one_series(images)
    for (phase, _), image in images.items():
        image.ContentTime = f"09{20 + 2 * phase}00"
        if phase:
            image.ContrastBolusAgent = "gadobutrol"
        if layout == "temporal-position":
            image.TemporalPositionIdentifier = phase
        if layout == "acquisition-number":
            image.AcquisitionNumber = phase + 1
    return images


def roles(series: DceSeries) -> dict[str, list[str]]:
    return {
        p.role: [f.instance.sop_instance_uid for f in p.frames]
        for p in series.phases
        if p.role in ("pre", "early", "late")
    }


def as_they_are(images: Images, rng: random.Random) -> list[Dataset]:
    return list(images.values())


def series_split(images: Images, rng: random.Random) -> list[Dataset]:
    """Each phase in a series of its own."""
    for (phase, _), image in images.items():
        image.SeriesInstanceUID = f"1.2.9.{phase}"
    return list(images.values())


def series_split_at_random(images: Images, rng: random.Random) -> list[Dataset]:
    """Images scattered over a few series."""
    for image in images.values():
        image.SeriesInstanceUID = f"1.2.9.{rng.randrange(3)}"
    return list(images.values())


def series_merged(images: Images, rng: random.Random) -> list[Dataset]:
    return list(in_one_series(images).values())


def some_series_merged(images: Images, rng: random.Random) -> list[Dataset]:
    kept = rng.sample(range(PHASES), 2)
    for (phase, _), image in images.items():
        image.SeriesInstanceUID = "1.2.9.1" if phase in kept else "1.2.9.2"
    return list(images.values())


def slices_dropped(images: Images, rng: random.Random) -> list[Dataset]:
    gone = rng.sample(sorted(images), rng.randint(1, 6))
    return [image for key, image in images.items() if key not in gone]


def a_time_field_lost(images: Images, rng: random.Random) -> list[Dataset]:
    change(images.values(), **{rng.choice(TIME_FIELDS): None})
    return list(images.values())


def a_time_field_lost_on_some(images: Images, rng: random.Random) -> list[Dataset]:
    name = rng.choice(TIME_FIELDS)
    for image in rng.sample(list(images.values()), 7):
        change(image, **{name: None})
    return list(images.values())


def times_shuffled(images: Images, rng: random.Random) -> list[Dataset]:
    """The phases exchange the values of one attribute of time."""
    name = rng.choice(TIME_FIELDS)
    times = [str(images[phase, 0].get(name)) for phase in range(PHASES)]
    rng.shuffle(times)
    for (phase, _), image in images.items():
        setattr(image, name, times[phase])
    return list(images.values())


def some_times_wrong(images: Images, rng: random.Random) -> list[Dataset]:
    """A few images carry a time that is off by up to an hour."""
    name = rng.choice(TIME_FIELDS)
    for image in rng.sample(list(images.values()), rng.randint(1, 4)):
        moved = datetime.strptime(str(image.get(name)), "%H%M%S") + timedelta(seconds=rng.randint(-3600, 3600))
        setattr(image, name, moved.strftime("%H%M%S"))
    return list(images.values())


def images_exchanged(images: Images, rng: random.Random) -> list[Dataset]:
    """Two images of one place exchange all that tells their phases apart but their times."""
    first, second = rng.sample(range(PHASES), 2)
    a, b = (images[phase, rng.randrange(SLICES)] for phase in (first, second))
    for name in ("TemporalPositionIdentifier", "AcquisitionNumber", "SeriesInstanceUID"):
        a_value, b_value = a.get(name), b.get(name)
        if a_value is not None:
            setattr(a, name, b_value)
            setattr(b, name, a_value)
    return list(images.values())


def numbers_shuffled(images: Images, rng: random.Random) -> list[Dataset]:
    order = rng.sample(range(PHASES), PHASES)
    for name in ("TemporalPositionIdentifier", "AcquisitionNumber"):
        for (phase, _), image in images.items():
            if name in image:
                setattr(image, name, order[phase])
    return list(images.values())


CHANGES: tuple[Change, ...] = (
    as_they_are,
    series_split,
    series_split_at_random,
    series_merged,
    some_series_merged,
    slices_dropped,
    a_time_field_lost,
    a_time_field_lost_on_some,
    times_shuffled,
    some_times_wrong,
    images_exchanged,
    numbers_shuffled,
)
LAYOUTS = ("series-per-phase", "temporal-position", "acquisition-number", "times")
EXPECTED = {layout: roles(dce_of(study_of(written(layout)))) for layout in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("changed", CHANGES, ids=lambda change: change.__name__)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_what_a_gateway_changes_gives_the_same_phases_or_a_reason(layout: str, changed: Change, seed: int) -> None:
    rng = random.Random(seed)
    images = changed(written(layout), rng)
    rng.shuffle(images)
    try:
        found = roles(dce_of(study_of(images)))
    except NotEvaluable:
        return
    assert found == EXPECTED[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("changed", [as_they_are, series_split], ids=lambda change: change.__name__)
def test_what_does_no_harm_is_not_refused(layout: str, changed: Change) -> None:
    assert roles(dce_of(study_of(changed(written(layout), random.Random(0))))) == EXPECTED[layout]


@pytest.mark.parametrize("name", TIME_FIELDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_attribute_of_time_is_enough(layout: str, name: str) -> None:
    images = written(layout)
    change(images.values(), **{name: None})
    assert roles(dce_of(study_of(images))) == EXPECTED[layout]


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_copies_under_any_name_and_in_any_order_of_files_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    images = list(written("acquisition-number").values())
    images += [deepcopy(image) for image in rng.sample(images, 9)]
    rng.shuffle(images)
    folder: Path = tmp_path_factory.mktemp("copies")
    for image in images:
        save([image], folder / f"{rng.randrange(10**6)}")
    (study,) = read_inbox(folder).studies
    study.check_identity()
    assert roles(dce_of(study)) == EXPECTED["acquisition-number"]
