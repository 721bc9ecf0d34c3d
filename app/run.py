"""One run: every study of the input through the graph, its outcome published, the index written last."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pcr
from app.settings import Folders, Settings
from pcr.clinical_file import no_clinical_file, read_clinical_file
from pcr.model import PcrModel, load_model
from pcr.reasons import BadConfiguration, NotEvaluable, PcrError, ReasonCode
from pcr.report.objects import make_refusal_objects
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.publish import object_paths, output_folder, publish_run, publish_study
from pcr.report.result import (
    PassedOverFacts,
    Reason,
    RunResult,
    StudyEntry,
    StudyResult,
    model_facts,
    refused,
)
from pcr.study import Inbox, PassedOver, Study, read_inbox

MODEL_NAME = "pcr"
CLINICAL_NAME = "clinical.json"
EXIT_COMPLETED, EXIT_INTERNAL, EXIT_CONFIGURATION, EXIT_NOT_EVALUABLE = 0, 1, 2, 3

log = logging.getLogger(__name__)


class Progress(Protocol):
    """What a run tells of itself while it goes on."""

    def found(self, inbox: Inbox, clinical_path: Path | None, provider: str) -> None:
        """The studies are known, whether a clinical file came, and what the network runs on."""

    def step(self, study: Study, label: str) -> None:
        """A step of a study begins."""

    def finished(self, result: StudyResult) -> None:
        """A study has its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run came to."""

    index: RunResult
    results: tuple[StudyResult, ...]

    @property
    def exit_status(self) -> int:
        """0 when every study is completed; else the worst wins: 1 over 3."""
        statuses = {entry.status for entry in self.index.studies}
        if "failed" in statuses:
            return EXIT_INTERNAL
        return EXIT_NOT_EVALUABLE if self.index.reason or "not_evaluable" in statuses else EXIT_COMPLETED


def run(folders: Folders, settings: Settings, progress: Progress) -> RunOutcome:
    """Process all studies of the input folder.

    Raises:
        BadConfiguration, BadModel: nothing was processed, and no index of an earlier run is left.
    """
    with output_folder(folders.output):
        clinical_path = _clinical_path(folders.input, settings)
        model = load_model(folders.models / MODEL_NAME, settings.device)
        try:
            inbox = read_inbox(folders.input, clinical_path, settings.limits.of_inbox())
        except NotEvaluable as refusal:
            index = RunResult(studies=(), reason=Reason(code=refusal.code, message=refusal.message))
            publish_run(folders.output, index)
            return RunOutcome(index=index, results=())
        progress.found(inbox, clinical_path, model.provider)
        batch = _Batch(folders.output, clinical_path, settings, model, _provenance(model, settings), inbox, progress)
        results = tuple(batch.process(study) for study in inbox.studies)
        index = _index(results, inbox.passed_over)
        publish_run(folders.output, index)
        return RunOutcome(index=index, results=results)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the studies of one run share."""

    out: Path
    clinical_path: Path | None
    settings: Settings
    model: PcrModel
    made: Provenance
    inbox: Inbox
    progress: Progress

    def process(self, study: Study) -> StudyResult:
        """The published result of one study, whatever becomes of it."""
        result = self._attempt(study)
        self.progress.finished(result)
        return result

    def _attempt(self, study: Study) -> StudyResult:
        try:
            return self._through_graph(study, lambda label: self.progress.step(study, label))
        except NotEvaluable as refusal:
            return self._refused(study, refusal)
        except Exception:  # whatever breaks in one study must not take the others with it
            log.exception("study %s failed", study.study_instance_uid)
            failure = PcrError(ReasonCode.INTERNAL_ERROR, "an unexpected error ended this study")
            return self._refused(study, failure)

    def _through_graph(self, study: Study, announce: Callable[[str], None]) -> StudyResult:
        # Holoscan takes a second to import, and a run that refuses its input does not need it.
        from app.application import BreastPcrApplication, StudyJob

        job = StudyJob(
            study=study,
            studies=self.inbox.studies + self.inbox.others,
            clinical_file=no_clinical_file() if self.clinical_path is None else read_clinical_file(self.clinical_path),
            model=self.model,
            localization=self.settings.localization.for_core(),
            limits=self.settings.limits.of_volume(),
            motion=self.settings.motion.for_core(),
            report=self.settings.report.for_core(),
            made=self.made,
            out=self.out,
        )
        return BreastPcrApplication(job, announce).process()

    def _refused(self, study: Study, refusal: PcrError) -> StudyResult:
        facts = model_facts(self.model.folder, self.model.provider)
        try:
            objects = make_refusal_objects(study, refusal, self.settings.report.for_core(), self.made)
        except Exception:  # a study that is refused may be damaged in any way, and result.json still says why
            log.exception("study %s: no page for the refusal", study.study_instance_uid)
            objects = {}
        result = refused(study.study_instance_uid, refusal, facts, RESEARCH_NOTICE, object_paths(objects))
        publish_study(self.out, result, objects)
        return result


def _provenance(model: PcrModel, settings: Settings) -> Provenance:
    configuration = settings.bearing_on_results + model.manifest.model_dump_json()
    return Provenance(
        software_version=pcr.__version__,
        model_name=model.folder.name,
        model_version=model.folder.version,
        model_sha256=model.manifest.onnx.sha256,
        configuration_sha256=hashlib.sha256(configuration.encode()).hexdigest(),
        base_rate=model.manifest.base_rate,
        provider=model.provider,
        made_at=datetime.now(),
    )


def _clinical_path(folder: Path, settings: Settings) -> Path | None:
    """The clinical file that the settings name, else the one at the root of the input, else none.

    Raises:
        BadConfiguration: the named file is not there.
    """
    named = settings.clinical_file
    if named is not None and not named.is_file():
        raise BadConfiguration("the clinical file that the settings name is not there")
    path = named or folder / CLINICAL_NAME
    # A link that leads nowhere, or a folder of that name, is meant to be a record and must not pass for none.
    return path if os.path.lexists(path) else None


def _index(results: tuple[StudyResult, ...], passed_over: PassedOver) -> RunResult:
    entries = tuple(
        StudyEntry(
            study_instance_uid=result.study_instance_uid,
            status=result.status,
            reason=result.reason,
            path=result.study_instance_uid,
        )
        for result in results
    )
    return RunResult(studies=entries, passed_over=PassedOverFacts.model_validate(passed_over))
