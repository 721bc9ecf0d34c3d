"""The comparison of arms as tables, pictures and plain values: `write_report` of `ArmResult`s."""

from training.report.arms import ArmResult
from training.report.write import write_report

__all__ = ["ArmResult", "write_report"]
