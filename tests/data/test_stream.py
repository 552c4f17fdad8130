"""Batches: a function of (seed, epoch), each image once, normalised by the formula."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from scipy import stats

from mlp.data.dataset import Dataset
from mlp.data.split import Split
from mlp.data.stream import Batches, Stream
from mlp.errors import DataError
from mlp.settings.training import RunConfig

ALL = {
    "hflip": 0.5,
    "vflip": 0.5,
    "transpose": 0.5,
    "brightness_contrast": 0.5,
    "shift_scale_rotate": 0.5,
}


def made(train: int = 23, val: int = 9, channels: int = 3, side: int = 8) -> Dataset:
    """Noise; the label of an image is its row, so that an image can be known again."""
    count = train + val
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, channels))
    rows = np.random.default_rng(1).permutation(count)
    return Dataset(
        name="made",
        digest="",
        classes=tuple(map(str, range(count))),
        ids=np.arange(count).astype(str),
        labels=np.arange(count),
        pixels=pixels.astype(np.uint8),
        split=Split(np.sort(rows[:train]), np.sort(rows[train:]), np.array([], np.int64)),
        leaked=np.array([], np.int64),
    )


def stream(dataset: Dataset | None = None, **fields: object) -> Stream:
    return Stream(dataset or made(), RunConfig.parse({"batch_size": 5, **fields}))


def images(batches: Batches) -> torch.Tensor:
    return torch.cat([batch for batch, _ in batches])


def labels(batches: Batches) -> list[int]:
    return torch.cat([numbers for _, numbers in batches]).tolist()


def assert_same(one: Batches, other: Batches) -> None:
    pairs = list(zip(one, other, strict=True))
    assert pairs
    for (x, y), (u, v) in pairs:
        assert torch.equal(x, u)
        assert torch.equal(y, v)


@pytest.mark.parametrize("policy", [{}, ALL], ids=["plain", "augmented"])
def test_an_epoch_is_a_function_of_seed_and_number(policy: dict[str, float]) -> None:
    one, other = stream(**policy), stream(**policy)
    forward = [(number, one.epoch(number)) for number in (0, 1, 2)]
    for number, batches in reversed(forward):
        np.random.seed(number)
        assert_same(batches, other.epoch(number))
    assert_same(forward[1][1], one.epoch(1))
    orders = [labels(stream(seed=s, **policy).epoch(e)) for s in (0, 1) for e in (0, 1)]
    assert len(set(map(tuple, orders))) == 4


def test_augmentation_differs_from_epoch_to_epoch_and_seed_to_seed() -> None:
    data = made(train=40)
    plain = torch.from_numpy(data.pixels).permute(0, 3, 1, 2) / 255

    def kept(seed: int, epoch: int) -> tuple[bool, ...]:
        """Of each image in the order of the epoch, whether it was not flipped."""
        batches = stream(data, seed=seed, hflip=0.5, normalization="none").epoch(epoch)
        pairs = zip(labels(batches), images(batches), strict=True)
        return tuple(torch.allclose(image, plain[row]) for row, image in pairs)

    draws = [kept(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(draws)) == 4
    assert all(8 <= sum(draw) <= 32 for draw in draws)  # of 40; outside: about 1 in 30,000


@pytest.mark.parametrize("name", ALL)
def test_the_order_is_the_same_whatever_the_augmentation(name: str) -> None:
    data = made()
    plain, augmented = stream(data), stream(data, **{name: 0.7})
    for epoch in (0, 3):
        assert labels(plain.epoch(epoch)) == labels(augmented.epoch(epoch))
        assert not torch.equal(images(plain.epoch(epoch)), images(augmented.epoch(epoch)))


def test_every_training_image_comes_once_an_epoch_with_its_label() -> None:
    data = made()
    one = stream(data, normalization="none")
    for batches, rows in (
        (one.epoch(0), data.split.train),
        (one.epoch(1), data.split.train),
        (one.training_images(), data.split.train),
        (one.validation, data.split.val),
    ):
        seen = labels(batches)
        assert sorted(seen) == rows.tolist()
        assert batches.labels.tolist() == seen
        assert batches.images == len(rows)
        pixels = (images(batches) * 255).round().permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(pixels, data.pixels[seen])
    assert labels(one.validation) == data.split.val.tolist()
    assert labels(one.training_images()) == data.split.train.tolist()
    assert labels(one.epoch(0)) != data.split.train.tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_dataset_statistics_leave_mean_zero_and_deviation_one(channels: int) -> None:
    data = made(channels=channels)
    data.pixels[..., 0] //= 2
    batches = images(stream(data).epoch(0)).double()
    assert batches.shape == (23, channels, 8, 8)
    zeros, ones = torch.zeros(channels).double(), torch.ones(channels).double()
    torch.testing.assert_close(batches.mean((0, 2, 3)), zeros, rtol=0, atol=1e-6)
    torch.testing.assert_close(batches.std((0, 2, 3), correction=0), ones, rtol=0, atol=1e-6)


def test_dataset_statistics_are_of_training_images_and_apply_to_validation_images() -> None:
    data = made()
    train = data.pixels[data.split.train] / 255
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    expected = ((data.pixels[data.split.val] / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images(stream(data).validation), expected, atol=1e-6)


def test_a_channel_that_never_varies_is_only_centred() -> None:
    data = made()
    data.pixels[..., 1] = 77
    data.pixels[data.split.val, ..., 1] = 80
    one = stream(data)
    for batches, value in ((one.epoch(0), 0), (one.validation, 3 / 255)):
        channel = images(batches)[:, 1]
        torch.testing.assert_close(channel, torch.full_like(channel, value), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "channels", "mean", "std"),
    [
        ("imagenet", 3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("imagenet", 1, [0.449], [0.226]),
        ("none", 3, [0.0], [1.0]),
        ("none", 1, [0.0], [1.0]),
    ],
)
def test_fixed_normalizations(
    kind: str, channels: int, mean: list[float], std: list[float]
) -> None:
    data = made(channels=channels)
    expected = ((data.pixels[data.split.val] / 255 - mean) / std).transpose(0, 3, 1, 2)
    batches = images(stream(data, normalization=kind).validation)
    assert batches.dtype == torch.float32
    np.testing.assert_allclose(batches, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (10, 5, [5, 5]),
        (11, 5, [5, 6]),
        (12, 5, [5, 5, 2]),
        (11, 10, [11]),
        (11, 11, [11]),
        (11, 12, [11]),
        (3, 2, [3]),
        (5, 2, [2, 3]),
        (3, 1, [1, 1, 1]),
        (1, 4, [1]),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(
    count: int, batch_size: int, sizes: list[int]
) -> None:
    one = stream(made(train=count), batch_size=batch_size)
    epoch = one.epoch(0)
    assert [len(numbers) for _, numbers in epoch] == sizes
    assert len(epoch) == one.steps_per_epoch == len(sizes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "axis"), [("hflip", 3), ("vflip", 2)])
def test_a_certain_flip_is_the_mirrored_image(name: str, axis: int, channels: int) -> None:
    data = made(channels=channels)
    plain, flipped = stream(data).epoch(2), stream(data, **{name: 1.0}).epoch(2)
    assert torch.equal(images(flipped), images(plain).flip(axis))


def test_flips_in_both_directions_turn_by_half() -> None:
    data = made()
    both = stream(data, hflip=1.0, vflip=1.0).epoch(0)
    assert torch.equal(images(both), images(stream(data).epoch(0)).flip(2, 3))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_certain_transpose_exchanges_rows_and_columns(channels: int) -> None:
    data = made(channels=channels)
    plain, transposed = stream(data).epoch(2), stream(data, transpose=1.0).epoch(2)
    assert torch.equal(images(transposed), images(plain).transpose(2, 3))


def test_flips_and_transposing_lay_an_image_down_in_all_eight_ways() -> None:
    data = made(train=400)
    data.pixels[:] = data.pixels[0]
    batches = stream(data, hflip=0.5, vflip=0.5, transpose=0.5, normalization="none").epoch(0)
    image = torch.from_numpy(data.pixels[0]).permute(2, 0, 1) / 255
    ways = [torch.rot90(side, turn, (1, 2)) for side in (image, image.flip(1)) for turn in range(4)]
    counts = [sum(torch.allclose(made, way) for made in images(batches)) for way in ways]
    assert sum(counts) == 400
    assert stats.chisquare(counts).pvalue > 1e-4


def test_an_augmentation_does_the_same_whatever_others_there_are() -> None:
    data = made()
    alone, beside = stream(data, hflip=0.5).epoch(3), stream(data, hflip=0.5, vflip=1.0).epoch(3)
    assert torch.equal(images(beside), images(alone).flip(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_and_contrast_stay_within_a_fifth(channels: int) -> None:
    data = made(train=200, channels=channels, side=4)
    data.pixels[...] = 128
    levels = images(stream(data, brightness_contrast=1.0, normalization="none").epoch(0)) * 255
    assert levels.shape == (200, channels, 4, 4)
    assert torch.equal(levels, levels[:, :1, :1, :1].expand_as(levels))
    # factor 0.8..1.2, then 0.2 of white up or down
    assert 128 * 0.8 - 51 - 1 <= levels.min() < 128 - 40
    assert 128 + 40 < levels.max() <= 128 * 1.2 + 51 + 1


@pytest.mark.parametrize("channels", [1, 3])
def test_turning_brings_no_foreign_colour_into_the_frame(channels: int) -> None:
    data = made(channels=channels, side=16)
    data.pixels[...] = 200
    data.pixels[:, 3, 5] = 255  # a mark, which has to move
    batches = images(stream(data, shift_scale_rotate=1.0, normalization="none").epoch(0)) * 255
    assert batches.min() > 199.5
    marks = {int(image.sum(0).argmax()) for image in batches}
    assert len(marks) > 5


def test_validation_and_training_images_in_order_are_never_augmented() -> None:
    data = made()
    plain, augmented = stream(data), stream(data, **ALL)
    assert_same(plain.validation, augmented.validation)
    assert_same(plain.training_images(), augmented.training_images())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("policy", [{}, ALL], ids=["plain", "augmented"])
def test_batches_made_late_are_those_made_early(
    policy: dict[str, float], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made(channels=channels)
    early = stream(data, **policy)
    kept = [early.epoch(0), early.epoch(1), early.validation]
    monkeypatch.setattr("mlp.data.stream._IN_MEMORY_BYTES", 0)
    late = stream(data, **policy)
    for one, other in zip(kept, [late.epoch(0), late.epoch(1), late.validation], strict=True):
        assert_same(one, other)
        assert_same(one, other)  # a second pass over the same epoch, as another arm makes it


@pytest.mark.parametrize("late", [False, True])
def test_batches_of_pixels_in_a_tensor_are_the_same(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are made where the pixels lie on a GPU; without one, on the CPU."""
    if late:
        monkeypatch.setattr("mlp.data.stream._IN_MEMORY_BYTES", 0)
    data, one = made(), stream()
    rows = data.split.train[::-1].copy()
    arguments = rows, data.labels[rows], 5, one.normalization
    device = "cuda" if torch.cuda.is_available() else "cpu"
    resident = Batches(torch.from_numpy(data.pixels).to(device), *arguments)
    for (x, y), (u, v) in zip(resident, Batches(data.pixels, *arguments), strict=True):
        assert x.device.type == y.device.type == device
        torch.testing.assert_close(x.cpu(), u, rtol=1e-6, atol=1e-6)
        assert torch.equal(y.cpu(), v)


@pytest.mark.parametrize("policy", [{}, ALL], ids=["plain", "augmented"])
def test_epochs_made_ahead_are_those_made_when_asked_for(policy: dict[str, float]) -> None:
    one, ahead = stream(**policy), stream(**policy)
    ahead.make_ahead()
    for number in (0, 1, 1, 2, 5, 3, 4):
        assert_same(one.epoch(number), ahead.epoch(number))


def test_augmentation_leaves_the_data_set_alone() -> None:
    data = made()
    before = data.pixels.copy()
    stream(data, **dict.fromkeys(ALL, 1.0)).epoch(0)
    np.testing.assert_array_equal(data.pixels, before)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is taken when it is mapped")
def test_an_epoch_that_finds_no_room_says_how_much_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlp.data.stream._IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"needs 0\.0 GiB .*No space left on device; make room"):
        Stream(made(), RunConfig(hflip=0.5)).epoch(0)
