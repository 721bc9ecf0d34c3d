"""What all operators of the graph have in common: one case in, one case out, timed and announced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from pcr.case import Case

Announce = Callable[[str], None]


class StepOperator(Operator):
    """Receives a case on `case`, emits the next one on `case`.

    Attributes:
        label: the step's name for progress and timings.
    """

    label = "step"

    def __init__(self, fragment: Fragment, *args: Any, announce: Announce, **kwargs: Any) -> None:
        self._announce = announce
        # Holoscan's constructor calls setup(), so everything that belongs to the operator is set before it.
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the ports."""
        spec.input("case")
        spec.output("case")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Advance the case by one step."""
        op_output.emit(self.timed(op_input.receive("case")), "case")

    def timed(self, case: Case) -> Case:
        """The advanced case with the seconds that the step took."""
        self._announce(self.label)
        started = perf_counter()
        advanced = self.advance(case)
        timings = {**case.timings_s, self.label: round(perf_counter() - started, 3)}
        return replace(advanced, timings_s=timings)

    def advance(self, case: Any) -> Case:
        """The step itself, given by each operator."""
        raise TypeError(f"{type(self).__name__} has no step")
