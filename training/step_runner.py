"""Runs the steps of one training with Lightning: stops early, goes on after a kill, keeps logs and no more."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from training.config import Config, GuidanceSettings, StepSettings
from training.data import CaseDataset, Indices, plain_loader, training_loader, whole_batch
from training.losses import positive_weight
from training.networks import Network
from training.splits import Split
from training.steps import STOP_LOSS, ClinicalPretraining, Step

_CHECKPOINT_EPOCHS = 5
# Passes of L-BFGS, each of up to 100 iterations; the second and third find nothing left to do.
_CLINICAL_EPOCHS = 3
# How many epochs a step took to its best weights.
_EPOCHS = "epochs.txt"


class StepRunner:
    """The steps of one network on one split; each is a folder, and a finished one is only loaded.

    Args:
        network: what is trained, in place.
        dataset: all cases; the split says which are used.
        folder: where steps keep their state until all are finished.
        copies: the altered copies that are trained on.
        record: called with the name of a stage at which the network is one of the arms.
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        dataset: CaseDataset,
        split: Split,
        folder: Path,
        copies: Indices,
        record: Callable[[str], None],
    ) -> None:
        self.network = network
        self.config = config
        self.dataset = dataset
        self.split = split
        self.folder = folder
        self.copies = copies
        self.finished = record
        self.seed = config.seed + 1000 * split.member

    def step(self, name: str, kind: type[Step], settings: StepSettings, guidance: GuidanceSettings | None) -> None:
        """Train one step until the inner validation no longer improves, and take its best weights.

        Where nobody stops it, it goes through all its epochs.
        """
        size, split = self.config.optimisation.batch_size, self.split
        weight = positive_weight(self.dataset.rows.label[torch.from_numpy(split.fit)])
        module = kind(self.network, settings, self.config, guidance, weight, self.seed)
        batches = training_loader(self.dataset, split.fit, self.copies, size, self.seed, self.config.imbalance)
        if not len(split.stop):
            self._fit(module, name, settings.epochs, [], batches, None)
            return
        stop = plain_loader(self.dataset, split.stop, len(split.stop))
        best = ModelCheckpoint(
            dirpath=self.folder / name, filename="best", monitor=STOP_LOSS, enable_version_counter=False
        )
        patience = _Patience(STOP_LOSS, patience=self.config.optimisation.patience)
        self._fit(module, name, settings.epochs, [best, patience], batches, stop)
        kept = torch.load(self.folder / name / "best.ckpt", weights_only=True)
        module.load_state_dict(kept["state_dict"])
        (self.folder / name / _EPOCHS).write_text(f"{kept['epoch'] + 1}\n", "utf-8")

    def clinical(self, name: str) -> None:
        """Train the clinical part alone, on the rows with and without images."""
        rows = self.dataset.rows[self.split.fit].joined(self.split.rows_only)
        module = ClinicalPretraining(self.network.head.clinical, self.config)
        self._fit(module, name, _CLINICAL_EPOCHS, [], whole_batch(rows), None)

    def discard(self) -> None:
        """Remove the checkpoints, which nobody needs once the network is saved; the logs stay."""
        for checkpoint in self.folder.rglob("*.ckpt"):
            checkpoint.unlink()

    def _fit(
        self,
        module: pl.LightningModule,
        name: str,
        epochs: int,
        callbacks: list[pl.Callback],
        batches: Iterable[Any],
        stop: Iterable[Any] | None,
    ) -> None:
        """Train, going on from the last checkpoint where there is one.

        Lightning itself finds out that a finished step has nothing left to do, and only loads its weights.
        """
        folder = self.folder / name
        last = folder / "last.ckpt"
        keep = ModelCheckpoint(
            dirpath=folder,
            filename="last",
            every_n_epochs=_CHECKPOINT_EPOCHS,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        settings = self.config.trainer
        # A log of its own each time: Lightning's would wipe that of the run that was broken off.
        part = len(list(folder.glob("csv-*")))
        loggers = [CSVLogger(folder, name="", version=f"csv-{part}"), TensorBoardLogger(folder, name="", version="tb")]
        with _quiet():
            trainer = pl.Trainer(
                **settings.model_dump(),
                max_epochs=epochs,
                logger=loggers,
                callbacks=[*callbacks, keep],
                enable_progress_bar=False,
                enable_model_summary=False,
                log_every_n_steps=1,
                num_sanity_val_steps=0,
                deterministic=True,
            )
            trainer.fit(module, batches, stop, ckpt_path=last if last.is_file() else None, weights_only=True)
            trainer.save_checkpoint(last)
        module.cpu()


def epochs_taken(folder: Path) -> dict[str, int]:
    """How many epochs each step of a finished unit took to its best weights, by the name of the step."""
    return {path.parent.name: int(path.read_text("utf-8")) for path in sorted(folder.glob(f"*/{_EPOCHS}"))}


class _Patience(EarlyStopping):
    """Stays stopped: a step that was stopped early is not trained on when a later one is resumed."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where the checkpoint was written after the last epoch."""
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on devices, workers and folders, once a step and unit, would bury the progress."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
