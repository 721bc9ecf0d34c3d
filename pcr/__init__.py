"""The core: from DICOM files to a pCR probability and its DICOM report, free of any application framework."""

__version__ = "0.5.0"
