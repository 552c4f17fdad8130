"""Classify images."""

import sys

from mlp import console
from mlp.commands.command import command
from mlp.escaping import line
from mlp.languages import LANGUAGES
from mlp.settings.commands import PredictConfig
from mlp.settings.study import LanguageConfig


@command(PredictConfig, LanguageConfig)
def predict(config: PredictConfig, language: LanguageConfig) -> None:
    """Classify images, folders of images or patterns with a registered model.

    The exit code is 0 if all images could be read, and 3 if some could not: each of those says why.
    """
    from pathlib import Path

    from mlp.data.sources.walk import Notes
    from mlp.serving.loading import load_packaged
    from mlp.serving.prediction import explain, find_images, predict, write
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.store import open_store

    notes = Notes()
    files = find_images(config.images, notes, config.links)
    for note in notes:
        console.err(f"Note: {line(note)}")
    store = open_store(config.experiment_name, adopted=take_adopted_run())
    model = load_packaged(store, config.model)
    made = []
    for prediction in predict(model.ensemble, files):
        made.append((prediction.path, prediction.answer))
        if config.explain:
            explain(model.ensemble, prediction, Path(config.explain))
    said = LANGUAGES[language.lang].said
    answers = write(made, model.ensemble.classes, config.top_k, config.format, said)
    console.out(answers, as_it_is=True)
    unread = sum(bool(answer.error) for _, answer in made)
    console.err(f"{model.title}: {len(made) - unread} of {len(made)} images classified")
    if config.explain:
        console.err(f"Written: {Path(config.explain).resolve()}")
    if unread or not made:
        sys.exit(3)
