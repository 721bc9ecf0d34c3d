"""Puts tables, sentences and the words for the settings into the templates of the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pcr.manifest import Manifest
from training.arms import OURS
from training.bundle import LICENCE, SOURCES
from training.card import tables
from training.card.reading import questions
from training.card.words import DATASETS, Words
from training.checks import Checks
from training.cohorts import DEVELOPMENT
from training.config import Config


def make_card(
    config: Config,
    manifest: Manifest,
    metrics: Mapping[str, Any],
    checks: Checks,
    external: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown; it shows the pictures of the run's report as `report/*.png` beside it.

    Args:
        config: settings of the attempt that is shipped.
        manifest: what the model folder declares.
        metrics: what `crossval` wrote.
        checks: what was found on the ONNX file.
        external: what `evaluate` wrote of this model; None where no external data was scored. Figures of
            the development data set in it are resubstitution and left out.

    Raises:
        ValueError: the external figures are those of another model.
    """
    scored = _scored(manifest, external)
    environment = Environment(
        loader=PackageLoader("training"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md.j2").render(
        config=config,
        manifest=manifest,
        metrics=metrics,
        checks=checks,
        external=scored,
        external_names=" and ".join(DATASETS.get(name, name) for name in scored),
        comparison=metrics["comparison"],
        ours=OURS,
        words=Words.of(config, manifest),
        questions=questions(metrics, scored),
        tables=tables,
        licence=LICENCE,
        sources=SOURCES,
    )


def _scored(manifest: Manifest, external: Mapping[str, Any] | None) -> dict[str, Any]:
    if external is None:
        return {}
    scored, shipped = external["model"]["sha256"], manifest.onnx.sha256
    if scored != shipped:
        raise ValueError(f"the external figures are of model {scored[:12]}, the card is of {shipped[:12]}")
    return {name: found for name, found in external["datasets"].items() if name != DEVELOPMENT}
