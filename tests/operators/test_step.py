"""What the operators have in common."""

from __future__ import annotations

from monai.deploy.core import Application

from operators.step import StepOperator
from pcr.case import Case
from pcr.clinical import ClinicalRecord
from pcr.study import Study


class _Judge(StepOperator):
    label = "judge"

    def advance(self, case: Case) -> Case:
        return Case(study=case.study, clinical=case.clinical, warnings=(*case.warnings, "judged"))


def test_a_step_is_announced_before_it_runs_and_timed_after(fragment: Application) -> None:
    announced: list[str] = []
    operator = _Judge(fragment, name="judge", announce=announced.append)
    case = Case(study=Study("1.2", ()), clinical=ClinicalRecord(), timings_s={"earlier": 1.0})
    advanced = operator.timed(case)
    assert announced == ["judge"]
    assert advanced.warnings == ("judged",)
    assert set(advanced.timings_s) == {"earlier", "judge"}
    assert case.warnings == ()
