"""The folder contract of mercure (mercure-imaging.org): `python -m app.mercure`, as a processing module.

Mercure gives a study in MERCURE_IN_DIR, with `task.json` beside it, and takes from MERCURE_OUT_DIR the DICOM files at
its top and `result.json`. It sends nothing of a module that ends with another status than 0.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom
from pydantic import ValidationError

from app.console import Console
from app.log import error_log
from app.run import EXIT_COMPLETED, EXIT_CONFIGURATION, EXIT_INTERNAL, EXIT_NOT_EVALUABLE, RunOutcome, run
from app.settings import Settings, choose_folders, read_settings
from pcr.clinical_file import read_clinical_file
from pcr.reasons import BadConfiguration, BadModel, NotEvaluable, first_complaint
from pcr.report.provenance import RESEARCH_NOTICE
from pcr.report.publish import RESULT_NAME
from pcr.report.result import StudyResult

TASK_NAME = "task.json"
LOG_NAME = "breast-pcr.log"
_CLINICAL_KEY = "clinical"
_MAX_TASK_BYTES = 16 * 1024 * 1024


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the application between mercure's folders; its exit status, but 0 where there is a page to send."""
    console = Console()
    try:
        source, out = (_folder(environment, name) for name in ("MERCURE_IN_DIR", "MERCURE_OUT_DIR"))
    except BadConfiguration as error:
        console.refused(error)
        return EXIT_CONFIGURATION
    with error_log() as log:
        try:
            with tempfile.TemporaryDirectory(prefix=".breast-pcr-", dir=out) as staged:
                settings = _settings(source / TASK_NAME, Path(staged) / "clinical.json", environment)
                folders = choose_folders(source, Path(staged) / "results", None, environment)
                outcome = run(folders, settings, console)
                sent = _hand_over(outcome, folders.output, out)
        except (BadConfiguration, BadModel) as error:
            console.refused(error)
            return EXIT_CONFIGURATION
        except Exception as error:  # the console gets a sentence, the log the traceback
            console.broke(error, log)
            return EXIT_INTERNAL
        finally:
            # The container does not outlive the run; mercure keeps the folder of one that failed.
            if log.path:
                shutil.copyfile(log.path, out / LOG_NAME)
    print(_told(outcome))
    pages_only = outcome.exit_status == EXIT_NOT_EVALUABLE and sent
    return EXIT_COMPLETED if pages_only else outcome.exit_status


def _folder(environment: Mapping[str, str], name: str) -> Path:
    path = environment.get(name)
    if not path or not Path(path).is_dir():
        raise BadConfiguration(f"{name} names no folder; this is the entry for mercure, which sets it")
    return Path(path)


def _settings(task: Path, clinical: Path, environment: Mapping[str, str]) -> Settings:
    """Settings of app.yaml, over them those of the task, over them the environment.

    `clinical` among the task's holds records as a clinical file does; they are written to that path.
    """
    wanted = _task_settings(task)
    records = wanted.pop(_CLINICAL_KEY, None)
    if records is not None:
        clinical.write_text(json.dumps(records), "utf-8")
        _refuse_records_without_key(clinical)
        wanted["clinical_file"] = clinical
    try:
        return Settings(**_over(read_settings(environment).model_dump(), wanted))
    except ValidationError as error:
        where, what = first_complaint(error)
        raise BadConfiguration(f"task.json: setting '{where}': {what}") from None


def _task_settings(path: Path) -> dict[str, Any]:
    """`process.settings` of the task, to which mercure has already added those of the rule; none where no task came."""
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > _MAX_TASK_BYTES:
            raise BadConfiguration(f"task.json is larger than {_MAX_TASK_BYTES // 2**20} MiB")
        task = json.loads(path.read_text("utf-8"))
        settings = (task.get("process") or {}).get("settings") or {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise BadConfiguration(f"task.json can not be read ({type(error).__name__})") from None
    if not isinstance(settings, dict):
        raise BadConfiguration("task.json: process.settings must be an object")
    return settings


def _refuse_records_without_key(path: Path) -> None:
    """A module's settings go with every study, so a record without a key would be taken for every patient."""
    try:
        is_keyed = read_clinical_file(path).is_keyed
    except NotEvaluable:  # the run says so, for the study
        return
    if not is_keyed:
        raise BadConfiguration("task.json: setting 'clinical': each record needs study_instance_uid or patient_id")


def _over(base: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in wanted.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _hand_over(outcome: RunOutcome, results: Path, out: Path) -> bool:
    """Move the DICOM files to the top of mercure's folder, then write result.json; whether there were any."""
    studies = []
    for result in outcome.results:
        names = tuple(
            _move(results / result.study_instance_uid / path, out) for path in result.outputs if path.endswith(".dcm")
        )
        studies.append(result.model_copy(update={"outputs": names}))
    content = {
        "schema_version": outcome.index.schema_version,
        "reason": outcome.index.reason.model_dump(mode="json") if outcome.index.reason else None,
        "studies": [study.model_dump(mode="json") for study in studies],
        "__mercure_notification": {"text": _told(outcome), "requested": outcome.exit_status != EXIT_COMPLETED},
    }
    staged = results / RESULT_NAME
    staged.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    staged.rename(out / RESULT_NAME)
    return any(study.outputs for study in studies)


def _move(path: Path, out: Path) -> str:
    """Mercure tells series apart by what stands before # in a file's name."""
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", "SOPInstanceUID"])
    name = f"{header.SeriesInstanceUID}#{header.SOPInstanceUID}.dcm"
    path.rename(out / name)
    return name


def _told(outcome: RunOutcome) -> str:
    """What a person is told, in mercure's log and notification; names no patient."""
    reason = outcome.index.reason
    lines = [f"No result. {reason.code}: {reason.message}"] if reason else []
    lines += [_told_of(result) for result in outcome.results]
    return "\n".join([*lines, RESEARCH_NOTICE])


def _told_of(result: StudyResult) -> str:
    study = f"Study {result.study_instance_uid}"
    if result.prediction is None:
        return f"{study}: no result. {result.reason.code}: {result.reason.message}" if result.reason else study
    low, high = result.prediction.interval
    told = f"{study}: probability of pCR {result.prediction.probability:.2f} (model spread {low:.2f} to {high:.2f})"
    return "\n".join([told, *(f"warning: {warning}" for warning in result.warnings)])


if __name__ == "__main__":
    sys.exit(main())
