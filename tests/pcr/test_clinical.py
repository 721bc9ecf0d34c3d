"""A clinical record is valid, or it is refused without a word about its values; what is missing stays missing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from pcr.clinical import ClinicalRecord, encode
from pcr.manifest import ClinicalVariable
from pcr.reasons import NotEvaluable

VARIABLES = (
    ClinicalVariable(name="age", offset=50, scale=10),
    ClinicalVariable(name="hr"),
    ClinicalVariable(name="menopausal_status"),
    ClinicalVariable(name="her2"),
)


@pytest.mark.parametrize(("er", "pr"), list(product((True, False, None), repeat=2)))
def test_hormone_receptor_status_follows_from_er_and_pr(er, pr) -> None:
    expected = True if er or pr else False if er is False and pr is False else None
    assert ClinicalRecord(er=er, pr=pr).hr is expected


@pytest.mark.parametrize(("hr", "er", "pr"), [(True, False, False), (False, True, None), (False, None, True)])
def test_hr_that_contradicts_er_and_pr_is_refused(hr, er, pr) -> None:
    with pytest.raises(NotEvaluable, match="hr contradicts er and pr") as caught:
        ClinicalRecord(hr=hr, er=er, pr=pr)
    assert caught.value.code == "clinical_record_invalid"


@pytest.mark.parametrize(("hr", "er", "pr"), [(True, False, None), (True, True, False), (False, False, False)])
def test_hr_that_agrees_with_er_and_pr_stands(hr, er, pr) -> None:
    assert ClinicalRecord(hr=hr, er=er, pr=pr).hr is hr


@pytest.mark.parametrize("age", [-1, 14.9, 110.1, 660, float("nan"), float("inf")])
def test_an_age_that_nobody_has_is_refused(age: float) -> None:
    with pytest.raises(NotEvaluable, match="age lies outside") as caught:
        ClinicalRecord(age=age)
    assert caught.value.code == "clinical_record_invalid"


@pytest.mark.parametrize("age", [15, 110])
def test_the_borders_of_the_plausible_ages_are_plausible(age: float) -> None:
    assert ClinicalRecord(age=age).age == age


def test_an_unknown_menopausal_status_is_refused() -> None:
    with pytest.raises(NotEvaluable, match="pre, peri, post"):
        ClinicalRecord(menopausal_status="maybe")


def test_values_are_numbers() -> None:
    record = ClinicalRecord(age=55, menopausal_status="peri", hr=True, her2=False)
    assert [record.value(name) for name in ("age", "menopausal_status", "hr", "her2")] == [55, 0.5, 1, 0]
    assert record.value("er") is None


def test_a_record_is_encoded_in_the_order_of_the_model() -> None:
    encoded = encode(ClinicalRecord(age=65, menopausal_status="post", her2=False), VARIABLES)
    np.testing.assert_allclose(encoded.values, [1.5, 0, 1, 0])
    np.testing.assert_array_equal(encoded.missing, [0, 1, 0, 0])
    assert (encoded.used_names, encoded.missing_names) == (("age", "menopausal_status", "her2"), ("hr",))
    assert encoded.values.dtype == encoded.missing.dtype == np.float32


def test_where_all_is_missing_all_is_flagged_and_nothing_is_invented() -> None:
    encoded = encode(ClinicalRecord(), VARIABLES)
    assert not encoded.values.any()
    assert encoded.missing.all()


def test_an_age_from_elsewhere_fills_a_gap_and_says_so() -> None:
    assert ClinicalRecord(hr=True, source="clinical.json").with_age(50, "DICOM header").source == (
        "clinical.json, age from DICOM header"
    )
    assert ClinicalRecord().with_age(50, "DICOM header").source == "DICOM header"


def test_an_age_that_is_known_is_not_replaced() -> None:
    record = ClinicalRecord(age=60, source="clinical.json")
    assert record.with_age(50, "DICOM header") == record
