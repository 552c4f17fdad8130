"""How long does a served model take for an image, and what of that is the network?

    python -m benchmarks.serving --model models:/photos@champion --images photos/val

`mlflow models serve` answers clients that each send one image at a time, as fast as it answers; how
long each waits, and how many images a second that makes. Beside it, in this process: the whole
answer to an image (decoding, network, familiarity), and the network alone. With them the memory of
the server before and after, and what `mlflow.pyfunc.load_model` takes in a process that has
imported MLflow, where this project is not. `--against models:/m-ID` loads another model in turn,
one that a former version packaged.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click
import numpy as np
import psutil
from tqdm import tqdm

from benchmarks.parts import free_port
from mlp.serving.loading import load_packaged
from mlp.tracking.mlflow.store import open_store


@contextmanager
def served(model: str, uri: str) -> Iterator[tuple[int, psutil.Process]]:
    """The port of a server of a model, and its process, once it answers."""
    port = free_port()
    # As in an activated environment: the server starts others by their names
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", model]
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "-p", str(port)],
        env=os.environ | {"MLFLOW_TRACKING_URI": uri, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while server.poll() is None:
            try:
                if _request(port, "GET", "/ping")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        else:
            raise click.ClickException(f"the server of {model} ended with {server.returncode}")
        family = psutil.Process(server.pid).children(recursive=True)
        yield port, max(family, key=lambda process: process.memory_info().rss)
    finally:
        if server.poll() is None:
            for process in psutil.Process(server.pid).children(recursive=True):
                process.terminate()
            server.terminate()
        server.wait()


def _request(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def load(port: int, bodies: list[bytes], clients: int, seconds: float) -> tuple[list[float], int]:
    """Seconds that each request took, and how many were not answered with 200."""
    end = time.monotonic() + seconds

    def client(number: int) -> tuple[list[float], int]:
        took: list[float] = []
        wrong = 0
        while time.monotonic() < end:
            body = bodies[(number + len(took) * clients) % len(bodies)]
            start = time.perf_counter()
            status, _ = _request(port, "POST", "/invocations", body)
            took.append(time.perf_counter() - start)
            wrong += status != 200
        return took, wrong

    with ThreadPoolExecutor(clients) as pool:
        made = list(pool.map(client, range(clients)))
    return [t for took, _ in made for t in took], sum(wrong for _, wrong in made)


def each(function: Callable[[bytes], object], images: list[bytes]) -> list[float]:
    """Seconds a call."""
    took = []
    for image in images:
        start = time.perf_counter()
        function(image)
        took.append(time.perf_counter() - start)
    return took


def row(name: str, took: list[float], rate: float) -> str:
    """A line of the table."""
    p50, p95, p99 = (1000 * float(np.quantile(took, q)) for q in (0.5, 0.95, 0.99))
    return f"| {name} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {rate:.0f} |"


@click.command()
@click.option("--model", required=True, help="models:/NAME@champion or its like")
@click.option("--images", required=True, type=click.Path(exists=True), help="folder of images")
@click.option("--clients", default="1,8", show_default=True, help="numbers of clients, in turn")
@click.option("--seconds", default=60.0, show_default=True, help="for each number of clients")
@click.option("--against", help="another model, of which the loading is compared")
def main(model: str, images: str, clients: str, seconds: float, against: str | None) -> None:
    """Print latency and throughput as a Markdown table."""
    store = open_store("mlp")
    ensemble = load_packaged(store, model).ensemble
    files = [path.read_bytes() for path in sorted(Path(images).rglob("*.*"))]
    bodies = [
        json.dumps({"inputs": {"image": [base64.b64encode(file).decode()]}}).encode()
        for file in files
    ]
    lines = [
        "| one image | median ms | 95% | 99% | images a second |",
        "| --- | --: | --: | --: | --: |",
    ]
    pixels = {file: ensemble.decode(file) for file in files}
    parts: dict[str, Callable[[bytes], object]] = {
        "network alone": lambda file: ensemble.probabilities(np.stack([pixels[file]])),
        "whole answer, in process": lambda file: ensemble.answer([ensemble.decode(file)]),
    }
    for name, function in parts.items():
        each(function, files)
        took = each(function, files)
        lines.append(row(name, took, len(took) / sum(took)))
    notes = loading([model, *filter(None, [against])], store.uri)
    with served(model, store.uri) as (port, process):
        _request(port, "POST", "/invocations", bodies[0])
        for count in tqdm([int(text) for text in clients.split(",")], "serving"):
            before = process.memory_info().rss / 2**20
            took, wrong = load(port, bodies, count, seconds)
            after = process.memory_info().rss / 2**20
            name = f"served, {count} client{'s' if count > 1 else ''}"
            lines.append(row(name, took, len(took) / seconds))
            notes.append(
                f"{name}: {len(took)} requests in {seconds:.0f} s, {wrong} not answered with 200; "
                f"memory {before:.0f} MiB before, {after:.0f} after."
            )
    click.echo("\n".join([*lines, "", *notes]))


_LOAD = """
import sys, time
import mlflow.pyfunc
start = time.perf_counter(), time.process_time()
mlflow.pyfunc.load_model(sys.argv[1])
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def loading(models: list[str], uri: str, times: int = 7) -> list[str]:
    """How long MLflow takes to load each of some models, in fresh processes, one model in turn."""
    took: dict[str, list[list[float]]] = {model: [] for model in models}
    with tempfile.TemporaryDirectory() as elsewhere:
        for _ in range(times):
            for model in models:
                printed = subprocess.run(
                    [sys.executable, "-c", _LOAD, model],
                    cwd=elsewhere,
                    env=os.environ | {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": ""},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    check=True,
                ).stdout
                took[model].append([float(part) for part in printed.split()])
    middle = {
        model: [median(times) for times in zip(*took[model], strict=True)] for model in models
    }
    base = middle[models[-1]]
    return [
        f"Loading {model}: {wall:.2f} s, {cpu:.2f} s of a core"
        f" ({wall / base[0]:.2f} and {cpu / base[1]:.2f} of {models[-1]})."
        for model, (wall, cpu) in middle.items()
    ]


if __name__ == "__main__":
    main()
