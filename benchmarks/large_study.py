"""`python -m benchmarks.large_study OUT`: the phantom study that the program and the stock pipeline are timed on.

Five phases of 160 x 448 x 448 voxels, as a Duke study has them, with a localiser, a T2 and a late T1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pydicom

from phantom import PhantomSpec, simulate, write_study
from phantom.spec import GridSpec

GRID = GridSpec(slices=160, rows=448, columns=448, pixel_spacing_mm=(0.759, 0.759), slice_spacing_mm=1.1)


def write_large_study(out: Path) -> Path:
    """Write the study, and give back the folder of its files."""
    written = write_study(simulate(PhantomSpec(seed=7, grid=GRID)), out=out)
    for path in written.files:
        # The stock pipeline holds every file in memory: a subtraction would make it look worse than it is.
        if "SUB" in pydicom.dcmread(path, specific_tags=["SeriesDescription"]).SeriesDescription:
            path.unlink()
    return written.folder


if __name__ == "__main__":
    write_large_study(Path(sys.argv[1]))
