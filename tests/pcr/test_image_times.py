"""Times come from the attribute that can be believed of the vendor, or the study is refused."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from tiny_mr import Images, change, dynamic, in_one_series, mr_image, of_phase, select

from pcr.image_times import vendor_of
from pcr.reasons import NotEvaluable


def refusal_of(images: Images) -> NotEvaluable:
    with pytest.raises(NotEvaluable) as caught:
        select(images)
    return caught.value


def with_content_times(minutes: list[int], **given: object) -> Images:
    images = dynamic(len(minutes), **given)
    for (phase, _), image in images.items():
        image.ContentTime = f"09{minutes[phase]:02d}00"
    return images


@pytest.mark.parametrize(
    ("manufacturer", "field", "gap_s"),
    [("SIEMENS", "AcquisitionTime", 129), ("GE MEDICAL SYSTEMS", "ContentTime", 180), ("", "AcquisitionTime", 129)],
)
def test_each_vendor_has_an_attribute_that_is_believed_first(manufacturer: str, field: str, gap_s: float) -> None:
    series = select(with_content_times([10, 13, 16, 19], Manufacturer=manufacturer))
    assert (series.time_field, series.pre_gap_s) == (field, gap_s)


def test_trigger_times_count_from_the_acquisition_time_that_all_share() -> None:
    images = in_one_series(dynamic(4, Manufacturer="Philips Medical Systems", AcquisitionTime="090700"))
    change(images.values(), ContrastBolusStartTime="090840")
    for (phase, _), image in images.items():
        change(image, TemporalPositionIdentifier=phase + 1, TriggerTime=90_000.0 * phase)
    series = select(images)
    assert (series.time_field, series.injection_source) == ("TriggerTime", "ContrastBolusStartTime")
    assert [phase.after_injection_s for phase in series.phases] == [-100, -10, 80, 170]


def test_trigger_times_of_several_series_count_from_the_start_of_each() -> None:
    images = dynamic(4, Manufacturer="Philips", AcquisitionTime="091200", SeriesInstanceUID="1.2.3.2")
    for (phase, _), image in images.items():
        change(image, TriggerTime=90_000.0 * (phase - 1), TemporalPositionIdentifier=phase)
        if phase == 0:
            change(image, SeriesInstanceUID="1.2.3.1", AcquisitionTime="090700", TriggerTime=60_000.0)
    series = select(images)
    assert (series.time_field, series.pre_gap_s) == ("TriggerTime", 240)


def test_content_times_of_one_reconstruction_are_not_those_of_the_phases() -> None:
    images = dynamic(Manufacturer="GE MEDICAL SYSTEMS")
    for (phase, _), image in images.items():
        image.ContentTime = f"0930{3 * phase:02d}"
    assert select(images).time_field == "AcquisitionTime"


def test_attributes_that_order_the_phases_differently_are_refused() -> None:
    refusal = refusal_of(with_content_times([10, 16, 13, 19], Manufacturer="SIEMENS"))
    assert (refusal.code, "different orders" in refusal.message) == ("no_dce_series", True)


def test_numbers_that_order_the_phases_against_their_times_are_refused() -> None:
    images = in_one_series(dynamic())
    for (phase, _), image in images.items():
        image.TemporalPositionIdentifier = [1, 3, 2, 4][phase]
    assert "different orders" in refusal_of(images).message


def test_two_images_that_changed_their_phase_are_refused() -> None:
    images = in_one_series(dynamic())
    for (phase, _), image in images.items():
        image.TemporalPositionIdentifier = phase
    images[1, 3].TemporalPositionIdentifier, images[2, 3].TemporalPositionIdentifier = 2, 1
    assert refusal_of(images).code == "no_dce_series"


def test_a_run_stored_as_series_shares_its_acquisition_time() -> None:
    images = with_content_times([10, 13, 16, 19], Manufacturer="GE MEDICAL SYSTEMS")
    for phase in (1, 2, 3):
        change(of_phase(images, phase), AcquisitionTime="091200")
    assert select(images).time_field == "ContentTime"


def test_one_image_with_a_wrong_time_moves_no_phase() -> None:
    images = dynamic()
    images[1, 0].AcquisitionTime = "090800"
    assert [phase.time_s for phase in select(images).phases] == [0, 129, 219, 309]


@pytest.mark.parametrize(
    ("said", "vendor"),
    [
        ({"Manufacturer": "GE MEDICAL SYSTEMS"}, "GE"),
        ({"Manufacturer": "GE HealthCare"}, "GE"),
        ({"Manufacturer": "Siemens Healthineers"}, "Siemens"),
        ({"Manufacturer": "Philips"}, "Philips"),
        ({"Manufacturer": "Aurora"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_vendor_is_known_by_its_name(said: dict[str, str], vendor: str) -> None:
    assert vendor_of(mr_image(**said)) == vendor


@pytest.mark.parametrize(
    ("group", "creator", "vendor"),
    [
        (0x0019, "GEMS_ACQU_01", "GE"),
        (0x0029, "SIEMENS CSA HEADER", "Siemens"),
        (0x2001, "Philips Imaging DD 001", "Philips"),
        (0x2005, "Philips MR Imaging DD 001", "Philips"),
        (0x0029, "SPI-P Release 1", "unknown"),
    ],
)
def test_a_blank_manufacturer_is_known_by_private_creators(group: int, creator: str, vendor: str) -> None:
    image: Dataset = mr_image(Manufacturer="")
    image.private_block(group, creator, create=True)
    assert vendor_of(image) == vendor
