"""One training of one network on one split: the unit of work, which is done once and then read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from training.backbones import make_backbone
from training.config import ClinicalSettings, Config
from training.data import Batch, CaseDataset, ClinicalRows, Indices
from training.features import Cache
from training.networks import (
    AttendedSize,
    CellScaling,
    ClinicalHead,
    ImagingHead,
    Inputs,
    MeasuredSize,
    Network,
    PcrHead,
    PlainFusion,
    ResidualFusion,
    SpatialAttention,
)
from training.prior import best_prior
from training.recipes import FINAL_STAGE, RECIPES
from training.splits import Split
from training.step_runner import StepRunner
from training.threads import one_thread

PREDICTIONS = "predictions.csv"
NETWORK = "network.pt"
HELD_OUT = "held_out"
STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What one training needs: recipe by name, settings, split, folders of its own and of the cache."""

    recipe: str
    config: Config
    split: Split
    folder: Path
    cache: Path
    rows: ClinicalRows

    @property
    def finished(self) -> bool:
        """Whether its predictions are there."""
        return (self.folder / PREDICTIONS).is_file()

    def predictions(self) -> pd.DataFrame:
        """What a finished unit predicted: one row a patient, part (held out or stop) and stage."""
        return pd.read_csv(self.folder / PREDICTIONS)


def run_unit(unit: Unit) -> None:
    """Train and predict, unless that was done; a training that was broken off goes on."""
    if unit.finished:
        return
    unit.folder.mkdir(parents=True, exist_ok=True)
    with one_thread():
        pl.seed_everything(unit.config.seed + 1000 * unit.split.member, verbose=False)
        head = make_head(unit.config)
        encoder, dataset, network = _prepare(unit, head)
        tables: list[pd.DataFrame] = []

        def record(stage: str) -> None:
            network.eval()
            for part, patients in ((HELD_OUT, unit.split.held_out), (STOP, unit.split.stop)):
                if len(patients):
                    tables.append(predict(network, dataset, patients, unit).assign(part=part, stage=stage))
            network.train()

        run = StepRunner(network, unit.config, dataset, unit.split, unit.folder, copies(unit.config)[1], record)
        RECIPES[unit.recipe](network, unit.config, run)
        record(FINAL_STAGE)
        torch.save(Network(encoder, head).state_dict(), unit.folder / NETWORK)
    # Written last, and in one move: its presence says that the unit is finished.
    partial = unit.folder / f"{PREDICTIONS}.partial"
    pd.concat([pd.DataFrame(), *tables]).to_csv(partial, index=False, float_format="%.7g")
    partial.replace(unit.folder / PREDICTIONS)
    run.discard()


def read_network(unit: Unit) -> Network:
    """The network of a finished unit: from cells for a frozen backbone, from images for a fine-tuned one."""
    state = torch.load(unit.folder / NETWORK, weights_only=True)
    backbone = make_backbone(unit.config.network.backbone) if _fine_tunes(unit.config) else None
    channels = len(state[f"encoder.{0 if backbone is None else 1}.mean"])
    scaling = CellScaling(channels, unit.config.network.components)
    network = Network(_encoder(scaling, backbone), make_head(unit.config))
    network.load_state_dict(state)
    return network.requires_grad_(False).eval()


def copies(config: Config) -> tuple[Indices, Indices]:
    """Places of the shifted copies, which are only scored, and of those that are trained on: plain and altered."""
    shifted = 1 + np.arange(config.augmentation.shifted)
    altered = 1 + len(shifted) + np.arange(config.augmentation.altered)
    return shifted, np.concatenate([[0], altered])


def make_head(config: Config) -> PcrHead:
    """An untrained head; its first weights follow from the global random state."""
    network = config.network
    attention = SpatialAttention(network.components, network.attention_hidden, network.attention_bound)
    size = MeasuredSize(len(config.lesion)) if network.size == "lesion" else AttendedSize(config.crop.window_mm)
    variables = len(config.clinical.variables)
    imaging = ImagingHead(network.components, attention, size)
    clinical = ClinicalHead(variables, interaction_places(config.clinical))
    if network.fusion == "residual":
        return PcrHead(imaging, clinical, ResidualFusion(config.joint.initial_scale))
    features = network.components + size.count + 2 * variables + len(config.clinical.interactions)
    return PcrHead(imaging, clinical, PlainFusion(features))


def interaction_places(settings: ClinicalSettings) -> list[tuple[int, int]]:
    """The interactions as places in the list of variables."""
    names = [variable.name for variable in settings.variables]
    return [(names.index(first), names.index(second)) for first, second in settings.interactions]


@torch.inference_mode()
def predict(network: Network, dataset: CaseDataset, patients: Indices, unit: Unit) -> pd.DataFrame:
    """Raw logits and attention of `patients`: as they are, displaced, and with their lesions measured wrongly."""
    config, split = unit.config, unit.split
    shifted, _ = copies(config)
    fit_coverage = dataset.cache.coverage[np.ix_(split.fit, shifted)]
    prior = torch.from_numpy(best_prior(fit_coverage)).float()
    plain = dataset.cases(patients, 0)
    inputs = _inputs(network, plain)
    output = network.head(inputs)
    table = {
        "patient": patients,
        "fold": split.fold,
        "member": split.member,
        "pcr": plain.label.int().numpy(),
        "joint_logit": output.joint.numpy(),
        "imaging_logit": output.imaging.numpy(),
        "clinical_logit": output.clinical.numpy(),
        "attention_inside": _inside(output.attention, plain.coverage),
        "box_share": plain.coverage.mean(dim=(1, 2, 3)).numpy(),
    }
    octaves = torch.tensor([np.log2(1 + config.augmentation.extent) / variable.scale for variable in config.lesion])
    for name, sign in (("larger", 1), ("smaller", -1)):
        wrong = inputs._replace(lesion=inputs.lesion + sign * octaves.float())
        table[f"joint_logit_{name}"] = network.head(wrong).joint.numpy()
    attention_inside, prior_inside = [], []
    for number, copy in enumerate(shifted):
        batch = dataset.cases(patients, int(copy))
        # Where it is displaced the lesion's size is what it was: these copies are cut from the same box.
        moved = network.head(_inputs(network, batch))
        table[f"joint_logit_shift_{number}"] = moved.joint.numpy()
        attention_inside.append(_inside(moved.attention, batch.coverage))
        prior_inside.append(_inside(prior[None], batch.coverage))
    table["attention_inside_shifted"] = np.mean(attention_inside, axis=0)
    table["prior_inside_shifted"] = np.mean(prior_inside, axis=0)
    return pd.DataFrame(table)


def _prepare(unit: Unit, head: PcrHead) -> tuple[nn.Module, CaseDataset, Network]:
    """The encoder as it is saved, the cases, and the network that is trained on them.

    Cells of a frozen backbone are brought to components once; a fine-tuned one reads the images.
    """
    config, cache = unit.config, Cache.read(unit.cache)
    lesion = cache.lesion(config.lesion)
    plain = torch.stack([_floats(cache.inputs[patient, 0]) for patient in unit.split.fit])
    if _fine_tunes(config):
        backbone = make_backbone(config.network.backbone)
        with torch.inference_mode():
            cells = torch.cat([backbone.eval()(image[None]) for image in plain])
        encoder = _encoder(CellScaling(cells.shape[-1], config.network.components).fit(cells), backbone)
        return encoder, CaseDataset(cache.inputs, cache, unit.rows, lesion), Network(encoder, head)
    scaling = CellScaling(cache.inputs.shape[-1], config.network.components).fit(plain)
    components = torch.stack([scaling(_floats(cells)) for cells in cache.inputs])
    return _encoder(scaling, None), CaseDataset(components, cache, unit.rows, lesion), Network(nn.Identity(), head)


def _encoder(scaling: CellScaling, backbone: nn.Module | None) -> nn.Sequential:
    """Scaling, and before it the backbone where that learns too."""
    return nn.Sequential(scaling) if backbone is None else nn.Sequential(backbone, scaling)


def _fine_tunes(config: Config) -> bool:
    return config.network.backbone_training == "fine_tuned"


def _inputs(network: Network, batch: Batch) -> Inputs:
    return Inputs(network.encoder(batch.input), batch.clinical, batch.missing, batch.lesion)


def _inside(attention: Tensor, coverage: Tensor) -> np.ndarray:
    """Mass of attention [N, S, R, C] inside the region, per case."""
    return (attention * coverage).sum(dim=(1, 2, 3)).numpy()


def _floats(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
