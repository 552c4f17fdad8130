"""The notebooks, and the Python that the documents show, run as they are written."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from benchmarks.parts import wait_until
from tests.conftest import CLASSES, colored_image, make_images, write_image

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))
MOST_BYTES, MOST_CELLS = 200_000, 12


def read(path: Path) -> Any:
    return pytest.importorskip("nbformat").read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_has_its_outputs(path: Path) -> None:
    cells = read(path).cells
    assert len(cells) <= MOST_CELLS and path.stat().st_size < MOST_BYTES
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    shown = [kind for cell in code for out in cell.outputs for kind in out.get("data", {})]
    assert "text/html" in shown and not any("widget" in kind for kind in shown)
    assert not re.search(r"/tmp/|/home/|/root/", path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("nbclient").NotebookClient
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    book = read(path)
    where = {"metadata": {"path": str(tmp_path)}}
    client(book, timeout=600, kernel_name="python3", resources=where).execute()  # raises
    data = [out.get("data", {}) for cell in book.cells for out in cell.get("outputs", [])]
    assert any("verdict" in each.get("text/html", "") for each in data)
    assert any('class="mlp-report"' in each.get("text/html", "") for each in data)
    assert (tmp_path / "mlflow.db").exists()


CELL = """
import mlp
study = mlp.compare(
    "digits", {"arms": [{"name": "plain"}, {"name": "fast", "changes": {"lr": 0.01}}]},
    seeds=4, epochs=40, executor="processes", workers=2,
)
assert list(study.table["n"]) == [4, 4]
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="its kernels are interrupted in another way")
def test_the_stop_button_ends_runs_as_killed_and_the_cell_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _database: Path
) -> None:
    pytest.importorskip("ipykernel")
    start = pytest.importorskip("jupyter_client.manager").start_new_kernel
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(_database, tmp_path / "mlflow.db")
    manager, client = start(kernel_name="python3", cwd=str(tmp_path))
    try:
        sent = client.execute(CELL)
        wait_until(lambda: len(list(tmp_path.glob("runs/*/runs/*seed*"))) > 1)
        time.sleep(1)
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=120))["parent_header"]["msg_id"] != sent:
            pass  # to what the client has asked by itself
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        store = MlflowClient(f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
        statuses = {run.info.status for run in store.search_runs(["1"])}
        assert "KILLED" in statuses and statuses <= {"KILLED", "FINISHED"}
        reply = client.execute_interactive(CELL, timeout=300, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok"
        finished = store.search_runs(["1"], "attributes.status = 'FINISHED'")
        assert len(finished) == 9
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/library.md"])
def test_what_a_document_shows_in_python_runs(document: str, fresh_database: None) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    assert blocks
    make_images(Path("photos"))
    write_image(Path("new/one.png"), colored_image(CLASSES.index("red"), np.random.default_rng(1)))
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, document, "exec"), names)
    assert names["study"].table.index[0] == "baseline"
