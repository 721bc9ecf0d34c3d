"""A GPU and the CPU give the same probability for the same study."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.self_test import run_stored_study
from app.settings import Settings
from pcr.report.result import StudyResult

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine has no GPU of NVIDIA's"),
]


def _probability(result: StudyResult, provider: str) -> float:
    assert result.model.provider == provider
    assert result.prediction is not None
    return result.prediction.probability


def test_the_probability_is_that_of_the_cpu() -> None:
    on_gpu = _probability(run_stored_study(None, Settings(device="cuda")), "CUDAExecutionProvider")
    on_cpu = _probability(run_stored_study(None, Settings(device="cpu")), "CPUExecutionProvider")
    assert on_gpu == pytest.approx(on_cpu, abs=1e-3)


def test_auto_takes_the_gpu() -> None:
    _probability(run_stored_study(None, Settings(device="auto")), "CUDAExecutionProvider")
