"""The decoded images of an index: one memory-mapped file, made once and kept."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mlp.data.cache import cache_folder, replacing
from mlp.data.image import DECODER_VERSION, UnreadableImage, decode, quiet_decoder
from mlp.data.index import DataError, Index, refuse


def load_pixels(index: Index, size: int, gray: bool) -> tuple[Index, NDArray[np.uint8]]:
    """The pixels of the usable images of an index: uint8 (N, size, size, 1 if gray else 3).

    The array is memory-mapped from the cache folder, in the order of the returned index: the given
    one, with the images refused that turned out to be damaged when they were decoded. The file is
    keyed by the content of the images, the size, the channels and the version of the decoder.
    Raises DataError when a file that was indexed cannot be read any more.
    """
    key = hashlib.sha256(
        f"{DECODER_VERSION} {size} {gray} {' '.join(index.usable['sha256'])}".encode()
    ).hexdigest()[:32]
    data, about = (cache_folder() / f"pixels-{key}{suffix}" for suffix in (".npy", ".json"))
    try:
        refused = json.loads(about.read_text())["refused"]
        pixels = np.load(data, mmap_mode="r")
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        refused = _decode_all(index, size, gray, data)
        with replacing(about) as target:
            target.write_text(json.dumps({"refused": refused}))
        pixels = np.load(data, mmap_mode="r")
    reasons = {str(index.usable["path"].iloc[int(row)]): why for row, why in refused.items()}
    index = refuse(index, reasons) if reasons else index
    assert len(pixels) == len(index.usable)
    return index, pixels


def _decode_all(index: Index, size: int, gray: bool, file: Path) -> dict[str, str]:
    """Write the pixels of all images that can be decoded; the others' rows and reasons."""
    paths = list(index.usable["path"])

    def attempt(path: str) -> NDArray[np.uint8] | str:
        try:
            return decode(index.read(path), size, gray)
        except UnreadableImage as error:
            return str(error)
        except OSError as error:
            # Not a refusal: those are remembered with the content, and this may pass
            raise DataError(f"{index.name}: {path} cannot be read: {error.strerror}") from None

    refused: dict[str, str] = {}
    shape = (size, size, 1 if gray else 3)
    with (
        replacing(file) as target,
        target.open("wb") as out,
        quiet_decoder(),
        ThreadPoolExecutor() as pool,
    ):
        # How many images there are is known only at the end; the header is written again then
        header = _header(len(paths), shape)
        out.write(header)
        images = pool.map(attempt, paths)
        for row, image in enumerate(
            tqdm(images, "decoding", len(paths), unit="", disable=None, delay=1, leave=False)
        ):
            if isinstance(image, str):
                refused[str(row)] = image
            else:
                out.write(image.tobytes())
        out.seek(0)
        corrected = _header(len(paths) - len(refused), shape)
        assert len(corrected) == len(header), "NumPy pads headers to whole multiples of 64 bytes"
        out.write(corrected)
    return refused


def _header(count: int, shape: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    )
    return buffer.getvalue()
