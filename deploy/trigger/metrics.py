"""Metrics of the trigger for Prometheus, read from the store whenever they are asked for, so they outlive a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from deploy.trigger.queue import Census, census
from deploy.trigger.settings import Metrics
from deploy.trigger.store import Store
from pcr.reasons import BadConfiguration

_ENDED = ("done", "dead")
_BUCKETS_S = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)


class TriggerMetrics(Collector):
    """Queue length, ages, durations and outcomes; no label holds anything of a patient or a study."""

    def __init__(
        self,
        store: Store,
        problems: Callable[[], int],
        last_look: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._problems = problems
        self._last_look = last_look
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All metrics, as they are now."""
        jobs = census(self._store)
        yield self._jobs(jobs)
        yield self._oldest(jobs)
        yield self._outcomes()
        yield self._durations()
        waiting = GaugeMetricFamily(
            "breast_pcr_studies_arriving", "Studies with images that no job has seen: arriving, or awaiting a record"
        )
        waiting.add_metric([], self._store.rows("SELECT count(*) FROM study WHERE arrived")[0][0])
        yield waiting
        problems = GaugeMetricFamily("breast_pcr_record_problems", "Clinical record files that can not be read")
        problems.add_metric([], self._problems())
        yield problems
        look = GaugeMetricFamily(
            "breast_pcr_last_look_age_seconds", "Since the trigger last looked at all of its studies"
        )
        look.add_metric([], self._now() - self._last_look())
        yield look

    def _jobs(self, counted: Census) -> Metric:
        family = GaugeMetricFamily("breast_pcr_jobs", "Jobs by state", labels=["state"])
        for state, (jobs, _) in counted.items():
            family.add_metric([state], jobs)
        return family

    def _oldest(self, counted: Census) -> Metric:
        family = GaugeMetricFamily(
            "breast_pcr_oldest_job_age_seconds",
            "Age of the oldest job by state, 0 where there is none",
            labels=["state"],
        )
        for state, (_, oldest) in counted.items():
            if state not in (*_ENDED, "superseded"):
                family.add_metric([state], 0 if oldest is None else self._now() - oldest)
        return family

    def _outcomes(self) -> Metric:
        family = CounterMetricFamily(
            "breast_pcr_jobs_ended", "Jobs that ended, by outcome and reason code", labels=["outcome", "reason"]
        )
        query = (
            "SELECT state, coalesce(reason_code, '') AS reason, count(*) AS n FROM job"
            " WHERE state IN ('done', 'dead') GROUP BY 1, 2"
        )
        for row in self._store.rows(query):
            family.add_metric([row["state"], row["reason"]], row["n"])
        return family

    def _durations(self) -> Metric:
        query = "SELECT finished-created AS s FROM job WHERE state IN ('done', 'dead') AND finished IS NOT NULL"
        seconds = [float(row["s"]) for row in self._store.rows(query)]
        family = HistogramMetricFamily(
            "breast_pcr_job_duration_seconds", "From the queue to the PACS, or to the dead-letter list"
        )
        buckets = [(str(bound), float(sum(s <= bound for s in seconds))) for bound in _BUCKETS_S]
        family.add_metric([], [*buckets, ("+Inf", float(len(seconds)))], sum(seconds))
        return family


def serve_metrics(metrics: TriggerMetrics, settings: Metrics) -> Callable[[], None]:
    """Answer Prometheus; call what is given back to stop.

    Raises:
        BadConfiguration: the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        server, _ = start_http_server(settings.port, settings.host, registry)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise BadConfiguration(f"metrics: can not listen at {where} ({error.strerror}); choose another port") from None

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
