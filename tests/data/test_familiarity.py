"""What the familiarity of images promises: few false alarms on the same kind, alarms on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlp.data.dataset import Dataset, index_of, load
from mlp.data.familiarity import Familiarity
from mlp.data.familiarity_fit import FALSE_ALARMS, fit_familiarity
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig
from tests.conftest import CLASSES, colored_image


def images(count: int, seed: int, side: int = 20) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([colored_image(k % len(CLASSES), rng, side) for k in range(count)])


@pytest.fixture(scope="module")
def fitted() -> Familiarity:
    return fit_familiarity(images(900, 0), np.arange(600), np.arange(600, 900))


def test_of_new_images_of_the_same_kind_one_in_a_hundred_is_unfamiliar(fitted: Familiarity) -> None:
    unfamiliar = fitted.unfamiliar(images(1000, 1))
    assert unfamiliar.shape == (1000,) and unfamiliar.dtype == np.bool_
    # 300 images set the threshold: the share that lies beyond it is known to half of itself
    assert 0 <= unfamiliar.mean() < 3 * FALSE_ALARMS


def test_threshold_is_the_quantile_of_the_held_out_distances(fitted: Familiarity) -> None:
    held_out = fitted.distance(images(900, 0)[600:])
    assert fitted.threshold == pytest.approx(np.quantile(held_out, 1 - FALSE_ALARMS))
    assert (held_out > fitted.threshold).sum() == 3


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((20, 20, 3)),
        np.full((20, 20, 3), 255),
        np.full((20, 20, 3), 80),
        255 - images(1, 5)[0],
        np.random.default_rng(0).integers(0, 256, (20, 20, 3)),
        np.tile(np.linspace(0, 200, 20)[:, None, None], (1, 20, 3)),
    ],
    ids=["black", "white", "gray", "inverted", "noise", "gradient"],
)
def test_other_kinds_of_pictures_are_noticed(fitted: Familiarity, other: np.ndarray) -> None:
    assert fitted.unfamiliar(other.astype(np.uint8)[None])[0]


def test_distance_is_mahalanobis_of_the_numbers(fitted: Familiarity) -> None:
    # the training images' own mean squared distance is about the number of dimensions
    distances = fitted.distance(images(900, 0)[:600])
    assert distances.mean() == pytest.approx(len(fitted.centre), rel=0.3)
    assert (distances >= 0).all()


def test_saved_and_loaded_it_is_the_same(fitted: Familiarity, tmp_path: Path) -> None:
    fitted.save(tmp_path / "f.safetensors")
    back = Familiarity.load(tmp_path / "f.safetensors")
    np.testing.assert_array_equal(back.distance(images(5, 2)), fitted.distance(images(5, 2)))
    assert back.threshold == fitted.threshold


@pytest.mark.parametrize("side", [1, 2, 7, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_and_two_training_images_will_do(side: int, channels: int) -> None:
    pixels = images(4, 0, side)[..., :channels]
    fitted = fit_familiarity(pixels, np.array([0, 1]), np.array([2, 3]))
    assert np.isfinite(fitted.distance(pixels)).all() and np.isfinite(fitted.threshold)


def test_of_many_images_evenly_spaced_ones_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = images(90, 0)
    every_third = fit_familiarity(pixels, np.arange(0, 60, 3), np.arange(60, 90, 3))
    monkeypatch.setattr("mlp.data.familiarity_fit._SAMPLE", 20)
    sampled = fit_familiarity(pixels, np.arange(60), np.arange(60, 90, 3))
    np.testing.assert_array_equal(sampled.centre, every_third.centre)


def test_copies_of_training_images_do_not_set_the_threshold(image_tree: Path) -> None:
    for name in CLASSES:
        copy = image_tree / "val" / name / "copy.png"
        copy.write_bytes((image_tree / "train" / name / "0.png").read_bytes())
    config = RunConfig.parse({"data": str(image_tree)})
    index = index_of(config)
    data: Dataset = load(index, resolve(config, index))[1]
    unseen = np.setdiff1d(data.split.val, data.leaked)
    assert len(data.leaked) == 3 and len(unseen) == 18
    expected = fit_familiarity(data.pixels, data.split.train, unseen)
    assert data.familiarity.threshold == expected.threshold
    assert data.familiarity is data.familiarity
