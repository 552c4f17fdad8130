"""The summary of a study: its numbers against the outcomes that it is made from."""

from __future__ import annotations

from statistics import mean, stdev

from mlp.study import report
from mlp.study.suites import Arm, Suite
from mlp.tracking.interface import Outcome

SUITE = Suite("s", "Which one?", (Arm("a", {}, "plain"), Arm("b", {"dropout": 0.5}, "with <b>|")))


def outcome(arm: str, seed: int, accuracy: float | None) -> Outcome:
    if accuracy is None:
        return Outcome(arm, seed, f"{arm}{seed}", "FAILED", f"id-{arm}{seed}", {}, "loss is nan")
    scores = {
        "final/accuracy": accuracy,
        "final/macro_f1": accuracy - 0.01,
        "final/epochs": 10.0 + seed,
        "final/gap_accuracy": 0.05 * seed,
    }
    return Outcome(arm, seed, f"{arm}{seed}", "FINISHED", f"id-{arm}{seed}", scores)


OUTCOMES = [
    outcome("a", 0, 0.9),
    outcome("b", 0, 0.7),
    outcome("a", 1, 0.92),
    outcome("b", 1, None),
]


def test_cells_hold_mean_and_standard_deviation_in_percent() -> None:
    a, b = report.rows(SUITE, OUTCOMES)
    assert report.cells(a) == ["a", "2", "91.0 ± 1.4", "90.0 ± 1.4", "10.5", "2.5 ± 3.5"]
    assert report.cells(b) == ["b", "1", "70.0", "69.0", "10", "0.0"]
    assert len(report.cells(a)) == len(report.HEADINGS)


def test_failed_runs_are_listed_and_left_out_of_means() -> None:
    table = report.rows(SUITE, OUTCOMES)
    assert report.failures(table) == ["b, seed 1: failed, loss is nan"]
    text = report.terminal(SUITE, table)
    assert "failed: b, seed 1: failed, loss is nan" in text
    lines = text.splitlines()
    assert len({len(line) for line in lines if line.startswith(("arm", "---", "a ", "b "))}) == 1
    nothing = report.rows(SUITE, [outcome("a", 0, None), outcome("b", 0, 0.5)])
    assert report.cells(nothing[0])[:3] == ["a", "0", "failed"]


def test_the_description_links_every_run() -> None:
    table = report.rows(SUITE, OUTCOMES)
    text = report.markdown(SUITE, table, ["take <care> | please"], lambda run_id: f"#/{run_id}")
    for each in OUTCOMES:
        assert f"[{each.seed}](#/{each.run_id})" in text
    assert "take &lt;care> \\| please" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_data_holds_the_unrounded_numbers() -> None:
    columns = report.data(report.rows(SUITE, OUTCOMES))
    assert columns["arm"] == ["a", "b"] and columns["n"] == [2, 1]
    assert columns["final/accuracy mean"] == [mean([0.9, 0.92]), 0.7]
    assert columns["final/accuracy sd"] == [stdev([0.9, 0.92]), None]
    assert len({len(column) for column in columns.values()}) == 1


def test_contents_name_every_run_and_change() -> None:
    made = report.contents(SUITE, OUTCOMES, {"lr": "0.001"}, ["a remark"])
    assert [r["run_id"] for r in made["runs"]] == [o.run_id for o in OUTCOMES]  # type: ignore[attr-defined]
    assert made["arms"][1]["changes"] == {"dropout": 0.5}  # type: ignore[index]
