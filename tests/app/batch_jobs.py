"""Jobs for the tests of the batch: a folder that the application refuses within a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.batch.job import Common, Job
from app.batch.made_with import MadeWith
from app.batch.place import Place
from app.batch.sources import FolderSource
from app.settings import Settings

from .conftest import MODELS

MADE_WITH = MadeWith(software_version="1", model="pcr 1", model_sha256="0", settings="{}")


def job_without_study(folder: Path, **common: object) -> Job:
    """A job whose input holds a text file, with its place made ready."""
    source = folder / "in"
    source.mkdir(exist_ok=True)
    (source / "readme.txt").write_text("no image")
    place = Place(folder / "out")
    place.make()
    MADE_WITH.settle(place, Settings())
    shared = Common(
        run="first", out=place.out, models=MODELS, records_sha256="", max_files=100, timeout_s=60, retry_failed=False
    )
    return Job(source=FolderSource(source), common=replace(shared, **common))
