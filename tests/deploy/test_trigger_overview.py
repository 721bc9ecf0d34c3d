"""What an administrator sees of the queue, and metrics: numbers and reasons, and nobody's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from trigger_parts import Clock, instance, record, send

from deploy.trigger.__main__ import main
from deploy.trigger.metrics import TriggerMetrics
from deploy.trigger.overview import dead_letters, overview, put_back
from deploy.trigger.queue import Queue
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store
from pcr.reasons import BadConfiguration


@pytest.fixture
def troubled(spool: Spool, queue: Queue) -> None:
    """A refused study, one that is tried again, and one that is still arriving."""
    for study in ("1.1", "1.2"):
        send(spool, instance(1, study=study), association=study)
        queue.add(study, spool.images_digest(study), record(), "m")
    refused, failing = queue.claim(), queue.claim()
    assert refused and failing
    queue.dead(refused, "no_dce_series", "nothing dynamic was found")
    queue.failed(failing, "timeout", "it took too long")
    send(spool, instance(1, study="1.3"), association="c")


def test_what_is_tried_again_and_what_is_dead_is_told_with_its_reason(troubled: None, tmp_path: Path) -> None:
    seen = overview(tmp_path)
    assert {line.state: line.jobs for line in seen.states if line.jobs} == {"queued": 1, "dead": 1}
    assert seen.arriving == 1
    assert [(t.study_uid, t.sentence) for t in seen.troubles] == [("1.2", "timeout: it took too long")]
    (letter,) = dead_letters(tmp_path)
    assert (letter.study_uid, letter.code) == ("1.1", "no_dce_series")


def test_a_dead_letter_can_be_put_back_while_its_images_are_here(
    troubled: None, spool: Spool, queue: Queue, tmp_path: Path
) -> None:
    assert put_back(tmp_path, "1.1") == 1 and dead_letters(tmp_path) == []
    assert put_back(tmp_path, "1.1") == 0
    job = queue.claim()
    assert job is not None
    queue.dead(job, "no_dce_series", "again")
    spool.forget("1.1")
    with pytest.raises(BadConfiguration, match="send it again"):
        put_back(tmp_path, "1.1")


def test_metrics_tell_numbers_and_outlive_a_restart(troubled: None, store: Store, clock: Clock, tmp_path: Path) -> None:
    clock.wait(100)
    again = Store(tmp_path)
    try:
        registry = CollectorRegistry()
        registry.register(TriggerMetrics(again, lambda: 2, lambda: clock() - 7, clock))
        text = generate_latest(registry).decode()
    finally:
        again.close()
    for line in (
        'breast_pcr_jobs{state="queued"} 1.0',
        'breast_pcr_oldest_job_age_seconds{state="queued"} 100.0',
        'breast_pcr_jobs_ended_total{outcome="dead",reason="no_dce_series"} 1.0',
        "breast_pcr_job_duration_seconds_count 1.0",
        "breast_pcr_studies_arriving 1.0",
        "breast_pcr_record_problems 2.0",
        "breast_pcr_last_look_age_seconds 7.0",
    ):
        assert line in text
    assert "SIMULATED" not in text and "1.1" not in text


def test_the_commands_print_it(troubled: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "trigger.yaml"
    pacs = {"ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    config.write_text(
        yaml.safe_dump({"state": str(tmp_path), "pacs": pacs, "listener": {"allowed_ae_titles": ["PACS"]}})
    )
    for command, expected in (("status", "it took too long"), ("dead", "no_dce_series")):
        assert main([command, "--config", str(config)]) == 0
        assert expected in capsys.readouterr().out
    assert main(["retry", "--config", str(config), "1.1"]) == 0
    assert main(["retry", "--config", str(config), "1.1"]) == 1
