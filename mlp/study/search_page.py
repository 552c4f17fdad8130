"""What a search found: its description, its table of trials, and its pictures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import matplotlib.pyplot as plt
import optuna
from optuna.trial import TrialState
from optuna.visualization import matplotlib as drawing

from mlp.settings import field_text
from mlp.study.search import Search, arm_of, top

_SHOWN = 10  # trials in the table


def markdown(search: Search, study: optuna.Study) -> str:
    """The description of a search's run: the best trials, and what their scores are worth."""
    trials = study.get_trials(deepcopy=False)
    count = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    best = top(study, _SHOWN)
    lines = [f"## Which settings are best? ({search.space.about})", ""]
    if not best:
        return "\n".join([*lines, "No trial was trained to the end."])
    first = best[0]
    lines += [
        f"**Trial {first.number} has the best {search.metric}: {first.value:.4f}, mean of "
        f"{search.config.folds} folds.**  ",
        f"It is the best of {count[TrialState.COMPLETE]} trials on the same folds, so its score "
        "flatters: what it is worth says the study that trains the best again, under fresh seeds "
        "and folds.",
        "",
        f"{count[TrialState.COMPLETE]} trials were trained to the end, {count[TrialState.PRUNED]} "
        f"were stopped early ({search.config.sampler}).",
        "",
    ]
    names = list(search.space.dimensions)
    lines.append(f"| trial | {search.metric} | {' | '.join(names)} |")
    lines.append(f"| ---: |{' ---: |' * (len(names) + 1)}")
    for trial in best:
        values = [_short(trial.params[name]) for name in names]
        lines.append(f"| {trial.number} | {trial.value:.4f} | {' | '.join(values)} |")
    return "\n".join(lines)


def terminal(search: Search, study: optuna.Study) -> str:
    """The best trials as lines of text."""
    lines = []
    for trial in top(study, 3):
        about = arm_of(trial, search.space).about
        lines.append(f"trial {trial.number:<4} {search.metric} {trial.value:.4f}  {about}")
    return "\n".join(lines) or "No trial was trained to the end."


def files(search: Search, study: optuna.Study) -> dict[str, bytes]:
    """The table of all trials and the pictures, by the name of the file."""
    table = study.trials_dataframe(attrs=("number", "state", "value", "duration", "params"))
    made = {"trials.csv": table.to_csv(index=False).encode()}
    made |= {f"{name}.png": content for name, content in pictures(search, study).items()}
    return made


def pictures(search: Search, study: optuna.Study) -> dict[str, bytes]:
    """History, importance, parallel coordinates and slices as PNG, as far as trials allow."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:
        return {}
    draw: dict[str, Callable[..., object]] = {
        "history": drawing.plot_optimization_history,
        "importance": drawing.plot_param_importances,
        "parallel_coordinates": drawing.plot_parallel_coordinate,
        "slices": drawing.plot_slice,
    }
    return {name: _png(function, study, search.metric) for name, function in draw.items()}


def _png(function: Callable[..., object], study: optuna.Study, metric: str) -> bytes:
    # Optuna changes the style of every picture drawn after its own
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its notes that its pictures are experimental
        function(study, target_name=metric)
        figure = plt.gcf()
        figure.set_size_inches(max(9.0, 2.6 * len(figure.axes)), 5.5)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
    return out.getvalue()


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else field_text(value)
