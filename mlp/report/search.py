"""The page of a search: its description, its table of trials, and its pictures."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import matplotlib.pyplot as plt
import optuna
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as drawing

from mlp.escaping import cell
from mlp.escaping import markdown as _escape
from mlp.languages import LANGUAGES
from mlp.report.blocks import Grid, Picture, Section, Text
from mlp.report.page import markdown as _markdown
from mlp.report.page import page
from mlp.report.wording import Wording
from mlp.search.trials import Search, arm_of, top
from mlp.settings.base import field_text

_IN_DESCRIPTION, _ON_PAGE = 5, 10  # trials side by side
_SLICES = 6  # settings, of which more would not be legible


def markdown(search: Search, study: optuna.Study, say: Wording) -> str:
    """The description of a search's run: the best trials, and what their scores are worth."""
    return f"## {_escape(_title(search, say))}\n\n{_markdown([_section(search, study, say)])}"


def terminal(search: Search, study: optuna.Study, say: Wording) -> str:
    """The best trials as lines of text."""
    lines = []
    for trial in top(study, 3):
        about = say.said(arm_of(trial, search.space).about)
        number = f"{trial.number:<4}"
        lines.append(f"{say('search.trial')} {number} {search.metric} {trial.value:.4f}  {about}")
    return "\n".join(lines) or say("search.none")


def _title(search: Search, say: Wording) -> str:
    return say("search.title", name=search.index.name)


def _section(search: Search, study: optuna.Study, say: Wording) -> Section:
    """The verdict, what it is worth, and the best trials side by side."""
    config, both = search.config, ("markdown", "page")
    trials = study.get_trials(deepcopy=False)
    count = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    complete, pruned = count[TrialState.COMPLETE], count[TrialState.PRUNED]
    said = [say("search.counts", complete=complete, pruned=pruned)]
    best, metric = top(study, _ON_PAGE), say.metric_name
    if not best:
        return Section("", [Text([say("search.none"), *said], "verdict", both, 1)])
    first, folds = best[0], config.folds
    score = f"{first.value:.4f}"
    told = say("search.headline", number=first.number, metric=metric, score=score, folds=folds)
    worth = "search.worth" if config.confirm else "search.unconfirmed"
    said.append(say(worth, study=search.confirmation))
    blocks = [Text([told], "verdict", both, 1), *(Text([each], where=both) for each in said)]
    tables = [
        _best(search, best[:_IN_DESCRIPTION], "markdown", say),
        _best(search, best, "page", say),
    ]
    return Section("", [*blocks, *tables])


def _best(search: Search, best: Sequence[FrozenTrial], where: str, say: Wording) -> Grid:
    """Trials side by side: their scores, and a row for each setting."""
    return Grid(
        [say("search.trial"), *(str(trial.number) for trial in best)],
        [
            [say.metric_name, *(f"{trial.value:.4f}" for trial in best)],
            *([name, *(_short(t.params[name]) for t in best)] for name in search.space.dimensions),
        ],
        where=(where,),
    )


def files(search: Search, study: optuna.Study, say: Wording) -> dict[str, bytes]:
    """The table of all trials, the page and its pictures, by the name of the file."""
    table = study.trials_dataframe(attrs=("number", "state", "value", "duration", "params"))
    drawn = pictures(study, say)
    sections = [_section(search, study, say), _pictured(drawn, say)]
    setting = _setting(search, say)
    return {
        "trials.csv": table.map(cell).to_csv(index=False).encode(),
        "report.html": page(say.lang, _title(search, say), setting, sections).encode(),
        **{f"{name}.png": content for name, content in drawn.items()},
    }


def inline(search: Search, study: optuna.Study, say: Wording) -> str:
    """The trials for a notebook, with the first picture."""
    sections = [_section(search, study, say), _pictured(pictures(study, say, most=1), say)]
    return page(say.lang, _title(search, say), _setting(search, say), sections, whole=False)


def _pictured(drawn: Mapping[str, bytes], say: Wording) -> Section:
    return Section("", [Picture(name, png, say(f"search.{name}")) for name, png in drawn.items()])


def _setting(search: Search, say: Wording) -> str:
    return say(
        "search.setting",
        name=search.index.name,
        sampler=search.config.sampler,
        folds=search.config.folds,
        space=search.space.name,
        about=say.said(search.space.about),
    )


def pictures(study: optuna.Study, say: Wording, most: int | None = None) -> dict[str, bytes]:
    """History, importance, parallel coordinates and slices as PNG, as far as trials allow.

    Of these the first `most`.
    """
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
    chosen = list(draw.items())[:most]
    return {name: _png(function, study, name, say) for name, function in chosen}


def _png(function: Callable[..., object], study: optuna.Study, name: str, say: Wording) -> bytes:
    # Optuna changes the style of every picture drawn after its own
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its notes that its pictures are experimental
        function(study, target_name=say.metric_name)
        figure = plt.gcf()
        for axes in figure.axes:
            said = LANGUAGES[say.lang].said
            axes.set_title("", loc="left")
            axes.set(title="", xlabel=said(axes.get_xlabel()), ylabel=said(axes.get_ylabel()))
            if legend := axes.get_legend():
                for text in legend.get_texts():
                    text.set_text(said(text.get_text()))
        figure.suptitle(say(f"search.{name}"))
        figure.set_size_inches(min(14.0, max(9.0, 2.6 * len(figure.axes))), 5.5)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
    return out.getvalue()


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else field_text(value)
