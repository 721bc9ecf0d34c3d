"""`python -m pcr.report SR.dcm [MORE.dcm ...]`: the facts of our reports as JSON, for those who integrate them."""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.reader import UnreadableReport, read_report

EXIT_READ, EXIT_UNREADABLE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one object for one file, and an array with one entry a file, in their order, for several.

    A file that can not be read is a sentence on stderr, null in the array, and exit status 2.
    """
    paths: list[Path] = _parser().parse_args(arguments).reports
    facts = [_facts(path, f"report {n} of {len(paths)}") for n, path in enumerate(paths, start=1)]
    if len(paths) > 1 or facts[0] is not None:
        print(json.dumps(facts if len(paths) > 1 else facts[0], indent=2, ensure_ascii=False))
    return EXIT_UNREADABLE if None in facts else EXIT_READ


def _facts(path: Path, which: str) -> dict[str, Any] | None:
    try:
        return read_report(path).model_dump(mode="json")
    except UnreadableReport as error:
        # The name of a file may be a patient's.
        print(f"{which}: {error}", file=sys.stderr)
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pcr.report",
        description="Print the facts of structured reports of breast-pcr as JSON: one object for one file, an array "
        f"for several. {RESEARCH_NOTICE}",
    )
    parser.add_argument("reports", metavar="SR.dcm", nargs="+", type=Path, help="a report in the folder SR of a result")
    return parser


if __name__ == "__main__":
    # What pydicom and highdicom think of a damaged file is in the sentence about it.
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    if isinstance(sys.stdout, io.TextIOWrapper):
        # JSON is UTF-8 wherever it is printed (RFC 8259 section 8.1).
        sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
