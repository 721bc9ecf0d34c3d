"""What is read of a received header: whose it is, for sure, in bounded time and memory, whatever was sent."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from dicom_peers import image
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom.dsutils import encode

from deploy.trigger.instance import UnusableInstance, identify
from pcr.report.provenance import MANUFACTURER, SOFTWARE_NAME

EXPLICIT = ExplicitVRLittleEndian
STUDY_UID = bytes.fromhex("20000d00") + b"UI" + bytes.fromhex("0600") + b"1.2.3\0"


def _encoded(dataset: Dataset, implicit: bool = False, little: bool = True, deflated: bool = False) -> bytes:
    encoded = encode(dataset, implicit, little, deflated)
    assert encoded is not None
    return encoded


def _with_study_uid(value: bytes) -> bytes:
    content = _encoded(image())
    assert content.count(STUDY_UID) == 1
    return content.replace(STUDY_UID, STUDY_UID[:6] + len(value).to_bytes(2, "little") + value)


@pytest.mark.parametrize(
    ("syntax", "implicit", "little", "deflated"),
    [
        (ExplicitVRLittleEndian, False, True, False),
        (ImplicitVRLittleEndian, True, True, False),
        (ExplicitVRBigEndian, False, False, False),
        (DeflatedExplicitVRLittleEndian, False, True, True),
        (JPEG2000Lossless, False, True, False),
    ],
)
def test_every_encoding_says_whose_it_is(syntax: str, implicit: bool, little: bool, deflated: bool) -> None:
    found = identify(_encoded(image(), implicit, little, deflated), syntax)
    assert found.uids == {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
        "SOPInstanceUID": "1.2.3.4.1",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
    }
    assert (found.patient_id, found.accession_number, found.is_own) == ("SIMULATED-77", "A7", False)


def test_a_data_set_that_ends_with_its_series_is_whole() -> None:
    dataset = image()
    del dataset.InstanceNumber, dataset.PixelData
    assert identify(_encoded(dataset), EXPLICIT).uids["SeriesInstanceUID"] == "1.2.3.4"


def test_a_long_sequence_before_the_uids_is_passed() -> None:
    references = [Dataset() for _ in range(2000)]
    for reference in references:
        reference.ReferencedSOPInstanceUID = "1.2.840." + "9" * 50
    dataset = image(ReferencedImageSequence=references)
    assert len(encoded := _encoded(dataset)) > 100_000
    assert identify(encoded, EXPLICIT).uids["StudyInstanceUID"] == "1.2.3"


def test_a_patient_id_is_read_in_its_character_set() -> None:
    dataset = image(SpecificCharacterSet="ISO_IR 192", PatientID="Пациент 7")
    assert identify(_encoded(dataset), EXPLICIT).patient_id == "Пациент 7"


def test_our_own_results_are_known() -> None:
    dataset = image(Manufacturer=MANUFACTURER, ManufacturerModelName=SOFTWARE_NAME)
    assert identify(_encoded(dataset), EXPLICIT).is_own


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_instance_without_one_of_its_uids_is_refused(keyword: str) -> None:
    dataset = image()
    del dataset[keyword]
    with pytest.raises(UnusableInstance, match=keyword):
        identify(_encoded(dataset), EXPLICIT)


@pytest.mark.parametrize(
    "value", [b"", b"../../../etc", b"1.2/3 ", b"1.2.3\n", b"1..2", b"1.2\\3 ", b"1" * 66, b"\xff1"]
)
def test_what_could_not_name_a_file_is_no_uid(value: bytes) -> None:
    with pytest.raises(UnusableInstance, match="StudyInstanceUID"):
        identify(_with_study_uid(value), EXPLICIT)


@pytest.mark.parametrize("length", range(0, 130, 7))
def test_a_header_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(UnusableInstance):
        identify(_encoded(image())[:length], EXPLICIT)


def test_a_patient_id_is_never_cut_short() -> None:
    dataset = image()
    dataset.add_new(0x00100020, "UT", "7" * 2000)
    with pytest.raises(UnusableInstance, match="too long"):
        identify(_encoded(dataset), EXPLICIT)


def test_a_message_repeats_no_value() -> None:
    with pytest.raises(UnusableInstance) as refused:
        identify(_with_study_uid(b"Doe^Jane"), EXPLICIT)
    assert "Jane" not in str(refused.value)


def test_a_deflated_bomb_is_not_inflated() -> None:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = b"".join([deflate.compress(bytes(2**20)) for _ in range(60)]) + deflate.flush()
    tracemalloc.start()
    try:
        with pytest.raises(UnusableInstance):
            identify(bomb, DeflatedExplicitVRLittleEndian)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
