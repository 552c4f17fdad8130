"""Which images are read, and how: settings that training, audit and evaluation share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlp.settings.base import Place, Settings
from mlp.settings.roles import OfSource


class SourceConfig(Settings):
    """Which images are read, and how."""

    data: OfSource[Place] = Field(
        "digits",
        min_length=1,
        description="'digits' (built in); a folder of images: train/ val/ [test/] with a folder "
        "a class in each, or just a folder a class; a CSV file of path, class and perhaps split; "
        "a MedMNIST .npz file, or medmnist:NAME",
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
