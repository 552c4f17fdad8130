"""Pictures over epochs, for the slider on the page of a run."""

from __future__ import annotations

import uuid
from pathlib import Path

from mlflow.tracking.multimedia import compress_image_size
from PIL import Image

from mlp.tracking.mlflow.timed import now


def write_epoch_picture(picture: Image.Image, key: str, step: int, folder: Path) -> None:
    """Write a picture of one step as `MlflowClient.log_image` would log it, as files of a run."""
    place = folder / "images"
    place.mkdir()
    stem = f"{key}+step+{step}+timestamp+{now()}+{uuid.uuid4()}"
    picture.save(place / f"{stem}.png")
    compress_image_size(picture).save(place / f"{stem}+compressed.webp")
