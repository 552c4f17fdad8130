"""The packaged classifier: base64 images in, classes with probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException

from mlp.errors import TamperedModel
from mlp.model.ensemble import Answer, Ensemble
from mlp.model.seal import check_seal
from mlp.serving.request import Question, Refused, question

_AT_ONCE = 32  # images of which the pixels are held in memory


class Classifier(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes a string column `image` of base64-encoded files, of the formats of `mlp.data.images`.

    Gives a row an image: see `mlp.model.ensemble.Answer.row`. The parameter `top_k` says how many
    classes `top_labels` and `top_probabilities` name.
    """

    def load_context(self, context: Any) -> None:
        """Called by MLflow once, with the paths of the packaged files."""
        place = Path(context.artifacts["ensemble"])
        try:
            check_seal(place.parents[1])
        except TamperedModel as error:
            raise MlflowException.invalid_parameter_value(
                f"this model is refused: {error}; its files were changed after packaging"
            ) from None
        self.ensemble = Ensemble.load(place)
        self.image_size = self.ensemble.image_size

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Classify each row; one that cannot be read is answered with an `error` of its own.

        Raises MlflowException (HTTP 400), without paths or a stack trace, when there is no row,
        there are too many, or none of them can be read.
        """
        top = (params or {}).get("top_k", 3)
        try:
            rows = self.records(question(list(model_input["image"]), top, self.image_size))
        except Refused as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        # As objects: a number that is not there is null, where a NaN would be no JSON
        return pd.DataFrame(rows, dtype=object)

    def records(self, question: Question) -> list[dict[str, Any]]:
        """As `predict`, for what the server read. Raises Refused."""
        answers: list[Answer] = []
        for start in range(0, len(question.files), _AT_ONCE):
            part = question.files[start : start + _AT_ONCE]
            answers += self.ensemble.answer(
                [file if isinstance(file, str) else self.ensemble.decode(file) for file in part]
            )
        if all(answer.error for answer in answers):
            raise Refused(
                400,
                f"none of the {len(answers)} rows is a readable image; row 0: {answers[0].error}",
            )
        return [answer.row(self.ensemble.classes, question.top_k) for answer in answers]
