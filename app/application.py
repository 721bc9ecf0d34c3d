"""The Holoscan graph: from one study to its published results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application

from operators.attention_overlay import AttentionOverlayOperator
from operators.motion_correction import MotionCorrectionOperator
from operators.pcr_inference import PcrInferenceOperator
from operators.report_writer import ReportWriterOperator
from operators.series_selection import SeriesSelectionOperator
from operators.step import Announce
from operators.study_loader import StudyLoaderOperator
from operators.tumor_localization import TumorLocalizationOperator
from pcr.clinical_file import ClinicalFile
from pcr.localize import LocalizationSettings
from pcr.model import PcrModel
from pcr.motion import MotionSettings
from pcr.report.provenance import Provenance
from pcr.report.result import StudyResult, model_facts
from pcr.report.settings import ReportSettings
from pcr.study import Study
from pcr.volume import VolumeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyJob:
    """Everything that the graph needs for one study."""

    study: Study
    studies: Sequence[Study]
    clinical_file: ClinicalFile
    model: PcrModel
    localization: LocalizationSettings
    limits: VolumeLimits
    motion: MotionSettings
    report: ReportSettings
    made: Provenance
    out: Path


class BreastPcrApplication(Application):
    """One graph per study, so that one bad study leaves the others alone."""

    def __init__(self, job: StudyJob, announce: Announce) -> None:
        self._job = job
        self._announce = announce
        # Without arguments of its own, Holoscan would parse those of whatever program runs the application.
        super().__init__([sys.executable, "breast-pcr"])

    def compose(self) -> None:
        """Connect the seven steps."""
        job, announce = self._job, self._announce
        manifest = job.model.manifest
        steps = (
            StudyLoaderOperator(
                self,
                CountCondition(self, 1),
                name="study_loader",
                announce=announce,
                study=job.study,
                studies=job.studies,
                clinical_file=job.clinical_file,
                domain=manifest.domain,
            ),
            SeriesSelectionOperator(
                self, name="series_selection", announce=announce, manifest=manifest, limits=job.limits
            ),
            MotionCorrectionOperator(self, name="motion_correction", announce=announce, settings=job.motion),
            TumorLocalizationOperator(
                self,
                name="tumor_localization",
                announce=announce,
                settings=job.localization,
                domain=manifest.domain,
            ),
            PcrInferenceOperator(self, name="pcr_inference", announce=announce, model=job.model),
            AttentionOverlayOperator(
                self, name="attention_overlay", announce=announce, settings=job.report, made=job.made
            ),
            ReportWriterOperator(
                self,
                name="report_writer",
                announce=announce,
                out=job.out,
                settings=job.report,
                made=job.made,
                model=model_facts(job.model.folder, job.model.provider),
            ),
        )
        for source, target in pairwise(steps):
            self.add_flow(source, target, {("case", "case")})
        self._writer = steps[-1]

    def process(self) -> StudyResult:
        """Run the graph and give back what it published.

        Raises whatever an operator raised.
        """
        self.run()
        result = self._writer.result
        if result is None:
            raise RuntimeError("the graph ended without a result")
        return result  # type: ignore[no-any-return]
