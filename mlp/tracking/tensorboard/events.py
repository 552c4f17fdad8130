"""A run's TensorBoard events: the numbers that MLflow gets, under the same names and steps."""

from __future__ import annotations

import io
import math
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from mlp.escaping import line, lines, markdown
from mlp.predictions import Evaluation
from mlp.study.record import Histogram, layer_of
from mlp.study.tracker import RunSpec

_BINS, _LATER_BINS = 64, 32  # before training, as in reports, and after; TensorBoard shows 30
_LAYOUT = {
    "training and validation": {
        "loss": ["Multiline", ["train/loss", "val/loss"]],
        "accuracy": ["Multiline", ["train/accuracy", "val/accuracy"]],
    }
}
_MAX_PR_CLASSES = 20
POINTS = 200  # in the projector: each is a line of text and a picture
_SPRITE = 32  # most pixels of a side of a point's picture
_COMPONENTS = 32  # of a point: each number is text
_DIGITS = 5  # of the largest of these
_DRAWN = 0.25  # most bytes a pixel of a drawing as PNG; a photograph has more


class Events:
    """Writes the event files of one run into a folder of its own."""

    def __init__(self, folder: Path, spec: RunSpec | None = None) -> None:
        """`spec` is the run, None where nothing is trained.

        Empties the folder first: what an interrupted run left there would be drawn twice."""
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        # The events of an epoch are seen at once; the default is two minutes.
        self._writer = SummaryWriter(str(folder), flush_secs=5)
        self._spec = spec
        if spec is None:
            return
        self._writer.add_custom_scalars(_LAYOUT)
        rows = "\n".join(
            f"| {name} | {markdown(value)} |" for name, value in spec.config.as_text().items()
        )
        self._writer.add_text("config", f"| setting | value |\n| --- | --- |\n{rows}")

    def scalars(self, metrics: Mapping[str, float], step: int) -> None:
        """Numbers by name."""
        self._add([Summary.Value(tag=n, simple_value=v) for n, v in metrics.items()], step)

    def histograms(self, samples: Mapping[str, NDArray[np.float32]], step: int) -> None:
        """Distributions by name."""
        made = []
        for name, values in samples.items():
            finite = values[np.isfinite(values)].astype(np.float64)
            if not len(finite):
                continue
            counts, edges = np.histogram(finite, _LATER_BINS if step else _BINS)
            histogram = HistogramProto(
                min=float(finite.min()),
                max=float(finite.max()),
                num=len(finite),
                sum=float(finite.sum()),
                sum_squares=float(finite @ finite),
                bucket_limit=edges[1:].tolist(),
                bucket=counts.tolist(),
            )
            made.append(Summary.Value(tag=name, histo=histogram))
        self._add(made, step)

    def pictures(
        self,
        drawn: Mapping[str, Image.Image],
        files: Mapping[str, bytes],
        step: int,
        group: str = "validation",
    ) -> None:
        """Pictures by name, of which there are PNG files, of a model's answers to images."""
        for name, picture in drawn.items():
            place = "model" if name == "first_layer" else group
            self.picture(f"{place}/{name}", picture, files[f"{name}.png"], step)

    def curves(self, result: Evaluation, step: int) -> None:
        """Precision against recall of each class."""
        for label, name in enumerate(result.classes[:_MAX_PR_CLASSES]):
            right = torch.from_numpy(result.labels == label)
            said = torch.from_numpy(result.probabilities[:, label])
            self._writer.add_pr_curve(f"pr/{line(name)}", right, said, step)

    def picture(self, name: str, picture: Image.Image, file: bytes, step: int) -> None:
        """A picture of which there is a PNG file: that, or a smaller JPEG.

        Event files have a checksum, which takes 0.1 s a megabyte in Python.
        """
        if len(file) > _DRAWN * picture.width * picture.height:
            buffer = io.BytesIO()
            picture.convert("RGB").save(buffer, "jpeg", quality=85)
            file = buffer.getvalue()
        image = Summary.Image(
            height=picture.height,
            width=picture.width,
            colorspace=3,
            encoded_image_string=file,
        )
        self._add([Summary.Value(tag=name, image=image)], step)

    def text(self, name: str, text: str) -> None:
        """Text in columns, as it stands."""
        self._writer.add_text(name, "    " + lines(text).replace("\n", "\n    "))

    def projector(
        self,
        result: Evaluation,
        rows: NDArray[np.int64],
        features: NDArray[np.float32],
        images: NDArray[np.uint8],
        step: int,
    ) -> None:
        """Points for the embedding projector, each with its picture, class and answer.

        `features` (n, width) and `images` (n, H, W, C) are of the images `rows` (n,) of `result`.
        Of the features, the first 32 principal components are kept.
        """
        side = min(_SPRITE, images.shape[1])
        size = side, side
        small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
        pixels = np.stack(small).reshape(len(small), *size, -1)
        pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
        names = np.asarray([line(name) for name in result.classes])
        told = [
            [names[label], names[predicted], "right" if label == predicted else "wrong"]
            for label, predicted in zip(result.labels[rows], result.predicted[rows], strict=True)
        ]
        points = principal_components(features, _COMPONENTS).astype(np.float64)
        digits = _DIGITS - math.ceil(math.log10(np.abs(points).max(initial=1e-12)))
        self._writer.add_embedding(
            points.round(digits),
            told,
            pictures.expand(-1, 3, -1, -1),
            step,
            tag="last_hidden_layer",
            metadata_header=["class", "answer", "verdict"],
        )

    def close(self, scores: Mapping[str, float]) -> None:
        """Add the scores, if there are any, with a row of the HParams table, and end the files."""
        self.scalars(scores, 0)
        if scores and self._spec is not None:
            for summary in _row(self._spec):
                self._add(summary.value, 0)
        self._writer.close()

    def _add(self, values: Iterable[Summary.Value], step: int) -> None:
        """Values as one event: each event has a checksum of its own."""
        assert self._writer.file_writer is not None
        self._writer.file_writer.add_summary(Summary(value=values), step)


def principal_components(features: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """The coordinates of points (n, width) along their `most` principal directions, or fewer.

    Points that have no more coordinates stay as they are.
    """
    if features.shape[1] <= most:
        return features
    centred = (features - features.mean(axis=0)).astype(np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    made = vectors * np.sqrt(np.maximum(values, 0))
    return np.asarray(made[:, : -most - 1 : -1], np.float32)


def _row(spec: RunSpec) -> list[Summary]:
    """The summaries that make a run a row of the HParams table: its arm, seed and settings.

    The settings are those that arms change, all where there is nothing to compare with.
    TensorBoard finds the columns over all studies that it shows, and takes scalars as scores. The
    summary that SummaryWriter adds would name all settings as columns of each study.
    """
    texts = spec.config.as_text()
    shown: dict[str, str | float] = {"arm": spec.arm}
    for name in ("seed", *spec.varied) if spec.varied else texts:
        value = spec.config.value(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        shown[name] = value if number else texts.get(name, "")
    return list(hparams(shown, {})[1:])  # type: ignore[no-untyped-call]


def read_events(folder: Path) -> Iterator[Event]:
    """The events of a folder, without a look at their checksums, which would take most time."""
    for file in sorted(folder.glob("*tfevents*")):
        content, start = file.read_bytes(), 12
        while start <= len(content):  # each between its length, with a checksum, and a checksum
            (length,) = struct.unpack_from("<Q", content, start - 12)
            yield Event.FromString(content[start : start + length])
            start += length + 16


def read_weights(folder: Path) -> dict[str, Histogram]:
    """The distribution of each layer's weights before training, from events in a folder."""
    found = {}
    for event in read_events(folder):
        for value in event.summary.value if event.step == 0 else ():
            if (layer := layer_of(value.tag)) and value.HasField("histo"):
                edges = np.array([value.histo.min, *value.histo.bucket_limit])
                found[layer] = edges, np.array(value.histo.bucket)
    return found
