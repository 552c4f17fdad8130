"""What a study has found: a table for the terminal, and for the description of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from mlp.study.suites import Suite
from mlp.tracking.interface import Outcome


@dataclass(frozen=True)
class Row:
    """One arm: the outcomes of its runs, and for each score its values over the finished ones."""

    arm: str
    outcomes: tuple[Outcome, ...]

    @property
    def finished(self) -> list[Outcome]:
        """The runs that have scores."""
        return [outcome for outcome in self.outcomes if outcome.status == "FINISHED"]

    def values(self, score: str) -> list[float]:
        """A score, named as in `final/<score>`, of each finished run."""
        return [outcome.scores[f"final/{score}"] for outcome in self.finished]


def _percent(values: list[float]) -> str:
    text = f"{100 * mean(values):.1f}"
    return f"{text} ± {100 * stdev(values):.1f}" if len(values) > 1 else text


# score, heading, how mean and standard deviation are written
_COLUMNS: tuple[tuple[str, str, Callable[[list[float]], str]], ...] = (
    ("accuracy", "val accuracy", _percent),
    ("macro_f1", "val macro F1", _percent),
    ("epochs", "epochs", lambda v: f"{mean(v):.1f}".removesuffix(".0")),
    ("gap_accuracy", "gap (train - val)", _percent),
)
HEADINGS = ("arm", "n", *(heading for _, heading, _ in _COLUMNS))
_LEGEND = (
    "n: finished runs, one a seed. Accuracy and macro F1: mean ± standard deviation over seeds, on "
    "the validation images, in percent. gap: accuracy on the training images (not augmented, no "
    "dropout) minus that on the validation images, in points. Early stopping picks its epoch on "
    "the validation images, which flatters its score."
)


def rows(suite: Suite, outcomes: Sequence[Outcome]) -> list[Row]:
    """The outcomes by arm, in the order of the suite."""
    return [Row(arm.name, tuple(o for o in outcomes if o.arm == arm.name)) for arm in suite.arms]


def cells(row: Row) -> list[str]:
    """A row of the table, a text for each of HEADINGS."""
    if not row.finished:
        return [row.arm, "0", *("failed" for _ in _COLUMNS)]
    return [row.arm, str(len(row.finished))] + [
        write(row.values(score)) for score, _, write in _COLUMNS
    ]


def failures(table: Sequence[Row]) -> list[str]:
    """A line for each run that has no scores."""
    return [
        f"{outcome.arm}, seed {outcome.seed}: {outcome.status.lower()}, {outcome.reason}"
        for row in table
        for outcome in row.outcomes
        if outcome.status != "FINISHED"
    ]


def terminal(suite: Suite, table: Sequence[Row]) -> str:
    """The table as text, in columns."""
    lines = [list(HEADINGS), *(cells(row) for row in table)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADINGS))]

    def write(line: list[str]) -> str:
        first = line[0].ljust(widths[0])
        return "  ".join([first, *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    text = [suite.question, "", write(lines[0]), rule, *(write(line) for line in lines[1:])]
    return "\n".join([*text, *(f"failed: {line}" for line in failures(table))])


def markdown(
    suite: Suite, table: Sequence[Row], remarks: Sequence[str], page: Callable[[str], str]
) -> str:
    """The table as the description of a run, each arm with links to its runs by `page(run_id)`."""
    about = {arm.name: arm.about for arm in suite.arms}
    lines = [f"## {suite.question}", ""]
    lines += [f"> {_escape(remark)}\n>" for remark in remarks] + [""] * bool(remarks)
    lines.append(f"| {' | '.join(HEADINGS)} | runs by seed | |")
    lines.append(f"| --- |{' ---: |' * (len(HEADINGS) - 1)} --- | --- |")
    for row in table:
        links = " ".join(f"[{o.seed}]({page(o.run_id)})" for o in row.outcomes)
        lines.append(f"| {' | '.join(cells(row))} | {links} | {_escape(about[row.arm])} |")
    lines += ["", _LEGEND, ""]
    lines += [f"- failed: {_escape(line)}" for line in failures(table)]
    return "\n".join(lines)


def data(table: Sequence[Row]) -> dict[str, list[object]]:
    """The table as numbers, a list a column: mean and standard deviation of every score."""
    scores = sorted({name for row in table for o in row.finished for name in o.scores})
    columns: dict[str, list[object]] = {
        "arm": [row.arm for row in table],
        "n": [len(row.finished) for row in table],
    }
    for name in scores:
        values = [row.values(name.removeprefix("final/")) for row in table]
        columns[f"{name} mean"] = [mean(v) if v else None for v in values]
        columns[f"{name} sd"] = [stdev(v) if len(v) > 1 else None for v in values]
    return columns


def contents(
    suite: Suite, outcomes: Sequence[Outcome], base: Mapping[str, str], remarks: Sequence[str]
) -> dict[str, object]:
    """What a study is made of, enough to write its report again from MLflow alone."""
    return {
        "suite": suite.name,
        "question": suite.question,
        "base": dict(base),
        "arms": [
            {"name": arm.name, "changes": dict(arm.changes), "about": arm.about}
            for arm in suite.arms
        ],
        "runs": [
            {
                "arm": o.arm,
                "seed": o.seed,
                "run_id": o.run_id,
                "status": o.status,
                "reason": o.reason,
                "identity": o.identity,
            }
            for o in outcomes
        ],
        "remarks": list(remarks),
    }


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
