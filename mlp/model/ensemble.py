"""One network or several that vote, with what they know of the data: packaged and served."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.familiarity import Familiarity
from mlp.data.images.decoding import decode
from mlp.errors import UnreadableImage
from mlp.model.checkpoint import Checkpoint

Decoded = NDArray[np.uint8] | str  # pixels (H, W, C), or why there are none
FAMILIARITY = "familiarity.safetensors"
MEMBERS = "members.json"  # how many there are


@dataclass(frozen=True)
class Answer:
    """To one image: probabilities (K,) and whether it is unlike the training images; or why not."""

    probabilities: NDArray[np.float64] | None
    unfamiliar: bool = False
    error: str = ""

    def row(self, classes: Sequence[str], top: int) -> dict[str, Any]:
        """The answer as a server sends it and `predict` writes it, of what JSON can hold.

        `label` and `probability` of the most probable class, `top_labels` and `top_probabilities`
        (as many as `top`), the `probabilities` of all classes in their order, `unfamiliar` (see
        `mlp.data.familiarity`), and the `error` of what is no readable image.
        """
        shares = [] if self.probabilities is None else self.probabilities.tolist()
        best = sorted(range(len(shares)), key=lambda k: -shares[k])[:top]
        return {
            "label": classes[best[0]] if best else None,
            "probability": shares[best[0]] if best else None,
            "top_labels": [classes[k] for k in best],
            "top_probabilities": [shares[k] for k in best],
            "probabilities": shares,
            "unfamiliar": self.unfamiliar,
            "error": self.error,
        }


@dataclass(frozen=True)
class Ensemble:
    """Networks of one arm, of which the mean of the probabilities is the answer.

    All take images of the same size and channels, and know the same classes. `familiarity` is of
    the first one's training images.
    """

    members: tuple[Checkpoint, ...]
    familiarity: Familiarity

    def __post_init__(self) -> None:
        kinds = {(m.classes, m.image_size, m.gray, m.depth) for m in self.members}
        assert len(kinds) == 1, "members of an ensemble take the same images, know the same classes"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the probabilities."""
        return self.members[0].classes

    @property
    def image_size(self) -> int:
        """Side in pixels of what `decode` gives."""
        return self.members[0].image_size

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Mean probabilities (N, K) of decoded images (N, H, W, C)."""
        return np.asarray(np.mean([m.probabilities(pixels) for m in self.members], axis=0))

    def decode(self, image: bytes) -> Decoded:
        """An encoded image as the networks take it, or why it cannot be read."""
        first = self.members[0]
        try:
            return decode(image, first.image_size, first.gray, first.depth)
        except UnreadableImage as error:
            return str(error)

    def answer(self, images: Sequence[Decoded]) -> list[Answer]:
        """An answer to each decoded image, in order; an unreadable one spoils no other."""
        readable = [pixels for pixels in images if not isinstance(pixels, str)]
        if readable:
            stacked = np.stack(readable)
            shares, unlike = self.probabilities(stacked), self.familiarity.unfamiliar(stacked)
            made = iter([Answer(*pair) for pair in zip(shares, map(bool, unlike), strict=True)])
        return [
            Answer(None, error=pixels) if isinstance(pixels, str) else next(made)
            for pixels in images
        ]

    def save(self, folder: Path) -> None:
        """Write everything into an empty folder."""
        for number, member in enumerate(self.members):
            member.save(folder / str(number))
        (folder / MEMBERS).write_text(json.dumps(len(self.members)), encoding="utf-8")
        self.familiarity.save(folder / FAMILIARITY)

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """Read what `save` wrote."""
        count = int((folder / MEMBERS).read_text(encoding="utf-8"))
        members = tuple(Checkpoint.load(folder / str(number)) for number in range(count))
        return cls(members, Familiarity.load(folder / FAMILIARITY))
