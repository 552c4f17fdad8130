"""How fast are images read, and what memory do they take?

    python -m benchmarks.indexing --data ../shared/data/skin-smol     # images a second
    python -m benchmarks.indexing --memory                           # 10,000 and 200,000 images
    python -m benchmarks.indexing --memory --images 1000000          # ten minutes

Images a second: the folder's pictures, enlarged to 600x450 as cameras give them, are indexed
(read, hashed) and decoded to 64x64 by this project on one core and on two, and by a plain loop with
cv2 and one with PIL, in turn, several times; medians. Memory: the index, the index as workers are
sent it, and the peak of a process of its own that indexes, decodes and splits small generated
images, above what its imports take. Time: that process's processor seconds after the imports,
beside those of a plain walk that only asks for the status of each file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import cv2
import numpy as np
import psutil
from PIL import Image
from tqdm import tqdm

from mlp.data.dataset import load, open_index
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

SIDE = 64
CLASSES = 10

MEASURE = """
import os, pickle, sys, time
from dataclasses import replace
from benchmarks.memory import peak
from mlp.execution.worker import missing
from mlp.settings.training import RunConfig
from mlp.data.dataset import load, open_index
from mlp.learning.resolution import resolve
before = peak()
start = time.process_time()
config = RunConfig(data=sys.argv[1])
index = open_index(config.data)
_, data = load(index, resolve(config, index))
data.normalization("dataset")
taken, most = time.process_time() - start, peak()
start = time.process_time()
for folder, folders, names in os.walk(sys.argv[1]):
    for name in names:
        os.stat(os.path.join(folder, name))
walk = time.process_time() - start
size = index.table.memory_usage(deep=True).sum()
sent = len(pickle.dumps(replace(index, read=missing)))
print(len(data.labels), before, most, size, sent, taken, walk)
"""


def enlarged(data: str, folder: Path) -> None:
    """The images of a folder at 600x450, as JPEG files with the same names."""
    for path in sorted(Path(data).rglob("*.jpg")):
        target = folder / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(path))
        assert image is not None
        cv2.imwrite(str(target), cv2.resize(image, (600, 450), interpolation=cv2.INTER_CUBIC))


def ours(folder: Path) -> None:
    """Index and decode, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MLP_CACHE"] = cache
        config = RunConfig(data=str(folder))
        index = open_index(config.data)
        load(index, resolve(config, index))


def plain_cv2(folder: Path) -> None:
    """What a script does: read, convert, resize."""
    images = []
    for path in folder.rglob("*.jpg"):
        image = cv2.imread(str(path))
        assert image is not None
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        images.append(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    np.stack(images)


def plain_pil(folder: Path) -> None:
    """The same with Pillow."""
    images = []
    for path in folder.rglob("*.jpg"):
        images.append(np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE))))
    np.stack(images)


def seconds(task: Callable[[Path], None], folder: Path, cores: int) -> float:
    """Time of a task on so many cores."""
    process = psutil.Process()
    every = process.cpu_affinity()
    process.cpu_affinity(every[:cores])
    cv2.setNumThreads(cores)
    try:
        start = time.perf_counter()
        task(folder)
        return time.perf_counter() - start
    finally:
        process.cpu_affinity(every)


def speed(data: str, repeats: int) -> None:
    """Print images a second."""
    tasks = {
        "this project, two cores": (ours, 2),
        "this project, one core": (ours, 1),
        "plain cv2 loop": (plain_cv2, 1),
        "plain PIL loop": (plain_pil, 1),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        enlarged(data, folder)
        count = len(list(folder.rglob("*.jpg")))
        took: dict[str, list[float]] = {task: [] for task in tasks}
        for _ in tqdm(range(repeats), "measuring", disable=None):
            for task, (call, cores) in tasks.items():
                took[task].append(seconds(call, folder, cores))
        best = median(took["plain cv2 loop"])
        click.echo(f"{count} pictures of 600x450, median of {repeats}:")
        for task, times in took.items():
            rate, ratio = count / median(times), best / median(times)
            click.echo(f"  {task:<24} {rate:6.0f} images a second   {ratio:.2f} x cv2")


def memory(counts: tuple[int, ...]) -> None:
    """Print the peak memory for so many images of 8x8 pixels."""
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "images"
            for label in range(CLASSES):
                (folder / f"class{label}").mkdir(parents=True)
            rng = np.random.default_rng(0)
            for number in tqdm(range(count), f"making {count} images", disable=None, leave=False):
                image = rng.integers(0, 256, (8, 8), np.uint8)
                encoded = cv2.imencode(".png", image)[1].tobytes()
                (folder / f"class{number % CLASSES}" / f"{number:07d}.png").write_bytes(encoded)
            environment = os.environ | {"MLP_CACHE": str(Path(name) / "cache")}
            for again in ("first", "second"):
                start = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-c", MEASURE, str(folder)],
                    env=environment, capture_output=True, text=True, check=True,
                )  # fmt: skip
                took = time.perf_counter() - start
                images, before, peak, size, sent, taken, walk = map(float, done.stdout.split())
                click.echo(
                    f"{images:>7.0f} images, {again} start: index {size / images:.0f} bytes an "
                    f"image, sent {sent / images:.0f}, peak {(peak - before) / images:.0f} above "
                    f"the imports' {before / 2**20:.0f} MiB; {taken:.1f} processor seconds, "
                    f"{taken / walk:.1f} plain walks, {took:.0f} s in all"
                )


@click.command(help=__doc__)
@click.option("--data", default="../shared/data/skin-smol", show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--memory", "measure_memory", is_flag=True)
@click.option("--images", default=(10_000, 200_000), multiple=True, show_default=True)
def main(data: str, repeats: int, measure_memory: bool, images: tuple[int, ...]) -> None:
    if measure_memory:
        memory(images)
    else:
        speed(data, repeats)


if __name__ == "__main__":
    main()
