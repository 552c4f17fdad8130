"""The images that are read: settings that training, audit and evaluation share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mlp.settings.base import Kinds, Place, Settings
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
            "a folder: train/ val/ [test/] with a folder a class in each, or just a folder a class",
            lambda data: True,
            "mlp.data.sources.folder:folder",
        ),
        "digits": Source(
            "digits (built in)", lambda data: data == "digits", "mlp.data.sources.digits:digits"
        ),
        "csv": Source(
            "a CSV file of path, class and perhaps split",
            lambda data: data.lower().endswith(".csv"),
            "mlp.data.sources.manifest:manifest",
        ),
        "medmnist": Source(
            "a MedMNIST .npz file, or medmnist:NAME",
            lambda data: data.startswith("medmnist:") or data.lower().endswith(".npz"),
            "mlp.data.sources.medmnist:medmnist",
        ),
    },
)


class SourceConfig(Settings):
    """The images that are read, and how."""

    data: Annotated[OfSource[Place], Kinds(SOURCES)] = Field(
        "digits", min_length=1, description="images with their classes"
    )
    layout: OfSource[Literal["auto", "flat", "splits"]] = Field(
        "auto",
        description="how a folder of images is read: flat, each folder is a class, with all that "
        "is below it; splits, folders whose names have train, val, test or their like as a word "
        "are splits, with a folder a class; auto: whichever it must be, or an error",
    )
    links: OfSource[Literal["follow", "inside"]] = Field(
        "follow",
        description="links to images and folders: follow all; inside: refuse those (and paths of a "
        "CSV file) that lead out of the folder, for data from strangers",
    )
