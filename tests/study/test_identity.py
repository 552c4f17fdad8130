"""The identity of a run changes with everything that its numbers depend on, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlp.settings.training import RunConfig
from mlp.study import identity as module
from mlp.study.identity import identity, label, source_digest


def test_every_field_but_the_place_of_the_data_counts() -> None:
    base = RunConfig()
    other = {
        "val_fraction": 0.3, "images_per_class": 5, "image_size": 8, "channels": "gray",
        "normalization": "none",
        "epochs": 3, "batch_size": 4, "optimizer": "sgd", "momentum": 0.5, "lr": 0.1,
        "weight_decay": 0.1, "schedule": "cosine", "label_smoothing": 0.1, "hidden": (3,),
        "network": "cnn", "members": 2, "patch": 2, "mixup": 0.1,
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
    assert set(other) == set(RunConfig.model_fields) - set(places)
    digests = {identity(base.changed({name: value}), "d") for name, value in other.items()}
    digests |= {identity(base, "d"), identity(base, "e")}
    assert len(digests) == len(other) + 2
    for name, value in places.items():
        assert identity(base.changed({name: value}), "d") == identity(base, "d")


def test_the_source_counts_but_not_its_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = source_digest()
    copy = tmp_path / "mlp"
    shutil.copytree(module._PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_PACKAGE", copy)
    source_digest.cache_clear()
    assert source_digest() == original
    config = copy / "settings" / "training.py"
    config.write_bytes(config.read_bytes().replace(b"\n", b"\r\n"))
    source_digest.cache_clear()
    assert source_digest() == original
    config.write_bytes(config.read_bytes() + b"# changed\n")
    source_digest.cache_clear()
    assert source_digest() != original
    source_digest.cache_clear()


def test_how_numbers_are_reported_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = source_digest()
    copy = tmp_path / "mlp"
    shutil.copytree(module._PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_PACKAGE", copy)
    for name, counts in (("report/report.py", False), ("study/lockstep.py", True)):
        file = copy / name
        file.write_bytes(file.read_bytes() + b"# changed\n")
        source_digest.cache_clear()
        assert (source_digest() != original) == counts
    source_digest.cache_clear()


def test_a_label_is_a_name_of_a_folder_on_every_system() -> None:
    made = label("init", 'a/b: "it\'s" <what>? é', "contents")
    assert not set(made) & set("<>:\"'/\\|?*")
    assert made.startswith("init-") and "é" in made
    assert made == label("init", 'a/b: "it\'s" <what>? é', "contents")
    assert made != label("init", 'a/b: "it\'s" <what>? é', "others")
