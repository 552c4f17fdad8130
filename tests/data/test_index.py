"""The index as a table of many rows: what it takes of memory, and what workers are sent."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlp.data import reading, remembered
from mlp.data.index import COLUMNS, Index, refuse
from mlp.data.sources.files import folder
from tests.conftest import colored_image, write_image

ROWS = 10_000


@pytest.fixture(scope="module")
def index() -> Index:
    rows = []
    for number in range(ROWS):
        cls = f"class of pictures {number % 7}"
        digest = hashlib.sha256(str(number // 2).encode()).hexdigest()
        path = f"train/{cls}/picture-{number:07d}.jpg"
        rows.append((path, cls, "train", digest, 600, 450, False, 0, "", ""))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    return Index("made", table, str.encode)


def test_a_row_takes_few_bytes_in_memory_and_on_the_way_to_a_worker(index: Index) -> None:
    path = index.table["path"].str.len().mean()
    assert index.table.memory_usage(deep=True).sum() / ROWS < 100 + path
    assert index.usable is index.table
    assert index.content.max() == ROWS // 2  # is found once, and not sent
    assert len(pickle.dumps(index)) / ROWS < 60


@pytest.mark.parametrize("change", [lambda i: i, lambda i: refuse(i, {i.table["path"][1]: "why"})])
def test_a_worker_gets_the_same_index(index: Index, change: Callable[[Index], Index]) -> None:
    sent = change(index)
    got: Index = pickle.loads(pickle.dumps(sent))
    assert got.table.equals(sent.table) and list(got.table.dtypes) == list(sent.table.dtypes)
    assert (got.digest, got.classes, got.name) == (sent.digest, sent.classes, sent.name)
    assert (got.content == sent.content).all() and len(got.damaged) == len(sent.damaged)


def test_the_digest_hashes_texts_row_by_row(index: Index) -> None:
    hasher = hashlib.sha256()
    for row in index.usable[["path", "class", "split", "sha256"]].itertuples(index=False):
        hasher.update("\0".join(row).encode() + b"\n")
    assert index.digest == hasher.hexdigest()[:32]


def test_equal_content_has_one_number_in_the_order_of_digests(index: Index) -> None:
    digests = index.usable["sha256"].to_numpy(object)
    places = {digest: place for place, digest in enumerate(sorted(set(digests)), 1)}
    assert [places[digest] for digest in digests] == index.content.tolist()


def test_what_is_known_of_files_outlives_starts_with_fewer_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 4)
    monkeypatch.setattr(reading, "_TICK", 0)
    monkeypatch.setattr(remembered, "_GROUP", 3)
    root, rng = tmp_path / "data", np.random.default_rng(0)
    for number in range(20):
        write_image(root / "ab"[number % 2] / f"{number:02d}.png", colored_image(0, rng))
    whole = folder(str(root)).table
    read: list[str] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: read.append(p.name) or read_bytes(p))
    write_image(root / "b/07.png", colored_image(1, rng))
    few = whole[whole["path"].isin(["a/02.png", "b/07.png", "b/19.png"])]
    reading.read_files(root, few)
    assert read == ["07.png"]
    again = folder(str(root)).table
    assert read == ["07.png"]
    changed = again["path"] == "b/07.png"
    assert again[~changed].equals(whole[~changed]) and list(again["path"]) == list(whole["path"])
    assert again.loc[changed, "sha256"].item() != whole.loc[changed, "sha256"].item()
