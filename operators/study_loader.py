"""Source of the graph: one study with the clinical record that is for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, OperatorSpec, OutputContext

from operators.step import StepOperator
from pcr.case import Case
from pcr.clinical import ClinicalRecord
from pcr.clinical_file import ClinicalFile, compare_ages
from pcr.domain import check_patient, check_statements
from pcr.manifest import Domain
from pcr.study import Study


class StudyLoaderOperator(StepOperator):
    """Checks that a study is of one patient before therapy, joins her clinical record, emits the case."""

    label = "study"

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        study: Study,
        studies: Sequence[Study],
        clinical_file: ClinicalFile,
        domain: Domain,
        **kwargs: Any,
    ) -> None:
        self._study = study
        self._studies = tuple(studies)
        self._clinical_file = clinical_file
        self._domain = domain
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the one port: this is where the graph begins."""
        spec.output("case")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Emit the case of the study."""
        op_output.emit(self.timed(Case(study=self._study, clinical=ClinicalRecord())), "case")

    def advance(self, case: Case) -> Case:
        """Check the identity of the study and find its record."""
        self._study.check_identity()
        record = self._clinical_file.record_for(self._study, self._studies)
        check_patient(self._study, record, self._domain)
        hints = check_statements(self._study)
        warning = compare_ages(record, self._study.header)
        warnings = self._clinical_file.remarks + hints + (() if warning is None else (warning,))
        return Case(study=self._study, clinical=record, warnings=warnings)
