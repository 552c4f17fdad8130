"""What a search found: its description, its table of trials, and its pictures."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import matplotlib.pyplot as plt
import optuna
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawing

from mlp.escaping import cell, line
from mlp.escaping import markdown as _escape
from mlp.report.page import render
from mlp.search.trials import Search, arm_of, top
from mlp.settings.base import field_text

_IN_DESCRIPTION, _ON_PAGE = 5, 10  # trials side by side
_SLICES = 6  # settings, of which more would not be legible
_CAPTIONS = {
    "history": "Scores in the order of the trials, and the best so far",
    "importance": "How much of the scores' variation each setting explains (fANOVA)",
    "parallel_coordinates": "Each trial as a line through its settings, darker where better",
    "slices": "Scores by the values of the most important settings",
}


def markdown(search: Search, study: optuna.Study) -> str:
    """The description of a search's run: the best trials, and what their scores are worth."""
    lines = [f"## {_escape(_title(search))}", "", f"**{_escape(_headline(search, study))}**", ""]
    lines += [text for said in _said(search, study) for text in (_escape(said), "")]
    table = _best(search, study, _IN_DESCRIPTION)
    if table:
        head, *rows = table
        lines.append(f"| {' | '.join(map(_escape, head))} |")
        lines.append(f"| --- |{' ---: |' * (len(head) - 1)}")
        lines += [f"| {' | '.join(map(_escape, row))} |" for row in rows]
    return "\n".join(lines)


def page(search: Search, study: optuna.Study, drawn: Mapping[str, bytes]) -> str:
    """The same as one HTML file, with more trials and the pictures that were drawn."""
    return render(
        "search.html.j2",
        title=_title(search),
        setting=f"{search.index.name}: {search.config.sampler}, {search.config.folds} folds, "
        f"space {search.space.name} ({search.space.about})",
        headline=_headline(search, study),
        said=_said(search, study),
        table=_best(search, study, _ON_PAGE),
        pictures=[
            (_CAPTIONS[name], base64.b64encode(content).decode()) for name, content in drawn.items()
        ],
    )


def _title(search: Search) -> str:
    return f"Which settings are best on {line(search.index.name)}?"


def _headline(search: Search, study: optuna.Study) -> str:
    best = top(study, 1)
    if not best:
        return "No trial was trained to the end."
    return (
        f"Trial {best[0].number} has the best {search.metric}: {best[0].value:.4f}, mean of "
        f"{search.config.folds} folds."
    )


def _said(search: Search, study: optuna.Study) -> list[str]:
    trials = study.get_trials(deepcopy=False)
    count = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    said = [
        f"{count[TrialState.COMPLETE]} trials were trained to the end, "
        f"{count[TrialState.PRUNED]} were stopped early."
    ]
    if count[TrialState.COMPLETE]:
        worth = f"what it is worth says the study {search.confirmation}, which trains the best"
        if not search.config.confirm:
            worth = "with confirm above 0, a search trains the best"
        said.append(
            f"The best of many trials on the same folds flatters itself: {worth} again under fresh "
            "seeds and folds."
        )
    return said


def _best(search: Search, study: optuna.Study, count: int) -> list[list[str]]:
    """The best trials side by side: a head, their scores, and a row for each setting."""
    best = top(study, count)
    if not best:
        return []
    return [
        ["trial", *(str(trial.number) for trial in best)],
        [search.metric, *(f"{trial.value:.4f}" for trial in best)],
        *([name, *(_short(t.params[name]) for t in best)] for name in search.space.dimensions),
    ]


def terminal(search: Search, study: optuna.Study) -> str:
    """The best trials as lines of text."""
    lines = []
    for trial in top(study, 3):
        about = line(arm_of(trial, search.space).about)
        lines.append(f"trial {trial.number:<4} {search.metric} {trial.value:.4f}  {about}")
    return "\n".join(lines) or "No trial was trained to the end."


def files(search: Search, study: optuna.Study) -> dict[str, bytes]:
    """The table of all trials, the page and its pictures, by the name of the file."""
    table = study.trials_dataframe(attrs=("number", "state", "value", "duration", "params"))
    made = {"trials.csv": table.map(cell).to_csv(index=False).encode()}
    drawn = pictures(search, study)
    made["report.html"] = page(search, study, drawn).encode()
    return made | {f"{name}.png": content for name, content in drawn.items()}


def pictures(search: Search, study: optuna.Study) -> dict[str, bytes]:
    """History, importance, parallel coordinates and slices as PNG, as far as trials allow."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        return {}
    important = list(optuna.importance.get_param_importances(study))
    draw: dict[str, Callable[..., object]] = {
        "history": drawing.plot_optimization_history,
        "importance": drawing.plot_param_importances,
        "parallel_coordinates": drawing.plot_parallel_coordinate,
        "slices": partial(drawing.plot_slice, params=important[:_SLICES]),
    }
    return {name: _png(function, study, search.metric) for name, function in draw.items()}


def _png(function: Callable[..., object], study: optuna.Study, metric: str) -> bytes:
    # Optuna changes the style of every picture drawn after its own
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its notes that its pictures are experimental
        function(study, target_name=metric)
        figure = plt.gcf()
        figure.set_size_inches(min(14.0, max(9.0, 2.6 * len(figure.axes))), 5.5)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
    return out.getvalue()


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else field_text(value)
