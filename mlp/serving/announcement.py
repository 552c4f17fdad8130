"""The text of a registration: on the version's page and on the terminal."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import numpy as np

from mlp.console import typed
from mlp.escaping import line, markdown
from mlp.evidence.document import document, named
from mlp.metrics import METRICS
from mlp.report.wording import Wording
from mlp.serving.evaluation import interval
from mlp.serving.loading import CHAMPION
from mlp.serving.registry import CHALLENGER, Registration, Why
from mlp.tracking import results
from mlp.tracking.mlflow.pages import run_page
from mlp.tracking.mlflow.store import Store


def record(store: Store, run_id: str, made: Registration, lang: str) -> None:
    """Keep what was done: on the version's page, and in the run of the command."""
    client, version, say = store.client, made.version, Wording(lang, made.metric)
    study, data, names = made.study, made.study.data_name, made.ensemble.classes
    classes = say("registry.classes", count=len(names), names=", ".join(names))
    answers = say("registry.answers", classes=classes)
    said = map(markdown, (_verdict(made, say), _tested(made, say), answers))
    evidence = say("registry.evidence", page=run_page(study.experiment_id, study.run_id))
    text = "\n\n".join([*map(markdown, _what(made, say)), evidence, *said])
    client.update_model_version(version.name, version.version, text)
    every = say("registry.classifies", data=data, classes=classes)
    use = say("registry.use", name=version.name, alias=CHAMPION)
    client.update_registered_model(version.name, f"{markdown(every)}\n\n{markdown(use)}")
    client.set_registered_model_tag(version.name, "mlp.data", data)
    title = f"[{markdown(_title(made, say))}]({_page(made)})"
    files: dict[str, bytes] = {}
    if made.tested is not None:
        tested = made.tested.evaluation
        drawn = results.draw(made.ensemble, tested, made.tested.images, "Test")
        made_of = results.files(tested, made.test, drawn)
        files = {f"test/{name}": content for name, content in made_of.items()}
    numbers = {f"test/{name}": value for name, value in made.test.items()}
    store.report(run_id, f"{title}\n\n{text}", files, numbers)


def terminal(made: Registration, lang: str, store: Store) -> str:
    """The outcome, and the commands that come next."""
    name, say = made.version.name, Wording(lang, made.metric)
    aliases = say.list_of([CHAMPION] * made.is_champion + [CHALLENGER])
    known = say("registry.known", number=made.version.version) if made.known else ""
    model = f"models:/{name}@{CHAMPION if made.is_champion else CHALLENGER}"
    lines = [
        f"{_title(made, say)}, {aliases}{known}",
        "",
        *map(line, (*_what(made, say), _verdict(made, say), _tested(made, say))),
        "",
        store.how_to_open(_page(made)),
        f"Predict:     {typed('predict')} --model '{model}' IMAGES",
        f"Serve:       mlflow models serve -m '{model}' --env-manager local",
        f"             with MLFLOW_TRACKING_URI={store.address}",
        f"Undo:        {typed('register')} --name '{name}' --undo true",
    ]
    return "\n".join(lines)


def data(made: Registration) -> dict[str, object]:
    """The outcome for programs."""
    found, choice = made.challenge, made.choice
    fields = "metric", "images", "challenger", "champion", "difference", "low", "high", "won"

    def reason(why: Why) -> dict[str, str] | None:
        return {"why": why[0], "detail": why[1]} if why[0] else None

    contents = {
        "name": made.version.name,
        "version": int(made.version.version),
        "aliases": [CHAMPION] * made.is_champion + [CHALLENGER],
        "known": made.known,
        "study": named(made.study),
        "arm": choice.arm.name,
        "why": choice.why,
        "pick": choice.pick,
        "runs": [run.run_id for run in choice.runs],
        "metric": made.metric,
        "score": choice.arm.mean,
        "champion_before": int(made.champion_before) if made.champion_before else None,
        "challenge": found and {name: getattr(found, name) for name in fields},
        "not_compared": reason(made.not_compared),
        "test": made.test or None,
        "not_tested": reason(made.not_tested),
    }
    return document("registration", contents)


def _title(made: Registration, say: Wording) -> str:
    return say("registry.title", name=made.version.name, number=made.version.version)


def _page(made: Registration) -> str:
    return f"#/models/{quote(made.version.name, safe='')}/versions/{made.version.version}"


def _what(made: Registration, say: Wording) -> list[str]:
    """The model, the score of its arm and its own."""
    choice, arm = made.choice, made.choice.arm
    n = len(arm.finished)
    seeds = [
        say("registry.run" if run.fold == "none" else "registry.run_of_fold", **vars(run))
        for run in choice.runs
    ]
    model = say(
        "registry.model",
        arm=arm.name,
        data=made.study.data_name,
        digest=choice.runs[0].data_digest,
        model=say(f"registry.{choice.pick}", count=n, runs=", ".join(seeds)),
    )
    validated = say(
        "registry.validation",
        metric=say.metric_name,
        score=say.score(arm.mean),
        deviation=say("registry.deviation", score=say.score(arm.deviation), count=n) * (n > 1),
        why=say(f"registry.chosen.{choice.why}", baseline=made.study.arms[0].name),
    )
    lines = [model, validated[:1].upper() + validated[1:]]
    if choice.passed_over:
        lines.append(say("registry.passed_over", arms=", ".join(choice.passed_over)))
    lines.append(_own_score(made, say))
    leaked = max(run.metrics.get("facts/leaked_images", 0.0) for run in choice.runs)
    if leaked:
        unseen = [run.metrics.get("final/unseen_accuracy", np.nan) for run in choice.runs]
        score = replace(say, metric="accuracy").score(float(np.mean(unseen)))
        mean = say("registry.leaked_mean") if len(unseen) > 1 else ""
        lines.append(say("registry.leaked", count=f"{leaked:.0f}", score=score, mean=mean))
    return lines


def _own_score(made: Registration, say: Wording) -> str:
    known = made.choice.held_out
    if known is None:
        return say("registry.no_score")
    if len(known.present) < METRICS[made.metric].classes:
        return say("registry.one_class")
    score, ends = METRICS[made.metric].score(known), interval(known, made.metric)
    low, high = map(say.score, ends)
    count = len(known.ids)
    return say("registry.own_score", score=say.score(score), count=count, low=low, high=high)


def _verdict(made: Registration, say: Wording) -> str:
    before = made.champion_before
    if (found := made.challenge) is not None:
        result = say(
            "registry.result",
            challenger=say.score(found.challenger),
            champion=say.score(found.champion),
            difference=say.difference(found.difference),
            low=say.number(found.low),
            high=say.number(found.high),
            count=found.images,
        )
        return say(f"registry.{'won' if found.won else 'lost'}", number=before, result=result)
    if before == "":
        return say("registry.first")
    if before == str(made.version.version):
        return say("registry.already")
    if made.is_champion:
        return say("registry.forced", number=before)
    why, detail = made.not_compared
    return say(
        "registry.not_compared", number=before, why=say(f"why.{why}", detail=say.said(detail))
    )


def _tested(made: Registration, say: Wording) -> str:
    if not made.test:
        why, detail = made.not_tested
        return say("registry.not_tested", why=say(f"why.{why}", detail=say.said(detail)))
    values = dict(made.test)
    images, copies = int(values.pop("images")), int(values.pop("copies"))
    seen = say("registry.copies", count=copies) if copies else ""
    shown = [f"{replace(say, metric=name).metric_name} {values[name]:.3f}" for name in values]
    return say("registry.tested", count=images, copies=seen, scores=", ".join(shown))
