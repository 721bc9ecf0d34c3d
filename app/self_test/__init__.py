"""The self-test of an installation: a stored study is run, and its result compared with the stored one.

study.zip holds a simulated study, compressed as a scanner may send it; expected.json holds the facts of its result.
`python -m deploy.map self-test-study` makes both.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from app.run import run
from app.self_test.facts import Facts, differences
from app.settings import Settings, choose_folders
from pcr.report.result import StudyResult
from pcr.study import Inbox, Study

STUDY = Path(__file__).with_name("study.zip")
EXPECTED = Path(__file__).with_name("expected.json")


def self_test(models: Path | None, settings: Settings) -> tuple[StudyResult, tuple[str, ...]]:
    """The result of the stored study, and what differs from the stored result: nothing, where all is well.

    Raises:
        BadConfiguration, BadModel: nothing could be run.
    """
    result = run_stored_study(models, settings)
    return result, differences(result, Facts.model_validate_json(EXPECTED.read_text("utf-8")))


def run_stored_study(models: Path | None, settings: Settings) -> StudyResult:
    """The result of the stored study; of the settings only `device` counts, the others have their defaults."""
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items() if name != "device"}
    with TemporaryDirectory(prefix="breast-pcr-self-test-") as folder:
        source, out = Path(folder, "in"), Path(folder, "out")
        source.mkdir()
        with ZipFile(STUDY) as archive:
            archive.extractall(source)
        folders = choose_folders(source, out, models)
        (result,) = run(folders, settings.model_copy(update=defaults), _Silent()).results
        return result


class _Silent:
    """Says nothing while it goes on: the self-test's answer is one line."""

    def found(self, inbox: Inbox, clinical_path: Path | None, provider: str) -> None:
        """Nothing."""

    def step(self, study: Study, label: str) -> None:
        """Nothing."""

    def finished(self, result: StudyResult) -> None:
        """Nothing."""
