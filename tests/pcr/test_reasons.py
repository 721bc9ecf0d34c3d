import pytest

from pcr.reasons import BadConfiguration, BadModel, NotEvaluable, ReasonCode


def test_an_error_reads_as_its_code_and_its_sentence() -> None:
    assert str(NotEvaluable("no_lesion_found", "nothing enhances")) == "no_lesion_found: nothing enhances"


def test_a_code_outside_the_contract_can_not_be_raised() -> None:
    with pytest.raises(ValueError, match="no_such_code"):
        NotEvaluable("no_such_code", "whatever")


def test_settings_and_model_errors_know_their_own_code() -> None:
    assert BadConfiguration("x").code is ReasonCode.BAD_CONFIGURATION
    assert BadModel("x").code is ReasonCode.BAD_MODEL
