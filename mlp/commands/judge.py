"""Judge runs that exist."""

from pathlib import Path

from mlp.commands.command import Answer, command, under_mlflow_run
from mlp.settings.commands import FormatConfig
from mlp.settings.judgement import JudgeConfig, JudgementConfig


@command(JudgeConfig, JudgementConfig, FormatConfig)
def judge(config: JudgeConfig, where: JudgementConfig) -> Answer:
    """Say which arm is better, of runs that exist: of any model, in MLflow or in a CSV file.

    The verdicts are those of this project's studies, and follow the same rule. The exit code is 0,
    or 3 with --fail-on worse if an arm is worse.
    """
    from mlp.workflows.judge import judged, record

    made, about, places = judged(config), dict[str, object](), []
    if config.experiment or where.record or under_mlflow_run():
        store, run_id = record(made, where.record)
        about = {"tracking_uri": store.address, "run_id": run_id}
        places.append(store.how_to_open(store.page(run_id)))
    if where.out:
        folder = Path(where.out)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in made.files.items():
            (folder / name).write_bytes(content)
        places.append(f"Written:     {folder.resolve()}")
    text = "\n\n".join([made.text, *(["\n".join(places)] if places else [])])
    failed = where.fail_on == "worse" and made.worse
    return Answer(text, made.document | about, exit_code=3 if failed else 0)
