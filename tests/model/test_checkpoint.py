"""A saved network answers bitwise as before, from the encoded files as it did from the stream."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mlp.data.dataset import load, open_index
from mlp.data.images.decoding import decode
from mlp.data.normalization import Normalization
from mlp.data.stream import Stream
from mlp.learning.learner import Learner
from mlp.learning.resolution import resolve
from mlp.model.checkpoint import Checkpoint
from mlp.settings.training import RunConfig
from mlp.softmax import probabilities
from tests.conftest import CLASSES, colored_image, write_image
from tests.learning.alone import records


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small lose time to threads that wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(root: Path, **changes: object) -> tuple[Checkpoint, list[bytes], np.ndarray]:
    """A trained network, the validation files, and the probabilities that the learner gives."""
    index = open_index(str(root))
    config = RunConfig.parse(
        {"data": str(root), "hidden": (16,), "epochs": 2, "batch_size": 8, "device": "cpu"}
        | changes
    )
    config = resolve(config, index)
    index, dataset = load(index, config)
    stream = Stream(dataset, config)
    learner = Learner(config, dataset.shape, len(dataset.classes), stream.steps_per_epoch)
    list(records(learner, stream))
    answers = probabilities(learner.logits(stream.validation))
    files = [index.read(path) for path in dataset.ids[dataset.split.val]]
    channels, height, _ = dataset.shape
    checkpoint = Checkpoint(
        learner.network, dataset.classes, height, channels == 1, stream.normalization
    )
    return checkpoint, files, answers


def answered(checkpoint: Checkpoint, files: list[bytes]) -> np.ndarray:
    """The probabilities for encoded images."""
    size, gray = checkpoint.image_size, checkpoint.gray
    return checkpoint.probabilities(np.stack([decode(file, size, gray) for file in files]))


def reloaded(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    checkpoint.save(folder)
    return Checkpoint.load(folder)


@pytest.fixture
def gray_tree(tmp_path: Path) -> Path:
    root = tmp_path / "grays"
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label, name in enumerate(("dark", "light")):
            for number in range(6):
                pixels = rng.integers(100 * label, 100 * label + 150, (14, 9)).astype(np.uint8)
                write_image(root / split / name / f"{number}.png", pixels)
    return root


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"image_size": 9, "normalization": "imagenet", "batch_norm": True, "dropout": 0.5},
        {"channels": "gray", "normalization": "none", "activation": "gelu"},
        {"network": "cnn", "batch_norm": True, "dropout": 0.5},
    ],
)
def test_files_are_answered_as_the_learner_answers_the_stream(
    image_tree: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    checkpoint, files, answers = trained(image_tree, **changes)
    assert checkpoint.classes == CLASSES and len(files) == 18
    np.testing.assert_array_equal(
        answered(reloaded(checkpoint, tmp_path / "saved"), files), answers
    )


def test_gray_files_are_answered_as_the_learner_answers_the_stream(
    gray_tree: Path, tmp_path: Path
) -> None:
    checkpoint, files, answers = trained(gray_tree)
    assert checkpoint.gray and checkpoint.image_size == 14
    np.testing.assert_array_equal(
        answered(reloaded(checkpoint, tmp_path / "saved"), files), answers
    )


def test_jpeg_files_are_answered_as_the_learner_answers_the_stream(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label, name in enumerate(CLASSES):
            for number in range(4):
                path = tmp_path / "photos" / split / name / f"{number}.jpg"
                write_image(path, colored_image(label, rng, side=40))
    checkpoint, files, answers = trained(tmp_path / "photos", image_size=16)
    np.testing.assert_array_equal(
        answered(reloaded(checkpoint, tmp_path / "saved"), files), answers
    )


def test_answer_to_an_image_does_not_depend_on_the_others(image_tree: Path) -> None:
    checkpoint, files, answers = trained(image_tree, batch_norm=True)
    alone = np.concatenate([answered(checkpoint, [file]) for file in files])
    np.testing.assert_allclose(alone, answers, rtol=1e-5, atol=1e-7)


def test_save_and_load_give_back_everything(image_tree: Path, tmp_path: Path) -> None:
    checkpoint, _, _ = trained(image_tree, batch_norm=True, dropout=0.25, hidden=(7, 5))
    named = Checkpoint(
        checkpoint.network, ("ä", "日本", 'a"b'), 20, False, checkpoint.normalization
    )
    back = reloaded(named, tmp_path / "saved")
    assert (back.classes, back.image_size, back.gray) == (named.classes, 20, False)
    assert back.normalization == checkpoint.normalization
    assert back.network.arguments == checkpoint.network.arguments
    assert not back.network.training
    ours, theirs = checkpoint.network.state_dict(), back.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_network_in_training_mode_answers_without_dropout_and_stays_as_it_is(
    image_tree: Path,
) -> None:
    checkpoint, files, answers = trained(image_tree, batch_norm=True, dropout=0.5)
    before = {name: t.clone() for name, t in checkpoint.network.state_dict().items()}
    checkpoint.network.train()
    np.testing.assert_array_equal(answered(checkpoint, files), answers)
    after = checkpoint.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_files_are_safetensors_and_json(image_tree: Path, tmp_path: Path) -> None:
    checkpoint, _, _ = trained(image_tree)
    folder = tmp_path / "saved"
    checkpoint.save(folder)
    weights, settings_file = folder / "weights.safetensors", folder / "settings.json"
    assert set(folder.iterdir()) == {weights, settings_file}
    # https://huggingface.co/docs/safetensors: length of the header, JSON header, raw numbers
    raw = weights.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    assert header.keys() == checkpoint.network.state_dict().keys()
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    assert len(raw) == 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    assert not zipfile.is_zipfile(weights)  # which torch.save would write
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    assert settings["classes"] == list(CLASSES)


def test_weights_of_another_network_are_refused(image_tree: Path, tmp_path: Path) -> None:
    checkpoint, _, _ = trained(image_tree)
    other, _, _ = trained(image_tree, hidden=(8,))
    for name, one in (("one", checkpoint), ("other", other)):
        one.save(tmp_path / name)
    (tmp_path / "other" / "settings.json").replace(tmp_path / "one" / "settings.json")
    with pytest.raises(RuntimeError, match="size mismatch"):
        Checkpoint.load(tmp_path / "one")


def test_depth_is_kept_and_models_without_it_take_all_bits(
    tmp_path: Path, image_tree: Path
) -> None:
    checkpoint, _, _ = trained(image_tree)
    deep = dataclasses.replace(checkpoint, depth=12)
    assert reloaded(deep, tmp_path / "saved").depth == 12
    settings = tmp_path / "saved" / "settings.json"
    read = json.loads(settings.read_text())
    del read["depth"]
    settings.write_text(json.dumps(read))
    assert Checkpoint.load(tmp_path / "saved").depth == 16


def test_normalization_is_read_exactly(tmp_path: Path, image_tree: Path) -> None:
    checkpoint, _, _ = trained(image_tree)
    exact = Normalization((1 / 3, 0.1, 2 / 7), (0.1 + 0.2, 1e-17, 1 / 7))
    named = Checkpoint(checkpoint.network, CLASSES, 20, False, exact)
    assert reloaded(named, tmp_path / "saved").normalization == exact
