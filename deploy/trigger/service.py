"""The trigger at work: it listens, keeps, processes and sends in threads that go on where the last ones were killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from deploy.trigger.delivery import deliver
from deploy.trigger.drop_folder import DropFolder
from deploy.trigger.fhir_server import FhirServer
from deploy.trigger.keeper import Keeper
from deploy.trigger.logs import place
from deploy.trigger.metrics import TriggerMetrics, serve_metrics
from deploy.trigger.pacs import Pacs
from deploy.trigger.queue import NOT_DELIVERED, Job, Queue
from deploy.trigger.reception import Reception
from deploy.trigger.records import FirstOf, RecordSource
from deploy.trigger.runner import Runner
from deploy.trigger.runner_container import ContainerRunner
from deploy.trigger.runner_kubernetes import KubernetesRunner
from deploy.trigger.runner_process import ProcessRunner
from deploy.trigger.settings import Runner as RunnerSettings
from deploy.trigger.settings import TriggerSettings
from deploy.trigger.spool import Spool
from deploy.trigger.store import Store, state_folder
from deploy.trigger.work import Completed, Failed, Outcome, Refused, Workshop

_PAUSE_S = 0.5
_PAUSE_AFTER_ERROR_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the trigger is made of, all of it over one store."""

    settings: TriggerSettings
    store: Store
    spool: Spool
    queue: Queue
    workshop: Workshop
    runner: Runner
    records: FirstOf


@contextmanager
def opened(settings: TriggerSettings, now: Callable[[], float] = time.time) -> Iterator[Parts]:
    """Open the state folder and put the parts together.

    Raises:
        BadConfiguration: the state folder is held by another trigger or can not be used.
    """
    with state_folder(settings.state) as folder, ExitStack() as stack:
        store = Store(folder)
        stack.callback(store.close)
        runner = make_runner(settings.runner, folder)
        spool = Spool(store, folder, settings.reception, now)
        queue = Queue(store, settings.retry, now)
        yield Parts(
            settings=settings,
            store=store,
            spool=spool,
            queue=queue,
            workshop=Workshop(store, spool, queue, runner, folder),
            runner=runner,
            records=FirstOf(_record_sources(settings)),
        )


def serve(parts: Parts, stop: threading.Event, now: Callable[[], float] = time.time) -> None:
    """Recover from the last end, then work until `stop` is set.

    Raises:
        BadConfiguration: the runner has no model or image, or a port can not be had.
    """
    settings, queue = parts.settings, parts.queue
    model = parts.runner.model()
    # In this order: were it killed in between, the next start would still know what to stop.
    interrupted = queue.in_state("running")
    parts.workshop.recover(interrupted)
    queue.recover()
    parts.spool.recover()
    queue.remodel(model)
    keeper = Keeper(
        settings, parts.store, parts.spool, queue, parts.workshop,
        records=parts.records,
        pacs=Pacs(settings.pacs, settings.listener.ae_title) if settings.reconcile else None,
        model=model,
        now=now,
    )  # fmt: skip
    with ExitStack() as stack:
        if settings.metrics:
            metrics = TriggerMetrics(parts.store, lambda: len(parts.records.problems()), lambda: keeper.last_look, now)
            stack.callback(serve_metrics(metrics, settings.metrics))
        stack.enter_context(Reception(settings.listener, parts.spool))
        log.info("started", model=model, runner=settings.runner.kind, interrupted=len(interrupted))
        threads = [
            _repeat("keeper", keeper.look, stop),
            _repeat("delivery", lambda: _send_next(parts), stop),
            *(_repeat(f"worker-{n}", lambda: _process_next(parts, stop), stop) for n in range(settings.runner.workers)),
        ]
        stop.wait()
        log.info("stopping")
        while any(thread.is_alive() for thread in threads):
            # Again and again: an attempt may just be starting.
            for job in queue.in_state("running"):
                parts.runner.stop(job.attempt_name(parts.store.site))
            for thread in threads:
                thread.join(0.2)
    log.info("stopped")


def make_runner(settings: RunnerSettings, state: Path) -> Runner:
    """The runner that the settings name."""
    if settings.kind == "process":
        return ProcessRunner(settings)
    if settings.kind == "kubernetes":
        return KubernetesRunner(settings, state)
    return ContainerRunner(settings)


def _record_sources(settings: TriggerSettings) -> tuple[RecordSource, ...]:
    sources: list[RecordSource] = []
    if settings.records.drop_folder:
        sources.append(DropFolder(settings.records.drop_folder))
    if settings.records.fhir:
        sources.append(FhirServer(settings.records.fhir))
    return tuple(sources)


def _repeat(name: str, step: Callable[[], object], stop: threading.Event) -> threading.Thread:
    """Do a step again and again; whatever breaks is told, and tried again after a pause."""

    def loop() -> None:
        while not stop.is_set():
            pause = _PAUSE_S
            try:
                if step():
                    continue
            except Exception as error:
                log.error("unexpected", thread=name, error=type(error).__name__, at=place(error))
                pause = _PAUSE_AFTER_ERROR_S
            stop.wait(pause)

    thread = threading.Thread(target=loop, name=name)
    thread.start()
    return thread


def _process_next(parts: Parts, stop: threading.Event) -> bool:
    """Process the next job; whether there was one."""
    job = parts.queue.claim()
    if job is None:
        return False
    log.info("processing", study=job.study_uid, job=job.id, run=job.runs)
    try:
        outcome = parts.workshop.process(job)
    except Exception as error:  # a full disk, say: the job must not stay running
        log.error("unexpected", study=job.study_uid, job=job.id, error=type(error).__name__, at=place(error))
        outcome = Failed("internal_error", f"the trigger could not process it ({type(error).__name__})")
    # What ends while the trigger stops was stopped by it: the next start takes it up.
    if not (stop.is_set() and isinstance(outcome, Failed)):
        _conclude(parts, job, outcome)
    return True


def _conclude(parts: Parts, job: Job, outcome: Outcome | None) -> None:
    match outcome:
        case None:
            parts.queue.superseded(job)
            log.info("superseded", study=job.study_uid, job=job.id)
        case Completed():
            parts.queue.processed(job)
            log.info("completed", study=job.study_uid, job=job.id)
        case Refused(code, sentence) if parts.workshop.results(job):
            parts.queue.processed(job, code, sentence)
            log.info("refused", study=job.study_uid, job=job.id, reason=code)
        case Refused(code, sentence):
            parts.queue.dead(job, code, sentence)
            log.info("refused", study=job.study_uid, job=job.id, reason=code)
        case Failed(code, sentence):
            state = parts.queue.failed(job, code, sentence)
            log.warning("failed", study=job.study_uid, job=job.id, reason=code, state=state)


def _send_next(parts: Parts) -> bool:
    """Send the results of the next job; whether there was one."""
    job = parts.queue.to_send()
    if job is None:
        return False
    files = {str(path.relative_to(parts.workshop.results_folder(job))): path for path in parts.workshop.results(job)}
    left = [name for name in files if name not in parts.queue.delivered(job)]
    delivery = deliver(parts.settings.pacs, [files[name] for name in left], parts.settings.listener.ae_title)
    undelivered = {path: sentence for path, sentence in delivery.undelivered}
    parts.queue.note_delivered(job, [name for name in left if files[name] not in undelivered])
    if not files:
        log.warning("results_lost", study=job.study_uid, job=job.id, state=parts.queue.lost(job))
    elif undelivered:
        sentence = next(iter(undelivered.values()))
        state = parts.queue.failed(job, NOT_DELIVERED, sentence)
        log.warning("not_delivered", study=job.study_uid, job=job.id, files=len(undelivered), state=state)
    else:
        parts.queue.sent(job)
        log.info("delivered", study=job.study_uid, job=job.id, files=len(files))
    return True
