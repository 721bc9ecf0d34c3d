"""What app.yaml says of the package: the entries beside the settings, in the words of holoscan-cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pcr.reasons import BadConfiguration, first_complaint

Name = Annotated[str, Field(min_length=1)]


def _hyphenated(name: str) -> str:
    return name.replace("_", "-")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_hyphenated)


class ApplicationEntry(_Entry):
    """`application:` of app.yaml."""

    title: Name
    version: Name
    input_formats: tuple[Name, ...]
    output_formats: tuple[Name, ...]


class ResourcesEntry(_Entry):
    """`resources:` of app.yaml: what one run is given; `memory` as Kubernetes writes quantities."""

    cpu: Annotated[int, Field(ge=1)]
    gpu: Annotated[int, Field(ge=0)]
    memory: Annotated[str, Field(pattern=r"^[1-9]\d*(Mi|Gi)$")]


class PackageConfiguration(BaseModel):
    """Both entries; the settings of the application stand beside them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    application: ApplicationEntry
    resources: ResourcesEntry


def read_configuration(path: Path) -> PackageConfiguration:
    """Read the entries of app.yaml that describe the package.

    Raises:
        BadConfiguration: an entry is missing or wrong; it says which.
    """
    try:
        return PackageConfiguration.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        where, what = first_complaint(error)
        raise BadConfiguration(f"{path.name}: {where}: {what}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadConfiguration(f"{path} can not be read ({type(error).__name__}); check its syntax") from None
