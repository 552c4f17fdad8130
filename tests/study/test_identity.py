"""The identity of a run changes with everything that its numbers depend on, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlp.imports import ROOT, needed
from mlp.settings.training import Resolved
from mlp.study.identity import identity, label, source_digest


def test_every_field_but_the_place_of_the_data_counts() -> None:
    base = Resolved(image_size=4, channels="rgb", device="cpu", threads=1)
    other = {
        "val_fraction": 0.3, "images_per_class": 5, "image_size": 8, "channels": "gray",
        "normalization": "none",
        "epochs": 3, "batch_size": 4, "optimizer": "sgd", "momentum": 0.5, "lr": 0.1,
        "weight_decay": 0.1, "schedule": "cosine", "label_smoothing": 0.1, "hidden": (3,),
        "network": "cnn", "network_settings": "a=1", "network_source": "x",
        "members": 2, "patch": 2, "mixup": 0.1,
        "clip_norm": 1.0, "class_weights": "balanced", "transpose": 0.1,
        "tta": "flips",
        "activation": "tanh", "dropout": 0.1, "batch_norm": True, "init": "xavier", "hflip": 0.1,
        "vflip": 0.1, "brightness_contrast": 0.1, "shift_scale_rotate": 0.1,
        "early_stopping_patience": 1, "evaluation_mode": False, "monitor": "val/accuracy",
        "seed": 1, "device": "cuda",
        "threads": 3, "fold": "1/2",
    }  # fmt: skip
    places = {"data": "elsewhere", "split": "a.csv", "layout": "flat", "links": "inside"}
    places |= {"on_leak": "drop"}
    assert set(other) == set(Resolved.model_fields) - set(places)
    digests = {identity(base.changed({name: value}), "d") for name, value in other.items()}
    digests |= {identity(base, "d"), identity(base, "e")}
    assert len(digests) == len(other) + 2
    for name, value in places.items():
        assert identity(base.changed({name: value}), "d") == identity(base, "d")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's source."""
    copy = tmp_path / "mlp"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def digest(package: Path) -> str:
    source_digest.cache_clear()
    return source_digest(package)


def test_the_same_source_elsewhere_is_the_same(package: Path) -> None:
    assert digest(package) == source_digest()


def test_each_file_that_makes_or_records_numbers_counts_and_no_other(package: Path) -> None:
    original = digest(package)
    counting = set(needed(["mlp.study.lockstep", "mlp.tracking.mlflow.tracker"]).values())
    files = list(package.rglob("*.py"))
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content + b"\nCHANGED = True\n")
        assert (digest(package) != original) == (ROOT / file.relative_to(package) in counting), file
        file.write_bytes(content)
    assert len(counting) < len(files)


def test_the_loop_needs_neither_commands_nor_plans_nor_reports() -> None:
    counting = needed(["mlp.study.lockstep", "mlp.tracking.mlflow.tracker"])
    aside = ("settings.commands", "study.plan", "study.progress", "study.suite", "study.identity",
             "evidence", "report", "search", "execution", "serving")  # fmt: skip
    assert not [
        name for name in counting for part in aside if f"{name}.".startswith(f"mlp.{part}.")
    ]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("study/lockstep.py", "\n", "\r\n"),
        ("study/lockstep.py", "the same batches for every arm", "batches"),  # a comment
        ("study/lockstep.py", "Train some runs in lockstep", "Train runs"),  # a docstring
        ("settings/training.py", "passes over the training images", "epochs"),  # of the help
        ("tracking/mlflow/tracker.py", "no events for TensorBoard", "none"),  # announced
    ],
)
def test_texts_for_people_do_not_count(name: str, before: str, after: str, package: Path) -> None:
    original = digest(package)
    file = package / name
    assert before in file.read_text()
    file.write_bytes(file.read_bytes().replace(before.encode(), after.encode()))
    assert digest(package) == original


def test_a_source_that_is_missing_is_an_error(package: Path) -> None:
    (package / "study" / "lockstep.py").rename(package / "study" / "loop.py")
    with pytest.raises(ImportError, match=r"no module mlp\.study\.lockstep"):
        digest(package)


def test_a_label_is_a_name_of_a_folder_on_every_system() -> None:
    made = label("init", 'a/b: "it\'s" <what>? é', "contents")
    assert not set(made) & set("<>:\"'/\\|?*")
    assert made.startswith("init-") and "é" in made
    assert made == label("init", 'a/b: "it\'s" <what>? é', "contents")
    assert made != label("init", 'a/b: "it\'s" <what>? é', "others")
