"""How long does the default command take, and what does it leave?

    python -m benchmarks.default_job

The regularization suite on digits, 8 arms under 3 seeds, everything recorded, from a cold cache and
without a database, beside what one would type instead: 24 fits of scikit-learn's MLPClassifier with
the same layers, batches and epochs, of which seven are timed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

import click
import psutil
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from benchmarks.commands import environment
from mlp.settings.training import RunConfig

ARMS, SEEDS, FITS = 8, 3, 7


def fit() -> float:
    """Seconds of one fit on four fifths of digits."""
    images, labels = load_digits(return_X_y=True)
    config, count = RunConfig(), len(labels) * 4 // 5
    network = MLPClassifier(
        config.hidden, batch_size=config.batch_size, max_iter=config.epochs, n_iter_no_change=10**6
    )
    start = time.perf_counter()
    network.fit(images[:count] / 16, labels[:count])
    return time.perf_counter() - start


class Watched:
    """A command in a folder of its own: its seconds, and the most memory that a process held."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir()
        start, self.peak = time.perf_counter(), 0
        with (folder / "said.txt").open("w") as said:
            command = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=folder,
                env=environment(folder / "cache"),
                stdout=said,
                stderr=said,
            )
            threading.Thread(target=self._watch, args=(command.pid,), daemon=True).start()
            failed = command.wait()
        self.seconds = time.perf_counter() - start
        if failed:
            raise click.ClickException((folder / "said.txt").read_text()[-2000:])

    def _watch(self, pid: int) -> None:
        while psutil.pid_exists(pid):
            for process in _family(pid):
                with suppress(psutil.Error):
                    self.peak = max(self.peak, process.memory_full_info().uss)
            time.sleep(0.5)


def _family(pid: int) -> Iterator[psutil.Process]:
    try:
        own = psutil.Process(pid)
        yield own
        yield from own.children(recursive=True)
    except psutil.Error:
        return


def lines(folder: Path) -> list[str]:
    """The rows of a table: the command, what it leaves, and the fits."""
    runs = ARMS * SEEDS
    fits = runs * median(fit() for _ in range(FITS))
    words = "scripts.ablation", "--seeds", str(SEEDS)
    ours = Watched(folder / "ours", *words)
    serial = Watched(folder / "serial", *words, "--executor", "serial")
    paths = (path for path in (folder / "ours").rglob("*") if "cache" not in path.parts)
    found = [path.stat() for path in paths if path.is_file()]
    # What has two names on a disk takes its room once
    size = sum({(s.st_dev, s.st_ino): s.st_size for s in found}.values()) / 1e6
    ratio = f"{ours.seconds / fits:.2f} of the fits"
    return [
        f"| {runs} fits of MLPClassifier, by {FITS} | {fits:.0f} s |",
        f"| the default command with {SEEDS} seeds | {ours.seconds:.0f} s, {ratio} |",
        f"| ... with `--executor serial` | {serial.seconds:.0f} s |",
        f"| its largest process | {ours.peak / 1e6:.0f} MB |",
        f"| what it leaves | {len(found) / runs:.0f} files a run, {size:.1f} MB in all |",
    ]


@click.command(help=__doc__)
def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mlp-default-") as name:
        click.echo("\n".join(["| | |", "| --- | --: |", *lines(Path(name))]))


if __name__ == "__main__":
    main()
