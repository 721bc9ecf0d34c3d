"""The command line of a batch: options turned into an order, its end into an exit status."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from app.batch.batch import Order, score
from app.batch.console import BatchConsole
from app.batch.made_with import check_model
from app.batch.sources import Source, folders_below, listed_folders, named_folders, refuse_overlap
from app.log import error_log
from app.run import EXIT_CONFIGURATION, EXIT_INTERNAL, EXIT_NOT_EVALUABLE
from app.settings import Settings, default_models, read_settings
from pcr.reasons import BadConfiguration, BadModel, NotEvaluable
from pcr.report.provenance import RESEARCH_NOTICE

if TYPE_CHECKING:
    from distributed import Client

# As a shell says of a program that SIGINT ended.
_EXIT_INTERRUPTED = 130

logger = logging.getLogger(__name__)


def run_command(arguments: Sequence[str]) -> int:
    """Run a batch; the exit status is that of `python -m app`, the worst of all studies."""
    options = _parser().parse_args(arguments)
    with error_log() as log, BatchConsole() as console:
        try:
            outcome = score(_order(options), _cluster(options), console)
        except (BadConfiguration, BadModel) as error:
            console.refused(error)
            return EXIT_CONFIGURATION
        except NotEvaluable as error:
            console.refused(error)
            return EXIT_NOT_EVALUABLE
        except KeyboardInterrupt:
            console.interrupted()
            return _EXIT_INTERRUPTED
        except Exception as error:  # the console gets a sentence, the log the traceback
            logger.error("batch failed", exc_info=error)
            console.broke(error, log.where)
            return EXIT_INTERNAL
    console.summary(outcome, options.output)
    return outcome.exit_status


def _order(options: argparse.Namespace) -> Order:
    settings = _placed(read_settings())
    models = (options.model or default_models()).resolve()
    out = options.output.resolve()
    below = tuple(folder for archive in options.below for folder in folders_below(archive))
    listed = tuple(folder for file in options.list for folder in listed_folders(file))
    folders = named_folders((*options.folders, *listed, *below))
    refuse_overlap(folders, out)
    return Order(
        sources=(*folders, *_of_orthanc(options)),
        out=out,
        models=models,
        settings=settings,
        made_with=check_model(models, settings, runs_here=options.scheduler is None),
        timeout_s=options.timeout,
        retry_failed=options.retry_failed,
    )


def _placed(settings: Settings) -> Settings:
    """With the clinical file as an absolute path: jobs run in another folder."""
    if settings.clinical_file is None:
        return settings
    return settings.model_copy(update={"clinical_file": settings.clinical_file.resolve()})


def _of_orthanc(options: argparse.Namespace) -> tuple[Source, ...]:
    if options.orthanc is None:
        if options.query or options.orthanc_credentials or options.orthanc_ca:
            raise BadConfiguration("--query, --orthanc-credentials and --orthanc-ca need --orthanc")
        return ()
    from app.batch.orthanc import OrthancServer, find_studies

    server = OrthancServer(
        url=options.orthanc,
        credentials_file=options.orthanc_credentials and options.orthanc_credentials.resolve(),
        ca_file=options.orthanc_ca and options.orthanc_ca.resolve(),
    )
    return find_studies(server, _query(options.query))


def _query(pairs: Sequence[str]) -> dict[str, str]:
    query = dict(pair.partition("=")[::2] for pair in pairs)
    if len(query) < len(pairs) or not all(query.values()):
        raise BadConfiguration("a query is KEYWORD=VALUE, each keyword once")
    return query


def _cluster(options: argparse.Namespace) -> Callable[[], AbstractContextManager[Client]]:
    if options.scheduler is not None and options.workers is not None:
        raise BadConfiguration("--workers is for a cluster of this machine; a running one has its own")
    if options.workers is not None and options.workers < 1:
        raise BadConfiguration("--workers must be at least 1")

    def opened() -> AbstractContextManager[Client]:
        from app.batch.cluster import default_workers, local_cluster, running_cluster

        if options.scheduler is not None:
            return running_cluster(options.scheduler)
        return local_cluster(options.workers or default_workers())

    return opened


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.batch",
        description="Probability of pathological complete response for an archive of breast DCE-MRI studies. "
        "The same command goes on where an earlier one ended. " + RESEARCH_NOTICE,
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folder of one or more studies")
    parser.add_argument("--list", action="append", default=[], type=Path, metavar="FILE", help="a folder a line")
    parser.add_argument("--below", action="append", default=[], type=Path, metavar="FOLDER", help="its subfolders")
    parser.add_argument("--orthanc", metavar="URL", help="take studies from the REST interface of an Orthanc")
    parser.add_argument("--query", action="append", default=[], metavar="KEYWORD=VALUE", help="which of its studies")
    parser.add_argument(
        "--orthanc-credentials", type=Path, metavar="FILE", help="user:password (else the variable ORTHANC_CREDENTIALS)"
    )
    parser.add_argument("--orthanc-ca", type=Path, metavar="FILE", help="certificates that vouch for the server's")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for results and summary")
    parser.add_argument("-m", "--model", type=Path, help="folder that holds pcr/ (default: models/)")
    parser.add_argument("--workers", type=int, metavar="N", help="studies at once on this machine")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler that is running")
    parser.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS", help="for one input (%(default)g)")
    parser.add_argument("--retry-failed", action="store_true", help="run again what ended in internal_error")
    return parser
