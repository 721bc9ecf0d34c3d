"""Why a study, or a whole run, gets no result: the reason codes of the user contract and the errors that carry them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ValidationError


class ReasonCode(StrEnum):
    """Stable codes for machines; the message beside them is for the person who can act on it."""

    NO_STUDY = "no_study"
    NO_DCE_SERIES = "no_dce_series"
    TOO_FEW_PHASES = "too_few_phases"
    MIXED_GEOMETRY = "mixed_geometry"
    MISSING_SLICES = "missing_slices"
    UNSUPPORTED_TRANSFER_SYNTAX = "unsupported_transfer_syntax"
    UNSUPPORTED_OBJECT = "unsupported_object"
    CORRUPT_PIXELS = "corrupt_pixels"
    TOO_LARGE = "too_large"
    MIXED_PATIENTS = "mixed_patients"
    NO_LESION_FOUND = "no_lesion_found"
    OUTSIDE_MODEL_DOMAIN = "outside_model_domain"
    CLINICAL_RECORD_MISMATCH = "clinical_record_mismatch"
    CLINICAL_RECORD_INVALID = "clinical_record_invalid"
    BAD_CONFIGURATION = "bad_configuration"
    BAD_MODEL = "bad_model"
    INTERNAL_ERROR = "internal_error"


class PcrError(Exception):
    """An error with a reason code and one sentence that says what was seen and what to do.

    The message never holds a patient's name, id or birth date, nor a file name that could.
    """

    def __init__(self, code: ReasonCode | str, message: str) -> None:
        super().__init__(message)
        self.code = ReasonCode(code)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class NotEvaluable(PcrError):
    """This study gets no probability; other studies of the run are not concerned."""


class BadConfiguration(PcrError):
    """The settings can not be honoured; nothing is processed."""

    def __init__(self, message: str) -> None:
        super().__init__(ReasonCode.BAD_CONFIGURATION, message)


class BadModel(PcrError):
    """The model folder is not what it claims to be; nothing is processed."""

    def __init__(self, message: str) -> None:
        super().__init__(ReasonCode.BAD_MODEL, message)


def first_complaint(error: ValidationError) -> tuple[str, str]:
    """Where the first wrong entry stands, with dots between its parts, and what is wrong with it."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]
