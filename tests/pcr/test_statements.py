"""Implants and therapy are read from what a study says, and from nothing that only sounds like it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from tiny_mr import mr_image, study_of

from pcr.statements import DESCRIPTIONS, FREE_TEXT, Statement, implant_statements, therapy_statements

# How scanners and sites name the series and examinations of patients without implants before therapy.
HARMLESS = (
    "ISPY2: VOLSER: uni-lateral cropped: original DCE",
    "bi-lateral: original DCE",
    "ISPY2: Ax Vibrant PRE/POST",
    "ISPY2: 15ML OMNI T1 FS DYN SENSE 5",
    "ISPY2: SAG IR",
    "...: SER",
    "...: PE2",
    "...: Analysis Mask",
    "Dynamic-3dfgre",
    "LEFT - Dynamic-3dfgre",
    "IR-SPGR-SAG",
    "BILAT T1 SPGR PRE",
    "BILAT T1 SPGR POST",
    "DCE PRE Left",
    "DCE POST Left",
    "T1 right breast",
    "T1 right breast post",
    "T1 right breast post delay",
    "ACRIN_6657/FL3D_T1_SAG",
    "ACRIN_6657/FL3D_T1_SAG_POS",
    "ACRIN_6657/FL3D_T1_SAG_CA",
    "#6657 BreasFS3DSAG 6DYN",
    "VOI PE",
    "Breast Tissue Segmentation",
    "ax dyn pre",
    "ax dyn 1st pass",
    "ax dyn 1st pas",
    "Ph1/ax 3d dyn",
    "ax 3d dyn MP",
    "Ax Vibrant MultiPhase",
    "t1fl3dtradynVIEWSspair pre",
    "t1fl3dtradynVIEWSspair 1st pass",
    "ax t1 tse +c",
    "Ax 3D T1 NON FS",
    "T1 mDIXON DYN",
    "B0 map",
    "MRI BREAST BILATERAL W/WO",
    "MRI BREAST BILATERAL W + W/O",
    "MR Mamma bds. nativ und KM",
    "IRM du sein sans et avec injection",
    "post contrast",
    "POST GAD T1 FS",
    "T1 post",
    "AX POST 1",
    "SAG POST RT",
    "T1 post NC",
    "after contrast",
    "during injection",
    "pre-treatment",
    "pre-treatment staging",
    "before NAC",
    "Baseline MRI, response to neoadjuvant chemotherapy trial",
    "staging before neoadjuvant chemotherapy",
    "planned neoadjuvant chemotherapy",
    "MRI breast, candidate for neoadjuvant treatment",
    "vor neoadjuvanter Chemotherapie",
    "avant chimiotherapie neoadjuvante",
    "6 month follow-up",
    "post biopsy",
    "post processing",
    "treatment planning",
    "T1 post, treatment planning",
    "AX T1 POST TREATMENT PLANNING",
    "NAC DYN POST",
    "preoperative",
    "MRI breast w/o implants",
    "breast MRI without implant",
    "no implants",
    "no silicone implants",
    "implants: none",
    "no history of breast implants",
    "W/WO IMPLANTS",
    "implantable port, right chest",
    "cochlear implant",
    "hip prosthesis",
    "Knieprothese",
)

IMPLANTS = (
    "MRI BREAST IMPLANT W WO CONTRAST",
    "implant protocol w/o",
    "MRI BREAST W WO CONTRAST IMPLANTS",
    "MR Mamma mit Silikonimplantaten, Implantat links",
    "IRM mammaire, prothèses mammaires",
    "RM de mama con implantes",
    "RM mammella, protesi bilaterale",
    "AX T2 SILICONE_SAT",
    "tissue expander left",
)

DURING_OR_AFTER = (
    "MRI BREAST POST NAC",
    "post-NACT",
    "postNAC",
    "after neoadjuvant chemotherapy",
    "after completion of neoadjuvant therapy",
    "mid-treatment",
    "MID NAC",
    "midtreatment",
    "inter-NAC",
    "during chemo",
    "preoperative after chemo",
    "after 4 cycles",
    "post treatment",
    "status post lumpectomy",
    "MR BREAST POST-OP",
    "nach neoadjuvanter Chemotherapie",
    "unter Chemotherapie",
    "après chimiothérapie",
    "después de quimioterapia",
    "dopo chemioterapia",
)

HINTS = (
    "follow-up neoadjuvant",
    "NAC response",
    "response to therapy",
    "restaging",
    "treatment monitoring",
    "breast pre/post NAC",
)


def therapy(**given: object) -> tuple[Statement, ...]:
    return therapy_statements(study_of([mr_image(**given)]))


def implants(**given: object) -> tuple[Statement, ...]:
    return implant_statements(study_of([mr_image(**given)]))


@pytest.mark.parametrize("text", HARMLESS)
@pytest.mark.parametrize("written", [str, str.upper])
def test_names_of_contrast_phases_and_of_baseline_studies_say_nothing(text: str, written: Callable[[str], str]) -> None:
    # A follow-up, or one before surgery, is harmless but for the time point of a trial.
    keywords = {*DESCRIPTIONS, *FREE_TEXT} - {"ClinicalTrialTimePointDescription"}
    study = study_of([mr_image(**dict.fromkeys(keywords, written(text)))])
    assert implant_statements(study) == therapy_statements(study) == ()


@given(texts=st.lists(st.sampled_from(HARMLESS), min_size=2, max_size=4))
def test_harmless_names_of_several_series_do_not_add_up(texts: list[str]) -> None:
    study = study_of([mr_image(phase, SeriesDescription=text) for phase, text in enumerate(texts)])
    assert implant_statements(study) == therapy_statements(study) == ()


@pytest.mark.parametrize("text", IMPLANTS)
@pytest.mark.parametrize("keyword", ["StudyDescription", "SeriesDescription", "ReasonForTheRequestedProcedure"])
def test_words_for_an_implant_are_a_hint(text: str, keyword: str) -> None:
    first, *_ = implants(**{keyword: text})
    assert (first.keyword, first.certain) == (keyword, False)


def test_the_coded_implant_is_certain_and_its_absence_silences_words() -> None:
    assert implants(BreastImplantPresent="YES")[0].certain
    assert implants(BreastImplantPresent="NO", StudyDescription="MRI BREAST IMPLANT") == ()


@pytest.mark.parametrize("text", DURING_OR_AFTER)
@pytest.mark.parametrize("keyword", ["StudyDescription", "SeriesDescription", "ClinicalTrialTimePointDescription"])
def test_a_description_that_places_the_study_after_the_start_of_therapy_is_certain(text: str, keyword: str) -> None:
    assert therapy(**{keyword: text})[0].certain


@pytest.mark.parametrize("text", DURING_OR_AFTER)
@pytest.mark.parametrize("keyword", ["AdditionalPatientHistory", "ReasonForTheRequestedProcedure"])
def test_the_same_words_in_free_text_are_a_hint(text: str, keyword: str) -> None:
    assert [statement.certain for statement in therapy(**{keyword: text})[:1]] == [False]


@pytest.mark.parametrize("text", HINTS)
def test_words_about_response_are_a_hint(text: str) -> None:
    assert [statement.certain for statement in therapy(StudyDescription=text)] == [False]


def test_words_in_the_requested_procedure_count() -> None:
    request = Dataset()
    request.RequestedProcedureDescription = "MRI breast after NAC"
    assert therapy(RequestAttributesSequence=Sequence([request]))[0].certain


@pytest.mark.parametrize("point", ["T1", "t2", "T3", "TP2", "Visit 2", "MR3", "02"])
def test_a_later_time_point_of_a_trial_is_certain(point: str) -> None:
    assert therapy(ClinicalTrialTimePointID=point)[0].certain


@pytest.mark.parametrize("point", ["T0", "0", "1", "V1", "TP0", "baseline", "BL", "2024-05", ""])
def test_the_first_time_point_of_a_trial_says_nothing(point: str) -> None:
    assert therapy(ClinicalTrialTimePointID=point) == ()


def test_a_time_point_that_is_described_as_baseline_says_nothing() -> None:
    assert therapy(ClinicalTrialTimePointID="T1", ClinicalTrialTimePointDescription="Baseline") == ()


@pytest.mark.parametrize("described", ["early-treatment", "inter-regimen", "pre-surgery", "mid-treatment"])
def test_the_later_visits_of_a_trial_are_known_by_their_names(described: str) -> None:
    assert therapy(ClinicalTrialTimePointDescription=described)[0].certain


def test_the_time_point_of_a_segmentation_is_not_that_of_the_study() -> None:
    made = mr_image(1, Modality="SEG", ClinicalTrialTimePointID="2")
    assert therapy_statements(study_of([mr_image(), made])) == ()


@pytest.mark.parametrize(
    ("event", "days", "certain"),
    [
        ("TREATMENT", 21.0, [True]),
        ("TREATMENT", -3.0, []),
        ("ENROLLMENT", 14.0, []),
        ("DIAGNOSIS", 180.0, [False]),
        ("BASELINE", float("nan"), []),
        (None, 180.0, []),
    ],
)
def test_days_after_an_event_tell_the_time_of_therapy(event: str | None, days: float, certain: list[bool]) -> None:
    image = mr_image(LongitudinalTemporalOffsetFromEvent=days)
    if event:
        image.LongitudinalTemporalEventType = event
    assert [statement.certain for statement in therapy_statements(study_of([image]))] == certain


def test_what_is_quoted_is_no_part_of_a_name() -> None:
    (statement,) = therapy(StudyDescription="Doe^Jane MRI breast post NAC Dr Miller")
    assert str(statement) == "StudyDescription says 'post nac'"


@given(value=st.one_of(st.binary(max_size=20), st.text(max_size=30)))
def test_whatever_stands_in_a_text_it_is_read_without_an_error(value: bytes | str) -> None:
    image = mr_image()
    image.add_new("StudyDescription", "LO", "")
    image["StudyDescription"]._value = value
    assert implant_statements(study_of([image])) == ()


@pytest.mark.filterwarnings("ignore:The value length:UserWarning")
def test_a_very_long_text_takes_no_longer_than_a_short_one() -> None:
    assert therapy(PatientComments="post " * 200_000 + "NAC") == ()
