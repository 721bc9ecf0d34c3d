"""Settings: app.yaml, each overridable by an environment variable, and the folders of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource
from yaml import YAMLError

from pcr.kinetic_localizer import LocalizerSettings
from pcr.localize import LocalizationSettings
from pcr.model import Device
from pcr.motion import MotionSettings
from pcr.reasons import BadConfiguration, first_complaint
from pcr.report.settings import Background, ReportSettings
from pcr.study import InboxLimits
from pcr.volume import MAX_MEMORY_MIB, MAX_VOXELS, VolumeLimits

ENV_PREFIX = "BREAST_PCR_"
YAML_KEY = "breast_pcr"
APP_ROOT = Path(__file__).resolve().parent.parent

# The names that a MAP's runner and mercure set, in the order in which they are honoured.
_INPUT_NAMES = ("HOLOSCAN_INPUT_PATH", "MERCURE_IN_DIR")
_OUTPUT_NAMES = ("HOLOSCAN_OUTPUT_PATH", "MERCURE_OUT_DIR")
_MODEL_NAMES = ("HOLOSCAN_MODEL_PATH",)
_CONFIG_NAME = "HOLOSCAN_CONFIG_PATH"


class Localization(BaseModel):
    """Whose outline of the lesion is taken, and what the kinetic localiser asks of a candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_automatic_segmentation: bool = False
    min_score: Annotated[float, Field(gt=0, lt=1)] = 0.7
    runners_up: Annotated[int, Field(ge=0, le=20)] = 5

    def for_core(self) -> LocalizationSettings:
        """The same for the core."""
        return LocalizationSettings(
            accept_automatic_segmentation=self.accept_automatic_segmentation,
            kinetic=LocalizerSettings(min_score=self.min_score, runners_up=self.runners_up),
        )


class Motion(BaseModel):
    """What is done about a patient who moved between phases, and from how many mm on the report warns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    correction: Literal["auto", "off"] = MotionSettings().correction
    warn_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)] = MotionSettings().warn_mm

    def for_core(self) -> MotionSettings:
        """The same for the core."""
        return MotionSettings(correction=self.correction, warn_mm=self.warn_mm)


class Report(BaseModel):
    """Which DICOM objects are made, and what the overlays are drawn on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    background: Background = ReportSettings().background
    parametric_map: bool = ReportSettings().parametric_map
    key_objects: bool = ReportSettings().key_objects
    not_evaluable_page: bool = ReportSettings().not_evaluable_page

    def for_core(self) -> ReportSettings:
        """The same for the core."""
        return ReportSettings(**self.model_dump())


class Limits(BaseModel):
    """What is accepted of a sender before its pixels are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_files: Annotated[int, Field(gt=0)] = InboxLimits().max_files
    max_all_files: Annotated[int, Field(gt=0)] = InboxLimits().max_all_files
    max_header_mib: Annotated[int, Field(gt=0)] = InboxLimits().max_header_mib
    max_all_headers_mib: Annotated[int, Field(gt=0)] = InboxLimits().max_all_headers_mib
    max_voxels: Annotated[int, Field(gt=0)] = MAX_VOXELS
    max_memory_mib: Annotated[int, Field(gt=0)] = MAX_MEMORY_MIB

    def of_inbox(self) -> InboxLimits:
        """Those of the input, for the core."""
        return InboxLimits(
            max_files=self.max_files,
            max_all_files=self.max_all_files,
            max_header_mib=self.max_header_mib,
            max_all_headers_mib=self.max_all_headers_mib,
        )

    def of_volume(self) -> VolumeLimits:
        """Those of a dynamic series, for the core."""
        return VolumeLimits(max_voxels=self.max_voxels, max_memory_mib=self.max_memory_mib)


class Settings(BaseSettings):
    """What a site may choose; docs/settings.md describes each."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__")

    device: Device = "auto"
    clinical_file: Path | None = None
    localization: Localization = Localization()
    motion: Motion = Motion()
    report: Report = Report()
    limits: Limits = Limits()

    @property
    def bearing_on_results(self) -> str:
        """The settings that a result depends on, as JSON: not where its input lies, nor how much is accepted of it."""
        return self.model_dump_json(include={"localization", "motion", "report"})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over what is given to the constructor, which is what the file said."""
        return sources["env_settings"], init_settings


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run reads, writes and finds its models."""

    input: Path
    output: Path
    models: Path


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read app.yaml, from HOLOSCAN_CONFIG_PATH or beside the application, then the environment.

    Raises:
        BadConfiguration: naming the entry that is wrong.
    """
    named = environment.get(_CONFIG_NAME)
    path = Path(named) if named else APP_ROOT / "app.yaml"
    if named and not path.is_file():
        raise BadConfiguration(f"{_CONFIG_NAME} names {named}, which is not there")
    try:
        written = YamlConfigSettingsSource(Settings, yaml_file=path)() if path.is_file() else {}
        _refuse_misplaced(written, environment)
        return Settings(**written.get(YAML_KEY, {}))
    except ValidationError as error:
        where, what = first_complaint(error)
        raise BadConfiguration(f"setting '{where}': {what}") from None
    except (YAMLError, OSError, TypeError, AttributeError, ValueError) as error:
        raise BadConfiguration(f"{path} can not be read ({type(error).__name__}); check its syntax") from None


def _refuse_misplaced(written: Mapping[str, object], environment: Mapping[str, str]) -> None:
    """Refuse settings that would be passed over: other entries of the file belong to the packager, so not all are.

    Raises BadConfiguration.
    """
    for key in written:
        if key in Settings.model_fields or (key != YAML_KEY and key.lower().replace("-", "_") == YAML_KEY):
            raise BadConfiguration(f"setting '{key}' stands at the top of the file; settings go under '{YAML_KEY}:'")
    known = {ENV_PREFIX + "__".join(path).upper() for name in Settings.model_fields for path in _paths_below(name)}
    for variable in environment:
        if variable.upper().startswith(ENV_PREFIX) and variable.upper() not in known:
            raise BadConfiguration(f"there is no setting {variable}; there are {', '.join(sorted(known))}")


def _paths_below(name: str) -> list[tuple[str, ...]]:
    kind = Settings.model_fields[name].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [(name,), *((name, inner) for inner in kind.model_fields)]
    return [(name,)]


def choose_folders(
    given_input: Path | None,
    given_output: Path | None,
    given_models: Path | None,
    environment: Mapping[str, str] = os.environ,
) -> Folders:
    """Folders from the command line, else from the environment; models default to `models/`.

    Raises:
        BadConfiguration: a folder is not named, not there, or the output lies in the input.
    """
    source = _required(given_input or _named(environment, _INPUT_NAMES), "input folder (-i)", _INPUT_NAMES)
    out = _required(given_output or _named(environment, _OUTPUT_NAMES), "output folder (-o)", _OUTPUT_NAMES)
    models = given_models or _named(environment, _MODEL_NAMES) or default_models()
    if not source.is_dir():
        raise BadConfiguration(f"the input folder {source} is not there, or is no folder")
    if not models.is_dir():
        raise BadConfiguration(f"the model folder {models} is not there; name the folder that holds pcr/ with -m")
    if out.resolve().is_relative_to(source.resolve()):
        raise BadConfiguration("the output folder lies inside the input folder; name another one with -o")
    if source.resolve().is_relative_to(out.resolve()):
        raise BadConfiguration("the input folder lies inside the output folder; name another one with -o")
    return Folders(source, out, models)


def default_models() -> Path:
    """`models/` of the folder that the program is started in, else that beside the application."""
    here = Path("models")
    return here if here.is_dir() else APP_ROOT / "models"


def _named(environment: Mapping[str, str], names: tuple[str, ...]) -> Path | None:
    return next((Path(environment[name]) for name in names if environment.get(name)), None)


def _required(path: Path | None, what: str, names: tuple[str, ...]) -> Path:
    if path is None:
        raise BadConfiguration(f"no {what} is given, nor is {' or '.join(names)} set")
    return path
