"""Remake the pictures of README and docs: the programs' own pages, as Chromium shows them.

    python -m docs.make_pictures FOLDER

FOLDER has the study of README, or gets it: what is recorded there is not trained again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.parts import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ROOT = Path(__file__).parents[1]
_PATIENCE = 120_000  # milliseconds


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[str]:
    """A server of pages in a process of its own; its address."""
    port = str(free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--port", port],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "the server ended"
                time.sleep(0.25)
        else:
            raise TimeoutError(f"no answer from {arguments[0]} within five minutes")
        yield address
    finally:
        process.terminate()
        process.wait()


def make(folder: Path) -> None:
    """Train the study of README in a folder, if it is not there, and make all pictures."""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    environment |= {"PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", "scripts.ablation"], cwd=folder, env=environment, check=True
    )
    store = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    client = MlflowClient(store)
    everywhere = [each.experiment_id for each in client.search_experiments()]
    study = client.search_runs(everywhere, "tags.`mlp.kind` = 'study'")[0]
    first = f"tags.`mlflow.parentRunId` = '{study.info.run_id}' and tags.`mlp.seed` = '0'"
    (run,) = client.search_runs(everywhere, f"{first} and tags.`mlp.arm` = 'baseline'")
    table, *_ = re.findall(r"\[as a table\]\(([^)]*)\)", study.data.tags["mlflow.note.content"])
    arms = f"runs/{study.data.tags['mlp.study']}/arms"

    def artifact(of: str, name: str) -> Path:
        return Path(client.download_artifacts(of, name, str(folder)))

    explained = Image.open(artifact(run.info.run_id, "explanations.png"))
    _keep(explained.resize((1000, 1000 * explained.height // explained.width)), "explanations")
    report = artifact(study.info.run_id, "report.html").as_uri()
    with (
        served(folder, "mlflow", "ui", "--backend-store-uri", store, "--workers", "1") as mlflow,
        served(folder, "tensorboard.main", "--logdir", arms) as board,
        sync_playwright() as playwright,
    ):
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page()
        page.set_default_timeout(_PATIENCE)
        expect.set_options(timeout=_PATIENCE)

        _open(page, report, 1100, 1000)
        _keep(_seen(page), "report")

        _open(page, mlflow + table, 1500, 760)
        expect(page.get_by_text("Group: baseline", exact=True)).to_be_visible()
        page.get_by_role("button", name="Close").first.click()
        page.mouse.move(0, 0)
        _keep(_seen(page), "mlflow")

        _open(page, f"{board}#custom_scalars", 1400, 760)
        expect(page.get_by_text("Matches (8)")).to_have_count(4)
        _keep(_seen(page), "tensorboard")
        browser.close()


def _open(page: Page, address: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)


def _seen(page: Page) -> Image.Image:
    page.wait_for_timeout(2000)  # until nothing moves any more
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _keep(picture: Image.Image, name: str) -> None:
    small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(ROOT / "docs" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    make(target)
