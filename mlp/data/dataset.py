"""The data as a training sees them: pixels, labels, and the images of each side of the split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.familiarity import Familiarity
from mlp.data.familiarity_fit import fit_familiarity
from mlp.data.images.depth import UNKNOWN
from mlp.data.index import Index, check
from mlp.data.normalization import Normalization, channel_statistics
from mlp.data.pixels import Changed, load_pixels, room
from mlp.data.sources.layout import Kind
from mlp.data.sources.walk import Links
from mlp.data.split import OnLeak, Split, is_drawn, settle_leaks, split, thin
from mlp.data.split_file import apply_split, split_table, split_text
from mlp.errors import DataError
from mlp.processes import free_memory
from mlp.settings.source import SOURCES
from mlp.settings.training import Resolved, RunConfig
from mlp.tables import Table, named

# Of RGB in 0..1, by torchvision; gray takes the averages. None: of the training images
_NORMALIZATIONS: Table[Normalization | None] = Table(
    "normalization",
    {
        "dataset": None,
        "imagenet": Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "none": Normalization((0.0,) * 3, (1.0,) * 3),
    },
)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Dataset:
    """Decoded images: uint8 pixels (N, H, W, C) and int64 labels (N,), rows as in `ids`."""

    name: str
    digest: str
    classes: tuple[str, ...]
    ids: pd.api.extensions.ExtensionArray  # paths
    labels: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    split: Split
    leaked: NDArray[np.int64]  # rows of the validation images that are copies of training images
    depth: int = UNKNOWN  # bits of white in images of more than 8, see `Index.depth`

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width of an image as the network gets it."""
        _, height, width, channels = self.pixels.shape
        return channels, height, width

    @cached_property
    def familiarity(self) -> Familiarity:
        """Tells images unlike the training images; made on first use.

        Validation images that were seen in training set no threshold, unless all were.
        """
        unseen = np.setdiff1d(self.split.val, self.leaked)
        known = unseen if len(unseen) else self.split.val
        return fit_familiarity(self.pixels, self.split.train, known)

    def normalization(self, kind: str) -> Normalization:
        """Mean and standard deviation by channel: dataset (of the training images), imagenet, none.

        A channel that never varies is divided by 1. Raises SettingsError for another name.
        """
        fixed = _NORMALIZATIONS[kind]
        if fixed is None or self.shape[0] == 3:
            return fixed or self._statistics
        return Normalization((float(np.mean(fixed.mean)),), (float(np.mean(fixed.std)),))

    @cached_property
    def _statistics(self) -> Normalization:
        mean, std = channel_statistics(self.pixels, self.split.train)
        return Normalization(mean, tuple(s if s > 1e-6 else 1.0 for s in std))


def open_index(
    data: str,
    split_file: str = "",
    on_leak: OnLeak = "warn",
    layout: Kind = "auto",
    links: Links = "follow",
) -> Index:
    """The index of a data source named by RunConfig.data, with its splits and leaks settled.

    Raises DataError.
    """
    index = source(data, layout, links)
    index = settle_leaks(apply_split(index, split_file) if split_file else index, on_leak)
    check(index)
    return index


def source(data: str, layout: Kind = "auto", links: Links = "follow") -> Index:
    """The index of a data source as it is. Raises DataError where there is none."""
    found = next(kind for kind in reversed(list(SOURCES.values())) if kind.recognizes(data))
    index: Index = named(found.index)(data, layout, links)
    return index


def reread(make: Callable[[], Made]) -> Made:
    """Return what `make` makes, made once more where a file changed before it was decoded."""
    try:
        return make()
    except Changed:
        return make()


def index_of(config: RunConfig) -> Index:
    """The index that a training under `config` begins with. Raises DataError.

    Folds keep copies together, whatever the data's own split leaks.
    """
    on_leak = config.on_leak if config.fold == "none" else "warn"
    return open_index(config.data, config.split, on_leak, config.layout, config.links)


def split_of(index: Index, config: RunConfig) -> Split:
    """The images of an index with which a configuration trains, validates and tests."""
    made = split(index, config.val_fraction, config.seed, config.fold)
    if config.images_per_class:
        train = thin(made.train, index, config.images_per_class, config.seed)
        made = dataclasses.replace(made, train=train)
    return made


def is_own(index: Index, config: RunConfig) -> bool:
    """Tell whether a run has a split of its own, which its seed (and fold) drew."""
    return config.fold != "none" or config.images_per_class > 0 or is_drawn(index)


def load(index: Index, config: Resolved) -> tuple[Index, Dataset]:
    """Decode (or find decoded) the images as a configuration wants them, and split them.

    Also returns the index with the images refused that could not be decoded. Raises DataError.
    """
    rows, depth, gray, free = index.usable, index.depth, config.channels == "gray", free_memory()
    # Of all images, only those that validate have to fit
    images = int((rows["split"] == "val").sum()) or int(config.val_fraction * len(rows))
    if images * config.image_size**2 * (1 if gray else 3) > free:
        said = room(index.name, images, config.image_size, gray)
        raise DataError(f"{free / 2**30:.2f} GiB of memory are free, too little for {said}")
    index, pixels = load_pixels(index, config.image_size, gray, depth)
    check(index)
    rows, drawn, content = index.usable, split_of(index, config), index.content
    copies = np.isin(content[drawn.val], content[drawn.train])
    return index, Dataset(
        name=index.name,
        digest=index.digest,
        classes=index.classes,
        ids=rows["path"].array,
        labels=rows["class"].cat.set_categories(index.classes).cat.codes.to_numpy(np.int64),
        pixels=pixels,
        split=drawn,
        leaked=drawn.val[copies],
        depth=depth,
    )


class Datasets:
    """The data sets of a study, by the settings they depend on: most arms share one."""

    def __init__(self, source: Index) -> None:
        self.source, self.index = source, source
        self._made: dict[object, Dataset] = {}
        self._files: dict[object, str] = {}

    def get(self, config: Resolved) -> Dataset:
        key = config.key("split", "pixels")
        if key not in self._made:
            self.index, self._made[key] = load(self.source, config)
        return self._made[key]

    def split_file(self, config: Resolved) -> str:
        """The split of a run that draws its own, as a file; empty where it does not."""
        key = config.key("split", "pixels")
        if key not in self._files:
            own = is_own(self.index, config)
            table = split_table(self.index, self.get(config).split) if own else None
            self._files[key] = "" if table is None else split_text(table)
        return self._files[key]
