"""From a finished study to a registered model: chosen, compared with the champion, tested, undone.

The test split plays no part in any choice: it is read after the aliases are settled, once for a
version, whose tags remember what came out.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
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
from mlp.serving.challenge import Challenge, compare
from mlp.serving.choice import Choice
from mlp.serving.evaluation import Evaluated, evaluate
from mlp.serving.loading import CHAMPION, LoadedModel, load_packaged
from mlp.serving.study_images import StudyImages, trained_on
from mlp.study.record import RecordedStudy
from mlp.tracking.mlflow.claims import alone
from mlp.tracking.mlflow.packaging import SEALED_AS, Packager, model_files
from mlp.tracking.mlflow.store import Store

CHALLENGER = "challenger"
# Tags of a version: which networks it is made of, from which runs, and who had an alias before it
MEMBERS, RUNS, BEFORE = "mlp.members", "mlp.runs", "mlp.before."
TEST = "test."
_NOBODY = "nobody"

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
    if given and (re.search(r"[/:.%\"']", given) or not given.isprintable()):
        raise NoSuchModel(f"--name: {given!r} has one of / : . % \" ' in it; leave those out")
    return given or re.sub(r"[/:.%\"']", "-", line(data_name))


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
        run = choice.runs[0]
        digest, count = run.data_digest, len(study.classes)
        store.log_dataset(run_id, study.data_name, digest, run.config.data, count, "test")
        members = [load_packaged(store, _model_of(store, r.run_id)) for r in choice.runs]
        version = _find(store, name, choice, members)
        known = version is not None
        if version is None:
            made_here = _create(store, run_id, study, choice, members, name)
            # A command on another machine may have made the same meanwhile: the first one stays
            version = _find(store, name, choice, members) or made_here
            known = version.version != made_here.version
            if known:
                store.client.delete_model_version(name, made_here.version)
        ensemble = load_packaged(store, f"models:/{name}/{version.version}").ensemble
        made = Registration(choice, study, metric, version, ensemble, known)
        client = store.client
        aliases = _aliases(store, name)
        _give(store, made.version, CHALLENGER, aliases)
        source = StudyImages(choice)
        settled = False
        while not settled:
            made.champion_before = aliases.get(CHAMPION, "")
            first = made.champion_before in ("", str(version.version))
            if not force and not first:
                made.challenge, made.not_compared = _compare(store, source, made)
            made.is_champion = force or first or (made.challenge is not None and made.challenge.won)
            aliases = _aliases(store, name)
            # Or another machine has chosen a champion meanwhile, which this one has to beat
            settled = aliases.get(CHAMPION, "") == made.champion_before
        if made.is_champion:
            _give(store, made.version, CHAMPION, aliases)
        _test(store, source, made)
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
        said = [f"{name} version {number} is no longer registered; its model stays in its run."]
        aliases = _aliases(store, name)
        client.delete_model_version(name, number)
        for alias in (CHAMPION, CHALLENGER):
            before = newest.tags.get(BEFORE + alias, _NOBODY)
            if aliases.get(alias) != number:
                continue
            if before in {str(v.version) for v in versions} - {number}:
                client.set_registered_model_alias(name, alias, before)
                said.append(f"{alias} is version {before} again.")
            else:
                said.append(f"No version is {alias} now.")
        if len(versions) == 1:
            client.delete_registered_model(name)
            said.append(f"It was the only one: {name} is gone.")
        return "\n".join(said)


def _model_of(store: Store, run_id: str) -> str:
    outputs = store.client.get_run(run_id).outputs
    if outputs is None or not outputs.model_outputs:
        raise NoSuchModel(f"run {run_id} has no model; train it again with --retrain")
    return f"models:/{outputs.model_outputs[0].model_id}"


def _identity(choice: Choice, members: list[LoadedModel]) -> str:
    digests = sorted(member.digest for member in members)
    return f"{choice.pick} {hashlib.sha256(' '.join(digests).encode()).hexdigest()}"


def _find(
    store: Store, name: str, choice: Choice, members: list[LoadedModel]
) -> ModelVersion | None:
    """The version that is this very model, if it is registered already."""
    wanted = _identity(choice, members)
    versions = store.client.search_model_versions(f"name = '{name}'")
    same = [v for v in versions if v.tags.get(MEMBERS) == wanted]
    return min(same, key=lambda v: int(v.version), default=None)


def _create(
    store: Store,
    run_id: str,
    study: RecordedStudy,
    choice: Choice,
    members: list[LoadedModel],
    name: str,
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
        MEMBERS: _identity(choice, members),
        RUNS: ",".join(r.run_id for r in choice.runs),
        SEALED_AS: digest,
        "mlp.study": study.run_id,
        "mlp.arm": choice.arm.name,
        "mlp.pick": choice.pick,
        "mlp.data": study.data_name,
        "mlp.data_digest": choice.runs[0].data_digest,
    }
    return mlflow.register_model(uri, name, tags=tags)


def _package(store: Store, run_id: str, choice: Choice, ensemble: Ensemble, example: bytes) -> str:
    """An ensemble as a model of the command's run, with its scores where images can give them."""
    run = store.client.get_run(run_id)
    known = choice.held_out
    scores = final_scores(known) if known is not None else {}
    metrics = [Metric(f"final/{k}", v, run.info.start_time, 0) for k, v in scores.items()]
    packager = Packager(store.client)
    with tempfile.TemporaryDirectory(prefix="mlp-model-") as folder:
        model_files(ensemble, example, Path(folder))
        try:
            return f"models:/{packager.log_model(run_id, Path(folder), metrics)}"
        finally:
            packager.close()


def _aliases(store: Store, name: str) -> dict[str, str]:
    aliases = store.client.get_registered_model(name).aliases
    return {alias: str(number) for alias, number in aliases.items()}


def _give(store: Store, version: ModelVersion, alias: str, aliases: Mapping[str, str]) -> None:
    """Give a version an alias, and let it remember who had it before."""
    number = str(version.version)
    if aliases.get(alias) != number:
        before = aliases.get(alias, _NOBODY)
        store.client.set_model_version_tag(version.name, number, BEFORE + alias, before)
        store.client.set_registered_model_alias(version.name, alias, number)


def _compare(store: Store, source: StudyImages, made: Registration) -> tuple[Challenge | None, Why]:
    """Challenger against champion on images that neither trained on, or why that cannot be."""
    held_out = made.choice.held_out
    if held_out is None:
        return None, ("own_images", "")
    try:
        champion = load_packaged(store, f"models:/{made.version.name}@{CHAMPION}")
        index = source.index
    except (DataError, NoSuchModel, TamperedModel) as error:
        return None, ("error", str(error))
    if champion.ensemble.classes != held_out.classes:
        return None, ("other_classes", ", ".join(champion.ensemble.classes))
    assert champion.version is not None
    theirs = trained_on(store, champion.version.tags.get(RUNS, champion.run_id).split(","))
    ours = trained_on(store, [run.run_id for run in made.choice.runs])
    if theirs is None or ours is None:
        return None, ("not_recorded", "")
    rows = index.usable[index.usable["path"].isin(held_out.ids)]
    unseen = set(rows.loc[~rows["sha256"].isin(theirs | ours), "path"])
    answers = [evaluate(each, index, unseen) for each in (made.ensemble, champion.ensemble)]
    if answers[0] is None or answers[1] is None:
        return None, ("none_unseen", "")
    challenger, other = answers[0].evaluation, answers[1].evaluation
    try:
        require(made.metric, challenger.present, " that neither of them trained on")
    except SettingsError as error:
        return None, ("error", str(error))
    return compare(challenger, other, made.metric), ("", "")


def _test(store: Store, source: StudyImages, made: Registration) -> None:
    """Read the test split, unless this version has read it."""
    done = {k: v for k, v in made.version.tags.items() if k.startswith(TEST)}
    if done:
        made.test = {name.removeprefix(TEST): float(value) for name, value in done.items()}
        return
    try:
        index = source.index
        paths = set(index.usable.loc[index.usable["split"] == "test", "path"])
        made.tested = evaluate(made.ensemble, index, paths)
    except DataError as error:
        made.not_tested = ("error", str(error))
        return
    if made.tested is None:
        made.not_tested = ("no_test_split", "")
        return
    result: Evaluation = made.tested.evaluation
    tested = index.usable["path"].isin(result.ids)
    seen = trained_on(store, [run.run_id for run in made.choice.runs]) or set()
    made.test = {
        **final_scores(result),
        "images": float(len(result.ids)),
        "copies": float(index.usable.loc[tested, "sha256"].isin(seen).sum()),
    }
    for name, value in made.test.items():
        store.client.set_model_version_tag(
            made.version.name, made.version.version, TEST + name, repr(value)
        )
