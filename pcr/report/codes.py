"""The coded concepts of the report: standard ones by their place in the standard, ours under a declared scheme.

PS3.16 has no code for pathologic complete response, nor for most kinetic measures of a breast lesion.
"""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pcr.contrast import InjectionSource
from pcr.kinetics import CurveType
from pcr.lesion import Laterality, LesionSource
from pcr.manifest import ClinicalName
from pcr.phases import Role

PRIVATE_DESIGNATOR = "99BPCR"


def private_scheme() -> CodingSchemeIdentificationItem:
    """The declaration of our coding scheme (PS3.3 C.12.1.1.8)."""
    return CodingSchemeIdentificationItem(
        designator=PRIVATE_DESIGNATOR,
        name="breast-pcr private codes",
        responsible_organization="breast-pcr",
    )


def _private(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_DESIGNATOR, meaning)


BREAST = codes.SCT.Breast
LATERALITY: dict[Laterality, Code] = {"left": codes.SCT.Left, "right": codes.SCT.Right}
# Laterality (0020,0060), PS3.3 C.7.3.1.
SIDES: dict[Laterality, str] = {"left": "L", "right": "R"}
MRI_OF_BREAST = Code("241615005", "SCT", "MRI of breast")

VOLUME = codes.SCT.Volume
LONG_AXIS = codes.SCT.LongAxis
SECTION_LONG_AXIS = _private("SECTION_LONG", "Longest diameter in the plane of the largest section")
EARLY_ENHANCEMENT = _private("EARLY_ENH", "Early enhancement, mean of the lesion, relative to pre-contrast")
LATE_CHANGE = _private("LATE_CHANGE", "Change from early to late phase, mean of the lesion")
SIGNAL_ENHANCEMENT_RATIO = _private("SER", "Signal enhancement ratio, mean of the lesion")
CURVE_TYPE = _private("CURVE_TYPE", "Kinetic curve type of the delayed phase")
CURVE_TYPES: dict[CurveType, Code] = {
    "persistent": codes.DCM.PersistentDelayedPhaseType1Curve,
    "plateau": codes.DCM.PlateauDelayedPhaseType2Curve,
    "washout": codes.DCM.WashoutDelayedPhaseType3Curve,
}

OUTLINE = _private("OUTLINE", "Where the outline of the lesion is from")
OUTLINED_BY: dict[LesionSource, Code] = {
    "kinetic": _private("OUTLINE_KINETIC", "Found and outlined by this software, by its kinetics"),
    "segmentation": _private("OUTLINE_GIVEN", "A segmentation that came with the study"),
}

PROBABILITY = _private("PCR_PROB", "Predicted probability of pathologic complete response")
PROBABILITY_LOW = _private("PCR_PROB_LOW", "Predicted probability of pCR, 2.5th percentile of model parts")
PROBABILITY_HIGH = _private("PCR_PROB_HIGH", "Predicted probability of pCR, 97.5th percentile of model parts")
PROBABILITY_IMAGING = _private("PCR_PROB_IMAGE", "Predicted probability of pCR, imaging alone")
PROBABILITY_CLINICAL = _private("PCR_PROB_CLIN", "Predicted probability of pCR, clinical variables alone")
THRESHOLD = _private("PCR_THRESHOLD", "Threshold for the predicted probability of pCR")
AGAINST_THRESHOLD = _private("PCR_JUDGED", "Predicted probability of pCR against the threshold")
ABOVE_THRESHOLD = _private("ABOVE", "At or above the threshold")
BELOW_THRESHOLD = _private("BELOW", "Below the threshold")
NOT_JUDGED = _private("NOT_JUDGED", "Not judged: variables missing")
JUDGEMENT: dict[bool | None, Code] = {True: ABOVE_THRESHOLD, False: BELOW_THRESHOLD, None: NOT_JUDGED}
BASE_RATE = _private("PCR_BASE_RATE", "Share of pCR among the patients that the model was trained on")
ATTENTION_INSIDE = _private("ATTN_INSIDE", "Share of the model's attention inside the lesion")

INPUT_MISSING = _private("INPUT_MISSING", "Clinical input missing")
INPUT_SOURCE = _private("INPUT_SOURCE", "Source of the clinical inputs")
WARNING = _private("WARNING", "Warning")
CLINICAL: dict[ClinicalName, Code] = {
    "age": codes.DCM.SubjectAge,
    "menopausal_status": codes.DCM.MenopausalPhase,
    "hr": _private("HR_STATUS", "Hormone receptor status"),
    "er": codes.DCM.EstrogenReceptor,
    "pr": codes.DCM.ProgesteroneReceptor,
    "her2": Code("48676-1", "LN", "HER2 [Interpretation] in Tissue"),
}
MENOPAUSAL: dict[str, Code] = {
    "pre": codes.SCT.BeforeMenopause,
    "peri": codes.SCT.DuringMenopause,
    "post": codes.SCT.AfterMenopause,
}
RECEPTOR: dict[bool, Code] = {True: codes.SCT.Positive, False: codes.SCT.Negative}

CONTRAST_PHASE = codes.DCM.ContrastPhase
TIME_SINCE_INJECTION = codes.DCM.TimeIntervalSinceInjectionOfContrastMedia
INJECTION_SOURCE = _private("INJECTION", "How the time of injection is known")
INJECTION_SOURCES: dict[InjectionSource, Code] = {
    "ContrastBolusStartTime": _private("INJ_STATED", "Contrast/Bolus Start Time of the images"),
    "estimated": _private("INJ_ESTIMATED", "Estimated from the first post-contrast phase"),
}
PHASES: dict[Role, Code] = {
    "pre": _private("PHASE_PRE", "Pre-contrast phase"),
    "early": _private("PHASE_EARLY", "Early post-contrast phase, read by the model"),
    "late": _private("PHASE_LATE", "Late post-contrast phase, read by the model"),
    "other": _private("PHASE_OTHER", "Post-contrast phase, not read by the model"),
}
