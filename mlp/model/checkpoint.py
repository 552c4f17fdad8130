"""A trained network with all that is needed to use it, as files without pickle."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from mlp.data.images.depth import FULL
from mlp.data.normalization import EVALUATION_BATCH, Normalization, normalize
from mlp.learning.networks.committee import kind_of, make
from mlp.learning.networks.network import Network
from mlp.softmax import probabilities

WEIGHTS, SETTINGS, SOURCE = "weights.safetensors", "settings.json", "network.py"


@dataclass(frozen=True)
class Checkpoint:
    """A network, the names of its classes, and how images become its input."""

    network: Network
    classes: tuple[str, ...]
    image_size: int
    gray: bool
    normalization: Normalization
    depth: int = FULL  # bits of white in images of more than 8 whose format does not say it

    def save(self, folder: Path) -> None:
        """Write the files into a folder."""
        folder.mkdir(exist_ok=True)
        # Weights may be tied, or lie in memory in another order
        whole = {"memory_format": torch.contiguous_format}
        state = {k: t.detach().cpu().clone(**whole) for k, t in self.network.state_dict().items()}
        save_file(state, folder / WEIGHTS)
        if self.network.source:
            (folder / SOURCE).write_bytes(self.network.source.encode())
        settings = {
            "kind": kind_of(self.network),
            "network": self.network.arguments,
            "tta": self.network.tta,
            "classes": self.classes,
            "image_size": self.image_size,
            "gray": self.gray,
            "depth": self.depth,
            "normalization": dataclasses.asdict(self.normalization),
        }
        (folder / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """Read the files; the network is on the CPU and in evaluation mode.

        Of a network of a user's own this runs its file: check the seal first. Raises NetworkError
        where it does not run here.
        """
        read = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        source = (folder / SOURCE).read_bytes().decode() if (folder / SOURCE).exists() else ""
        network = make(read.get("kind", "mlp"), read["network"], source)
        network.tta = read.get("tta", "none")
        network.load_state_dict(load_file(folder / WEIGHTS))
        network.eval()
        return cls(
            network,
            tuple(read["classes"]),
            read["image_size"],
            read["gray"],
            Normalization(*(tuple(read["normalization"][part]) for part in ("mean", "std"))),
            read.get("depth", FULL),
        )

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The last hidden layer (N, width) of decoded images (N, H, W, C)."""
        self.network.eval()
        with torch.inference_mode():
            made = self.network.features(normalize(pixels, self.normalization))
        return np.asarray(made.numpy(), np.float32)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Probabilities (N, K) of decoded images (N, H, W, C), in evaluation mode on the CPU."""
        self.network.eval()
        with torch.inference_mode():
            parts = [
                self.network.answers(
                    normalize(pixels[start : start + EVALUATION_BATCH], self.normalization)
                )
                for start in range(0, len(pixels), EVALUATION_BATCH)
            ]
        return probabilities(torch.cat(parts).numpy())
