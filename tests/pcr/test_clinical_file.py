"""Which record is for which study: the right one, none, or a refusal that gives nothing away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from tiny_mr import mr_image

from pcr.clinical import ClinicalRecord
from pcr.clinical_file import age_from_header, compare_ages, no_clinical_file, parse_clinical_file, read_clinical_file
from pcr.reasons import NotEvaluable
from pcr.study import Instance, Series, Study

SECRET = "MRN-4711-Doe"
ORDER = "ORDER-661"
HERE = {"study_instance_uid": "1.2.3"}
VALUES = {"age": 55, "menopausal_status": "post", "er": True, "pr": False, "her2": False}
RECORD = ClinicalRecord(age=55, menopausal_status="post", er=True, pr=False, her2=False, source="clinical.json")


def study(uid: str = "1.2.3", patient_id: str = SECRET, **header: Any) -> Study:
    image = mr_image(StudyInstanceUID=uid, PatientID=patient_id, **({"AccessionNumber": ORDER} | header))
    return Study(uid, (Series("1.2.3.1", (Instance(Path("nowhere"), image),)),))  # type: ignore[arg-type]


@pytest.fixture
def record(tmp_path: Path):
    """The record that a file of this content holds for a study."""

    def record_for(content: object, one: Study | None = None, *others: Study) -> ClinicalRecord:
        path = tmp_path / "clinical.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        one = one or study()
        return read_clinical_file(path).record_for(one, (one, *others))

    return record_for


@pytest.fixture
def refusal(record):
    """Its refusal, which never holds an id or a value of the file."""

    def refusal_of(content: object, one: Study | None = None, *others: Study) -> NotEvaluable:
        with pytest.raises(NotEvaluable) as caught:
            record(content, one, *others)
        for secret in (SECRET, "4711", "Doe", "1.2.3", "1965", "661", "maybe"):
            assert secret not in caught.value.message
        return caught.value

    return refusal_of


# The three forms


@pytest.mark.parametrize(
    "content",
    [
        {"records": [HERE | VALUES]},
        {"records": [{"patient_id": SECRET} | VALUES, {"patient_id": "other", "age": 40}]},
        {"records": [HERE | {"patient_id": f" {SECRET} "} | VALUES]},
        {"records": [{"accession_number": f" {ORDER} "} | VALUES, {"patient_id": SECRET, "age": 40}]},
        {"1.2.3": VALUES, "9.9.9": {"age": 40}},
        {SECRET: VALUES},
        VALUES,
        HERE | VALUES,
    ],
    ids=[
        "list by study",
        "list by patient",
        "both keys",
        "list by order",
        "keyed by study",
        "keyed by patient",
        "bare",
        "bare with key",
    ],
)
def test_every_form_of_the_file_gives_the_same_record(record, content) -> None:
    assert record(content) == RECORD


def test_a_byte_order_mark_does_no_harm(record) -> None:
    assert record("\ufeff" + json.dumps(VALUES)) == RECORD


def test_an_id_of_digits_alone_is_a_patients(record) -> None:
    assert record({"4711": VALUES}, study(patient_id="4711")) == RECORD


def test_a_field_that_is_null_is_missing(record) -> None:
    assert record(HERE | {"age": None, "hr": None, "her2": True}).value("age") is None


@pytest.mark.parametrize("content", [{}, {"records": []}])
def test_an_empty_file_is_a_record_of_which_all_is_missing(record, content) -> None:
    assert record(content) == ClinicalRecord()


def test_age_follows_from_the_birth_date_and_the_date_of_the_study(record) -> None:
    assert record({SECRET: {"birth_date": "1965-01-02"}}).age == pytest.approx(55, abs=0.05)


def test_the_header_of_another_study_of_the_run_does_not_matter(record) -> None:
    other = study("4.5.6", "T-2", PatientAge="020Y")
    assert record({"1.2.3": VALUES}, None, other) == RECORD


# Whose record


def test_each_of_two_studies_gets_its_own_record(record) -> None:
    one, two = study("1.2.3", "A"), study("4.5.6", "B")
    content = {"A": {"age": 40}, "B": {"age": 50}}
    assert (record(content, one, two).age, record(content, two, one).age) == (40, 50)


def test_a_study_without_a_record_of_its_own_gets_none_of_another(record) -> None:
    assert record({"A": {"age": 40, "hr": True}}, study("4.5.6", "B"), study("1.2.3", "A")) == ClinicalRecord()


def test_a_record_for_another_study_of_the_same_patient_is_not_this_studys(record) -> None:
    before, after = study("1.2.3", "A"), study("4.5.6", "A")
    content = {"records": [{"study_instance_uid": "1.2.3", "patient_id": "A", "age": 40}]}
    assert record(content, before, after).age == 40
    assert record(content, after, before).age is None


def test_a_record_for_another_order_of_the_same_patient_is_not_this_studys(record) -> None:
    before, after = study("1.2.3", "A"), study("4.5.6", "A", AccessionNumber="later")
    content = {"records": [{"accession_number": ORDER, "patient_id": "A", "age": 40}]}
    assert record(content, before, after).age == 40
    assert record(content, after, before).age is None


def test_a_record_of_an_order_is_for_all_its_studies(record) -> None:
    one, two = study("1.2.3"), study("4.5.6")
    content = {"records": [{"accession_number": ORDER, "age": 40}]}
    assert (record(content, one, two).age, record(content, two, one).age) == (40, 40)


def test_a_blank_accession_number_is_no_key_that_studies_share(refusal) -> None:
    without = study(AccessionNumber="")
    assert refusal({"accession_number": " "} | VALUES, without, study("4.5.6", AccessionNumber="")).code == (
        "clinical_record_mismatch"
    )


def test_the_studys_own_record_goes_before_the_orders_and_that_before_the_patients(record) -> None:
    content = {"records": [{"patient_id": SECRET, "age": 40}, {"accession_number": ORDER, "age": 41}]}
    assert record(content).age == 41
    assert record({"records": [*content["records"], HERE | {"age": 42}]}).age == 42


def test_the_studys_own_record_goes_before_the_patients(record) -> None:
    content = {"records": [{"patient_id": SECRET, "age": 40}, HERE | {"age": 41}]}
    assert record(content).age == 41


@pytest.mark.parametrize(
    "content",
    [
        {"somebody else": VALUES},
        {"9.9.9": VALUES},
        {"records": [HERE | {"patient_id": "somebody else"} | VALUES]},
        {"records": [{"study_instance_uid": "9.9.9", "patient_id": SECRET} | VALUES]},
        {"records": [VALUES, HERE | VALUES]},
        {"accession_number": "another order"} | VALUES,
        {"accession_number": "another order", "patient_id": SECRET} | VALUES,
        {"accession_number": ORDER, "patient_id": "somebody else"} | VALUES,
        {"accession_number": ORDER, "study_instance_uid": "9.9.9"} | VALUES,
    ],
    ids=[
        "other patient",
        "other study",
        "study but other patient",
        "patient but other study",
        "one of two unkeyed",
        "other order",
        "patient but other order",
        "order but other patient",
        "order but other study",
    ],
)
def test_a_record_for_somebody_else_is_refused(refusal, content) -> None:
    assert refusal(content).code == "clinical_record_mismatch"


def test_a_record_without_a_key_is_refused_where_there_are_several_studies(refusal) -> None:
    assert refusal(VALUES, study(), study("4.5.6")).code == "clinical_record_mismatch"


def test_a_blank_id_is_no_key_that_nameless_studies_share(refusal) -> None:
    nameless = study("4.5.6", "")
    assert refusal({"": VALUES}, study(patient_id=""), nameless).code == "clinical_record_mismatch"


def test_a_record_without_a_key_and_a_header_of_another_age_is_refused(refusal) -> None:
    assert refusal(VALUES, study(PatientAge="040Y")).code == "clinical_record_mismatch"


def test_a_record_with_a_key_and_a_header_of_another_age_is_warned_of(record) -> None:
    header = study(PatientAge="050Y").header
    warning = compare_ages(record({SECRET: VALUES}, study(PatientAge="050Y")), header)
    assert "differ by more than 2 years" in warning
    assert compare_ages(RECORD, study(PatientAge="054Y").header) is None


def test_a_key_does_not_outweigh_an_age_of_somebody_else(record) -> None:
    with pytest.raises(NotEvaluable, match="clinical_record_mismatch"):
        record({SECRET: VALUES}, study(PatientAge="030Y"))


@pytest.mark.parametrize("birth_date", ["1976-01-01", 0])
def test_a_birth_date_that_contradicts_the_age_or_is_no_date_is_refused(record, birth_date: object) -> None:
    with pytest.raises(NotEvaluable, match="clinical_record_invalid"):
        record({SECRET: {"age": 70, "birth_date": birth_date}}, study())


# What is not valid


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1, 2]",
        '"text"',
        "null",
        "\x00\xff",
        "[" * 100_000,
        '{"age": 55, "age": 56}',
        {"records": {}},
        {"records": [1]},
        {"records": [], "more": 1},
        {SECRET: 1},
        {SECRET: {SECRET: 1}},
        VALUES | {SECRET: "x"},
        VALUES | {"age": "55"},
        VALUES | {"age": True},
        VALUES | {"age": 661},
        VALUES | {"hr": 1},
        VALUES | {"her2": "negative"},
        VALUES | {"menopausal_status": "maybe"},
        VALUES | {"birth_date": "1965"},
        VALUES | {"hr": False},
        {"records": [HERE | {"age": 40}, HERE | {"age": 41}]},
        {SECRET: {"patient_id": "somebody else", "age": 40}},
        {"records": [HERE], "waited_minutes": 30},
        {"records": [], "waited_minutes": -1},
        {"records": [], "waited_minutes": "30"},
        {"records": [], "waited_minutes": 1e12},
        '{"records": [], "waited_minutes": Infinity}',
        {"records": [], "source": SECRET},
    ],
    ids=str,
)
def test_a_file_that_is_not_valid_is_refused(refusal, content) -> None:
    assert refusal(content).code == "clinical_record_invalid"


def test_nan_is_no_age(refusal) -> None:
    assert refusal('{"age": NaN}').code == "clinical_record_invalid"


def test_the_field_that_is_wrong_is_named(refusal) -> None:
    assert "her2" in refusal(VALUES | {"her2": "negative"}).message


def test_the_same_record_twice_is_no_contradiction(record) -> None:
    assert record({"records": [HERE | VALUES, HERE | VALUES]}) == RECORD


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "clinical.json"
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(NotEvaluable, match="larger than 16 MiB"):
        read_clinical_file(path)


def test_a_file_that_is_gone_is_refused_without_its_name(tmp_path: Path) -> None:
    with pytest.raises(NotEvaluable) as caught:
        read_clinical_file(tmp_path / SECRET)
    assert SECRET not in caught.value.message


def test_a_file_of_more_records_than_a_cohort_has_is_refused() -> None:
    with pytest.raises(NotEvaluable, match="more than 100,000 records"):
        parse_clinical_file(b'{"records": [' + b"{}," * 100_000 + b"{}]}", ".json")


# What the file says beside its records


@pytest.mark.parametrize(
    ("waited", "sentence"),
    [
        (30, "no clinical record arrived within 30 minutes of the study"),
        (1, "no clinical record arrived within 1 minute of the study"),
        (0, "no clinical record had arrived when the study was complete"),
    ],
)
def test_a_file_may_say_how_long_a_record_was_waited_for(waited: float, sentence: str) -> None:
    content = json.dumps({"records": [], "waited_minutes": waited}).encode()
    file = parse_clinical_file(content, ".json")
    assert (file.remarks, file.record_for(study(), (study(),))) == ((sentence,), ClinicalRecord())


def test_a_file_that_was_put_together_says_from_what(record) -> None:
    assert record({"records": [HERE | VALUES], "source": "FHIR R4 Bundle"}).source == "FHIR R4 Bundle"


# The header


def test_without_a_file_the_age_comes_from_the_header_and_the_rest_is_missing() -> None:
    one = study(PatientAge="048Y")
    record = no_clinical_file().record_for(one, (one,))
    assert (record.age, record.hr, record.source) == (48, None, "DICOM header")


@pytest.mark.parametrize(
    ("header", "age"),
    [
        ({"PatientAge": "048Y"}, 48),
        ({"PatientAge": "600M"}, 50),
        ({"PatientAge": "000Y", "PatientBirthDate": "19700102"}, 50),
        ({"PatientBirthDate": "19700102"}, 50),
        ({"PatientBirthDate": "19700102", "StudyDate": ""}, None),
        ({"PatientBirthDate": "19000101"}, None),  # what de-identification leaves
        ({"PatientBirthDate": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_age_from_the_header(header: dict[str, str], age: float | None) -> None:
    found = age_from_header(mr_image(**header))
    assert found == (None if age is None else pytest.approx(age, abs=0.1))


@pytest.mark.parametrize("keyword", ["PatientBirthDate", "StudyDate"])
def test_a_date_that_is_no_date_gives_no_age(keyword: str) -> None:
    image: Dataset = mr_image(PatientBirthDate="19700102")
    image[keyword]._value = "no date"
    assert age_from_header(image) is None
