"""Images on disk, classified: any mixture of files, folders and patterns; the answers as text."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from mlp import console
from mlp.data.images.decoding import quiet_decoder
from mlp.data.images.formats import READABLE, by_content, by_name
from mlp.data.reading import read_whole, said_of
from mlp.data.sources.walk import Links, Notes, Walk
from mlp.errors import DataError, UnreadableImage
from mlp.escaping import csv_text
from mlp.model.ensemble import Answer, Decoded, Ensemble
from mlp.model.explanation import contributions
from mlp.report.blocks import Grid
from mlp.tracking import pictures

_AT_ONCE = 256  # images that are held in memory


@dataclass(frozen=True)
class Prediction:
    """The answer to one file, and the image as the network saw it, where it could be read."""

    path: str
    answer: Answer
    decoded: Decoded


@dataclass(frozen=True)
class Found:
    """A file that may be an image."""

    path: str
    named: bool = True  # itself, rather than its folder
    refusal: str = ""  # why it is not to be opened


def find_images(given: Sequence[str], notes: Notes, links: Links = "follow") -> list[Found]:
    """List what may be images: a folder means all files under it, a pattern what it matches.

    With links=inside, links that lead out of a folder are not to be opened.
    `notes` gets what was passed over. Raises DataError where nothing is left.
    """
    found: dict[str, Found] = {}
    for text in filter(None, given):
        if Path(text).is_dir():
            root = Path(text)
            for path, refusal in sorted(Walk(root.resolve(), notes, links).files("")):
                shown = (root / path).as_posix()
                found.setdefault(shown, Found(shown, False, refusal))
        elif not os.path.lexists(text) and glob.has_magic(text):
            matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
            found |= {match: Found(match) for match in matches if not Path(match).is_dir()}
        else:
            found[text] = Found(text)
    if not found:
        what = ", ".join(given) if any(given) else "nothing"
        raise DataError(
            f"no images: {what} was given; give image files, folders, or patterns such as "
            f"'new/*.jpg' ({READABLE})"
        )
    return list(found.values())


def predict(ensemble: Ensemble, files: Sequence[Found]) -> Iterator[Prediction]:
    """Answers in the order of the files, some hundred at a time.

    Of a folder, files that neither are images nor claim to be are passed over.
    """

    def read(file: Found) -> tuple[Decoded, bool]:
        """An image as the networks take it, and whether its content or ending is an image's."""
        claimed = by_name(file.path) is not None
        if file.refusal:
            return file.refusal, claimed
        try:
            data, _ = read_whole(Path(file.path))
        except UnreadableImage as error:
            return str(error), claimed
        decoded = ensemble.decode(data)
        if isinstance(decoded, str):
            decoded = said_of(file.path, data, decoded)
        return decoded, claimed or by_content(data) is not None

    bar = console.passing(None, "classifying", total=len(files))
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(0, len(files), _AT_ONCE):
            part = files[start : start + _AT_ONCE]
            made = list(pool.map(read, part))
            answers = ensemble.answer([decoded for decoded, _ in made])
            for file, (image, claimed), answer in zip(part, made, answers, strict=True):
                if file.named or claimed:
                    yield Prediction(file.path, answer, image)
            bar.update(len(part))


def explain(ensemble: Ensemble, prediction: Prediction, folder: Path) -> None:
    """Write a picture of what spoke for and against the class: `folder`/path of the image.png."""
    image, shares = prediction.decoded, prediction.answer.probabilities
    if isinstance(image, str) or shares is None:
        return
    label = int(shares.argmax())
    added = contributions(ensemble, image[None], np.array([label]))
    said = f"{ensemble.classes[label]} {shares[label]:.1%}"
    path = Path(prediction.path)
    parts = [part for part in path.parts if part not in ("..", path.anchor)]
    target = folder.joinpath(*parts[:-1], f"{path.name}.png")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pictures.png(pictures.explanation(image, added[0], path.name, said)))


def write(
    made: Sequence[tuple[str, Answer]],
    classes: Sequence[str],
    top: int,
    form: Literal["table", "csv", "json"],
    said: Callable[[str], str] = str,
) -> str:
    """Paths with their answers as text. JSON has what a server answers, with the path.

    `said` translates what a table says; CSV and JSON are the same in all languages.
    """
    rows = [{"path": path, **answer.row(classes, top)} for path, answer in made]
    if form == "json":
        return json.dumps(rows, indent=1, ensure_ascii=False)
    ranked = [list(zip(row["top_labels"], row["top_probabilities"], strict=True)) for row in rows]
    if form == "csv":
        count = min(top, len(classes))
        ends = ["", *(f"_{k}" for k in range(2, count + 1))]
        head = ["path", *chain(*((f"label{end}", f"probability{end}") for end in ends))]
        lines = [
            [row["path"], *chain(*(pairs or [("", "")] * count)), row["unfamiliar"], row["error"]]
            for row, pairs in zip(rows, ranked, strict=True)
        ]
        return csv_text([[*head, "unfamiliar", "error"], *lines]).rstrip("\n")
    headings = said("image, class, probability, then, note").split(", ")
    lines = [
        [
            row["path"],
            row["label"] or "–",
            "–" if row["error"] else f"{row['probability']:.1%}",
            ", ".join(f"{label} {share:.1%}" for label, share in pairs[1:]),
            said(row["error"] or ("unlike the training images" if row["unfamiliar"] else "")),
        ]
        for row, pairs in zip(rows, ranked, strict=True)
    ]
    return Grid(headings, lines, left=len(headings)).text()
