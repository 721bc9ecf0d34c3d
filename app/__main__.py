"""Command line: `python -m app -i IN -o OUT [-m MODELS]`."""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from app.console import Console
from app.log import error_log
from app.run import EXIT_COMPLETED, EXIT_CONFIGURATION, EXIT_INTERNAL, run
from app.settings import choose_folders, read_settings
from pcr.reasons import BadConfiguration, BadModel, PcrError
from pcr.report.provenance import RESEARCH_NOTICE

# Of glibc's malloc.h.
_M_ARENA_MAX = -8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application; the exit status is that of the contract in docs/users.md."""
    options = _parser().parse_args(arguments)
    console = Console()
    with error_log() as log:
        try:
            if options.self_test:
                return _self_test(options.model)
            folders = choose_folders(options.input, options.output, options.model)
            outcome = run(folders, read_settings(), console)
        except (BadConfiguration, BadModel) as error:
            console.refused(error)
            return EXIT_CONFIGURATION
        except Exception as error:  # the console gets a sentence, the log the traceback
            console.broke(error, log)
            return EXIT_INTERNAL
        console.summary(outcome, folders.output, log)
        return outcome.exit_status


def _self_test(models: Path | None) -> int:
    """One line, and 0 or 1: whether this installation gives the result that is stored with it."""
    # The study is read only where it is asked for.
    from app.self_test import self_test

    try:
        result, differing = self_test(models, read_settings())
    except PcrError as error:
        differing = (str(error),)
    if differing:
        print(f"self-test failed: {'; '.join(differing)}")
        return EXIT_INTERNAL
    print(f"self-test passed: model {result.model.name} {result.model.version} on {result.model.provider}")
    return EXIT_COMPLETED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Probability of pathological complete response from a pre-treatment breast DCE-MRI study. "
        + RESEARCH_NOTICE,
    )
    parser.add_argument("-i", "--input", type=Path, help="folder of DICOM files at any depth [HOLOSCAN_INPUT_PATH]")
    parser.add_argument("-o", "--output", type=Path, help="folder for the results [HOLOSCAN_OUTPUT_PATH]")
    parser.add_argument("-m", "--model", type=Path, help="folder that holds pcr/ (default: models/)")
    parser.add_argument("--self-test", action="store_true", help="run the stored study, compare with its stored result")
    return parser


def _spare_time_and_memory() -> None:
    """Settings of the interpreter for a process that reads one folder and ends."""
    # The headers of a study are hundreds of thousands of small objects that live to the end: looking for garbage among
    # them is a tenth of a run.
    gc.set_threshold(50_000, 20, 100)
    # glibc gives every thread memory of its own to keep; from one for all, 50 MiB more go back.
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_M_ARENA_MAX, 1)


if __name__ == "__main__":
    _spare_time_and_memory()
    status = main()
    # Nor is there garbage to look for at the end.
    gc.freeze()
    sys.exit(status)
