"""The choice of images, and how they are read: for training, audit and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mlp.settings.base import Place, Settings
from mlp.settings.roles import OfSource
from mlp.tables import Table


@dataclass(frozen=True)
class Source:
    """A kind of data: what to give for it, and the function that makes its index."""

    words: str
    recognizes: Callable[[str], bool]
    index: str  # of data, layout and links


# Later ones are asked first: the first takes every path that nothing else recognizes
SOURCES: Table[Source] = Table(
    "source",
    {
        "folder": Source(
            "a folder: train/ val/ [test/] with a folder for each class, or just a folder for each",
            lambda data: True,
            "mlp.data.sources.files:folder",
        ),
        "digits": Source(
            "digits (built in)", lambda data: data == "digits", "mlp.data.sources.arrays:digits"
        ),
        "csv": Source(
            "a CSV file of path, class and perhaps split",
            lambda data: data.lower().endswith(".csv"),
            "mlp.data.sources.files:manifest",
        ),
        "medmnist": Source(
            "a MedMNIST .npz file, or medmnist:NAME",
            lambda data: data.startswith("medmnist:") or data.lower().endswith(".npz"),
            "mlp.data.sources.arrays:medmnist",
        ),
    },
)


class SourceConfig(Settings):
    """Images to read, and how folders and links are read."""

    data: Annotated[OfSource[Place], SOURCES] = Field("digits", min_length=1)
    """images with their classes"""
    layout: OfSource[Literal["auto", "flat", "splits"]] = "auto"
    """how a folder of images is read; flat: each folder is a class, with everything below it;
    splits: folders with train, val, test or the like as a word in their names are splits, with a
    folder for each class; auto: the only layout that is possible, or an error"""
    links: OfSource[Literal["follow", "inside"]] = "follow"
    """links to images and folders; follow: follow all; inside: refuse links (and paths of a CSV
    file) that lead out of the folder, for data from strangers"""
