"""Measure a model."""

from mlp.commands.command import Answer, command
from mlp.settings.commands import EvaluateConfig, FormatConfig
from mlp.settings.study import LanguageConfig


@command(EvaluateConfig, LanguageConfig, FormatConfig)
def evaluate(config: EvaluateConfig, language: LanguageConfig) -> Answer:
    """Measure a registered model on labelled images, with all scores and pictures, as a run.

    Nothing is trained. Images that the model was trained on are counted: they make scores too high.
    """
    from pathlib import Path

    from mlp.data.dataset import reread, source
    from mlp.report.wording import Wording
    from mlp.serving import assessment
    from mlp.serving.loading import load_packaged
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.pages import tensorboard
    from mlp.tracking.mlflow.place import check_runs_dir
    from mlp.tracking.mlflow.store import open_store

    check_runs_dir(config.runs_dir)
    store = open_store(config.experiment_name, adopted=take_adopted_run())
    model = load_packaged(store, config.model)

    def assessed() -> assessment.Assessment:
        index = source(config.data, config.layout, config.links)
        return assessment.assess(store, model, *assessment.part_of(index, config.part))

    made = reread(assessed)
    name, say = made.evaluated.index.name, Wording(language.lang)
    with store.command_run(f"evaluate {model.title} on {name}", "evaluation") as run:
        events = assessment.record(store, run, made, config.data, Path(config.runs_dir), say)
    text = f"""{assessment.terminal(made, say)}

{store.how_to_open(store.page(run))}
TensorBoard: {tensorboard(Path(config.runs_dir))}
Written:     {events.resolve()}
             run {run} of experiment {store.experiment_id}"""
    return Answer(text, assessment.data(made) | {"run_id": run, "tracking_uri": store.address})
