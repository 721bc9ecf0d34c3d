"""End of the graph: the DICOM objects and result.json, published together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, OperatorSpec, OutputContext

from operators.step import StepOperator
from pcr.case import IllustratedCase
from pcr.report.objects import make_objects
from pcr.report.provenance import RESEARCH_NOTICE, Provenance
from pcr.report.publish import object_paths, publish_study
from pcr.report.result import ModelFacts, StudyResult, completed
from pcr.report.settings import ReportSettings


class ReportWriterOperator(StepOperator):
    """Writes the results of one study; `result` holds them once it has run."""

    label = "report"

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        out: Path,
        settings: ReportSettings,
        made: Provenance,
        model: ModelFacts,
        **kwargs: Any,
    ) -> None:
        self._out = out
        self._settings = settings
        self._made = made
        self._model = model
        self.result: StudyResult | None = None
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the one port: this is where the graph ends."""
        spec.input("case")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Write the results of the case."""
        self.timed(op_input.receive("case"))

    def advance(self, case: IllustratedCase) -> IllustratedCase:
        """Make, publish, remember."""
        objects = make_objects(case, self._settings, self._made)
        result = completed(case, self._model, RESEARCH_NOTICE, object_paths(objects))
        publish_study(self._out, result, objects)
        self.result = result
        return case
