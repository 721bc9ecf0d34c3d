"""What all results of one output folder are made with: one software, one model, one set of settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

import pcr
from app.batch.place import Place, write_whole
from app.run import MODEL_NAME
from app.settings import YAML_KEY, Settings
from pcr.manifest import ModelFolder
from pcr.model import load_model
from pcr.reasons import BadConfiguration

_NAME = "made_with.json"


class MadeWith(BaseModel):
    """What decides about a result beside the study and its record; the settings are those that bear on results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    software_version: str
    model: str
    model_sha256: str
    settings: str

    def settle(self, place: Place, settings: Settings) -> None:
        """Write down what the results of a folder are made with, and the settings for the jobs to read.

        Raises:
            BadConfiguration: the folder holds results that were made with something else.
        """
        path = place.own / _NAME
        if path.exists() and any(place.studies.iterdir()):
            self._refuse_another(path)
        write_whole(path, self.model_dump_json(indent=2) + "\n")
        write_whole(place.settings, yaml.safe_dump({YAML_KEY: settings.model_dump(mode="json")}))

    def _refuse_another(self, path: Path) -> None:
        try:
            earlier = MadeWith.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            raise BadConfiguration(f"{path.name} of the output folder can not be read; name another folder") from None
        before, now = earlier.model_dump(), self.model_dump()
        if changed := [name.replace("_", " ") for name in now if now[name] != before[name]]:
            raise BadConfiguration(
                f"the results in the output folder were made with something else ({', '.join(changed)} differ); name "
                "another folder with -o, so that no summary mixes them"
            )


def check_model(models: Path, settings: Settings, runs_here: bool) -> MadeWith:
    """Load the model once, so that one that is broken is told of before a thousand jobs are.

    The device of the settings must be there only where the jobs run on this machine.

    Raises:
        BadConfiguration, BadModel: no job could succeed.
    """
    if not models.is_dir():
        raise BadConfiguration(f"the model folder {models} is not there; name the folder that holds pcr/ with -m")
    folder = load_model(models / MODEL_NAME, settings.device if runs_here else "cpu").folder
    return MadeWith(
        software_version=pcr.__version__,
        model=f"{folder.name} {folder.version}",
        model_sha256=_checksum(folder),
        settings=settings.bearing_on_results,
    )


def _checksum(folder: ModelFolder) -> str:
    # The declaration holds the network's own checksum.
    return hashlib.sha256(folder.manifest.model_dump_json().encode()).hexdigest()
