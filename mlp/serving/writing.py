"""Answers as people and programs read them: a table, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Literal

from mlp.escaping import csv_text
from mlp.model.ensemble import Answer
from mlp.report.blocks import Grid


def write(
    made: Sequence[tuple[str, Answer]],
    classes: Sequence[str],
    top: int,
    form: Literal["table", "csv", "json"],
) -> str:
    """Paths with their answers as text. JSON has what a server answers, with the path."""
    rows = [{"path": path, **answer.row(classes, top)} for path, answer in made]
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    ranked = [list(zip(row["top_labels"], row["top_probabilities"], strict=True)) for row in rows]
    if form == "csv":
        count = min(top, len(classes))
        ends = ["", *(f"_{k}" for k in range(2, count + 1))]
        head = ["path", *chain(*((f"label{end}", f"probability{end}") for end in ends))]
        lines = [
            [row["path"], *chain(*(pairs or [("", "")] * count)), row["unfamiliar"], row["error"]]
            for row, pairs in zip(rows, ranked, strict=True)
        ]
        return csv_text([[*head, "unfamiliar", "error"], *lines]).rstrip("\n")
    headings = ("image", "class", "probability", "then", "note")
    lines = [
        [
            row["path"],
            row["label"] or "–",
            "–" if row["error"] else f"{row['probability']:.1%}",
            ", ".join(f"{label} {share:.1%}" for label, share in pairs[1:]),
            row["error"] or ("unlike the training images" if row["unfamiliar"] else ""),
        ]
        for row, pairs in zip(rows, ranked, strict=True)
    ]
    return Grid(headings, lines, left=len(headings)).text()
