"""Answers as people and programs read them: a table, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from mlp.escaping import csv_text
from mlp.model.ensemble import Answer
from mlp.report.blocks import Grid
from mlp.serving.rows import table


def write(
    made: Sequence[tuple[str, Answer]],
    classes: Sequence[str],
    top: int,
    form: Literal["table", "csv", "json"],
) -> str:
    """Paths with their answers as text. JSON has what a server answers, with the path."""
    every = table([answer for _, answer in made], classes, top)
    every.insert(0, "path", [path for path, _ in made])
    rows = every.to_dict("records")
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    if form == "csv":
        flat = every[["path", "label", "probability"]].copy()
        for k in range(1, min(top, len(classes))):
            for part in ("label", "probability"):
                ranked = f"top_{'labels' if part == 'label' else 'probabilities'}"
                flat[f"{part}_{k + 1}"] = [(row[ranked] or [None] * top)[k] for row in rows]
        flat[["unfamiliar", "error"]] = every[["unfamiliar", "error"]]
        return csv_text([flat.columns, *flat.itertuples(index=False)]).rstrip("\n")
    headings = ("image", "class", "probability", "then", "note")
    lines = [
        [
            row["path"],
            row["label"] or "–",
            "–" if row["error"] else f"{row['probability']:.1%}",
            _others(row["top_labels"], row["top_probabilities"]),
            row["error"] or ("unlike the training images" if row["unfamiliar"] else ""),
        ]
        for row in rows
    ]
    return Grid(headings, lines, left=len(headings)).text()


def _others(labels: Sequence[str], probabilities: Sequence[float]) -> str:
    pairs = zip(labels[1:], probabilities[1:], strict=True)
    return ", ".join(f"{label} {share:.1%}" for label, share in pairs)
