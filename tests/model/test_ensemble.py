"""One network or several as a model: means, order, per-image answers, and back from a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mlp.data.familiarity_fit import fit_familiarity
from mlp.data.images.decoding import decode
from mlp.data.normalization import Normalization
from mlp.learning.initialization import initialize
from mlp.learning.networks.mlp import MLP
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from tests.conftest import CLASSES, colored_image

SIDE = 8
PIXELS = np.stack([colored_image(k % 3, np.random.default_rng(k), SIDE) for k in range(40)])


def member(seed: int, classes: tuple[str, ...] = CLASSES) -> Checkpoint:
    network = MLP(3 * SIDE**2, [10], len(classes), dropout=0.5)
    initialize(network, "he", torch.Generator().manual_seed(seed))
    normalization = Normalization((0.4 + seed / 10,) * 3, (0.2,) * 3)
    return Checkpoint(network, classes, SIDE, False, normalization)


@pytest.fixture
def ensemble() -> Ensemble:
    familiarity = fit_familiarity(PIXELS, np.arange(30), np.arange(30, 40))
    return Ensemble(tuple(member(seed) for seed in range(12)), familiarity)


def test_probabilities_are_the_mean_of_the_members(ensemble: Ensemble) -> None:
    expected = sum(each.probabilities(PIXELS) for each in ensemble.members) / 12
    found = ensemble.probabilities(PIXELS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    one = Ensemble(ensemble.members[:1], ensemble.familiarity)
    np.testing.assert_array_equal(
        one.probabilities(PIXELS), ensemble.members[0].probabilities(PIXELS)
    )


def test_more_images_than_go_through_at_once_are_answered_alike(
    ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ensemble.probabilities(PIXELS)
    monkeypatch.setattr("mlp.model.checkpoint.EVALUATION_BATCH", 7)
    np.testing.assert_allclose(ensemble.probabilities(PIXELS), whole, rtol=1e-5)


def test_each_image_is_answered_in_its_place_and_a_bad_one_spoils_no_other(
    ensemble: Ensemble,
) -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    files = [cv2.imencode(".png", p[..., ::-1])[1].tobytes() for p in (PIXELS[0], black, PIXELS[1])]
    given = [files[0], b"no image", files[1], files[2], files[2][:60]]
    answers = ensemble.answer([ensemble.decode(data) for data in given])
    expected = ensemble.probabilities(np.stack([PIXELS[0], black, PIXELS[1]]))
    for answer, row in zip((answers[0], answers[2], answers[3]), expected, strict=True):
        assert answer.error == "" and answer.probabilities is not None
        np.testing.assert_array_equal(answer.probabilities, row)
    assert [answer.unfamiliar for answer in answers] == [False, False, True, False, False]
    assert answers[1].probabilities is None and "not an image" in answers[1].error
    assert answers[4].probabilities is None and "damaged" in answers[4].error
    assert ensemble.answer([]) == []
    np.testing.assert_array_equal(ensemble.decode(files[0]), decode(files[0], SIDE, False))


def test_images_of_16_bits_are_decoded_as_those_of_the_training_were(ensemble: Ensemble) -> None:
    wide = (PIXELS[0].astype(np.uint16) << 4)[..., ::-1]  # 12 bits
    data = cv2.imencode(".png", wide)[1].tobytes()
    for depth, expected in ((12, PIXELS[0]), (16, PIXELS[0] >> 4)):
        members = tuple(dataclasses.replace(each, depth=depth) for each in ensemble.members)
        deep = Ensemble(members, ensemble.familiarity)
        np.testing.assert_array_equal(deep.decode(data), expected)


def test_a_folder_gives_back_members_in_their_order(ensemble: Ensemble, tmp_path: Path) -> None:
    ensemble.save(tmp_path)
    back = Ensemble.load(tmp_path)
    assert len(back.members) == 12 and (back.classes, back.image_size) == (CLASSES, SIDE)
    for ours, theirs in zip(ensemble.members, back.members, strict=True):
        assert ours.normalization == theirs.normalization
        np.testing.assert_array_equal(ours.probabilities(PIXELS), theirs.probabilities(PIXELS))
    np.testing.assert_array_equal(back.probabilities(PIXELS), ensemble.probabilities(PIXELS))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {
        ".safetensors",
        ".json",
    }


def test_members_have_to_agree(ensemble: Ensemble) -> None:
    other = member(1, ("a", "b", "c"))
    with pytest.raises(AssertionError):
        Ensemble((ensemble.members[0], other), ensemble.familiarity)
