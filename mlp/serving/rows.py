"""Answers as rows: what a server sends, and what `predict` writes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlp.model.ensemble import Answer


def table(answers: Sequence[Answer], classes: Sequence[str], top: int) -> pd.DataFrame:
    """A row an answer.

    Columns: `label` and `probability` of the most probable class, `top_labels` and
    `top_probabilities` (as many as `top`), the `probabilities` of all classes in their order,
    `unfamiliar` (see `mlp.data.familiarity`), and the `error` of a row that is no readable image.
    """
    rows: list[tuple[object, ...]] = []
    for answer in answers:
        shares = answer.probabilities
        if shares is None:
            rows.append((None, None, [], [], [], False, answer.error))
            continue
        best = sorted(range(len(shares)), key=lambda k: -shares[k])[:top]
        rows.append(
            (
                classes[best[0]],
                float(shares[best[0]]),
                [classes[k] for k in best],
                [float(shares[k]) for k in best],
                [float(share) for share in shares],
                answer.unfamiliar,
                "",
            )
        )
    columns = ("label", "probability", "top_labels", "top_probabilities", "probabilities")
    # As objects: a number that is not there is null, where a NaN would be no JSON
    return pd.DataFrame(rows, columns=[*columns, "unfamiliar", "error"], dtype=object)
