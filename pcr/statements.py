"""What a study says of implants and of the time of therapy: in coded attributes, in its descriptions, in free text.

Coded attributes and descriptions of the examination are about this study. Free text is written for people and speaks of
the past and of plans as well, so it is never more than a hint.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from pcr.image_plane import number
from pcr.study import Study

# Longer after enrolment or diagnosis than a study before therapy is as a rule.
LATEST_BASELINE_DAYS = 60.0
# Of a text; longer ones are reports, or hostile.
_READ_CHARACTERS = 1000

DESCRIPTIONS = (
    "StudyDescription",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "ScheduledProcedureStepDescription",
    "SeriesDescription",
    "ProtocolName",
    "ClinicalTrialTimePointDescription",
    "CodeMeaning",
)
FREE_TEXT = (
    "ReasonForStudy",
    "ReasonForTheRequestedProcedure",
    "ReasonForVisit",
    "AdmittingDiagnosesDescription",
    "AdditionalPatientHistory",
    "PatientComments",
    "RequestedProcedureComments",
    "StudyComments",
    "ImageComments",
    "MedicalAlerts",
)
# Sequences whose items hold one of the above, or the meaning of a procedure's code.
_SEQUENCES = (
    "RequestAttributesSequence",
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
    "PerformedProtocolCodeSequence",
)

_IMPLANT = re.compile(
    r"(?P<no>\b(?:no|non|not|without|wo|w/o|kein\w*|ohne|sans|sin|senza|denies|negative for)\W+"
    r"(?:(?:evidence|history|of|any|known|prior|breast|mammary|silicone|bilateral|d)\W+){0,4})?"
    r"(?P<other>\b(?:dental|cochlear|hip|knee|valve|cardiac|ocular|eye|joint|lens|shoulder)\W+)?"
    r"\b(?:(?:brust|silikon|mamma)?(?:implants?|implantat\w*|implantes?|impianti?|implantaten"
    r"|prothes[ei]\w*|prosthes[ei]s|protesis?|protesi)|silicone?s?|silikon|silicona|tissue expanders?)\b"
    r"(?P<none>\W{0,3}(?:no|none|removed|nein|non)\b)?"
)
_THERAPY = (
    r"(?:nact?|nast|nst|neo\W?adj\w*|neoadyuv\w*|neoadiuv\w*|chemi?o\w*|chimio\w*|quimio\w*"
    r"|treatments?|therap(?:y|ies|ie)|traitements?|tratamientos?|terapia|trattament[oi]|behandlung|tx)(?!\W*plan)"
)
_BETWEEN = (
    r"(?:(?:the|of|completion|end|start|initiation|first|second|third|fourth|last|final|\d+(?:st|nd|rd|th)?|cycles?"
    r"|courses?|primary|systemic|preoperative|neo|adjuvant|neoadjuvant|abschluss|der|de|la|el|le|l|d|fin|del|della"
    r"|anti|her2?)\W+){0,5}"
)
_AFTER_THERAPY = re.compile(
    rf"(?P<both>\b(?:pre|before|vor|avant|antes)\W*(?:/|&|\+|,|and|und|or|et|y|-)\W*)?"
    rf"\b(?:(?:status post|s/p|post|after|during|mid|inter|under|nach|unter|waehrend|wahrend|apres|pendant|despues|tras"
    rf"|durante|dopo)(?:[^\w/,;]+{_BETWEEN}|(?=neo|chemi?o|chimio|nac|treat|ther)){_THERAPY}\b"
    r"|(?:post|after|nach|apres)\W+\d+\W+(?:cycles?|zyklen|cures?|ciclos|cicli)\b"
    r"|post\W?op(?:erativ\w*)?\b|(?:status post|s/p|post|after)\W+(?:lump|mast|quadrant)ectomy\b"
    r"|inter\W?regimen\b|early\W?treatment\b)"
)
_ABOUT_THERAPY = re.compile(
    rf"\b(?:follow\W?ups?|fu|monitoring|response|reponse|respuesta|risposta|ansprechen|verlaufskontrolle|suivi"
    rf"|seguimiento|reevaluation)\W+(?:(?:of|to|on|auf|unter|a|au|al|alla|de|du|la|the)\W+){{0,3}}{_THERAPY}\b"
    rf"|\b{_THERAPY}\W+(?:follow\W?up|monitoring|response)\b|\brestaging\b"
)
_BASELINE = re.compile(
    r"\bbaseline\b|\bpredict\w*|\bplanned\b|\bcandidate\b|\bscreening\b"
    rf"|\b(?:pre|before|prior to|vor|avant|antes|prima)\W*{_BETWEEN}{_THERAPY}\b"
)
# In a trial, the examination before surgery is the one after the therapy.
_TRIAL_LATER = re.compile(r"\bpre\W?surg\w*|\bpre\W?op\w*|\bfollow\W?up")
_TIME_POINT = re.compile(r"(t|tp|v|visit|mri?|time ?point)?\W*0*(\d{1,2})")
_TREATMENT_EVENT = re.compile(r"treat|ther|chemo|surg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one attribute says, in words of a known vocabulary: nothing of the patient's identity is among them.

    `certain` is whether it is about this examination beyond doubt.
    """

    keyword: str
    words: str
    certain: bool

    def __str__(self) -> str:
        return f"{self.keyword} says '{self.words}'"


def implant_statements(study: Study) -> tuple[Statement, ...]:
    """What speaks for a breast implant, the most certain first; words are hints, BreastImplantPresent is certain.

    BreastImplantPresent (PS3.3 C.8.11.3) NO silences words.
    """
    headers = [series.header for series in study.series]
    coded = {_text(header.get("BreastImplantPresent")).strip() for header in headers}
    if "yes" in coded:
        return (Statement(keyword="BreastImplantPresent", words="YES", certain=True),)
    if "no" in coded:
        return ()
    found = (
        Statement(keyword=keyword, words=match.group(0).strip(), certain=False)
        for keyword, text in _texts(headers, (*DESCRIPTIONS, *FREE_TEXT))
        for match in _IMPLANT.finditer(text)
        if not (match["no"] or match["other"] or match["none"])
    )
    return tuple(dict.fromkeys(found))


def therapy_statements(study: Study) -> tuple[Statement, ...]:
    """What speaks for a study during or after therapy, the most certain first.

    Time points of trials (PS3.3 C.7.2.3) and words such as "post NAC" in descriptions are certain.
    """
    # Derived objects carry time points that their makers filled in by default.
    headers = [series.header for series in study.series if series.modality == "MR"]
    found = [
        *(statement for header in headers for statement in _time_points(header)),
        *(s for keyword, text in _texts(headers, DESCRIPTIONS) for s in _words_of_therapy(keyword, text, True)),
        *(s for keyword, text in _texts(headers, FREE_TEXT) for s in _words_of_therapy(keyword, text, False)),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda statement: not statement.certain))


def _words_of_therapy(keyword: str, text: str, of_this_study: bool) -> Iterator[Statement]:
    for match in _AFTER_THERAPY.finditer(text):
        certain = of_this_study and not match["both"]
        yield Statement(keyword=keyword, words=match.group(0).strip(), certain=certain)
    about = _ABOUT_THERAPY.search(text)
    if about and not _BASELINE.search(text):
        yield Statement(keyword=keyword, words=about.group(0).strip(), certain=False)


def _time_points(header: Dataset) -> Iterator[Statement]:
    described = _text(header.get("ClinicalTrialTimePointDescription"))
    point = _text(header.get("ClinicalTrialTimePointID")).strip()
    match = _TIME_POINT.fullmatch(point)
    # T0 is the first of the I-SPY trials; where points are plain numbers, 1 often is.
    if match and int(match[2]) > (0 if match[1] == "t" else 1) and not _BASELINE.search(described):
        yield Statement(keyword="ClinicalTrialTimePointID", words=point, certain=True)
    if later := _TRIAL_LATER.search(described):
        yield Statement(keyword="ClinicalTrialTimePointDescription", words=later.group(0), certain=True)
    event = _text(header.get("LongitudinalTemporalEventType")).strip()
    days = number(header, "LongitudinalTemporalOffsetFromEvent")
    if event and days is not None and days > 0:
        treated = bool(_TREATMENT_EVENT.search(event))
        if treated or days > LATEST_BASELINE_DAYS:
            words = f"{days:.0f} days after {'therapy' if treated else 'the event of reference'}"
            yield Statement(keyword="LongitudinalTemporalOffsetFromEvent", words=words, certain=treated)


def _texts(headers: Iterable[Dataset], keywords: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The keyword and the text of each attribute that is there, each text once."""
    holders = (holder for header in headers for holder in (header, *_items(header)))
    stated = ((keyword, _text(holder.get(keyword))) for holder in holders for keyword in keywords)
    return iter(dict.fromkeys((keyword, text) for keyword, text in stated if text))


def _items(header: Dataset) -> Iterator[Dataset]:
    for name in _SEQUENCES:
        items = header.get(name)
        if items and not isinstance(items, bytes | str):
            yield from (item for item in items if isinstance(item, Dataset))


def _text(value: object) -> str:
    """An attribute's value in small letters without accents, underscores as blanks; empty where it is no text."""
    values = value if isinstance(value, MultiValue) else [value]
    joined = " ".join(v for v in values if isinstance(v, str))
    plain = unicodedata.normalize("NFKD", joined[:_READ_CHARACTERS]).encode("ascii", "ignore").decode()
    return plain.lower().replace("_", " ")
