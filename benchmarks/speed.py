"""How fast is a study, beside what one would write without it and beside what the machine can do?

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.speed --data ../shared/data/skin-smol

The pictures are enlarged to 600x450, as cameras give them; the network is 12288-512-128-9 and a
batch has 32 images. Some epochs of `plain_script`, of `lightning_script` and of scikit-learn's
MLPClassifier take turns with ours; the study of this project runs whole: 8 arms, 3 seeds, 30
epochs, everything recorded, from a cold cache. A script's study is its epochs, six arms without
augmentation and two with, times 3 seeds and 30 epochs. `--parts` runs some of it: step, masks,
sklearn, images, start, scripts, study. `benchmarks.indexing` and `benchmarks.tracking_overhead`
measure reading and recording more closely.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import psutil
import torch
from sklearn.neural_network import MLPClassifier

from benchmarks.commands import run
from benchmarks.indexing import enlarged
from mlp.data.dataset import Dataset, index_of, load
from mlp.data.stream import Batches, Stream
from mlp.learning.learner import Learner
from mlp.learning.memory import keep_freed_memory
from mlp.learning.networks.layers import Dropout
from mlp.learning.resolution import resolve
from mlp.settings.training import Resolved, RunConfig

HIDDEN, EPOCHS, SEEDS = (512, 128), 30, 3
PLAIN_ARMS, AUGMENTED_ARMS = 6, 2
ALL = ("step", "masks", "sklearn", "images", "start", "scripts", "study")


def fastest(function: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of some calls: what the machine can do when nothing disturbs it."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return min(took)


def since(start: float) -> float:
    """Seconds since a moment of time.perf_counter()."""
    return time.perf_counter() - start


def floors() -> tuple[float, float]:
    """Best GFLOP/s of a large float32 product, and GB/s of Adam on arrays beyond any cache."""
    side = 2048
    a, b = torch.randn(side, side), torch.randn(side, side)
    products: list[Callable[[], object]] = [lambda: a @ b]
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        one = torch.ops.mkldnn._linear_pointwise
        products.append(lambda: one(a, b, None, "none", [], ""))
    peak = max(2 * side**3 / fastest(product, 8) / 1e9 for product in products)
    size = 30_000_000
    state = [torch.rand(size) for _ in range(4)]
    step = torch.tensor(1.0)

    def adam() -> None:
        torch._fused_adam_(
            [state[0]], [state[1]], [state[2]], [state[3]], [], [step], lr=1e-3, beta1=0.9,
            beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    return peak, 7 * 4 * size / fastest(adam, 6) / 1e9


def prepared(data: Path) -> tuple[Dataset, Resolved]:
    """The decoded images, and the configuration of one training."""
    given = RunConfig.parse({"data": str(data), "hidden": HIDDEN, "epochs": EPOCHS})
    index = index_of(given)
    config = resolve(given, index)
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    return load(index, config)[1], config


def step(data: Path) -> list[str]:
    """A step of training, mean over the quickest of some epochs, against the machine's floor."""
    dataset, config = prepared(data)
    stream = Stream(dataset, config)
    learner = Learner(config, dataset.shape, len(dataset.classes), stream.steps_per_epoch)
    peak, bandwidth = floors()
    times = []
    for epoch in range(8):
        batches = stream.epoch(epoch)
        start = time.perf_counter()
        learner._train(batches)
        times.append((time.perf_counter() - start) / len(batches))
    parameters = sum(p.numel() for p in learner.network.parameters())
    inputs = dataset.shape[0] * dataset.shape[1] * dataset.shape[2]
    # Forward and the weights' gradients for all layers, the inputs' gradients for all but the first
    operations = config.batch_size * (6 * parameters - 2 * inputs * HIDDEN[0])
    moved = 7 * 4 * parameters  # Adam reads four arrays and writes three
    floor = operations / peak / 1e9 + moved / bandwidth / 1e9
    took = min(times)  # as the floor is what the machine can do when nothing disturbs it
    return [
        f"| peak of a float32 product | {peak:.0f} GFLOP/s |",
        f"| memory, as Adam uses it | {bandwidth:.0f} GB/s |",
        f"| floor of a step: {operations / 1e9:.2f} GFLOP and {moved / 1e6:.0f} MB "
        f"| {1000 * floor:.1f} ms |",
        f"| a step of a training | {1000 * took:.1f} ms, {floor / took:.0%} of the floor's speed |",
        *(f"| ... {name} | {1000 * part:.1f} ms |" for name, part in profile(learner, batches)),
    ]


def profile(learner: Learner, batches: Batches) -> list[tuple[str, float]]:
    """Seconds of a step by what it does, after torch's profiler, which makes it a little longer."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        start = time.perf_counter()
        learner._train(batches)
        whole = since(start) / len(batches)
    own = {event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()}
    kinds = ("mkldnn::_linear_pointwise", "aten::addmm", "aten::mm")
    products = sum(own.get(kind, 0.0) for kind in kinds)
    adam = own.get("aten::_fused_adam_", 0.0)
    parts = [products / len(batches), adam / len(batches)]
    names = ("matrix products", "Adam", "all else: activations, loss, norms, autograd, Python")
    return list(zip(names, [*parts, whole - sum(parts)], strict=True))


def masks() -> list[str]:
    """Dropout of a mixer's hidden layer, beside torch's, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.randn(32, 64, 256)
    ours, torchs = Dropout(0.1).train(), torch.nn.Dropout(0.1).train()
    ours.generator = torch.Generator().manual_seed(0)
    took, reference = fastest(lambda: ours(x), 50), fastest(lambda: torchs(x), 50)
    torch.set_num_threads(threads)
    ratio = f"{took / reference:.2f} of torch.nn.Dropout's {1000 * reference:.1f} ms"
    return [f"| dropout of 32 x 64 x 256 values | {1000 * took:.1f} ms, {ratio} |"]


def sklearn(data: Path) -> list[str]:
    """An epoch of training alone, ours and scikit-learn's, in turn."""
    dataset, config = prepared(data)
    stream = Stream(dataset, config)
    learner = Learner(config, dataset.shape, len(dataset.classes), stream.steps_per_epoch)
    rows = dataset.split.train
    pixels = dataset.pixels[rows].reshape(len(rows), -1).astype(np.float32) / 255
    other = MLPClassifier(HIDDEN, batch_size=config.batch_size, random_state=0)
    ours, theirs = [], []
    for epoch in range(4):
        start = time.perf_counter()
        learner._train(stream.epoch(epoch))
        middle = time.perf_counter()
        other.partial_fit(pixels, dataset.labels[rows], classes=np.arange(len(dataset.classes)))
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
    one, two = median(ours[1:]), median(theirs[1:])
    return [
        f"| an epoch of scikit-learn's MLPClassifier | {two:.2f} s |",
        f"| an epoch of a training, batches made anew | {one:.2f} s, {two / one:.1f} x as fast |",
    ]


def images(data: Path) -> list[str]:
    """Images a second: read from disk, decoded, put into batches, augmented."""
    given = RunConfig.parse({"data": str(data)})
    rates = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MLP_CACHE"], before = cache, os.environ["MLP_CACHE"]
        start = time.perf_counter()
        index = index_of(given)
        rates["indexed: read, hashed, header parsed"] = len(index.usable) / since(start)
        config = resolve(given, index)
        start = time.perf_counter()
        dataset = load(index, config)[1]
        rates["decoded to 64x64 and written"] = len(dataset.labels) / since(start)
    os.environ["MLP_CACHE"] = before
    policy = {"hflip": 0.5, "vflip": 0.5, "brightness_contrast": 0.2, "shift_scale_rotate": 0.5}
    for name, changes in (("in batches", {}), ("in batches, augmented", policy)):
        stream = Stream(dataset, config.changed(changes))
        numbers = iter(range(9))
        took = fastest(lambda: stream.epoch(next(numbers)), 9)  # noqa: B023
        rates[name] = len(dataset.split.train) / took
    return [f"| images a second, {name} | {rate:,.0f} |" for name, rate in rates.items()]


START = """
import sys, time
import mlflow, torch, albumentations, cv2, sklearn.metrics, torch.utils.tensorboard
import torch._dynamo  # which torch.optim imports when the first optimizer is made
# Both of which MLflow imports when a database is opened
import mlflow.store.tracking.sqlalchemy_store, opentelemetry.sdk.metrics
import scripts.ablation, mlp.study.lockstep, mlp.report.report, mlp.tracking.mlflow.tracker
start = time.perf_counter()
from mlp.learning.learner import Learner
train = Learner._train
def first(self, batches):
    print("FIRST", time.perf_counter() - start, flush=True)
    sys.stdout.flush()
    import os
    os._exit(0)
Learner._train = first
scripts.ablation.ablation(["--data", sys.argv[1], "--hidden", "512,128"], standalone_mode=False)
"""


STUDY = """
import sys
from benchmarks.memory import peak
from scripts.ablation import ablation
ablation(sys.argv[1:], standalone_mode=False)
print("PEAK", peak())
"""


def start(data: Path, folder: Path) -> list[str]:
    """Seconds from imports to the first step on cached pixels, and of --help."""
    cache = folder / "cache-start"
    cache.mkdir(exist_ok=True)
    for _ in range(2):  # the first one decodes and makes the database
        printed = run("-c", START, str(data), cwd=folder, cache=cache)
    first = float(printed.split("FIRST ")[1].split()[0])
    helps = {
        name: fastest(lambda: run("-m", f"scripts.{name}", "--help", cwd=folder, cache=cache), 3)  # noqa: B023
        for name in (
            "train",
            "ablation",
            "init",
            "report",
            "audit",
            "register",
            "predict",
            "evaluate",
        )
    }
    slowest = max(helps, key=lambda name: helps[name])
    return [
        f"| from imports to the first step, pixels cached | {first:.2f} s |",
        f"| `--help`, the slowest of {len(helps)} commands ({slowest}) | {helps[slowest]:.2f} s |",
    ]


def scripts(data: Path, folder: Path) -> dict[str, float]:
    """Seconds of a whole study by each script, from some epochs of it that take turns."""
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(2):
        for augmented in (False, True):
            for name, epochs in (("plain_script", 2), ("lightning_script", 3)):
                flags = ["--augment"] if augmented else []
                printed = run(
                    "-m", f"benchmarks.{name}", "--data", str(data), "--epochs", str(epochs),
                    *flags, cwd=folder, cache=folder,
                )  # fmt: skip
                took = json.loads(printed.strip().splitlines()[-1])
                times.setdefault((name, augmented), []).extend(took)
    studies = {}
    for name in ("plain_script", "lightning_script"):
        arms = PLAIN_ARMS * median(times[name, False]) + AUGMENTED_ARMS * median(times[name, True])
        studies[name] = SEEDS * EPOCHS * arms
        each = f"{median(times[name, False]):.2f} s, augmented {median(times[name, True]):.2f} s"
        click.echo(f"{name}: an epoch {each}", err=True)
    return studies


def study(data: Path, folder: Path) -> tuple[float, float]:
    """Seconds of the whole command, imports, decoding and report included; peak memory in MB."""
    start = time.perf_counter()
    options = {"hidden": ",".join(map(str, HIDDEN)), "epochs": EPOCHS, "seeds": SEEDS}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    cache = folder / "cache-study"
    cache.mkdir()
    printed = run("-c", STUDY, "--data", str(data), *words, cwd=folder, cache=cache)
    return since(start), float(printed.split("PEAK ")[1]) / 1e6


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True))
@click.option("--parts", default=",".join(ALL), show_default=True)
def main(data: str, parts: str) -> None:
    wanted = parts.split(",")
    lines = ["| | |", "| --- | --: |"]
    with tempfile.TemporaryDirectory(prefix="mlp-speed-") as name:
        folder = Path(name)
        pictures = folder / "pictures"
        enlarged(data, pictures)
        os.environ["MLP_CACHE"] = str(folder)
        if "step" in wanted:
            lines += step(pictures)
        if "masks" in wanted:
            lines += masks()
        if "sklearn" in wanted:
            lines += sklearn(pictures)
        if "images" in wanted:
            lines += images(pictures)
        if "start" in wanted:
            lines += start(pictures, folder)
        others = scripts(pictures, folder) if "scripts" in wanted else {}
        if "study" in wanted:
            ours, peak = study(pictures, folder)
            lines.append(f"| the study of this project | {ours:.0f} s, at most {peak:.0f} MB |")
            for script, seconds in others.items():
                ratio = f"{seconds / ours:.1f} times as long"
                lines.append(f"| the study by {script} | {seconds:.0f} s, {ratio} |")
    cores = psutil.cpu_count(logical=False)
    click.echo("\n".join([*lines, "", f"{cores} cores, torch {torch.__version__}"]))


if __name__ == "__main__":
    main()
