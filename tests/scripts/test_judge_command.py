"""The command judge: what it prints, writes and records, and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from mlp.commands.judge import judge
from mlp.settings.judgement import JudgeConfig
from mlp.workflows.judge import judge as judge_table
from tests.scripts.test_docs import blocks

DOCS = Path(__file__).parents[2] / "docs"
SCORES = "arm,pair,score\n" + "".join(
    f"{arm},{seed},{value + seed / 100}\n"
    for seed in range(4)
    for arm, value in (("main", 0.8), ("better", 0.9 - seed / 500), ("worse", 0.6 + seed / 400))
)


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> None:
    (tmp_path / "work" / "scores.csv").write_text(SCORES)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(judge, ["--table", "scores.csv", *arguments])


def test_a_table_is_judged_without_a_store() -> None:
    made = call("--baseline", "main")
    assert made.exit_code == 0
    assert re.search(r"^better +4 .* better ", made.output, re.M)
    assert re.search(r"^worse +4 .* worse ", made.output, re.M)
    assert not Path("mlflow.db").exists()


def test_an_arm_that_is_worse_fails_a_ci_which_asks_for_it() -> None:
    assert call("--baseline", "main", "--fail-on", "worse").exit_code == 3
    assert call("--baseline", "worse", "--fail-on", "worse").exit_code == 0
    # By less than the margin is no reason
    assert call("--baseline", "main", "--fail-on", "worse", "--margin", "60").exit_code == 0
    assert call("--baseline", "nobody").exit_code == 2


def test_the_answer_for_programs_and_the_files_say_what_the_table_says(tmp_path: Path) -> None:
    made = call("--baseline", "main", "--format", "json", "--out", "judged")
    answer = json.loads(made.stdout)
    assert answer == json.loads(Path("judged/comparison.json").read_text())
    assert (answer["schema"], answer["kind"]) == ("mlp/1", "judgement")
    table = judge_table("scores.csv", baseline="main").table
    assert {arm["name"]: arm["verdict"] for arm in answer["arms"]} == {
        "better": "better",
        "worse": "worse",
    }
    for arm in answer["arms"]:
        found = table.loc[arm["name"]]
        assert (arm["difference"], arm["low"], arm["high"]) == tuple(found.iloc[2:5])
    assert answer["runs"] == {"main": 4, "better": 4, "worse": 4} and answer["paired"]
    for name in ("judge.md", "judge.html", "comparison.csv"):
        assert "worse" in Path("judged", name).read_text(encoding="utf-8")


@pytest.mark.usefixtures("fresh_database")
def test_a_table_is_recorded_where_an_experiment_is_named() -> None:
    made = call("--baseline", "main", "--record", "judgements")
    assert made.exit_code == 0 and "mlflow ui" in made.output
    experiment = MlflowClient().get_experiment_by_name("judgements")
    (run,) = MlflowClient().search_runs([experiment.experiment_id])
    assert run.data.tags["mlp.kind"] == "judgement" and run.info.run_id in made.output
    assert "| better | 4 |" in run.data.tags["mlflow.note.content"]


def test_the_workflow_for_pull_requests_calls_what_there_is() -> None:
    workflow = yaml.safe_load((DOCS / "judge_pull_request.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["judge"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "Judge"]
    (line,) = [line for line in script.splitlines() if "scripts.judge" in line]
    arguments = shlex.split(line)[3:]
    context = judge.make_context("judge", list(arguments))
    fields = JudgeConfig.model_fields
    JudgeConfig.parse({k: v for k, v in context.params.items() if v is not None and k in fields})
    assert context.params["out"] == "../judged" and context.params["fail_on"] == "worse"
    (comment,) = [step["run"] for step in steps if "gh pr comment" in step.get("run", "")]
    assert "judged/judge.md" in comment


def test_the_python_of_the_document_runs() -> None:
    (code, *_) = blocks("docs/judge.md", "python")
    scope: dict[str, object] = {}
    exec(code, scope)
    assert "better" in str(scope["verdicts"])
