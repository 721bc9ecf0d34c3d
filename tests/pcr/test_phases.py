"""Which images are which contrast phase, and when: or one clear reason why that can not be said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from tiny_mr import (
    AXIAL,
    CORONAL,
    CROP,
    SLICES,
    Images,
    change,
    dce_of,
    dynamic,
    in_one_series,
    mr_image,
    of_phase,
    save,
    select,
    study_of,
)

from pcr.frames import Frame
from pcr.manifest import CropSpec
from pcr.phases import DceSeries, Phase, Selection, select_dce
from pcr.pixels import read_signal, signal_dtype
from pcr.reasons import NotEvaluable
from pcr.study import read_inbox

ROLES = ("pre", "early", "late")


def refusal_of(images: Images | list[Dataset]) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        select(images)
    return caught.value


def in_layout(layout: str, slices: int = SLICES) -> Images:
    """The same phases as series of their own, or in one series told apart by a number, or by times alone."""
    images = dynamic(slices=slices)
    if layout != "series-per-phase":
        in_one_series(images)
    if layout == "acquisition-number":
        for (phase, _), image in images.items():
            image.AcquisitionNumber = phase + 1
    return images


each_layout = pytest.mark.parametrize("layout", ["series-per-phase", "acquisition-number", "times"])


def signal_of(frames: Sequence[Frame]) -> np.ndarray:
    signal = np.empty((len(frames), *frames[0].plane.matrix[:2]), signal_dtype(frames))
    read_signal(frames, signal)
    return signal


def uids(series: DceSeries) -> list[list[str]]:
    return [[frame.instance.sop_instance_uid for frame in phase.frames] for phase in series.phases]


# Order, and what must not matter for it


@each_layout
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_files_and_slices_does_not_matter(layout: str, seed: int) -> None:
    images = in_layout(layout)
    shuffled = list(images.values())
    random.Random(seed).shuffle(shuffled)
    assert uids(select(shuffled)) == uids(select(images))


@each_layout
def test_names_of_files_do_not_matter(layout: str, tmp_path: Path) -> None:
    images = list(in_layout(layout).values())
    found = []
    for folder, order in ((tmp_path / "a", images), (tmp_path / "b", images[::-1])):
        (study,) = read_inbox(save(order, folder)).studies
        found.append(uids(dce_of(study)))
    assert found[0] == found[1]


@each_layout
def test_one_series_of_four_phases_is_not_taken_for_one_volume(layout: str) -> None:
    series = select(in_layout(layout))
    assert [len(phase.frames) for phase in series.phases] == [SLICES] * 4
    positions = [[i.header.ImagePositionPatient[2] for i in phase.frames] for phase in series.phases]
    assert positions == [positions[0]] * 4


def test_series_numbers_and_names_that_lie_do_not_matter() -> None:
    images = dynamic()
    for (phase, _), image in images.items():
        change(image, SeriesNumber=9 - phase, InstanceNumber=1, SeriesDescription=f"ax dyn {4 - phase}")
    assert uids(select(images)) == uids(select(dynamic()))


@given(times=st.lists(st.integers(0, 500), min_size=3, max_size=7, unique=True))
def test_roles_are_distinct_and_in_order_whatever_the_times(times: list[int]) -> None:
    images = dynamic(len(times))
    for (phase, _), image in images.items():
        minutes, seconds = divmod(2 * times[phase], 60)
        image.AcquisitionTime = f"{9 + minutes // 60:02d}{minutes % 60:02d}{seconds:02d}"
    series = select(images)
    places = [series.index(role) for role in ROLES]
    assert places == sorted(set(places))
    assert [phase.time_s for phase in series.phases] == [2 * t - 2 * min(times) for t in sorted(times)]


@pytest.mark.parametrize("keyword", ["TriggerTime", "ContentTime"])
def test_times_come_from_the_first_attribute_that_tells_all_phases_apart(keyword: str) -> None:
    images = dynamic()
    change(images.values(), AcquisitionTime="090000")
    for (phase, _), image in images.items():
        setattr(image, keyword, 100_000 * phase if keyword == "TriggerTime" else f"09{10 + 2 * phase}00")
    step = 100 if keyword == "TriggerTime" else 120
    assert [phase.time_s for phase in select(images).phases] == [0, step, 2 * step, 3 * step]


def test_a_study_over_midnight_without_dates_is_refused_and_never_out_of_order() -> None:
    images = dynamic()
    change(images.values(), AcquisitionDate=None, ContentDate=None)
    change(of_phase(images, 0), AcquisitionTime="235900")
    refusal = refusal_of(images)
    assert (refusal.code, "midnight" in refusal.message) == ("no_dce_series", True)


def test_a_study_over_midnight_is_in_order() -> None:
    images = dynamic()
    for (phase, _), image in images.items():
        change(image, **({"AcquisitionTime": "235900"} if phase == 0 else {"AcquisitionDate": "20200103"}))
        if phase:
            image.AcquisitionTime = f"00{phase:02d}00"
    assert [phase.time_s for phase in select(images).phases] == [0, 120, 180, 240]


# The injection


def test_the_stated_start_of_the_bolus_is_the_injection() -> None:
    images = dynamic()
    change(of_phase(images, 3), ContrastBolusStartTime="090839")
    series = select(images)
    assert series.injection_source == "ContrastBolusStartTime"
    assert [phase.after_injection_s for phase in series.phases] == [-99, 30, 120, 210]


def test_without_a_stated_bolus_injection_is_half_a_minute_before_the_first_post_contrast_phase() -> None:
    images = dynamic()
    change(of_phase(images, 0), AcquisitionTime="084600")
    series = select(images)
    assert series.injection_source == "estimated"
    assert series.phases[1].after_injection_s == 30
    assert series.pre_gap_s == 1389


def test_the_estimated_injection_is_not_before_the_pre_contrast_phase() -> None:
    images = dynamic(3)
    for (phase, _), image in images.items():
        image.AcquisitionTime = f"0910{10 * phase:02d}"
    assert [phase.after_injection_s for phase in select(images).phases] == [0, 10, 20]


def test_the_last_phase_before_the_bolus_is_the_pre_contrast_one() -> None:
    images = dynamic()
    change(images.values(), ContrastBolusStartTime="091000")
    series = select(images)
    assert [phase.role for phase in series.phases] == ["other", "pre", "early", "late"]
    assert series.phases[0].time_s == -129


@pytest.mark.parametrize("stated", ["120000", "", "noon"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR TM:UserWarning")
def test_a_bolus_that_can_not_be_true_is_not_believed(stated: str) -> None:
    images = dynamic()
    for image in images.values():
        image.ContrastBolusStartTime = "000000"
        image["ContrastBolusStartTime"]._value = stated
    series = select(images)
    assert (series.injection_source, series.index("pre")) == ("estimated", 0)


def test_a_bolus_before_the_first_phase_leaves_no_phase_without_contrast() -> None:
    refusal = refusal_of(dynamic(ContrastBolusStartTime="083000"))
    assert (refusal.code, "injected before the first phase" in refusal.message) == ("too_few_phases", True)


def test_early_and_late_are_nearest_to_the_targets_of_the_model() -> None:
    images = dynamic(7)  # after injection: 30, 120, 210, ..., 480
    for early, late, expected in ((120, 390, (2, 5)), (30, 200, (1, 3)), (200, 1000, (3, 6)), (600, 601, (5, 6))):
        phases = [p.model_dump() for p in CROP.phases]
        phases[1]["target_after_injection_s"], phases[2]["target_after_injection_s"] = early, late
        (series,) = select_dce(study_of(images), CropSpec(**CROP.model_dump() | {"phases": phases}))
        assert (series.index("early"), series.index("late")) == expected


# Refusals


@each_layout
def test_two_phases_are_too_few(layout: str) -> None:
    images = in_layout(layout)
    kept = {key: image for key, image in images.items() if key[0] < 2}
    refusal = refusal_of(kept)
    assert (refusal.code, "only 2 phases" in refusal.message) == ("too_few_phases", True)


def test_one_phase_after_the_bolus_is_too_few() -> None:
    images = dynamic()
    change(images.values(), ContrastBolusStartTime="091200")
    assert refusal_of(images).code == "too_few_phases"


@each_layout
@pytest.mark.parametrize("place", [0, 3, SLICES - 1])
def test_a_slice_missing_from_one_phase_is_refused(layout: str, place: int) -> None:
    images = {key: image for key, image in in_layout(layout, slices=9).items() if key != (2, place)}
    assert refusal_of(images).code == "missing_slices"


def test_a_phase_of_which_only_a_few_slices_came_is_not_dropped_in_silence() -> None:
    images = {key: image for key, image in dynamic().items() if key[0] != 2 or key[1] < 3}
    assert refusal_of(images).code == "missing_slices"


@each_layout
@pytest.mark.parametrize(
    "moved",
    [{"ImageOrientationPatient": [1, 0, 0, 0, 0.995004, 0.099833]}, {"FrameOfReferenceUID": "1.2.3.98"}],
    ids=lambda moved: next(iter(moved)),
)
def test_another_orientation_or_frame_of_reference_in_one_phase_is_refused(
    layout: str, moved: dict[str, object]
) -> None:
    images = in_layout(layout)
    change(of_phase(images, 2), **moved)
    assert refusal_of(images).code == "mixed_geometry"


@each_layout
def test_a_phase_that_lies_elsewhere_is_refused(layout: str) -> None:
    images = in_layout(layout)
    for image in of_phase(images, 2):
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, z + 30]
    assert refusal_of(images).code in ("mixed_geometry", "missing_slices")


@pytest.mark.parametrize("layout", ["series-per-phase", "acquisition-number"])
def test_phases_at_equal_times_are_refused_and_not_put_into_an_arbitrary_order(layout: str) -> None:
    images = in_layout(layout)
    change(images.values(), AcquisitionTime="090700")
    refusal = refusal_of(images)
    assert (refusal.code, "no time attribute" in refusal.message) == ("no_dce_series", True)


def test_two_of_the_phases_at_one_time_are_refused() -> None:
    images = dynamic()
    change(of_phase(images, 2), AcquisitionTime="090910")  # a second after the one before
    assert refusal_of(images).code == "no_dce_series"


@pytest.mark.parametrize("moved", [(30.0, 0.0, 0.0), (0.0, 6.0, 0.0)])
def test_a_phase_that_does_not_show_what_the_early_one_shows_is_refused(moved: tuple[float, float, float]) -> None:
    images = dynamic()
    for image in of_phase(images, 3):
        image.ImagePositionPatient = [float(a) + b for a, b in zip(image.ImagePositionPatient, moved, strict=True)]
    assert refusal_of(images).code == "mixed_geometry"


def test_an_acquisition_in_another_orientation_after_the_last_phase_is_set_aside_with_its_reason() -> None:
    images = dynamic()
    late = [
        mr_image(8, place, axes=CORONAL, SeriesDescription="cor post", AcquisitionTime="092000") for place in range(8)
    ]
    series = select([*images.values(), *late])
    assert uids(series) == uids(select(images))
    assert [r.reason for r in series.selection.rejected if r.description == "cor post"] == [
        "taken after the dynamic series, in another orientation or frame of reference"
    ]


def test_a_run_begun_again_after_the_patient_was_positioned_anew_is_read_from_its_second_start() -> None:
    images = dynamic()
    for phase in (1, 2, 3):
        change(of_phase(images, phase), ContrastBolusAgent="gadobutrol")
    first = [mr_image(8, p, FrameOfReferenceUID="1.2.3.98", AcquisitionTime="085000") for p in range(8)]
    assert uids(select([*images.values(), *first])) == uids(select(images))


@pytest.mark.parametrize("phase", [0, 2, 3])
def test_an_orientation_that_is_rounded_otherwise_in_one_phase_is_the_same(phase: int) -> None:
    images = dynamic(axes=((1.0, 0.0, 0.0), (0.0, 0.99995, 0.00995)))
    change(of_phase(images, phase), ImageOrientationPatient=[1, 0, 0, 0, 0.99995, 0.01005])
    assert len(select(images).phases) == 4


def test_two_runs_half_an_hour_apart_are_refused() -> None:
    images = dynamic(6)
    for phase in (3, 4, 5):
        change(of_phase(images, phase), AcquisitionTime=f"09{40 + phase}00")
    refusal = refusal_of(images)
    assert (refusal.code, "two runs" in refusal.message) == ("no_dce_series", True)


def test_derived_images_in_the_place_of_a_phase_are_refused() -> None:
    for layout in ("acquisition-number", "times"):
        images = in_layout(layout)
        change(of_phase(images, 3), ImageType=["DERIVED", "SECONDARY"])
        assert refusal_of(images).code == "unsupported_object"


def test_a_phase_of_another_protocol_in_the_series_is_refused() -> None:
    images = in_layout("acquisition-number")
    change(of_phase(images, 0), FlipAngle=25)
    assert refusal_of(images).code == "unsupported_object"


@pytest.mark.parametrize("part", ["", "CHEST", "OTHER"])
def test_a_supine_patient_of_whom_nothing_names_the_breast_is_refused(part: str) -> None:
    images = dynamic(BodyPartExamined=part, PatientPosition="HFS")
    assert refusal_of(images).code == "no_dce_series"


@pytest.mark.parametrize("part", ["", "CHEST", "TORSO", "UNKNOWN", "MAMA", "BORST"])
def test_a_prone_patient_is_read_whatever_the_part_is_called(part: str) -> None:
    assert len(select(dynamic(BodyPartExamined=part, PatientPosition="FFP")).phases) == 4


def test_a_short_run_of_many_volumes_is_not_the_dynamic_series() -> None:
    fast = dynamic(16, RepetitionTime=2.5, FlipAngle=20, SeriesDescription="twist")
    for (phase, place), image in fast.items():
        change(image, SeriesInstanceUID=f"1.2.7.{phase}", SOPInstanceUID=f"1.2.7.{phase}.{place}")
        image.AcquisitionTime = f"0905{3 * phase:02d}"
    series = select([*dynamic().values(), *fast.values()])
    assert [phase.description for phase in series.phases] == [f"ax dyn {n}" for n in range(4)]


def test_two_breasts_taken_in_turn_have_one_injection() -> None:
    left, right = dynamic(), dynamic()
    for (phase, place), image in right.items():
        change(image, SeriesInstanceUID=f"1.2.8.{phase}", SOPInstanceUID=f"1.2.8.{phase}.{place}")
        image.ImagePositionPatient = [float(image.ImagePositionPatient[0]) + 200, *image.ImagePositionPatient[1:]]
        image.AcquisitionTime = f"09{8 + 2 * phase:02d}00"
    for (phase, _), image in left.items():
        image.AcquisitionTime = f"09{7 + 2 * phase:02d}00"
    one, other = select_dce(study_of([*left.values(), *right.values()]), CROP)
    assert [phase.after_injection_s for phase in one.phases] == [-90, 30, 150, 270]
    assert [phase.after_injection_s for phase in other.phases] == [-30, 90, 210, 330]


def test_a_second_reconstruction_of_the_same_moments_makes_no_phases_of_its_own() -> None:
    images = dynamic(ContentTime="091000")
    second = {(p + 4, s): mr_image(p, s, ContentTime="091003") for p, s in images}
    for (phase, place), image in second.items():
        change(image, SeriesInstanceUID=f"1.2.4.{phase}", SOPInstanceUID=f"1.2.4.{phase}.{place + 1}")
    for number, image in enumerate([*images.values(), *second.values()]):
        image.ContentTime = f"09{10 + number // SLICES:02d}00"
    refusal = refusal_of(images | second)
    assert (refusal.code, "same moment" in refusal.message) == ("no_dce_series", True)


@pytest.mark.parametrize("kind", ["P", "SUBTRACTION", "FAT", "MIP"])
def test_what_an_image_type_names_as_no_phase_is_none(kind: str) -> None:
    images = dynamic(5)
    change(of_phase(images, 4), ImageType=["ORIGINAL", "PRIMARY", kind, "ND"])
    series = select(images)
    assert len(series.phases) == 4
    assert kind in series.selection.rejected[0].reason


@pytest.mark.parametrize("layout", ["acquisition-number", "times"])
def test_two_echoes_in_one_series_are_refused_and_never_mixed(layout: str) -> None:
    images = in_layout(layout)
    change(of_phase(images, 1), EchoTime=2.4)
    change(of_phase(images, 3), EchoTime=2.4)
    refusal = refusal_of(images)
    assert (refusal.code, "2 echoes" in refusal.message) == ("unsupported_object", True)


def test_two_echoes_in_series_of_their_own_are_refused() -> None:
    images = dynamic(8)
    for phase in range(1, 8, 2):
        change(of_phase(images, phase), EchoTime=2.4)
    refusal = refusal_of(images)
    assert (refusal.code, "two protocols" in refusal.message) == ("no_dce_series", True)


def test_a_tuning_of_the_scanner_between_phases_is_no_other_protocol() -> None:
    images = dynamic()
    change(of_phase(images, 0), RepetitionTime=4.16)
    assert [phase.role for phase in select(images).phases] == ["pre", "other", "early", "late"]


@pytest.mark.parametrize(
    "broken",
    [
        {"ImageOrientationPatient": [1, 0, 0, 0, 1]},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"PixelSpacing": [0, 1]},
        {"PixelSpacing": [-1, -1]},
        {"PixelSpacing": [1e-300, 1e300]},
        {"ImagePositionPatient": [1e30, 0, 0]},
        {"PixelSpacing": None},
        {"ImagePositionPatient": None},
    ],
)
def test_geometry_that_can_not_be_true_is_unsupported(broken: dict[str, object]) -> None:
    assert refusal_of(dynamic(**broken)).code == "unsupported_object"


def test_one_odd_series_does_not_take_the_study_with_it() -> None:
    images = dynamic(5)
    change(of_phase(images, 4), RepetitionTime=None, FlipAngle=None)
    assert len(select(images).phases) == 4


def test_a_study_of_spin_echoes_has_no_dynamic_series() -> None:
    refusal = refusal_of(dynamic(ScanningSequence="SE"))
    assert (refusal.code, "none of the 4 series" in refusal.message) == ("no_dce_series", True)


def test_a_dynamic_series_without_place_in_the_patient_is_unsupported() -> None:
    assert refusal_of(dynamic(FrameOfReferenceUID=None)).code == "unsupported_object"


# Series that are not phases must not spoil those that are


def three_planes() -> list[Dataset]:
    """A gradient-echo scout that no word gives away, with several orientations in one series."""
    return [
        mr_image(
            8, place, axes=axes, SOPInstanceUID=f"1.2.3.9.{turn}.{place}", SeriesDescription="planes", FlipAngle=30
        )
        for turn, axes in enumerate((AXIAL, CORONAL))
        for place in range(5)
    ]


def test_a_scout_in_three_planes_does_not_refuse_the_study() -> None:
    series = select([*dynamic().values(), *three_planes()])
    assert len(series.phases) == 4
    assert any("orientations" in r.reason for r in series.selection.rejected)


def test_a_series_that_can_not_be_read_is_the_reason_where_there_is_no_other() -> None:
    assert refusal_of(three_planes()).code == "mixed_geometry"


def test_a_bolus_timing_run_is_not_the_dynamic_series() -> None:
    timing = dynamic(30, slices=1, FlipAngle=30, SeriesDescription="bolus timing")
    for (phase, _), image in timing.items():
        change(image, SeriesInstanceUID="1.2.3.50", SOPInstanceUID=f"1.2.3.50.{phase}")
    assert len(select([*dynamic().values(), *timing.values()]).phases) == 4


def test_another_gradient_echo_protocol_is_rejected_with_that_reason() -> None:
    other = [mr_image(9, place, FlipAngle=25, SeriesDescription="ax t1 non fs") for place in range(SLICES)]
    (rejected,) = select([*dynamic().values(), *other]).selection.rejected
    assert rejected.description == "ax t1 non fs" and "another protocol" in rejected.reason


# A DceSeries that exists is valid


def phase(role: str, time_s: float) -> Phase:
    return Phase(
        series_instance_uid="1.2", description="", time_s=time_s, after_injection_s=time_s, role=role, frames=()
    )


@pytest.mark.parametrize(
    ("roles", "times"),
    [
        (("pre", "late", "early"), (0, 1, 2)),
        (("early", "pre", "late"), (0, 1, 2)),
        (("pre", "early", "other"), (0, 1, 2)),
        (("pre", "early", "late"), (0, 2, 2)),
        (("pre", "early", "late"), (0, 2, 1)),
    ],
)
def test_a_dynamic_series_out_of_order_can_not_be_made(roles, times) -> None:
    with pytest.raises(ValueError):
        DceSeries(
            phases=tuple(phase(role, time) for role, time in zip(roles, times, strict=True)),
            pre_gap_s=1,
            injection_source="estimated",
            time_field="AcquisitionTime",
            selection=Selection("", ()),
        )
