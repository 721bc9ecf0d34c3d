"""Patient and study of a result: taken over from the source exactly, in the source's own characters.

highdicom checks the patient's attributes as if it were to invent them: it refuses headers that lack one, code
extensions whose first value is empty (PS3.3 C.12.1.1.2), and prints names that it finds odd. Sources are as they are,
so its constructors get a header without identity, and the object gets the identity afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from highdicom.base import SOPClass
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataset import Dataset

# What highdicom asks of a source image beside its identity.
_IMAGE = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImageType",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SpacingBetweenSlices",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "DimensionIndexSequence",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
# Type 2 in the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present in every object, empty if unknown.
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)


def without_identity(header: Dataset, slice_spacing_mm: float) -> Dataset:
    """A source header as highdicom's constructors need it: patient and study empty, slice thickness a number.

    Where the slice thickness is empty (it is type 2 in MR images), the distance between slices stands in for it.
    """
    blank = Dataset()
    # Elements are shared with the source: what is to differ is made anew, never assigned. The others stay behind, since
    # converting all elements of all images takes longer than making the report.
    blank.update({header[keyword].tag: header[keyword] for keyword in _IMAGE if keyword in header})
    for keyword in _TYPE_2:
        setattr(blank, keyword, "")
    blank.SliceThickness = header.get("SliceThickness") or slice_spacing_mm
    return blank


def take_over_identity(made: SOPClass, header: Dataset) -> None:
    """Give an object the patient, study and character set of its source."""
    if "SpecificCharacterSet" in header:
        made.SpecificCharacterSet = header.SpecificCharacterSet
    made.copy_patient_and_study_information(header)
    for keyword in _TYPE_2:
        if keyword not in header:
            setattr(made, keyword, "")


def best_identified(headers: Iterable[Dataset]) -> Dataset:
    """The first of the headers that say most of patient and study: some images of a study leave parts of it blank."""
    return max(headers, key=lambda header: sum(bool(header.get(keyword)) for keyword in _TYPE_2))


def writable(text: str, header: Dataset) -> str:
    """Text of ours in one line, with letters that the character set of the source can not hold as question marks."""
    encodings = convert_encodings(header.get("SpecificCharacterSet"))
    return "".join(_letter(letter, encodings) for letter in text)


def _letter(letter: str, encodings: Iterable[str]) -> str:
    if not letter.isprintable():
        return " "
    for encoding in encodings:
        with suppress(UnicodeEncodeError):
            # DICOM's default repertoire is ASCII (PS3.5 6.1.2.1); pydicom reads more into it.
            letter.encode("ascii" if encoding == default_encoding else encoding)
            return letter
    return "?"
