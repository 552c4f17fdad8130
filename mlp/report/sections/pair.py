"""Any two arms side by side: curves, confusions, and the images that one of them gets right."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from mlp.escaping import line
from mlp.evidence.answers import Answers, answers
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.languages import LANGUAGES
from mlp.metrics import METRICS
from mlp.predictions import Floats
from mlp.report import charts
from mlp.report.blocks import Explorer, Gallery, Section, Text
from mlp.report.sections.confusion import row_shares
from mlp.report.sections.curves import stacked
from mlp.report.sections.runs import link
from mlp.report.wording import Wording
from mlp.study.record import RecordedStudy

_MOST_IMAGES = 400  # in a page, which is to be handed in
_MOST_CLASSES = 100
_STATIC = 12  # images of each kind where no script runs
_CURVES = ("val/accuracy", "train/accuracy", "val/loss", "train/loss")
_SPOKEN = ("wins", "says", "more", "runs", "curves", "matrix", "difference")


def disputed(study: RecordedStudy) -> list[str]:
    """The images of a page: those that one arm gets right and another one wrong."""
    arms = [
        [r.evaluation for r in study.of(name).values() if r.evaluation] for name in study.arm_names
    ]
    found = answers([arm for arm in arms if arm]) if sum(map(bool, arms)) > 1 else None
    return [] if found is None else [str(found.ids[k]) for k in found.disputed()[:_MOST_IMAGES]]


def section(evidence: Evidence, say: Wording) -> Section:
    """The baseline and the best other arm, or any other two where scripts run."""
    best = next((arm for arm in evidence.ranked() if arm is not evidence.baseline), None)
    if not evidence.baseline.finished or best is None:
        return Section("", [])
    arms = [arm for arm in evidence.arms if arm.finished]
    found = answers([[r.evaluation for r in arm.finished if r.evaluation] for arm in arms])
    shown = found.disputed()
    kept, classes = shown[:_MOST_IMAGES], _classes(evidence)
    first, second = arms.index(best), 0
    data = {
        "arms": [line(arm.name) for arm in arms],
        "chosen": [first, second],
        "classes": classes,
        "words": {
            "train": say("train"),
            "val": say("validation"),
            **{key: LANGUAGES[say.lang].phrases[f"pair.{key}"] for key in _SPOKEN},
        },
        "curves": [{name: _band(arm, name) for name in _CURVES} for arm in arms],
        "matrices": [
            [_numbers(row, 1) for row in row_shares(arm)]
            for arm in (arms if len(classes) <= _MOST_CLASSES else ())
        ],
        "images": [_image(evidence, found, which) for which in kept],
        "runs": [" ".join(link(evidence.study, run) for run in arm.finished) for arm in arms],
        "charts": {
            "curves": charts.curves(say),
            "matrix": charts.matrix(say, classes, False),
            "difference": charts.matrix(say, classes, True),
        },
    }
    both = [
        _gallery(evidence, found, arms, *pair, say) for pair in ((first, second), (second, first))
    ]
    labels = {key: say(f"pair.{key}") for key in ("one", "other", "measure", "class", "every")}
    measures = [
        ("accuracy", f"{say.named('metric.accuracy', METRICS['accuracy'].words)}, %"),
        ("loss", say("loss")),
    ]
    notes = [say("pair.text")]
    if len(shown) > len(kept):
        notes.append(say("pair.cut", kept=len(kept), all=len(shown)))
    if len(shown) and not evidence.thumbnails:
        notes.append(say("pair.no_thumbnails"))
    return Section(
        say("heading.pair"), [Text(notes, "soft"), Explorer(data, both, labels, measures)]
    )


def _classes(evidence: Evidence) -> list[str]:
    found = next(r.evaluation.classes for r in evidence.baseline.finished if r.evaluation)
    return [line(name) for name in found]


def _numbers(values: Floats, digits: int = 3) -> list[object]:
    """Values for JSON, which knows no NaN."""
    return [None if not np.isfinite(v) else round(float(v), digits) for v in values]


def _band(arm: ArmEvidence, name: str) -> list[list[object]]:
    """Mean, lowest and highest of an arm's runs by epoch; accuracies in percent."""
    values = stacked(arm, name) * (100 if name.endswith("accuracy") else 1)
    if not values.size:
        return [[], [], []]
    values = values[:, np.isfinite(values).any(axis=0)]
    return [_numbers(f(values, axis=0)) for f in (np.nanmean, np.nanmin, np.nanmax)]


def _image(evidence: Evidence, found: Answers, which: int) -> dict[str, object]:
    """An image and what each arm says of it."""
    name = str(found.ids[which])
    return {
        "name": line(name),
        "label": int(found.labels[which]),
        "said": found.said[:, which].tolist(),
        "sure": _numbers(found.sure[:, which]),
        "truth": _numbers(found.truth[:, which]),
        "right": found.right[:, which].tolist(),
        "runs": found.runs[:, which].tolist(),
        "picture": _picture(evidence, name),
    }


def _picture(evidence: Evidence, name: str) -> str:
    return base64.b64encode(evidence.thumbnails.get(name, b"")).decode()


def _gallery(
    evidence: Evidence,
    found: Answers,
    arms: Sequence[ArmEvidence],
    first: int,
    second: int,
    say: Wording,
) -> Gallery:
    """The clearest images that the first arm gets right and the second wrong."""
    every = found.between(first, second)
    classes = _classes(evidence)
    pictures = []
    for which in every[:_STATIC]:
        said = [
            say(
                "pair.says",
                arm=arms[k].name,
                cls=classes[found.said[k, which]],
                share=f"{100 * found.sure[k, which]:.0f}",
                k=found.right[k, which],
                n=found.runs[k, which],
            )
            for k in (first, second)
        ]
        lines = [Markup("<strong>{}</strong>").format(classes[found.labels[which]]), *said]
        name = str(found.ids[which])
        pictures.append((name, Markup("<br>").join(lines), _picture(evidence, name)))
    told = say("pair.wins", first=arms[first].name, second=arms[second].name, count=len(every))
    return Gallery(told, pictures)
