"""Jobs on the workers of a Dask cluster: one of this machine, or one that is running."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker
from distributed.system import MEMORY_LIMIT
from distributed.utils import silence_logging_cmgr

from app.batch.job import Job, JobOutcome, run_job, unpublished
from pcr.reasons import BadConfiguration, PcrError, ReasonCode

# A full study peaks at 0.7 to 1.1 GiB and a worker takes 0.25; the page cache that files are read from needs some too.
_MEMORY_PER_WORKER = 2 * 2**30
_CONNECT_TIMEOUT_S = 10
_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:[0-9]{1,5}")


def default_workers() -> int:
    """One for each processor that this process may use, as far as the memory goes."""
    return max(1, min(CPU_COUNT, MEMORY_LIMIT // _MEMORY_PER_WORKER))


@contextmanager
def local_cluster(workers: int) -> Iterator[Client]:
    """Worker processes of this machine, reached by TLS on loopback: other users of the machine have no way in."""
    with (
        silence_logging_cmgr(logging.CRITICAL),
        # Dask serves pages about itself to anybody on this machine; its server can not be left out, the pages can.
        dask.config.set({"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}),
        LocalCluster(
            n_workers=workers,
            # The work is done in processes of their own, so a worker waits for one at a time.
            threads_per_worker=1,
            memory_limit=0,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            security=True,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """A scheduler that is running, with at least one worker; certificates are those of Dask's own configuration.

    Raises:
        BadConfiguration: it can not be reached, or has no worker.
    """
    if not _ADDRESS.fullmatch(address):
        raise BadConfiguration("--scheduler is tcp://HOST:PORT or tls://HOST:PORT")
    with silence_logging_cmgr(logging.CRITICAL):
        try:
            client = Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise BadConfiguration(f"no Dask scheduler can be reached at {address} ({type(error).__name__})") from None
        with client:
            try:
                client.wait_for_workers(1, timeout=_CONNECT_TIMEOUT_S)
            except TimeoutError:
                raise BadConfiguration(f"the Dask scheduler at {address} has no workers; start some") from None
            yield client


def spread(client: Client, jobs: Sequence[Job]) -> Iterator[JobOutcome]:
    """Run jobs on the workers of a client; their outcomes, in the order in which they come."""
    # The name of the run keeps apart what two batches ask of one scheduler.
    futures = {client.submit(run_job, job, key=f"{job.name}-{job.common.run}", pure=False): job for job in jobs}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            yield _outcome(future, futures.pop(future))
    finally:
        client.cancel(list(futures))


def _outcome(future: Future[JobOutcome], job: Job) -> JobOutcome:
    if future.status == "finished":
        return future.result()
    if future.status == "error" and isinstance(error := future.exception(), KilledWorker):
        lost = error.allowed_failures + 1
        return unpublished(job, _lost(f"{lost} workers in a row were lost while they worked at it; is memory short?"))
    if future.status == "error":
        return unpublished(job, _lost(f"an unexpected error ended it ({type(future.exception()).__name__})"))
    return unpublished(job, _lost("the scheduler was lost; start the batch again"))


def _lost(sentence: str) -> PcrError:
    return PcrError(ReasonCode.INTERNAL_ERROR, sentence)
