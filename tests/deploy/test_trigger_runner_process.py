"""A process per study, really run: its answer, its time limit, and no trace of it after a kill of the trigger."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.trigger.runner import Attempt, RunnerTimeout
from deploy.trigger.runner_process import ProcessRunner
from deploy.trigger.settings import Runner
from pcr.reasons import BadConfiguration


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "clinical.json").write_text('{"records": []}')
    return Attempt(
        name=f"breast-pcr-test-{uuid4().hex[:12]}-1",
        input=tmp_path / "in",
        output=tmp_path / "out",
        log=tmp_path / "log",
    )


def test_the_application_answers_with_its_own_status_whatever_the_triggers_variables_are(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAST_PCR_TRIGGER_RUNNER__WORKERS", "1")
    assert ProcessRunner(Runner()).run(attempt) == 3
    assert "no_study" in (attempt.output / "result.json").read_text()


def test_settings_of_the_application_reach_it(attempt: Attempt, tmp_path: Path) -> None:
    config = tmp_path / "app.yaml"
    config.write_text("breast_pcr: {device: quantum}\n")
    assert ProcessRunner(Runner(config=config)).run(attempt) == 2
    assert "device" in attempt.log.read_text()


def test_what_takes_too_long_is_ended(attempt: Attempt) -> None:
    with pytest.raises(RunnerTimeout):
        ProcessRunner(Runner(timeout_s=0.2)).run(attempt)


def test_an_attempt_that_a_killed_trigger_left_is_found_and_ended_with_its_children(attempt: Attempt) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    marked = os.environ | {"PCR_TRIGGER_ATTEMPT": attempt.name}
    orphan = subprocess.Popen([sys.executable, "-c", script], env=marked, start_new_session=True)
    longer = {"PCR_TRIGGER_ATTEMPT": f"{attempt.name}1"}
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=marked | longer)
    try:
        runner = ProcessRunner(Runner())
        runner.stop(attempt.name)
        assert orphan.wait(30) == -9
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_model_folder_that_is_none_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"runner\.models"):
        ProcessRunner(Runner(models=tmp_path)).model()
