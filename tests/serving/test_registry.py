"""Registering: who becomes champion, on which images, what is remembered, and how it is undone."""

from __future__ import annotations

import pickletools
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion

from mlp.errors import DataError, NoSuchModel
from mlp.evidence.findings import weigh
from mlp.serving import registry
from mlp.serving.choice import Pick, choose
from mlp.serving.evaluation import trained_on
from mlp.serving.loading import load_packaged
from mlp.serving.registry import Registration, model_name, undo
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.studies import MlflowStudies
from tests.conftest import CLASSES
from tests.serving.conftest import ARMS, Suite, Trained, train


def register(
    store: Store, study_id: str, pick: Pick = "median", force: bool = False, name: str = "colors"
) -> Registration:
    study = MlflowStudies(store).read(study_id)
    choice = choose(weigh(study, "accuracy"), pick)
    with store.command_run("register", "registration") as run_id:
        return registry.register(store, run_id, study, choice, "accuracy", name, force)


def logged_model(store: Store, version: ModelVersion) -> LoggedModel:
    return store.client.get_logged_model(version.source.removeprefix("models:/"))


def aliases(store: Store, name: str = "colors") -> dict[str, str]:
    found = store.client.get_registered_model(name).aliases
    return {alias: str(number) for alias, number in found.items()}


def test_a_better_study_takes_the_alias_over_and_a_worse_one_does_not(
    trained: Trained, store: Store
) -> None:
    first = register(store, trained.weak)
    assert first.is_champion and first.challenge is None and not first.known
    assert aliases(store) == {"champion": "1", "challenger": "1"}
    second = register(store, trained.strong)
    assert second.challenge is not None and second.challenge.won and second.is_champion
    assert aliases(store) == {"champion": "2", "challenger": "2"}
    # 61 validation images, one of them a copy of a training image
    assert second.challenge.images == 60
    assert second.challenge.challenger > 0.9 > second.challenge.champion

    weak_again = register(store, trained.weak)
    assert weak_again.known and not weak_again.is_champion
    assert weak_again.challenge is not None and weak_again.challenge.high < 0
    assert aliases(store) == {"champion": "2", "challenger": "1"}


def test_the_comparison_is_between_the_packaged_models_on_the_images_of_neither(
    trained: Trained, store: Store
) -> None:
    register(store, trained.weak)
    challenge = register(store, trained.strong).challenge
    assert challenge is not None
    study = MlflowStudies(store).read(trained.strong)
    run = choose(weigh(study, "accuracy"), "median").runs[0]
    assert run.evaluation is not None
    unseen = run.evaluation.ids != "val/red/copy.png"
    right = run.evaluation.predicted == run.evaluation.labels
    assert challenge.challenger == pytest.approx(right[unseen].mean(), abs=1e-12)


def test_force_and_a_first_version_need_no_comparison(trained: Trained, store: Store) -> None:
    register(store, trained.strong)
    made = register(store, trained.weak, force=True)
    assert made.is_champion and made.challenge is None and made.champion_before == "1"
    assert aliases(store)["champion"] == "2"


def test_repeating_registers_nothing_twice_and_reads_the_test_split_once(
    trained: Trained, store: Store
) -> None:
    made = register(store, trained.strong)
    assert made.tested is not None and made.test["images"] == 16 and made.test["copies"] == 1
    again = register(store, trained.strong)
    assert again.known and again.version.version == made.version.version
    assert again.tested is None and again.test == dict(made.test)
    assert len(store.client.search_model_versions("name = 'colors'")) == 1


def test_registrations_at_once_come_one_after_the_other(trained: Trained, store: Store) -> None:
    both = [trained.strong, trained.strong, trained.weak]
    with ThreadPoolExecutor(3) as at_once:
        made = list(at_once.map(lambda study: register(store, study), both))
    assert sorted(m.known for m in made[:2]) == [False, True]
    versions = store.client.search_model_versions("name = 'colors'")
    assert len(versions) == 2
    strong = str(made[0].version.version)
    assert made[1].version.version == made[0].version.version
    assert aliases(store)["champion"] == strong


def test_what_another_machine_registers_meanwhile_is_no_second_version(
    trained: Trained, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, asked = registry._find, []

    def late(*arguments: Any) -> ModelVersion | None:
        asked.append(1)
        return None if len(asked) == 2 else find(*arguments)

    first = register(store, trained.strong)
    monkeypatch.setattr(registry, "_find", late)
    asked.append(1)
    second = register(store, trained.strong)
    assert second.known and second.version.version == first.version.version
    assert len(store.client.search_model_versions("name = 'colors'")) == 1


def test_an_interrupted_registration_is_finished_by_the_next(
    trained: Trained, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(store, trained.weak)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mlp.serving.registry._compare", stop)
        with pytest.raises(KeyboardInterrupt):
            register(store, trained.strong)
    assert aliases(store)["champion"] == "1"
    made = register(store, trained.strong)
    assert made.known and made.is_champion and made.tested is not None
    assert aliases(store) == {"champion": "2", "challenger": "2"}


def test_test_scores_are_those_of_the_packaged_model(trained: Trained, store: Store) -> None:
    made = register(store, trained.strong)
    model = load_packaged(store, "models:/colors@champion")
    files = sorted((trained.images / "test").rglob("*.png"))
    answers = model.ensemble.answer([model.ensemble.decode(f.read_bytes()) for f in files])
    right = [
        CLASSES[int(a.probabilities.argmax())] == f.parent.name
        for a, f in zip(answers, files, strict=True)
        if a.probabilities is not None
    ]
    assert made.test["accuracy"] == pytest.approx(np.mean(right)) and len(right) == 16
    assert float(made.version.tags["test.accuracy"]) == made.test["accuracy"]


def test_an_ensemble_is_the_mean_of_its_runs(trained: Trained, store: Store) -> None:
    made = register(store, trained.strong, "ensemble")
    assert len(made.ensemble.members) == 3
    known = made.choice.held_out
    assert known is not None
    files = [(trained.images / path).read_bytes() for path in known.ids]
    answers = made.ensemble.answer([made.ensemble.decode(data) for data in files])
    for answer, row in zip(answers, known.probabilities, strict=True):
        np.testing.assert_allclose(answer.probabilities, row, rtol=1e-5)
    # its model belongs to the run of the command, with the scores on the validation images
    model = logged_model(store, made.version)
    accuracy = next(m.value for m in model.metrics if m.key == "final/accuracy")
    assert accuracy == pytest.approx((known.predicted == known.labels).mean())
    assert register(store, trained.strong, "ensemble").known


def test_undo_gives_aliases_back_and_removes_the_version(trained: Trained, store: Store) -> None:
    register(store, trained.weak)
    register(store, trained.strong)
    said = undo(store, "colors")
    assert "version 2 is no longer registered" in said and "champion is version 1 again" in said
    assert aliases(store) == {"champion": "1", "challenger": "1"}
    assert register(store, trained.strong).is_champion  # as if nothing had been
    undo(store, "colors")
    assert "colors is gone" in undo(store, "colors")
    with pytest.raises(NoSuchModel, match="no version of 'colors' is registered"):
        undo(store, "colors")


def test_undo_of_a_challenger_leaves_the_champion(trained: Trained, store: Store) -> None:
    register(store, trained.strong)
    register(store, trained.weak)
    assert aliases(store) == {"champion": "1", "challenger": "2"}
    said = undo(store, "colors")
    assert "challenger is version 1 again" in said and "champion" not in said
    assert aliases(store) == {"champion": "1", "challenger": "1"}


def test_data_that_changed_or_went_are_neither_compared_nor_tested(
    trained: Trained, store: Store, tmp_path: Path
) -> None:
    images = tmp_path / "mine"
    shutil.copytree(trained.images, images)
    own = train(store, Suite("own", "Which?", ARMS[:1]), images, (0,), epochs=2)
    register(store, trained.weak)
    (images / "val" / "red" / "0.png").unlink()
    changed = register(store, own)
    assert not changed.is_champion and "has changed since the study" in changed.not_compared[1]
    assert "has changed" in changed.not_tested[1] and not changed.test
    shutil.rmtree(images)
    gone = register(store, own)
    assert "does not exist" in gone.not_compared[1] and aliases(store)["champion"] == "1"


def test_where_each_seed_drew_its_own_split_only_images_of_neither_count(
    trained: Trained, store: Store, tmp_path: Path
) -> None:
    images = tmp_path / "plain"
    shutil.copytree(trained.images / "train", images)
    shutil.copytree(trained.images / "val", images, dirs_exist_ok=True)
    ids = [
        train(store, Suite("own", "Which?", ARMS[:1]), images, (seed,), epochs=2) for seed in (0, 1)
    ]
    register(store, ids[0], name="drawn")
    made = register(store, ids[1], name="drawn")
    runs = [v.tags["mlp.runs"] for v in store.client.search_model_versions("name = 'drawn'")]
    seen = trained_on(store, runs)
    assert seen is not None
    known = made.choice.held_out
    assert known is not None
    neither = [path for path in known.ids if _digest(images / path) not in seen]
    assert made.challenge is not None and 0 < made.challenge.images == len(neither) < len(known.ids)
    # an ensemble of both has trained on everything but these few
    both = train(store, Suite("own", "Which?", ARMS[:1]), images, (0, 1), epochs=2)
    ensemble = register(store, both, "ensemble", name="drawn")
    assert ensemble.challenge is not None and ensemble.challenge.images == len(neither)


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_champion_that_was_tampered_with_is_not_compared(trained: Trained, store: Store) -> None:
    register(store, trained.weak)
    version = store.client.get_model_version("colors", "1")
    model = logged_model(store, version)
    weights = next(Path(model.artifact_location).rglob("weights.safetensors"))
    content = weights.read_bytes()
    try:
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        made = register(store, trained.strong)
    finally:
        weights.write_bytes(content)
    assert not made.is_champion and "were changed after packaging" in made.not_compared[1]


@pytest.mark.parametrize(
    ("given", "data", "name"),
    [("", "skin-smol", "skin-smol"), ("mine", "x", "mine"), ("", "a/b:c", "a-b-c")],
)
def test_the_name_is_that_of_the_data_unless_given(given: str, data: str, name: str) -> None:
    assert model_name(given, data) == name


@pytest.mark.parametrize("bad", ["a/b", "a:b", "it's", "a.b", "50%"])
def test_a_name_that_mlflow_cannot_take_is_refused_in_words(bad: str) -> None:
    with pytest.raises(NoSuchModel, match="--name"):
        model_name(bad, "x")


def test_no_artifact_is_a_pickle(trained: Trained, store: Store) -> None:
    register(store, trained.strong, "ensemble")
    files = [p for p in Path(trained.database).parent.rglob("*") if p.is_file()]
    files += [p for p in Path("mlruns").rglob("*") if p.is_file()]
    assert len(files) > 100
    sources = [path for path in files if path.name == "mlp.zip"]
    assert sources
    for path in sources:
        with zipfile.ZipFile(path) as archive:
            assert all(name.endswith(".py") for name in archive.namelist())
    for path in set(files) - set(sources):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy"}, path
        assert not zipfile.is_zipfile(path), path
        data = path.read_bytes()
        if data.startswith(b"\x80"):
            with pytest.raises(ValueError, match=r".*"):
                list(pickletools.genops(data))


def test_a_study_of_other_classes_is_not_compared(
    trained: Trained, store: Store, tmp_path: Path
) -> None:
    images = tmp_path / "two"
    shutil.copytree(trained.images, images)
    for split in ("train", "val", "test"):
        shutil.rmtree(images / split / "red")
    own = train(store, Suite("own", "Which?", ARMS[:1]), images, (0,), epochs=1)
    register(store, trained.weak)
    made = register(store, own)
    assert made.not_compared == ("other_classes", "blue, green, red")
    assert issubclass(DataError, ValueError)
