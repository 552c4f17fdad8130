"""The packaged classifier: base64 images in, classes with probabilities out."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException

from mlp.data.image import UnreadableImage
from mlp.learning.checkpoint import Checkpoint


class Classifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes a string column `image` of base64-encoded files (JPEG, PNG, BMP, WebP, TIFF).

    Gives, row by row, the `label` of the most probable class, its `probability`, and the
    `probabilities` of all classes in the order of the model's settings.
    """

    def load_context(self, context: Any) -> None:
        """Called by MLflow once, with the paths of the packaged files."""
        artifacts = context.artifacts
        self.checkpoint = Checkpoint.load(Path(artifacts["weights"]), Path(artifacts["settings"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify each row. A row that is no readable image is answered with its number and why.

        Raises MlflowException (HTTP 400), without paths or a stack trace.
        """
        images = []
        for row, text in enumerate(model_input["image"]):
            try:
                images.append(base64.b64decode("".join(text.split()), validate=True))
            except (binascii.Error, ValueError, TypeError, AttributeError):
                raise MlflowException.invalid_parameter_value(
                    f"row {row}: column 'image' should hold an image file encoded in base64"
                ) from None
        if not images:
            return pd.DataFrame({"label": [], "probability": [], "probabilities": []})
        try:
            probabilities = self.checkpoint.predict(images)
        except UnreadableImage as error:
            raise MlflowException.invalid_parameter_value(f"unreadable {error}") from None
        classes = self.checkpoint.classes
        return pd.DataFrame(
            {
                "label": [classes[k] for k in probabilities.argmax(axis=1)],
                "probability": probabilities.max(axis=1),
                "probabilities": [list(map(float, row)) for row in probabilities],
            }
        )
