"""The card: it says what the files say, and says the opposite when they do."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from pcr.manifest import ClinicalName, LesionName, Manifest, OnnxFile, Range
from training.backbones import BACKBONES
from training.bundle import LICENCE, SOURCES, make_manifest
from training.card import make_card, words
from training.checks import Checks
from training.config import Config, ImbalanceSettings, NetworkSettings
from training.losses import CLASSIFICATION, GUIDANCE
from training.onnx_checks import Occlusion, Parity
from training.robustness import Moved, Robustness
from training.runfolder import RunFolder
from training.timing import PhaseTimes

SHA256 = "a" * 64
CHECKS = Checks(
    parity=Parity(cases=24, probability=3e-7, attention_l1=8e-7),
    occlusion=Occlusion(attended=0.0123, random=0.0045, cases_attended_more=0.75),
    robustness=Robustness(
        **{cause: Moved(median=0.02, p95=0.1, most=0.3) for cause in ("displaced", "larger", "smaller")}
    ),
)
EXTERNAL_AUC = [0.6123, 0.4711, 0.7402]
NO_PROOF = "The interval holds 0, so this is no proof that it does."


@pytest.fixture
def metrics(finished: RunFolder) -> dict[str, Any]:
    return finished.read_metrics()


@pytest.fixture
def shipped(config: Config, metrics: dict[str, Any]) -> Config:
    return config.attempt(metrics["choice"]["shipped"])


@pytest.fixture
def manifest(shipped: Config, metrics: dict[str, Any]) -> Manifest:
    times = [PhaseTimes(target_s=target, allowed_s=Range(low=target / 2, high=2 * target)) for target in (120.0, 440.0)]
    onnx = OnnxFile(path="models/model.onnx", sha256=SHA256, members=6, attention_cells=(8, 3, 3))
    return make_manifest(shipped, metrics, (times[0], times[1]), onnx)


@pytest.fixture
def external(metrics: dict[str, Any]) -> dict[str, Any]:
    """As evaluate writes it: a data set with images, one without, and the development data."""
    counts = {
        "protocol": "",
        "patients": 66,
        "responders": 22,
        "rows": 162,
        "rows_responders": 43,
        "look": 1,
        "incomplete_records": 2,
    }
    rows = {"auc_clinical_probability_rows": [0.7, 0.6, 0.8]}
    return {
        "model": {"name": "pcr", "version": "0", "sha256": SHA256},
        "datasets": {
            "ISPY1": counts | {"figures": metrics["figures"] | rows | {"auc_probability": EXTERNAL_AUC}},
            "NACT": counts | {"patients": 0, "responders": 0, "figures": rows},
            "ISPY2": counts | {"figures": metrics["figures"] | {"auc_probability": [0.987, 0.987, 0.987]}},
        },
    }


@pytest.fixture
def card(shipped: Config, manifest: Manifest, metrics: dict[str, Any], external: dict[str, Any]) -> str:
    return make_card(shipped, manifest, metrics, CHECKS, external)


def first_table(card: str) -> str:
    return card.split("\n\n|")[1].split("\n\n")[0]


def test_the_first_table_states_the_figures_of_the_run(card: str, metrics: dict[str, Any]) -> None:
    for name in ("auc_probability", "auc_clinical_probability", "sensitivity", "brier_probability", "attention_inside"):
        value, low, high = metrics["figures"][name]
        assert f"{value:.3f} ({low:.3f} to {high:.3f}) |" in first_table(card), name
    assert f"{metrics['patients']} ({metrics['responders']}) |" in first_table(card)
    assert "the expert's box" in first_table(card)


def test_the_first_table_states_external_figures_where_there_are_any(card: str) -> None:
    assert "| 66 (22) |" in first_table(card)
    assert "| 0.612 (0.471 to 0.740) |" in first_table(card)
    assert "not scored" not in card


def test_without_external_figures_it_says_so(shipped: Config, manifest: Manifest, metrics: dict[str, Any]) -> None:
    card = make_card(shipped, manifest, metrics, CHECKS)
    assert all("| not scored |" in row for row in first_table(card).splitlines()[2:])
    assert "Not done for this version." in card
    assert "external evaluation" not in card


def test_figures_of_another_model_are_refused(
    shipped: Config, manifest: Manifest, metrics: dict[str, Any], external: dict[str, Any]
) -> None:
    external["model"]["sha256"] = "b" * 64
    with pytest.raises(ValueError, match="of model bbbb"):
        make_card(shipped, manifest, metrics, CHECKS, external)


def test_figures_of_the_training_data_are_not_external(card: str) -> None:
    assert "0.987" not in card


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ([0.05, 0.01, 0.09], "On these patients it does."),
        ([0.05, -0.01, 0.09], NO_PROOF),
        ([-0.05, -0.09, -0.01], "It does worse."),
    ],
)
@pytest.mark.parametrize("other", ["1", "1+size", "3"])
def test_an_answer_flips_with_its_interval(
    interval: list[float], says: str, other: str, shipped: Config, manifest: Manifest, metrics: dict[str, Any]
) -> None:
    for key, found in metrics["comparison"]["differences"].items():
        found["auc"] = interval if key == f"7 - {other}" else [9.0, 8.0, 9.9]
    line = next(
        line for line in make_card(shipped, manifest, metrics, CHECKS).splitlines() if f"{interval[0]:+.3f}" in line
    )
    assert says in line


@pytest.mark.parametrize(
    ("interval", "says"),
    [
        ([0.1, 0.05, 0.2], "The attention finds it better than the guess."),
        ([0.1, -0.05, 0.2], "no proof that the attention finds it better"),
        ([-0.1, -0.2, -0.05], "The guess finds it better than the attention."),
    ],
)
def test_attention_is_praised_only_where_it_beats_the_guess(
    interval: list[float], says: str, shipped: Config, manifest: Manifest, metrics: dict[str, Any]
) -> None:
    metrics["comparison"]["arms"]["7"]["attention"]["all"]["gain_over_prior"] = interval
    assert says in make_card(shipped, manifest, metrics, CHECKS)


def test_an_external_auc_around_a_half_is_no_proof(card: str) -> None:
    assert "AUC 0.612 (0.471 to 0.740); the interval holds 0.5, so this is no proof" in card


def test_the_card_says_which_of_ensemble_and_refit_is_shipped(
    shipped: Config, manifest: Manifest, metrics: dict[str, Any]
) -> None:
    cards = {}
    for kind in ("ensemble", "refit"):
        changed = copy.deepcopy(metrics)
        changed["choice"]["kind"] = kind
        cards[kind] = make_card(shipped, manifest, changed, CHECKS)
    assert "Shipped: the ensemble." in cards["ensemble"]
    assert "Shipped: the refit." in cards["refit"]
    assert "**The shipped ensemble**" not in cards["refit"]


def test_every_row_of_a_table_has_as_many_cells(card: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) > 12
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1, table.splitlines()[0]


def test_every_item_of_the_checklists_is_answered(card: str) -> None:
    claim, tripod = card.split("## CLAIM, 2024 update")[1].split("## TRIPOD+AI")
    rows = [re.findall(r"^\| (\d+[a-g]?) \| (\S.*) \| (\S.*) \|$", part, re.MULTILINE) for part in (claim, tripod)]
    assert [number for number, _, _ in rows[0]] == [str(number) for number in range(1, 45)]
    assert len(rows[1]) == 52
    assert list(dict.fromkeys(re.sub(r"\D", "", number) for number, _, _ in rows[1])) == [str(n) for n in range(1, 28)]


def test_every_link_leads_somewhere(card: str, finished: RunFolder) -> None:
    headings = re.findall(r"^#+ (.*)$", card, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)]*)\)", card):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (finished.root / target).is_file(), target


def test_the_card_keeps_attributions_and_licence(card: str) -> None:
    assert all(source.name in card and source.url in card and source.licence in card for source in SOURCES)
    assert f"Non-commercial use only ({LICENCE})" in card
    assert "only the abstract" in card


def test_the_card_names_no_path_of_this_machine(card: str, finished: RunFolder) -> None:
    assert str(finished.root) not in card
    assert str(Path(__file__).parents[2]) not in card
    assert not re.search(r"(?<![\w.:/])/(?:\w+/)+", card)


def test_every_setting_has_words() -> None:
    def names(settings: type[NetworkSettings | ImbalanceSettings], field: str) -> set[str]:
        return set(get_args(settings.model_fields[field].annotation))

    assert set(words.BACKBONES) == set(BACKBONES)
    assert set(words.GUIDANCE) == set(GUIDANCE)
    assert set(words.LOSSES) == set(CLASSIFICATION) == names(ImbalanceSettings, "loss")
    assert set(words.SAMPLINGS) == names(ImbalanceSettings, "sampling")
    assert set(words.SIZES) == names(NetworkSettings, "size")
    assert set(words.FUSIONS) == names(NetworkSettings, "fusion")
    assert set(words.TRAININGS) == names(NetworkSettings, "backbone_training")
    assert set(words.CLINICAL) == set(get_args(ClinicalName))
    assert set(words.LESION) == set(get_args(LesionName))
