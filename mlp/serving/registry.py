"""From a finished study to a registered model: chosen, compared with the champion, tested, undone.

The test split plays no part in any choice: it is read after the aliases are settled, once for a
version, whose tags remember what came out.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Mapping
from contextlib import closing, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion

from mlp.errors import DataError, NoSuchModel, SettingsError, TamperedModel
from mlp.escaping import line
from mlp.metrics import final_scores, require
from mlp.model.ensemble import Ensemble
from mlp.predictions import Evaluation
from mlp.serving.choice import Choice
from mlp.serving.evaluation import Challenge, Evaluated, compare, evaluate, trained_on
from mlp.serving.loading import CHAMPION, RUNS, LoadedModel, load_packaged, model_of
from mlp.study.record import RecordedStudy
from mlp.tracking.mlflow.claims import alone
from mlp.tracking.mlflow.packaging import SEALED_AS, Packager, model_files
from mlp.tracking.mlflow.store import Store

CHALLENGER = "challenger"
_REFUSED = r"[/:.%\"']"  # in the name of a model, by MLflow
# Tags of a version: the networks that it is made of, who had an alias before it, its scores
_MEMBERS, _BEFORE, _TEST = "mlp.members", "mlp.before.", "test."

Why = tuple[str, str]  # a phrase of the group `why`, and a detail


@dataclass
class Registration:
    """The outcome of `register`, for people and for the version's page."""

    choice: Choice
    study: RecordedStudy
    metric: str
    version: ModelVersion
    ensemble: Ensemble
    known: bool = False  # whether this model was registered before
    champion_before: str = ""
    is_champion: bool = False
    challenge: Challenge | None = None
    not_compared: Why = ("", "")
    test: Mapping[str, float] = field(default_factory=dict)
    not_tested: Why = ("", "")
    tested: Evaluated | None = None


def model_name(given: str, data_name: str) -> str:
    """The name to register under. Raises NoSuchModel where MLflow could not take it."""
    if re.search(_REFUSED, given) or not given.isprintable():
        raise NoSuchModel(f"--name: {given!r} has one of / : . % \" ' in it; leave those out")
    return given or re.sub(_REFUSED, "-", line(data_name))


def register(
    store: Store,
    run_id: str,
    study: RecordedStudy,
    choice: Choice,
    metric: str,
    name: str,
    force: bool,
) -> Registration:
    """Register what was chosen, settle the aliases, and read the test split once.

    `run_id` is the run of the command. Repeating it registers nothing twice and does what was left;
    of several at once, one comes after the other.
    """
    with alone(store, "registering"):
        client, run = store.client, choice.runs[0]
        digest, count = run.data_digest, len(study.classes)
        store.log_dataset(run_id, study.data_name, digest, run.config.data, count, "test")
        members = [load_packaged(store, model_of(store, r.run_id)) for r in choice.runs]
        digests = " ".join(sorted(member.digest for member in members))
        identity = f"{choice.pick} {hashlib.sha256(digests.encode()).hexdigest()}"
        version = _find(store, name, identity)
        known = version is not None
        if version is None:
            made_here = _create(store, run_id, study, choice, members, name, identity)
            # A command on another machine may have made the same meanwhile: the first one stays
            version = _find(store, name, identity) or made_here
            known = version.version != made_here.version
            if known:
                client.delete_model_version(name, made_here.version)
        ensemble = load_packaged(store, f"models:/{name}/{version.version}").ensemble
        made = Registration(choice, study, metric, version, ensemble, known)
        aliases = _aliases(store, name)
        _give(store, version, CHALLENGER, aliases)
        settled = False
        while not settled:
            made.champion_before = aliases.get(CHAMPION, "")
            first = made.champion_before in ("", str(version.version))
            if not force and not first:
                made.challenge, made.not_compared = _compare(store, made)
            made.is_champion = force or first or (made.challenge is not None and made.challenge.won)
            aliases = _aliases(store, name)
            # Or another machine has chosen a champion meanwhile, which this one has to beat
            settled = aliases.get(CHAMPION, "") == made.champion_before
        if made.is_champion:
            _give(store, version, CHAMPION, aliases)
        _test(store, made)
        made.version = client.get_model_version(name, version.version)
        return made


def undo(store: Store, name: str) -> str:
    """Take back the newest version of a name; what was done, in words. Raises NoSuchModel.

    The model itself stays with its run.
    """
    with alone(store, "registering"):
        client = store.client
        versions = client.search_model_versions(f"name = '{name}'")
        if not versions:
            raise NoSuchModel(f"no version of {name!r} is registered in {store.address}")
        newest = max(versions, key=lambda v: int(v.version))
        number = str(newest.version)
        others = {str(v.version) for v in versions} - {number}
        said = [f"{name} version {number} is no longer registered; its model stays in its run."]
        aliases = _aliases(store, name)
        client.delete_model_version(name, number)
        for alias in (CHAMPION, CHALLENGER):
            before = newest.tags.get(_BEFORE + alias)
            if aliases.get(alias) == number and before in others:
                client.set_registered_model_alias(name, alias, before)
                said.append(f"{alias} is version {before} again.")
            elif aliases.get(alias) == number:
                said.append(f"No version is {alias} now.")
        if not others:
            client.delete_registered_model(name)
            said.append(f"It was the only one: {name} is gone.")
        return "\n".join(said)


def _find(store: Store, name: str, identity: str) -> ModelVersion | None:
    """The version that is this very model, if it is registered already."""
    versions = store.client.search_model_versions(f"name = '{name}'")
    same = [v for v in versions if v.tags.get(_MEMBERS) == identity]
    return min(same, key=lambda v: int(v.version), default=None)


def _create(
    store: Store,
    run_id: str,
    study: RecordedStudy,
    choice: Choice,
    members: list[LoadedModel],
    name: str,
    identity: str,
) -> ModelVersion:
    only = members[0]
    uri, digest = only.uri, only.digest
    if choice.pick == "ensemble":
        ensemble = Ensemble(
            tuple(m for member in members for m in member.ensemble.members),
            only.ensemble.familiarity,
        )
        uri = _package(store, run_id, choice, ensemble, only.example)
        digest = load_packaged(store, uri).digest
    tags = {
        _MEMBERS: identity,
        RUNS: ",".join(r.run_id for r in choice.runs),
        SEALED_AS: digest,
        "mlp.study": study.run_id,
        "mlp.arm": choice.arm.name,
        "mlp.pick": choice.pick,
        "mlp.data": study.data_name,
        "mlp.data_digest": choice.runs[0].data_digest,
    }
    with redirect_stderr(io.StringIO()):  # where MLflow prints what is said in better words
        return mlflow.register_model(uri, name, tags=tags)


def _package(store: Store, run_id: str, choice: Choice, ensemble: Ensemble, example: bytes) -> str:
    """An ensemble as a model of the command's run, with its scores where images can give them."""
    run = store.client.get_run(run_id)
    scores = final_scores(choice.held_out) if choice.held_out is not None else {}
    metrics = [Metric(f"final/{k}", v, run.info.start_time, 0) for k, v in scores.items()]
    folder = tempfile.TemporaryDirectory(prefix="mlp-model-")
    with closing(Packager(store.client)) as packager, folder as place:
        model_files(ensemble, example, Path(place))
        model_id, shared = packager.log_model(run, Path(place), metrics)
        store.client.log_batch(run_id, metrics=shared)
        return f"models:/{model_id}"


def _aliases(store: Store, name: str) -> dict[str, str]:
    aliases = store.client.get_registered_model(name).aliases
    return {alias: str(number) for alias, number in aliases.items()}


def _give(store: Store, version: ModelVersion, alias: str, aliases: Mapping[str, str]) -> None:
    """Give a version an alias, and let it remember who had it before."""
    number = str(version.version)
    if aliases.get(alias) != number:
        before = aliases.get(alias, "nobody")
        store.client.set_model_version_tag(version.name, number, _BEFORE + alias, before)
        store.client.set_registered_model_alias(version.name, alias, number)


def _compare(store: Store, made: Registration) -> tuple[Challenge | None, Why]:
    """Challenger against champion on images that neither trained on, or why that cannot be."""
    held_out = made.choice.held_out
    if held_out is None:
        return None, ("own_images", "")
    try:
        champion = load_packaged(store, f"models:/{made.version.name}@{CHAMPION}")
        index = made.choice.index
        if champion.ensemble.classes != held_out.classes:
            return None, ("other_classes", ", ".join(champion.ensemble.classes))
        theirs = trained_on(store, champion.run_ids)
        ours = trained_on(store, [run.run_id for run in made.choice.runs])
        if theirs is None or ours is None:
            return None, ("not_recorded", "")
        rows = index.usable[index.usable["path"].isin(held_out.ids)]
        unseen = set(rows.loc[~rows["sha256"].isin(theirs | ours), "path"])
        mine, other = (evaluate(e, index, unseen) for e in (made.ensemble, champion.ensemble))
        if mine is None or other is None:
            return None, ("none_unseen", "")
        require(made.metric, mine.evaluation.present, " that neither of them trained on")
    except (DataError, NoSuchModel, TamperedModel, SettingsError) as error:
        return None, ("error", str(error))
    return compare(mine.evaluation, other.evaluation, made.metric), ("", "")


def _test(store: Store, made: Registration) -> None:
    """Read the test split, unless this version has read it."""
    done = {k: v for k, v in made.version.tags.items() if k.startswith(_TEST)}
    if done:
        made.test = {name.removeprefix(_TEST): float(value) for name, value in done.items()}
        return
    try:
        table = made.choice.index.usable
        paths = set(table.loc[table["split"] == "test", "path"])
        made.tested = evaluate(made.ensemble, made.choice.index, paths)
    except DataError as error:
        made.not_tested = ("error", str(error))
        return
    if made.tested is None:
        made.not_tested = ("no_test_split", "")
        return
    result: Evaluation = made.tested.evaluation
    seen = trained_on(store, [run.run_id for run in made.choice.runs]) or set()
    copies = table["path"].isin(result.ids) & table["sha256"].isin(seen)
    made.test = {
        **final_scores(result),
        "images": float(len(result.ids)),
        "copies": float(copies.sum()),
    }
    name, number = made.version.name, made.version.version
    for score, value in made.test.items():
        store.client.set_model_version_tag(name, number, _TEST + score, repr(value))
