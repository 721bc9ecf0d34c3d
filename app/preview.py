"""`python -m app.preview OUT PICTURES`: the pages of a run as PNG, for those without a DICOM viewer at hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import pydicom
from PIL import Image

from pcr.report.publish import find_objects
from pcr.report.result_series import NOT_EVALUABLE, OVERLAY, SUMMARY

# By SeriesNumber: how a page of the series is called, with its InstanceNumber.
_NAMES = {
    SUMMARY.number: "summary{}",
    OVERLAY.number: "slice{:03d}",
    NOT_EVALUABLE.number: "not_evaluable{}",
}


def write_pages(out: Path, pictures: Path) -> list[Path]:
    """Write every page below an output folder; gives back what was written.

    Names are `<study>_summary<n>.png`, `<study>_slice<nnn>.png` and `<study>_not_evaluable<n>.png`.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    written = []
    for path in find_objects(out, "SC"):
        page = pydicom.dcmread(path)
        name = _NAMES[int(page.SeriesNumber)].format(int(page.InstanceNumber))
        target = pictures / f"{page.StudyInstanceUID}_{name}.png"
        Image.fromarray(page.pixel_array).save(target)
        written.append(target)
    return sorted(written)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m app.preview", description=__doc__)
    parser.add_argument("out", type=Path, help="output folder of a run")
    parser.add_argument("pictures", type=Path, help="folder for the PNG files")
    options = parser.parse_args()
    try:
        written = write_pages(options.out, options.pictures)
    except OSError as error:
        raise SystemExit(f"pictures can not be written: {error.strerror}") from None
    if not written:
        raise SystemExit(f"there are no pages below {options.out}")
    print(f"{len(written)} pages in {options.pictures}")


if __name__ == "__main__":
    main()
