"""The same picture saved otherwise is found; other pictures are not taken for it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mlp.data.audit.likeness import LEAST_AGREEMENT, SIDE, _candidates, _hashes, alike
from mlp.data.dataset import source
from mlp.data.images.decoding import decode
from mlp.data.pixels import load_pixels

SKIN = Path(__file__).parents[3] / "shared" / "data" / "skin-smol"
Edit = Callable[[Image.Image], Image.Image]


def picture(seed: int) -> Image.Image:
    """Blobs of colour on a shade: something with large and small parts."""
    rng = np.random.default_rng(seed)
    canvas = np.full((150, 200, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(25):
        centre = tuple(int(v) for v in rng.integers(0, (200, 150)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.circle(canvas, centre, int(rng.integers(4, 30)), colour, -1)
    return Image.fromarray(canvas)


def saved(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> np.ndarray:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, kind, quality=quality)
    return decode(buffer.getvalue(), SIDE, False)


EDITS: dict[str, Edit] = {
    "as it is": lambda image: image,
    "shrunk": lambda image: image.resize((int(image.width * 0.7), int(image.height * 0.7))),
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned and flipped": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "duller": lambda image: ImageEnhance.Color(image).enhance(0.6),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_picture_is_found(edit: str) -> None:
    originals = [saved(picture(seed)) for seed in range(12)]
    edited = [saved(EDITS[edit](picture(seed)), quality=50) for seed in range(12)]
    pairs = alike(np.stack(originals + edited))
    assert [(i, j) for i, j, _ in pairs] == [(k, k + 12) for k in range(12)]
    assert all(LEAST_AGREEMENT <= agreement <= 1.0001 for _, _, agreement in pairs)


def test_equal_pixels_agree_wholly_and_other_pictures_do_not() -> None:
    images = np.stack([saved(picture(seed), "PNG") for seed in range(40)])
    assert alike(images) == []
    (pair,) = alike(np.concatenate([images, images[7:8]]))
    assert pair[:2] == (7, 40) and pair[2] == pytest.approx(1)


def lit_skin(seed: int) -> Image.Image:
    """A spot on grainy skin in a dark round frame, with the lamps of the lens at either side."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160]
    frame = 1 - 0.75 * np.clip((np.hypot(y - 80, x - 80) - 55) / 50, 0, 1)
    (row, column), high, wide = rng.integers(65, 95, 2), rng.uniform(10, 18), rng.uniform(10, 18)
    spot = 45 * np.exp(-(((y - row) / high) ** 2) - ((x - column) / wide) ** 2)
    grain = cv2.GaussianBlur(rng.normal(0, 40, (160, 160)), (0, 0), 2.5)
    shades = np.array([200, 170, 150]) * frame[..., None] + (grain - spot)[..., None]
    canvas = np.clip(shades, 0, 255).astype(np.uint8)
    for lamp in ((2, 60), (2, 92), (157, 60), (157, 92)):
        cv2.circle(canvas, lamp, 12, (255, 255, 255), -1)
    return Image.fromarray(canvas)


def test_lamps_in_the_same_places_do_not_make_pictures_the_same() -> None:
    images = np.stack([saved(lit_skin(seed)) for seed in range(30)])
    assert len(list(_candidates(_hashes(images)))) > 50  # hashes see the lamps
    assert alike(images) == []
    turned = saved(lit_skin(3).transpose(Image.Transpose.ROTATE_90), quality=70)
    assert [pair[:2] for pair in alike(np.concatenate([images, turned[None]]))] == [(3, 30)]


def test_pictures_without_detail_are_alike_when_they_are_equal() -> None:
    plain = [np.full((SIDE, SIDE, 3), shade, np.uint8) for shade in (0, 90, 90, 255)]
    assert [pair[:2] for pair in alike(np.stack(plain))] == [(1, 2)]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([saved(picture(seed % 9), quality=60 + seed) for seed in range(18)])
    whole = alike(images)
    assert [pair[:2] for pair in whole] == [(k, k + 9) for k in range(9)]
    monkeypatch.setattr("mlp.data.audit.likeness._BLOCK", 4)
    assert alike(images) == whole


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_have_no_pairs(count: int) -> None:
    assert alike(np.zeros((count, SIDE, SIDE, 3), np.uint8)) == []


@pytest.mark.slow
@pytest.mark.skipif(not SKIN.is_dir(), reason="the exercise's pictures are not here")
def test_on_real_pictures_95_percent_are_found_and_under_a_half_percent_is_wrong() -> None:
    index, pixels = load_pixels(source(str(SKIN)), SIDE, False)
    rows = index.usable.reset_index(drop=True)
    first = np.flatnonzero(~rows["sha256"].duplicated())
    originals = np.asarray(pixels[first])
    assert alike(originals) == []  # no pair among 359,128 that a person would not call one
    chosen = np.random.default_rng(0).choice(len(first), 200, replace=False)
    edits: list[Edit] = [EDITS[name] for name in ("as it is", "shrunk", "flipped", "turned")]
    edits.append(lambda image: EDITS["turned"](EDITS["flipped"](EDITS["shrunk"](image))))
    for edit in edits:
        changed = [
            saved(edit(Image.open(io.BytesIO(index.read(rows["path"][first[k]])))), quality=50)
            for k in chosen
        ]
        pairs = {(i, j) for i, j, _ in alike(np.concatenate([originals, np.stack(changed)]))}
        right = {(int(k), len(originals) + n) for n, k in enumerate(chosen)}
        assert len(pairs & right) >= 0.95 * 200
        assert len(pairs - right) < 0.005 * 200 * len(originals)
        assert len(pairs - right) <= 2  # in truth
