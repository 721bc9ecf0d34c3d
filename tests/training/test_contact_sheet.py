"""What `inspect` shows of a cohort: tables, and sheets of several pages."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.invented_cohorts import CROP, FULL_IMAGED, TARGETS
from training.cohorts import Cohort, read_cohort
from training.config import Config, read_config
from training.contact_sheet import box_table, cohort_tables, draw_contact_sheet


@pytest.fixture(scope="session")
def settings() -> Config:
    default = read_config(Path(__file__).parents[2] / "training" / "configs" / "default.yaml")
    return default.model_copy(update={"crop": CROP})


def printed(cohort: Cohort) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(*cohort_tables(cohort), box_table(cohort, CROP))
    return console.file.getvalue()


def test_tables_tell_sites_times_boxes_and_warnings(cohort: Cohort) -> None:
    text = printed(replace(cohort, warnings=("something odd: ISPY2_0001",)))
    for part in ("Site A", "HR+/HER2-", "early", "diameter of the box", "something odd: ISPY2_0001"):
        assert part in text


def test_a_cohort_without_images_has_tables_too(cohort: Cohort) -> None:
    assert "0 patients" in printed(replace(cohort, patients=cohort.rows_only))


def test_few_patients_fit_on_one_page(cohort: Cohort, settings: Config, tmp_path: Path) -> None:
    assert draw_contact_sheet(cohort, settings, 3, tmp_path / "sheet.png") == (tmp_path / "sheet.png",)


def test_many_patients_need_several_pages(cohort: Cohort, settings: Config, tmp_path: Path) -> None:
    pages = draw_contact_sheet(cohort, settings, 14, tmp_path / "sheet.png")
    assert [page.name for page in pages] == ["sheet-1.png", "sheet-2.png"]
    assert all(page.stat().st_size for page in pages)


def test_whole_volumes_are_drawn_as_well(full_cohort_folder: Path, settings: Config, tmp_path: Path) -> None:
    cohort = read_cohort(full_cohort_folder, "DUKE", TARGETS)
    (page,) = draw_contact_sheet(cohort, settings, FULL_IMAGED + 5, tmp_path / "sheet.png")
    assert page.stat().st_size
