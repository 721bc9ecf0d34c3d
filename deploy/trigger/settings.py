"""Settings of the trigger: one YAML file, each entry overridable by an environment variable."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource
from yaml import YAMLError

from pcr.reasons import BadConfiguration, first_complaint

ENV_PREFIX = "BREAST_PCR_TRIGGER_"

# PS3.5 6.2, AE: at most 16 characters of the default repertoire, no backslash, not blank.
AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A part of the settings: nothing unknown in it, nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(Section):
    """Certificates of a TLS connection on which both sides prove who they are (PS3.15 B.12)."""

    certificate: Path
    key: Path
    ca: Path


class Listener(Section):
    """Where studies are received, and from whom."""

    ae_title: AeTitle = "BREASTPCR"
    host: str = "127.0.0.1"
    port: Port = 11112
    allowed_ae_titles: tuple[AeTitle, ...] = ()
    max_associations: Annotated[int, Field(ge=1, le=100)] = 10
    max_instance_mib: Annotated[int, Field(ge=1)] = 512
    idle_timeout_s: Seconds = 60.0
    tls: Tls | None = None

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        return str(ip_address(value))


class Peer(Section):
    """The PACS: where results go, and where studies are asked for."""

    ae_title: AeTitle
    host: str
    port: Port
    timeout_s: Seconds = 60.0
    tls: Tls | None = None


class Reconcile(Section):
    """How often the PACS is asked, by C-FIND, for studies and series that never arrived; they come by C-MOVE.

    Attributes:
        study_description: matching key with * and ?, so that not every MR study of the house is fetched.
    """

    every_s: Seconds = 300.0
    days: Annotated[int, Field(ge=0, le=36_500)] = 2
    study_description: Annotated[str, Field(max_length=64, pattern=r"^[^\\\x00-\x1f]*$")] = ""


class Reception(Section):
    """When a study counts as complete, and how much is taken."""

    quiet_s: Seconds = 30.0
    interrupted_wait_s: Seconds = 900.0
    max_instances: Annotated[int, Field(ge=1)] = 100_000
    min_free_mib: Annotated[int, Field(ge=1)] = 4096


class DropFolder(Section):
    """A folder in which clinical records appear."""

    path: Path
    look_every_s: Seconds = 5.0


class FhirServer(Section):
    """A FHIR R4 server that is asked for Patient and Observations."""

    url: str
    identifier_system: str | None = None
    token_file: Path | None = None
    timeout_s: Seconds = 20.0
    ask_every_s: Seconds = 60.0
    allow_plain_http: bool = False


class Records(Section):
    """Where clinical variables come from, and how long a study waits for them."""

    drop_folder: DropFolder | None = None
    fhir: FhirServer | None = None
    wait_minutes: Annotated[float, Field(ge=0, le=525_600, allow_inf_nan=False)] = 30.0

    @property
    def has_source(self) -> bool:
        """Whether there is anything to wait for."""
        return self.drop_folder is not None or self.fhir is not None


class Kubernetes(Section):
    """The cluster that jobs are created in."""

    namespace: str | None = None
    state_claim: str = "breast-pcr-state"
    service_account: str = "breast-pcr-job"


class Runner(Section):
    """What processes a study.

    Attributes:
        kind: `process` runs `python -m app` beside the trigger; `podman` and `docker` a container per study;
            `kubernetes` a job per study.
        image: for containers and jobs.
        models: model folder for `process`; None is the one beside the application.
    """

    kind: Literal["process", "podman", "docker", "kubernetes"] = "process"
    image: str | None = None
    models: Path | None = None
    config: Path | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    timeout_s: Seconds = 1800.0
    memory_mib: Annotated[int, Field(ge=512)] = 4096
    cpus: Annotated[float, Field(gt=0)] = 2.0
    gpu: bool = False
    kubernetes: Kubernetes = Kubernetes()

    @model_validator(mode="after")
    def _names_its_image(self) -> Runner:
        if self.kind != "process" and not self.image:
            raise ValueError(f"runner.kind {self.kind} needs runner.image")
        return self


class Retry(Section):
    """How often what may pass is tried again, and how long between: first_s, doubled each time up to longest_s.

    Attributes:
        runs: attempts at processing a study before it goes to the dead-letter list.
        deliveries: attempts at storing its results in the PACS; 100 of them last four days.
        interruptions: kills of the trigger while it processed the study.
    """

    runs: Annotated[int, Field(ge=1, le=100)] = 5
    deliveries: Annotated[int, Field(ge=1, le=10_000)] = 100
    interruptions: Annotated[int, Field(ge=1, le=1000)] = 20
    first_s: Seconds = 10.0
    longest_s: Seconds = 3600.0

    def pause_s(self, failures: int) -> float:
        """Seconds until the next try after so many failures in a row."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 60))


class Metrics(Section):
    """Where Prometheus finds the metrics."""

    host: str = "127.0.0.1"
    port: Port = 9108


class TriggerSettings(BaseSettings):
    """What a site chooses; docs/trigger.md describes each entry."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__")

    state: Path
    listener: Listener = Listener()
    pacs: Peer
    reconcile: Reconcile | None = None
    reception: Reception = Reception()
    records: Records = Records()
    runner: Runner = Runner()
    retry: Retry = Retry()
    metrics: Metrics | None = Metrics()
    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7.0

    @model_validator(mode="after")
    def _knows_its_senders(self) -> TriggerSettings:
        if not self.listener.allowed_ae_titles:
            raise ValueError("listener.allowed_ae_titles names nobody who may send; name the PACS's AE title")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over what the file said."""
        return sources["env_settings"], init_settings


def read_trigger_settings(path: Path) -> TriggerSettings:
    """Read the trigger's YAML file, then the environment.

    Raises:
        BadConfiguration: the file can not be read, or an entry of it is wrong; it says which.
    """
    if not path.is_file():
        raise BadConfiguration(f"the settings file {path} is not there; name it with --config")
    try:
        written: dict[str, Any] = YamlConfigSettingsSource(TriggerSettings, yaml_file=path)()
        return TriggerSettings(**written)
    except ValidationError as error:
        where, what = first_complaint(error)
        raise BadConfiguration(f"{path.name}: {where or 'settings'}: {what}") from None
    except (YAMLError, OSError, TypeError, ValueError) as error:
        raise BadConfiguration(f"{path} can not be read ({type(error).__name__}); check its syntax") from None
