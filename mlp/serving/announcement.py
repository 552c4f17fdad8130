"""What a registration says of itself: on the version's page and on the terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
from mlflow.entities import Metric

from mlp.escaping import line, markdown
from mlp.metrics import METRICS
from mlp.report.wording import Wording
from mlp.serving.challenge import Challenge, interval
from mlp.serving.loading import CHAMPION
from mlp.serving.registry import CHALLENGER, Registration
from mlp.tracking import results
from mlp.tracking.mlflow.pages import run_page
from mlp.tracking.mlflow.reports import record_report
from mlp.tracking.mlflow.store import Store


def description(made: Registration) -> str:
    """Markdown for the page of the version."""
    study = made.study
    page = run_page(study.experiment_id, study.run_id)
    lines = [markdown(said) for said in _what(made)]
    lines.append(f"The evidence: [the report of the study]({page}).")
    lines += [markdown(said) for said in (*_verdict(made), _tested(made))]
    lines.append(markdown(f"Answers with one of {_classes(made)}."))
    return "\n\n".join(lines)


def record(store: Store, run_id: str, made: Registration) -> None:
    """Keep what was done: on the version's page, and in the run of the command."""
    client, version = store.client, made.version
    text = description(made)
    client.update_model_version(version.name, version.version, text)
    every = markdown(f"Classifies images like those of {made.study.data_name}: {_classes(made)}.")
    use = markdown(f"models:/{version.name}@{CHAMPION} is the version to use.")
    client.update_registered_model(version.name, f"{every}\n\n{use}")
    client.set_registered_model_tag(version.name, "mlp.data", made.study.data_name)
    title = f"[{markdown(version.name)} version {version.version}]({_page(made)})"
    files: dict[str, bytes] = {}
    if made.tested is not None:
        now = int(time.time() * 1000)
        metrics = [Metric(f"test/{name}", value, now, 0) for name, value in made.test.items()]
        client.log_batch(run_id, metrics=metrics)
        tested = made.tested.evaluation
        drawn = results.draw(made.ensemble, tested, made.tested.images, "Test")
        files = results.files(tested, made.test, drawn)
    record_report(store, run_id, f"{title}\n\n{text}", {f"test/{k}": v for k, v in files.items()})


def terminal(made: Registration, store: Store) -> str:
    """The same with the commands that come next."""
    name, number = made.version.name, made.version.version
    title = f"{name} version {number}"
    alias = CHAMPION if made.is_champion else CHALLENGER
    aliases = f"{CHAMPION} and {CHALLENGER}" if made.is_champion else CHALLENGER
    known = f" (it was registered already as version {number}: no other was made)"
    lines = [f"{title}, {aliases}{known if made.known else ''}", ""]
    lines += [*map(line, (*_what(made), *_verdict(made), _tested(made))), ""]
    model = f"models:/{name}@{alias}"
    lines += [
        store.how_to_open(_page(made)),
        f"Predict:     python -m scripts.predict --model '{model}' IMAGES",
        f"Serve:       mlflow models serve -m '{model}' --env-manager local",
        f"             with MLFLOW_TRACKING_URI={store.address}",
        f"Undo:        python -m scripts.register --name '{name}' --undo true",
    ]
    return "\n".join(lines)


def scores(values: Mapping[str, float]) -> str:
    """A line of all scores."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in values.items())


def _page(made: Registration) -> str:
    return f"#/models/{quote(made.version.name, safe='')}/versions/{made.version.version}"


def _classes(made: Registration) -> str:
    names = made.ensemble.classes
    return f"{len(names)} classes: {', '.join(names)}"


def _what(made: Registration) -> list[str]:
    choice, say = made.choice, Wording("en", made.metric)
    arm, n = choice.arm, len(choice.arm.finished)
    seeds = ", ".join(
        f"seed {run.seed}" + (f" fold {run.fold}" if run.fold != "none" else "")
        for run in choice.runs
    )
    if choice.pick == "ensemble":
        what = f"the mean of the probabilities of all {n} runs"
    else:
        what = f"the run with the median score of {n} ({seeds})"
    spread = f" ± {say.score(arm.deviation)} (standard deviation over {n})" if n > 1 else ""
    lines = [
        f"{arm.name} on {made.study.data_name} (digest {choice.runs[0].data_digest}): {what}.",
        f"Validation {say.metric_name} of the arm: {say.score(arm.mean)}{spread}, the best mean of "
        f"{len(made.study.arms)} arm{'s' if len(made.study.arms) > 1 else ''}.",
    ]
    if choice.passed_over:
        lines.append(f"Passed over, for runs that did not finish: {', '.join(choice.passed_over)}.")
    known = choice.held_out
    if known is None:
        lines.append("No validation score of its own: no image validated all of its runs.")
    elif len(known.present) < METRICS[made.metric].classes:
        lines.append("No validation score of its own: images of one class validated all its runs.")
    else:
        low, high = interval(known, made.metric)
        lines.append(
            f"This model: {say.score(METRICS[made.metric].score(known))} on {len(known.ids)} "
            f"validation images (95% interval over images {say.score(low)} to {say.score(high)})."
        )
    leaked = max(run.metrics.get("facts/leaked_images", 0.0) for run in choice.runs)
    if leaked:
        unseen = [run.metrics.get("final/unseen_accuracy", np.nan) for run in choice.runs]
        lines.append(
            f"{leaked:.0f} validation images are copies of training images; accuracy on the "
            f"others: {Wording('en', 'accuracy').score(float(np.mean(unseen)))}"
            + (", the mean over its runs." if len(unseen) > 1 else ".")
        )
    return lines


def _verdict(made: Registration) -> list[str]:
    before, say = made.champion_before, Wording("en", made.metric)
    if made.challenge is not None:
        return [_compared(made.challenge, before, say)]
    if before == "":
        return ["Champion: it is the first."]
    if before == str(made.version.version):
        return ["It is the champion already."]
    if made.is_champion:
        return [f"Champion by force, in the place of version {before}."]
    return [
        f"Version {before} stays champion. They were not found: {made.not_compared}. "
        "--force true makes this one champion all the same."
    ]


def _compared(found: Challenge, before: str, say: Wording) -> str:
    result = (
        f"{say.score(found.challenger)} against {say.score(found.champion)}, a difference of "
        f"{say.difference(found.difference)} (95% interval {say.number(found.low)} to "
        f"{say.number(found.high)}) on {found.images} validation images that neither trained on"
    )
    if found.won:
        return f"Champion: it beats version {before} with {result}."
    return f"Version {before} stays champion: this one does not beat it with {result}."


def _tested(made: Registration) -> str:
    if not made.test:
        return f"Not tested: {made.not_tested}."
    values = dict(made.test)
    images, copies = int(values.pop("images")), int(values.pop("copies"))
    seen = f" ({copies} of them copies of training images)" if copies else ""
    return f"On the {images} test images{seen}, read after the choice: {scores(values)}."
