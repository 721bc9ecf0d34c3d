"""One fold: the three steps on its training patients, then the predictions for the patients that were held out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from training.config import ClinicalSettings, Config
from training.data import CellDataset, ClinicalRows, cases, training_loader, whole_batch
from training.losses import positive_weight
from training.networks import ClinicalHead, ImagingHead, PcrHead, SpatialAttention
from training.steps import ClinicalPretraining, GlobalStep, GuidedStep, MultimodalStep, Step

Advance = Callable[[int], None]

_CHECKPOINT_EPOCHS = 5
# Passes of L-BFGS, each of up to 100 iterations; the second and third find nothing left to do.
_CLINICAL_EPOCHS = 3
_HEAD_FILE = "head.pt"
_PREDICTIONS_FILE = "predictions.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldData:
    """What one fold may see: cases of the imaged patients, which of them it trains on, and the rows without images."""

    fold: int
    dataset: CellDataset
    train: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    rows_only: ClinicalRows


def run_fold(data: FoldData, config: Config, folder: Path, advance: Advance) -> pd.DataFrame:
    """Train and predict one fold, or read back what a finished one left; steps that were finished are not repeated.

    `advance` is told how many epochs of `epochs_per_fold` are done.
    """
    predictions = folder / _PREDICTIONS_FILE
    if predictions.is_file():
        advance(epochs_per_fold(config))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        head = train_head(data, config, folder, advance)
        torch.save(head.state_dict(), folder / _HEAD_FILE)
        # Written last, and in one move: its presence says that the fold is finished.
        partial = predictions.with_suffix(".partial")
        predict(head, data).to_csv(partial, index=False)
        partial.replace(predictions)
    return pd.read_csv(predictions)


def read_head(folder: Path, channels: int, config: Config) -> PcrHead:
    """The trained head of a finished fold."""
    head = make_head(channels, config)
    head.load_state_dict(torch.load(folder / _HEAD_FILE, weights_only=True))
    return head.eval()


def make_head(channels: int, config: Config) -> PcrHead:
    """An untrained head on cells of `channels` features; its first weights follow from the global random state."""
    network = config.network
    attention = SpatialAttention(channels, network.attention_hidden, network.attention_bound)
    imaging = ImagingHead(channels, network.projection, attention, config.crop.window_mm)
    clinical = ClinicalHead(len(config.clinical.variables), interaction_places(config.clinical))
    return PcrHead(imaging, clinical, config.steps.multimodal.initial_scale)


def interaction_places(settings: ClinicalSettings) -> list[tuple[int, int]]:
    """The interactions as places in the list of variables."""
    names = [variable.name for variable in settings.variables]
    return [(names.index(first), names.index(second)) for first, second in settings.interactions]


def epochs_per_fold(config: Config) -> int:
    """Epochs of all steps of one fold."""
    steps = config.steps
    return steps.global_.epochs + steps.guided.epochs + _CLINICAL_EPOCHS + steps.multimodal.epochs


def train_head(data: FoldData, config: Config, folder: Path, advance: Advance) -> PcrHead:
    """All steps in order on the training patients of one fold; nothing of the held-out patients is looked at."""
    pl.seed_everything(config.seed + data.fold, verbose=False)
    head = make_head(data.dataset.cached.channels, config)
    plain = cases(data.dataset, data.train, variant=0)
    head.imaging.scaling.fit(plain.cells)
    weight = positive_weight(plain.label)
    steps, name = config.steps, config.classification

    def on_cells(step: Step, subfolder: str) -> None:
        loader = training_loader(data.dataset, data.train, step.settings.batch_size, config.seed + data.fold)
        _train(step, loader, step.settings.epochs, folder / subfolder, advance)

    on_cells(GlobalStep(head, steps.global_, name, weight), "1-global")
    on_cells(GuidedStep(head, steps.guided, name, weight), "2-guided")
    pretraining = ClinicalPretraining(head.clinical, config.clinical.ridge, name)
    _train(pretraining, whole_batch(_training_rows(data)), _CLINICAL_EPOCHS, folder / "3-clinical", advance)
    on_cells(MultimodalStep(head, steps.multimodal, name, weight), "4-multimodal")
    return head.eval()


@torch.inference_mode()
def predict(head: PcrHead, data: FoldData) -> pd.DataFrame:
    """Raw logits of the held-out patients and how much of the attention lies in the region, centred and displaced."""
    cached = data.dataset.cached
    batch = cases(data.dataset, data.held_out, variant=0)
    output = head(batch.cells, batch.clinical, batch.missing)
    displaced = []
    for variant in range(1, cached.variants):
        moved = cases(data.dataset, data.held_out, variant=variant)
        displaced.append((head.imaging.attend(moved.cells) * moved.coverage).sum(dim=(1, 2, 3)))
    inside = (output.attention * batch.coverage).sum(dim=(1, 2, 3))
    return pd.DataFrame(
        {
            "patient_id": [cached.patient_ids[index] for index in data.held_out],
            "fold": data.fold,
            "pcr": batch.label.int().numpy(),
            "joint_logit": output.joint.numpy(),
            "imaging_logit": output.imaging.numpy(),
            "clinical_logit": output.clinical.numpy(),
            "attention_inside": inside.numpy(),
            "attention_inside_displaced": torch.stack(displaced).mean(dim=0).numpy() if displaced else np.nan,
            "region_share": batch.coverage.mean(dim=(1, 2, 3)).numpy(),
        }
    )


def _training_rows(data: FoldData) -> ClinicalRows:
    """Clinical rows that the fold may learn from: its training patients and all rows without images."""
    mine, other = data.dataset.rows, data.rows_only
    train = torch.from_numpy(data.train)
    return ClinicalRows(
        label=torch.cat([mine.label[train], other.label]),
        values=torch.cat([mine.values[train], other.values]),
        missing=torch.cat([mine.missing[train], other.missing]),
    )


def _train(step: pl.LightningModule, batches: Iterable[Any], epochs: int, folder: Path, advance: Advance) -> None:
    """Train one step, going on from its last checkpoint where there is one.

    Lightning itself finds out that a finished step has nothing left to do, and only loads its weights.
    """
    last = folder / "last.ckpt"
    keep = ModelCheckpoint(
        dirpath=folder, filename="last", every_n_epochs=_CHECKPOINT_EPOCHS, save_on_train_epoch_end=True
    )
    with _quiet():
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=epochs,
            logger=CSVLogger(folder, name="log"),
            callbacks=[keep, _EpochProgress(advance)],
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
            deterministic=True,
        )
        trainer.fit(step, batches, ckpt_path=last if last.is_file() else None, weights_only=True)
        trainer.save_checkpoint(last)
    step.cpu()


class _EpochProgress(pl.Callback):
    """Tells how many epochs are done, those of an earlier run included."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.advance(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.advance(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on devices, workers and folders, once a step and fold, would bury the progress."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
