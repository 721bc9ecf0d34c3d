"""What the trigger tells while it runs: one JSON object a line on standard error, without patient data.

Only our own events are written. The loggers of the libraries beneath repeat headers, queries and addresses with patient
ids in them, so none of theirs gets out.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import structlog


def place(error: BaseException) -> str:
    """Where an error happened; its message may hold a path or a value of a header, and stays out of the log."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def write_json_lines() -> None:
    """Set up the process: our events as JSON on standard error, nothing else."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    logging.captureWarnings(True)
    warnings.simplefilter("ignore")
