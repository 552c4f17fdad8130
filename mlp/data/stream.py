"""The batches of an epoch."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import starmap

import numpy as np
import torch
from numpy.typing import NDArray

from mlp import seeds
from mlp.data.augmentation import pipeline, policy
from mlp.data.dataset import Dataset
from mlp.data.normalization import EVALUATION_BATCH, Normalization, Pixels, normalize
from mlp.errors import DataError
from mlp.settings.training import Resolved

Batch = tuple[torch.Tensor, torch.Tensor]

# Above this an epoch stays uint8, augmented ones in a temporary file, and is normalised batch by
# batch. A guess: small beside any machine's memory, large beside its caches.
_IN_MEMORY_BYTES = 512 * 2**20


def stream_key(config: Resolved) -> tuple[object, ...]:
    """The settings that batches depend on: runs that agree in them share a stream."""
    return config.key("split", "pixels", "stream")


class Batches:
    """A fixed sequence of batches: float32 images (B, C, H, W) and int64 labels (B,)."""

    def __init__(
        self,
        pixels: Pixels,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        batch_size: int,
        normalization: Normalization,
    ) -> None:
        """`rows` of `pixels` in order; `labels` stand in that order already.

        Batches are where the pixels are: on a GPU, if these are a tensor there.
        """
        self.images = len(rows)
        self.labels = labels
        self._pixels, self._rows, self._normalization = pixels, rows, normalization
        self._bounds = _bounds(len(rows), batch_size)
        self._made: list[Batch] = []
        if len(rows) * math.prod(pixels.shape[1:]) * 4 <= _IN_MEMORY_BYTES:
            self._made = list(starmap(self._batch, self._bounds))

    def __len__(self) -> int:
        return len(self._bounds)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._made or starmap(self._batch, self._bounds))

    def _batch(self, start: int, end: int) -> Batch:
        images = normalize(self._pixels[self._rows[start:end]], self._normalization)
        return images, torch.tensor(self.labels[start:end], device=images.device)


def _bounds(images: int, batch_size: int) -> list[tuple[int, int]]:
    """Begin and end of each batch.

    A last batch of a single image would have no variance for batch norm: it joins the one before,
    for every arm alike. (Batches that are all of one image stay so.)
    """
    starts = list(range(0, images, batch_size))
    if batch_size > 1 and len(starts) > 1 and images - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], images], strict=True))


class Stream:
    """The epochs of a data set under one seed: a function of (seed, epoch) alone."""

    def __init__(self, dataset: Dataset, config: Resolved) -> None:
        """`config` gives batch size, normalization, augmentation, seed and device.

        With a GPU, the pixels lie there, and epochs are made ahead.
        """
        self.dataset = dataset
        self._device = config.device
        self._pixels = _resident(dataset.pixels, self._device)
        self._maker: ThreadPoolExecutor | None = None
        if self._device == "cuda":
            self.make_ahead()
        self._ahead: dict[int, Future[Batches]] = {}
        self.normalization = dataset.normalization(config.normalization)
        self._batch_size, self._seed = config.batch_size, config.seed
        self._policy = policy(config)
        self.validation = self._in_order(dataset.split.val)
        self.steps_per_epoch = len(_bounds(len(dataset.split.train), config.batch_size))
        self._latest: tuple[int, Batches] | None = None

    def epoch(self, number: int) -> Batches:
        """The shuffled, augmented training batches of an epoch, counted from 0.

        The latest epoch is kept: asking for it again costs nothing.
        """
        if self._latest is None or self._latest[0] != number:
            self._latest = None  # give its memory back before making the next
            ahead = self._ahead.pop(number, None)
            self._latest = number, ahead.result() if ahead else self._make(number)
            if self._maker is not None:
                self._ahead = {number + 1: self._maker.submit(self._make, number + 1)}
        return self._latest[1]

    def make_ahead(self) -> None:
        """From now on make the next epoch in a thread, while the latest one is trained on.

        For training on a GPU, when the CPU has nothing else to do: on the CPU both would share its
        cores, and it takes longer (benchmarks/README.md).
        """
        self._maker = ThreadPoolExecutor(1)

    def training_images(self) -> Batches:
        """The training images in file order, not augmented, in large batches."""
        return self._in_order(self.dataset.split.train)

    def _in_order(self, rows: NDArray[np.int64]) -> Batches:
        data = self.dataset
        return Batches(self._pixels, rows, data.labels[rows], EVALUATION_BATCH, self.normalization)

    def _make(self, number: int) -> Batches:
        data = self.dataset
        order = seeds.generator(self._seed, "order", number).permutation(data.split.train)
        pixels, rows = self._pixels, order
        if any(self._policy.values()):
            made = self._augment(order, seeds.integer(self._seed, "augmentation", number))
            pixels, rows = _resident(made, self._device), np.arange(len(order))
        return Batches(pixels, rows, data.labels[order], self._batch_size, self.normalization)

    def _augment(self, order: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        data = self.dataset
        shape = (len(order), *data.pixels.shape[1:])
        in_memory = math.prod(shape) * 4 <= _IN_MEMORY_BYTES
        out = np.empty(shape, np.uint8) if in_memory else _in_a_file(shape)
        transform = pipeline(self._policy, seed)
        for position, row in enumerate(order):
            out[position] = transform(image=data.pixels[row])["image"]
        return out


def _resident(pixels: NDArray[np.uint8], device: str) -> Pixels:
    """The pixels on the device, if they take no more than a quarter of its free memory."""
    if device != "cuda" or pixels.nbytes > torch.cuda.mem_get_info(device)[0] // 4:
        return pixels
    return torch.from_numpy(np.array(pixels)).to(device)


def _in_a_file(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An empty array in a file without a name, which vanishes with it, whatever ends the process.

    It takes its room now: a disk that fills up later would kill the process. Raises DataError.
    """
    size = math.prod(shape)
    with tempfile.TemporaryFile(prefix="mlp-epoch-") as file:
        try:
            if hasattr(os, "posix_fallocate"):  # elsewhere, mapping a file takes its room
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise DataError(
                f"an epoch of augmented images needs {size / 2**30:.1f} GiB in "
                f"{tempfile.gettempdir()}: {error.strerror}; make room, or set TMPDIR to another "
                "folder"
            ) from None
        return np.memmap(file, np.uint8, "w+", shape=shape)
