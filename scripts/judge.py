"""Judge runs that exist: `python -m scripts.judge --experiment NAME --arm params.optimizer`."""

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from mlp import console
from mlp.settings.commands import FormatConfig
from mlp.settings.judgement import JudgeConfig, JudgementConfig
from scripts.command import command, under_mlflow_run


@command(JudgeConfig, JudgementConfig, FormatConfig)
def judge(config: JudgeConfig, where: JudgementConfig, form: FormatConfig) -> None:
    """Say which arm is better, of runs that exist: of any model, in MLflow or in a CSV file.

    The verdicts are those of this project's studies, and follow the same rule. The exit code is 0,
    or 3 with --fail-on worse if an arm is worse.
    """
    from mlp.workflows.judge import judged, record

    as_json, places = form.format == "json", []
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        made = judged(config)
        if config.experiment or where.record or under_mlflow_run():
            store, run_id = record(made, where.record)
            places.append(store.how_to_open(store.page(run_id)))
        if where.out:
            folder = Path(where.out)
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in made.files.items():
                (folder / name).write_bytes(content)
            places.append(f"Written:     {folder.resolve()}")
    console.out(json.dumps(made.document, allow_nan=False) if as_json else made.text)
    if places and not as_json:
        console.out("\n" + "\n".join(places))
    if where.fail_on == "worse" and made.worse:
        sys.exit(3)


if __name__ == "__main__":
    judge()
