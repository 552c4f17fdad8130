"""The packaged classifier: base64 images in, classes with probabilities out."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException

from mlp.data.image import UnreadableImage, read_header
from mlp.learning.ensemble import Decoded, Ensemble
from mlp.learning.seal import TamperedModel, check_seal
from mlp.serving.answers import table

# As much as a server should answer at once: a second or two of work
MOST_IMAGES = 1024
# Some seconds of decoding: a few kilobytes can claim a hundred million pixels
MOST_PIXELS = 500_000_000
_TOP = 3


class Classifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes a string column `image` of base64-encoded files, of the formats in `mlp.data.formats`.

    Gives, row by row: `label` and `probability` of the most probable class, `top_labels` and
    `top_probabilities` (as many as the parameter `top_k`), the `probabilities` of all classes in
    the order of the model's settings, whether the image is `unfamiliar` (see
    `mlp.data.familiarity`), and an `error` where the row is no readable image.
    """

    def load_context(self, context: Any) -> None:
        """Called by MLflow once, with the paths of the packaged files."""
        place = Path(context.artifacts["ensemble"])
        try:
            check_seal(place.parents[1], context.model_config["digest"])
        except TamperedModel as error:
            raise MlflowException.invalid_parameter_value(
                f"this model is refused: {error}; its files were changed after packaging"
            ) from None
        self.ensemble = Ensemble.load(place)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify each row; one that cannot be read is answered with an `error` of its own.

        Raises MlflowException (HTTP 400), without paths or a stack trace, when there is no row,
        there are too many, or none of them can be read.
        """
        given = list(model_input["image"])
        if not 0 < len(given) <= MOST_IMAGES:
            raise MlflowException.invalid_parameter_value(
                f"a request should hold 1 to {MOST_IMAGES} images; this one holds {len(given)}"
            )
        top = int((params or {}).get("top_k", _TOP))
        if top < 1:
            raise MlflowException.invalid_parameter_value(f"top_k should be 1 or more, not {top}")
        answers = self.ensemble.answer(list(self._read(given)))
        if all(answer.error for answer in answers):
            first = answers[0].error
            raise MlflowException.invalid_parameter_value(
                f"none of the {len(answers)} rows is a readable image; row 0: {first}"
            )
        return table(answers, self.ensemble.classes, top)

    def _read(self, given: Sequence[object]) -> Iterator[Decoded]:
        pixels = 0
        for text in given:
            try:
                image = _bytes(text)
                header = read_header(image)
            except UnreadableImage as error:
                yield str(error)
                continue
            pixels += header.width * header.height
            if pixels > MOST_PIXELS:
                yield f"more than {MOST_PIXELS // 10**6} million pixels in one request"
            else:
                yield self.ensemble.decode(image)


def _bytes(text: object) -> bytes:
    try:
        if isinstance(text, str):
            return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # binascii.Error among them, and letters that are not ASCII
        pass
    raise UnreadableImage("column 'image' should hold an image file in base64")
