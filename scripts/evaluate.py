"""Measure a model: `python -m scripts.evaluate --model models:/photos@champion --data new`."""

from mlp.options import EvaluateConfig
from scripts.command import command


@command(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> None:
    """Measure a registered model on labelled images, with all scores and pictures, as a run.

    Nothing is trained. Images that the model was trained on are counted, as they flatter it.
    """
    from pathlib import Path

    import click

    from mlp.data.dataset import source
    from mlp.serving import assessment
    from mlp.serving.packaged import load_packaged
    from mlp.tracking.store import KIND, open_store

    store = open_store(config.experiment_name)
    model = load_packaged(store, config.model)
    index, part = assessment.part_of(source(config.data, config.layout, config.links), config.part)
    made = assessment.assess(store, model, index, part)
    with store.command_run(f"evaluate {model.title} on {index.name}", {KIND: "evaluation"}) as run:
        events = assessment.record(store, run, made, config.data, Path(config.runs_dir))
    click.echo(assessment.terminal(made))
    click.echo(f"\n{store.how_to_open(store.page(run))}")
    click.echo(f"TensorBoard: tensorboard --logdir {config.runs_dir}")
    click.echo(f"Written:     {events.resolve()}")
    click.echo(f"             run {run} of experiment {store.experiment_id}")


if __name__ == "__main__":
    evaluate()
