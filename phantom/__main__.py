"""The command line: `python -m phantom OUT --layout NAME --seed N`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from phantom.errors import PhantomError, require
from phantom.layouts import DEFAULT, LAYOUTS, find_layout
from phantom.spec import LesionSpec, PhantomSpec
from phantom.study import check_free, write_study
from phantom.voxels import simulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Write a simulated breast DCE-MRI study: OUT/study (DICOM, clinical.json) and OUT/truth.json."""

    out: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")] = None
    """Folder to write to: new, empty, or that of an earlier phantom, which is replaced."""
    layout: str = DEFAULT
    """How the scanner writes the study; --list names the layouts."""
    seed: int = 7
    """Draws the patient, the lesion where it is left open, and the noise."""
    lesion: LesionSpec = field(default_factory=LesionSpec)
    no_lesion: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Background enhancement only."""
    no_clinical: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Leave clinical.json out."""
    list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the layouts and stop."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 2 for a request that cannot be honoured, 1 where writing fails."""
    asked = tyro.cli(Arguments, prog="python -m phantom", args=arguments)
    if asked.list:
        width, widest = max(map(len, LAYOUTS)), max(len(layout.outcome) for layout in LAYOUTS.values())
        for layout in LAYOUTS.values():
            print(f"{layout.name:<{width}}  {layout.outcome:<{widest}}  {layout.summary}")
        return 0
    try:
        return _write(asked)
    except PhantomError as error:
        print(f"phantom: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"phantom: cannot write to {asked.out}: {error.strerror}", file=sys.stderr)
        return 1


def _write(asked: Arguments) -> int:
    """Simulate and write what was asked for."""
    if asked.out is None:
        raise PhantomError("give the folder to write to, as in `python -m phantom OUT`; --help tells more")
    require(not asked.no_lesion or asked.lesion == LesionSpec(), "--no-lesion and --lesion.* exclude each other")
    # Asked before the simulation, so that a wrong request costs no time.
    find_layout(asked.layout)
    check_free(asked.out)
    phantom = simulate(PhantomSpec(seed=asked.seed, lesion=None if asked.no_lesion else asked.lesion))
    written = write_study(phantom, asked.layout, asked.out, clinical=not asked.no_clinical)
    lesion = written.phantom.anatomy.lesion
    what = (
        f"a {lesion.margin} lesion with {lesion.kinetics} in the {lesion.breast.side} breast" if lesion else "no lesion"
    )
    print(f"{len(written.files)} DICOM files in {written.folder} ({asked.layout}, seed {asked.seed}, {what})")
    print(f"truth in {written.truth}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
