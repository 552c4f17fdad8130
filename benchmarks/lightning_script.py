"""The plain script's training with Lightning: its loop, its loggers, worker processes.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.lightning_script --data FOLDER --epochs 3

The same images, transforms and network as `plain_script`. Prints the seconds of each epoch as JSON,
without those in which Lightning starts.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from pathlib import Path

import click
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from benchmarks.plain_script import Folder, network, transforms


class Classifier(lightning.LightningModule):  # type: ignore[misc]
    """Cross-entropy, accuracy and F1, as Lightning's tutorials log them."""

    def __init__(self, classes: int, batch_norm: bool, dropout: float) -> None:
        super().__init__()
        self.network = network(classes, batch_norm, dropout)
        self.train_accuracy = MulticlassAccuracy(classes, average="micro")
        self.val_accuracy = MulticlassAccuracy(classes, average="micro")
        self.val_f1 = MulticlassF1Score(classes)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = F.cross_entropy(logits, labels)
        self.train_accuracy(logits, labels)
        self.log("train_loss", loss, on_epoch=True)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        images, labels = batch
        logits = self.network(images)
        self.val_accuracy(logits, labels)
        self.val_f1(logits, labels)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", self.val_accuracy)
        self.log("val_f1", self.val_f1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Clock(Callback):  # type: ignore[misc]
    """When each epoch, validation included, has ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_epoch_end(self, *_: object) -> None:
        self.ends.append(time.perf_counter())


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--epochs", default=3, show_default=True)
@click.option("--augment", is_flag=True)
@click.option("--workers", default=2, show_default=True)
def main(data: Path, epochs: int, augment: bool, workers: int) -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    train_set = Folder(data / "train", transforms(augment))
    val_set = Folder(data / "val", transforms(False))
    loaders = [
        DataLoader(
            images,
            batch_size=32,
            shuffle=images is train_set,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        for images in (train_set, val_set)
    ]
    clock = Clock()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=[
            TensorBoardLogger("runs/lightning"),
            MLFlowLogger("lightning", tracking_uri="sqlite:///lightning.db"),
        ],
        callbacks=[clock],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )
    trainer.fit(Classifier(len(train_set.classes), False, 0.0), *loaders)
    pairs = zip(clock.ends, clock.ends[1:], strict=False)
    click.echo(json.dumps([end - start for start, end in pairs]))


if __name__ == "__main__":
    main()
