"""The script that a reader of the exercise would write: one network, trained and recorded.

    python -m benchmarks.plain_script --data FOLDER --epochs 2

PIL opens and Albumentations changes each image at every access, a DataLoader makes batches, eager
Adam steps, each epoch ends with a confusion matrix, MLflow and TensorBoard record. Nothing of `mlp`
is used: this is what its speed is compared with. Prints the seconds of each epoch as JSON.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import albumentations as A
import click
import mlflow
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix, f1_score
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter

SIDE = 64


class Folder(Dataset[tuple[torch.Tensor, int]]):
    """Images of a folder a class, opened and transformed at every access."""

    def __init__(self, root: Path, transform: A.Compose) -> None:
        self.classes = sorted(p.name for p in root.iterdir())
        self.files = [
            (file, label)
            for label, name in enumerate(self.classes)
            for file in sorted((root / name).iterdir())
        ]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        file, label = self.files[index]
        image = np.array(Image.open(file).convert("RGB"))
        return self.transform(image=image)["image"], label


def transforms(augment: bool) -> A.Compose:
    """Resizing and normalization, after the exercise's augmentations if asked for."""
    changes = [
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=0.5),
        A.RandomBrightnessContrast(p=0.2),
        A.Affine(translate_percent=0.0625, scale=(0.9, 1.1), rotate=(-45, 45), p=0.5),
    ]
    return A.Compose(
        [A.Resize(SIDE, SIDE), *(changes if augment else []), A.Normalize(), ToTensorV2()]
    )


def network(classes: int, batch_norm: bool, dropout: float) -> nn.Sequential:
    """12288-512-128-classes."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = 3 * SIDE * SIDE
    for following in (512, 128):
        layers.append(nn.Linear(width, following))
        if batch_norm:
            layers.append(nn.BatchNorm1d(following))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = following
    return nn.Sequential(*layers, nn.Linear(width, classes))


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--epochs", default=2, show_default=True)
@click.option("--augment", is_flag=True)
@click.option("--batch-norm", is_flag=True)
@click.option("--dropout", default=0.0, show_default=True)
def main(data: Path, epochs: int, augment: bool, batch_norm: bool, dropout: float) -> None:
    torch.manual_seed(0)
    train_set = Folder(data / "train", transforms(augment))
    val_set = Folder(data / "val", transforms(False))
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=32)
    model = network(len(train_set.classes), batch_norm, dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    writer = SummaryWriter("runs/plain")
    took = []
    with mlflow.start_run():
        mlflow.log_params({"batch_norm": batch_norm, "dropout": dropout, "augment": augment})
        for epoch in range(epochs):
            start = time.perf_counter()
            model.train()
            losses, right = [], 0
            for images, labels in train_loader:
                optimizer.zero_grad()
                logits = model(images)
                loss = criterion(logits, labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                right += int((logits.argmax(1) == labels).sum().item())
            model.eval()
            said: list[int] = []
            true: list[int] = []
            val_losses = []
            with torch.no_grad():
                for images, labels in val_loader:
                    logits = model(images)
                    val_losses.append(criterion(logits, labels).item())
                    said += logits.argmax(1).tolist()
                    true += labels.tolist()
            metrics = {
                "train_loss": float(np.mean(losses)),
                "train_accuracy": right / len(train_set),
                "val_loss": float(np.mean(val_losses)),
                "val_accuracy": float(np.mean(np.array(said) == np.array(true))),
                "val_f1": float(f1_score(true, said, average="macro")),
            }
            mlflow.log_metrics(metrics, step=epoch)
            for name, value in metrics.items():
                writer.add_scalar(name, value, epoch)
            figure = Figure(figsize=(8, 8))
            ConfusionMatrixDisplay(confusion_matrix(true, said)).plot(ax=figure.subplots())
            writer.add_figure("confusion_matrix", figure, epoch)
            took.append(time.perf_counter() - start)
        mlflow.pytorch.log_model(
            model, name="model", pip_requirements=["torch"], serialization_format="pickle"
        )
    writer.close()
    click.echo(json.dumps(took))


if __name__ == "__main__":
    main()
