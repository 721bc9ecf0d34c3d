"""What the header of a series says for and against its being part of the dynamic one, each with its weight.

A series is a candidate when what speaks for it outweighs what speaks against it. What no contrast phase can be (a
derived image, another sequence, another part of the body) weighs more than everything in favour together. The weights
are ours; the facts come from the selection rules of multi-site cohorts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage, MRImageStorage

from pcr.body_part import body_part
from pcr.image_plane import number

DECISIVE = 20.0
READ_OBJECTS = {MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage}

_NOT_DYNAMIC = re.compile(
    r"\b(sub\w*|mip|mpr|ser|pe\d?|scout|locali[sz]er|loc|survey|t2\w*|stir|dwi|diff\w*|adc|maps?|screen ?save\w*"
    r"|b[01] ?map|field ?map\w*|perfusion map)\b|^fat:|\bminus\b|\s-\s*pre\b",
    re.IGNORECASE,
)
_DYNAMIC = re.compile(
    r"dyn|\bdce\b|vibrant|multi ?phase|\bphase\b|\bph\d+/|\d(?:st|nd|rd|th) pas|\bpre\b|\bpost\b|views|vibe|thrive"
    r"|flash|fl3d|3dfgre|spgr",
    re.IGNORECASE,
)
# Values of ImageType beyond the second (PS3.3 C.8.3.1.1.1 and vendors' own) that no contrast phase has.
_NOT_DYNAMIC_TYPES = {
    "SUB", "SUBTRACT", "SUBTRACTION", "MIP", "MPR", "PROJECTION IMAGE", "RESAMPLED", "ADC", "DIFFUSION",
    "P", "PHASE", "PHASE MAP", "PHASE_MAP", "FAT", "F", "IN_PHASE", "OPP_PHASE", "OUT_PHASE", "IP", "OP", "MOSAIC",
    "FIELD_MAP", "T1 MAP", "T2 MAP", "FMRI", "PERFUSION", "VELOCITY", "REAL", "IMAGINARY", "R", "I",
}  # fmt: skip
_WATER_TYPES = {"WATER", "W"}
# Private names of 3-D spoiled gradient echoes: GE's Internal Pulse Sequence Name, Siemens' SequenceName.
_GE_SEQUENCE = (0x0019, "GEMS_ACQU_01", 0x9C)
_SPOILED_GRADIENT_ECHO = re.compile(r"efgre3d|3dfgre|ispy|fl3d|fl3_we|vibe", re.IGNORECASE)
# Defined terms of PatientPosition (PS3.3 C.7.3.1.1.2): head or feet first, prone.
_PRONE = ("HFP", "FFP")
# No T1-weighted spoiled gradient echo has longer ones.
_LONGEST_REPETITION_MS, _LONGEST_ECHO_MS = 50.0, 15.0
_FAST_REPETITION_MS = 15.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact: points above zero speak for, below zero against; `says` is a phrase for the report."""

    points: float
    says: str


def weigh_series(modality: str, description: str, header: Dataset) -> tuple[Evidence, ...]:
    """The evidence of one kind of image of a series, from the header of one of them."""
    return (
        *_object(modality, header),
        *_image_type(header, description),
        *_name(description),
        *_sequence(header),
        *_body(header),
    )


def total(evidence: tuple[Evidence, ...]) -> float:
    """All points together."""
    return sum(e.points for e in evidence)


def against(evidence: tuple[Evidence, ...]) -> str:
    """What speaks against, the weightiest first."""
    return "; ".join(e.says for e in sorted(evidence, key=lambda e: e.points) if e.points < 0)


def image_type(header: Dataset) -> tuple[str, ...]:
    """The values of ImageType in capitals."""
    stated = header.get("ImageType")
    values = stated if isinstance(stated, MultiValue) else [stated]
    # Whatever else a sender has written there names no kind of image.
    return tuple(value.upper() for value in values if isinstance(value, str) and value)


@dataclass(frozen=True, slots=True)
class ImageKind:
    """What tells kinds of image within one series apart.

    Attributes:
        named: what ImageType names it as (water, fat, phase map, ...); empty for a plain magnitude image.
        origin: the first two values of ImageType: original or derived, primary or secondary.
        sequences: ScanningSequence.
    """

    named: frozenset[str]
    origin: tuple[str, ...]
    sequences: tuple[str, ...]


def kind_of_image(header: Dataset) -> ImageKind:
    """The kind of an image."""
    values = image_type(header)
    named = frozenset(values[2:]) & (_NOT_DYNAMIC_TYPES | _WATER_TYPES)
    return ImageKind(named, values[:2], values_of(header.get("ScanningSequence")))


def _object(modality: str, header: Dataset) -> Iterator[Evidence]:
    if modality != "MR":
        yield Evidence(-DECISIVE, f"modality is {modality or 'missing'}, not MR")
    elif header.SOPClassUID not in READ_OBJECTS:
        yield Evidence(-DECISIVE, f"object is {header.SOPClassUID.name}, which is no MR image")


def _image_type(header: Dataset, description: str) -> Iterator[Evidence]:
    values = image_type(header)
    others = _NOT_DYNAMIC_TYPES.intersection(values[2:])
    if others:
        yield Evidence(-DECISIVE, f"image type names {', '.join(sorted(others))}, which is no contrast phase")
    elif _WATER_TYPES.intersection(values[2:]):
        yield Evidence(2, "image type says water of a Dixon acquisition")
    elif values[:2] == ("ORIGINAL", "PRIMARY"):
        yield Evidence(1, "original acquisition")
    elif "original dce" in description.lower():
        yield Evidence(1, "description says that these are the original images")
    else:
        yield Evidence(-DECISIVE, f"image type is {'/'.join(values) or 'missing'}, not an original acquisition")


def _name(description: str) -> Iterator[Evidence]:
    spaced = description.replace("_", " ")
    if match := _NOT_DYNAMIC.search(spaced):
        yield Evidence(-DECISIVE, f"description names '{match.group(0)}', which is no dynamic phase")
    elif match := _DYNAMIC.search(spaced):
        yield Evidence(2, f"description names '{match.group(0)}'")


def _sequence(header: Dataset) -> Iterator[Evidence]:
    sequences = values_of(header.get("ScanningSequence"))
    named = next((name for name in _sequence_names(header) if _SPOILED_GRADIENT_ECHO.search(name)), None)
    if "EP" in sequences:
        yield Evidence(-DECISIVE, "scanning sequence is echo planar")
    elif "GR" in sequences:
        yield Evidence(2, "gradient echo")
    elif named is None and (set(sequences) - {"RM"} or not _is_fast_3d(header)):
        yield Evidence(-DECISIVE, "scanning sequence is no gradient echo")
    if named is not None:
        yield Evidence(2, f"pulse sequence is {named}")
    acquisition = str(header.get("MRAcquisitionType") or "")
    if acquisition:
        yield Evidence(1, "3-D acquisition") if acquisition == "3D" else Evidence(-2, "acquisition is not 3-D")
    repetition, echo = number(header, "RepetitionTime"), number(header, "EchoTime")
    if (repetition or 0) > _LONGEST_REPETITION_MS or (echo or 0) > _LONGEST_ECHO_MS:
        yield Evidence(
            -DECISIVE, f"repetition time {repetition} ms and echo time {echo} ms are not those of T1 dynamics"
        )


def _is_fast_3d(header: Dataset) -> bool:
    """Whether times that only a spoiled gradient echo has stand in for a sequence that is not named (or is RM)."""
    repetition, echo = number(header, "RepetitionTime"), number(header, "EchoTime")
    times = repetition is not None and echo is not None and 0 < echo < repetition <= _FAST_REPETITION_MS
    return times and header.get("MRAcquisitionType") == "3D"


def _sequence_names(header: Dataset) -> Iterator[str]:
    yield str(header.get("SequenceName") or "")
    yield str(header.get("PulseSequenceName") or "")
    group, creator, element = _GE_SEQUENCE
    try:
        yield str(header.private_block(group, creator)[element].value)
    except KeyError:
        return


def _body(header: Dataset) -> Iterator[Evidence]:
    part = body_part(str(header.get("BodyPartExamined") or ""), header)
    if part == "breast":
        yield Evidence(2, "names the breast")
    elif part == "other":
        yield Evidence(-DECISIVE, "names another part of the body")
    if str(header.get("PatientPosition") or "") in _PRONE:
        yield Evidence(1, "patient lies prone")
    elif part == "unnamed":
        yield Evidence(-DECISIVE, "nothing names the breast, and nothing says that the patient lies prone")


def values_of(value: object) -> tuple[str, ...]:
    """The values of an attribute that may have none, one or several, in alphabetical order."""
    if value is None or value == "":
        return ()
    values = value if isinstance(value, MultiValue) else [value]
    return tuple(sorted(str(v) for v in values if isinstance(v, str | int | float)))
