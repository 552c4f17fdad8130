"""The learner: against gradients by hand, a plain PyTorch loop, closed forms, and itself."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional as F

from mlp import seeds
from mlp.data.dataset import load, open_index
from mlp.data.stream import Stream
from mlp.learning.learner import EpochRecord, Learner, NonFiniteLoss
from mlp.learning.memory import memory_bytes
from mlp.learning.mixing import mix
from mlp.learning.networks.building import parameter_count
from mlp.learning.resolution import resolve
from mlp.metrics import epoch_scores
from mlp.settings.base import field_choices
from mlp.settings.training import Resolved, RunConfig
from tests.learning.alone import records

SHAPE, CLASSES = (1, 4, 4), 3


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small lose time to threads that wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Given:
    """Images and labels as batches of a size, in order."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> None:
        self.labels = labels.numpy()
        self._batches = list(zip(images.split(size), labels.split(size), strict=True))

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return iter(self._batches)


def given(images: int, size: int, seed: int = 0) -> Given:
    """Noise with a mean that depends on the class."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (images,), generator=g)
    pixels = torch.randn(images, *SHAPE, generator=g) + labels.view(-1, 1, 1, 1)
    return Given(pixels, labels, size)


class Epochs:
    """The same batches every epoch, but for those epochs that are given apart."""

    def __init__(self, train: Given, validation: Given, **others: Given) -> None:
        self.validation = validation
        self._train, self._others = train, others

    def epoch(self, number: int) -> Given:
        return self._others.get(f"epoch_{number}", self._train)


def learner(steps_per_epoch: int, **changes: object) -> Learner:
    resolved = {"device": "cpu", "threads": 1, "image_size": 4, "channels": "gray"}
    config = Resolved.parse({**resolved, "hidden": (16, 8), "epochs": 3, **changes})
    return Learner(config, SHAPE, CLASSES, steps_per_epoch)


def copied(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def assert_same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def without_time(records: list[EpochRecord]) -> list[dict[str, float]]:
    return [
        {k: v for k, v in record.metrics.items() if k != "time/epoch_seconds"} for record in records
    ]


# One step, by hand


def test_a_step_of_sgd_follows_the_gradient_computed_by_hand() -> None:
    train = given(6, 6)
    own = learner(1, hidden=3, activation="tanh", optimizer="sgd", lr=0.1, weight_decay=0.01)
    w1, b1, w2, b2 = before = [p.detach().double().numpy() for p in own.network.parameters()]
    before = [p.copy() for p in before]

    [(images, labels)] = train
    x = images.double().numpy().reshape(6, -1)
    h = np.tanh(x @ w1.T + b1)
    logits = h @ w2.T + b2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(6), labels]).mean()
    d_logits = (p - np.eye(CLASSES)[labels]) / 6
    d_h = d_logits @ w2 * (1 - h**2)
    gradient = [d_h.T @ x, d_h.sum(axis=0), d_logits.T @ h, d_logits.sum(axis=0)]

    metrics = own.epoch(train, train).metrics
    assert metrics["train/loss"] == pytest.approx(loss, rel=1e-6)
    assert metrics["train/accuracy"] == (logits.argmax(axis=1) == labels.numpy()).mean()
    norm = math.sqrt(sum((g**2).sum() for g in gradient))
    assert metrics["optim/gradient_norm"] == pytest.approx(norm, rel=1e-5)
    for after, start, g in zip(own.network.parameters(), before, gradient, strict=True):
        expected = start - 0.1 * (g + 0.01 * start)
        np.testing.assert_allclose(after.detach(), expected, rtol=1e-5, atol=1e-6)


# Whole epochs, against an independent loop

LR = 0.01
ADAM = {"optimizer": "adam", "lr": LR}
REFERENCES = {
    "adam": (ADAM, lambda p: torch.optim.Adam(p, lr=LR)),
    "adam with decay": (
        {**ADAM, "weight_decay": 0.1},
        lambda p: torch.optim.Adam(p, lr=LR, weight_decay=0.1),
    ),
    "adamw": (
        {"optimizer": "adamw", "lr": LR, "weight_decay": 0.3},
        lambda p: torch.optim.AdamW(p, lr=LR, weight_decay=0.3),
    ),
    "sgd": (
        {"optimizer": "sgd", "lr": LR, "momentum": 0.8, "weight_decay": 0.05},
        lambda p: torch.optim.SGD(p, lr=LR, momentum=0.8, weight_decay=0.05),
    ),
    "label smoothing": ({**ADAM, "label_smoothing": 0.2}, lambda p: torch.optim.Adam(p, lr=LR)),
    # Not Adam, which makes steps of rounding errors: a bias before batch norm has no gradient
    "batch norm": (
        {"optimizer": "sgd", "lr": LR, "batch_norm": True},
        lambda p: torch.optim.SGD(p, lr=LR, momentum=0.9),
    ),
    "cosine": ({**ADAM, "schedule": "cosine"}, lambda p: torch.optim.Adam(p, lr=LR)),
    "clipping": (
        {"optimizer": "sgd", "lr": LR, "clip_norm": 1.5},
        lambda p: torch.optim.SGD(p, lr=LR, momentum=0.9),
    ),
    "class weights": (
        {**ADAM, "class_weights": "balanced"},
        lambda p: torch.optim.Adam(p, lr=LR),
    ),
    "class weights and smoothing": (
        {**ADAM, "class_weights": "balanced", "label_smoothing": 0.2},
        lambda p: torch.optim.Adam(p, lr=LR),
    ),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_epochs_are_those_of_a_plain_pytorch_loop(case: str) -> None:
    changes, make_optimizer = REFERENCES[case]
    train, validation = given(100, 13), given(40, 40, seed=1)  # 8 batches, the last one of 9
    weights = None
    if "class_weights" in changes:
        balanced = compute_class_weight("balanced", classes=np.arange(3), y=train.labels)
        weights = torch.tensor(balanced, dtype=torch.float32)
        assert weights.std() > 0.05
    own = learner(len(train), **changes)
    norm = [nn.BatchNorm1d] if own.config.batch_norm else []
    plain = nn.Sequential(
        nn.Flatten(),
        *[nn.Linear(16, 16), *(kind(16) for kind in norm), nn.ReLU()],
        *[nn.Linear(16, 8), *(kind(8) for kind in norm), nn.ReLU()],
        nn.Linear(8, CLASSES),
    )
    plain.load_state_dict(own.network.net.state_dict())
    optimizer = make_optimizer(plain.parameters())

    step, every = 0, []
    for record in records(own, Epochs(train, validation)):
        plain.train()
        summed, correct, norms = 0.0, 0, []
        for images, labels in train:
            if own.config.schedule == "cosine":
                optimizer.param_groups[0]["lr"] = LR / 2 * (1 + math.cos(math.pi * step / 24))
            optimizer.zero_grad()
            logits = plain(images)
            F.cross_entropy(
                logits, labels, weights, label_smoothing=changes.get("label_smoothing", 0.0)
            ).backward()
            norms.append(math.sqrt(sum((p.grad**2).sum().item() for p in plain.parameters())))
            if "clip_norm" in changes:
                nn.utils.clip_grad_norm_(plain.parameters(), changes["clip_norm"])
            optimizer.step()
            step += 1
            summed += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
        every += norms
        plain.eval()
        [(images, labels)] = validation
        with torch.no_grad():
            logits = plain(images)
        expected = {
            "train/loss": summed / 100,
            "train/accuracy": correct / 100,
            "val/loss": F.cross_entropy(logits, labels).item(),
            "val/accuracy": (logits.argmax(1) == labels).double().mean().item(),
            # Four evenly spaced steps of the eight
            "optim/gradient_norm": sum(norms[1::2]) / 4,
        }
        expected["gap/accuracy"] = expected["train/accuracy"] - expected["val/accuracy"]
        for name, value in expected.items():
            assert record.metrics[name] == pytest.approx(value, rel=1e-4, abs=1e-9), name
    assert step == 24
    assert "clip_norm" not in changes or min(every) < 1.5 < max(every)
    for ours, theirs in zip(own.network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_train_loss_is_the_mean_over_images_not_over_batches() -> None:
    train = given(10, 9)
    still = learner(2, optimizer="sgd", lr=1e-30)
    metrics = still.epoch(train, train).metrics
    assert metrics["train/loss"] == pytest.approx(metrics["val/loss"], rel=1e-6)
    assert metrics["gap/accuracy"] == 0.0
    with torch.no_grad():
        means = [F.cross_entropy(still.network(x), y).item() for x, y in train]
    assert abs(sum(means) / 2 - metrics["val/loss"]) > 0.01  # here the two means do differ


def test_train_loss_leaves_label_smoothing_out() -> None:
    train = given(10, 9)
    smoothed = learner(2, optimizer="sgd", lr=1e-30, label_smoothing=0.5)
    metrics = smoothed.epoch(train, train).metrics
    assert metrics["train/loss"] == pytest.approx(metrics["val/loss"], rel=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_gradient_norm_of_a_short_epoch_is_the_mean_of_its_steps(steps: int) -> None:
    train = given(4 * steps, 4)
    still = learner(steps, optimizer="sgd", lr=1e-30, momentum=0)
    norms = []
    for images, labels in train:
        loss = F.cross_entropy(still.network(images), labels)
        gradients = torch.autograd.grad(loss, list(still.network.parameters()))
        norms.append(math.sqrt(sum((g**2).sum().item() for g in gradients)))
    measured = still.epoch(train, train).metrics["optim/gradient_norm"]
    assert measured == pytest.approx(sum(norms) / steps, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "golden"),
    [
        ({}, (2.4241037, 2.2184833)),
        (
            {
                "optimizer": "sgd",
                "lr": 0.1,
                "weight_decay": 1e-3,
                "schedule": "onecycle",
                "label_smoothing": 0.1,
                "activation": "gelu",
                "init": "default",
                "batch_norm": True,
            },
            (2.0918474, 2.1883205),
        ),
    ],
)
def test_five_steps_on_digits_give_the_losses_they_always_gave(
    changes: dict[str, object], golden: tuple[float, float], digits_stream: Stream
) -> None:
    """Change these numbers only with the reason why training is to give others."""
    config, shape = digits_config(epochs=1, **changes), digits_stream.dataset.shape
    assert digits_stream.steps_per_epoch == len(digits_stream.epoch(0)) == 5
    [record] = records(Learner(config, shape, 10, 5), digits_stream)
    measured = (record.metrics["train/loss"], record.metrics["val/loss"])
    assert measured == pytest.approx(golden, rel=1e-5)


def digits_config(**changes: object) -> RunConfig:
    return RunConfig.parse({"batch_size": 288, "hidden": (64, 32), "device": "cpu", **changes})


@pytest.fixture
def digits_stream() -> Stream:
    index = open_index("digits")
    config = resolve(digits_config(), index)
    return Stream(load(index, config)[1], config)


# Learning rates


def rates(epochs: int, steps: int, **changes: object) -> list[float]:
    train = given(4 * steps, 4)
    own = learner(steps, epochs=epochs, lr=0.02, **changes)
    return [r.metrics["optim/lr"] for r in records(own, Epochs(train, train))]


def test_lr_is_constant_without_a_schedule() -> None:
    assert rates(3, 2) == [0.02] * 3


def test_cosine_follows_its_closed_form_over_all_steps() -> None:
    last_steps = [2 * epoch + 1 for epoch in range(5)]
    expected = [0.01 * (1 + math.cos(math.pi * step / 10)) for step in last_steps]
    assert rates(5, 2, schedule="cosine") == pytest.approx(expected, rel=1e-6)


def test_onecycle_rises_to_lr_and_falls_to_nearly_nothing() -> None:
    course = rates(20, 1, schedule="onecycle")
    peak = course.index(max(course))
    assert course[0] == pytest.approx(0.02 / 25)
    assert peak == 5 and course[peak] == pytest.approx(0.02)  # three tenths of the way
    assert course[-1] == pytest.approx(0.02 / 25 / 1e4)
    assert course == sorted(course[:peak]) + sorted(course[peak:], reverse=True)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_onecycle_leaves_momentum_alone(optimizer: str) -> None:
    train = given(8, 4)
    own = learner(2, optimizer=optimizer, schedule="onecycle", momentum=0.7)
    for _ in records(own, Epochs(train, train)):
        [group] = own.optimizer.param_groups
        assert group.get("betas", (0.9, 0.999)) == (0.9, 0.999)
        assert group.get("momentum", 0.7) == 0.7


@pytest.mark.parametrize("schedule", field_choices(RunConfig, "schedule"))
def test_every_schedule_takes_a_training_of_a_single_step(schedule: str) -> None:
    [lr] = rates(1, 1, schedule=schedule)
    assert 0 < lr <= 0.02


# Early stopping

# Of ten images: how many are right, and how far off the others. Most accurate in epoch 2, of least
# loss in epoch 4; epoch 3 is as accurate as 2.
SCRIPT = [(5, 2.0), (8, 9.0), (8, 9.0), (6, 0.1), (6, 1.0), (7, 3.0), (6, 2.0), (9, 0.0)]


class Scripted(Learner):
    """Trains as ever, but gives the outputs of SCRIPT on validation images, of class 0 all."""

    def logits(self, batches: object) -> np.ndarray:
        right, margin = SCRIPT[self.epochs_done]
        return np.float32([[1, 0]] * right + [[0, margin]] * (10 - right))


@pytest.mark.parametrize(
    ("monitor", "patience", "best"),
    [
        ("val/loss", 1, 1),  # epochs 2 and 3 are worse than 1
        ("val/loss", 2, 1),
        ("val/loss", 3, 4),
        ("val/accuracy", 1, 2),  # as good again in epoch 3 is no improvement
        ("val/accuracy", 3, 2),
        ("val/macro_f1", 2, 2),
        ("val/balanced_accuracy", 2, 2),
    ],
)
def test_early_stopping_waits_and_keeps_the_best_weights(
    monitor: str, patience: int, best: int
) -> None:
    train = given(12, 4)
    validation = Given(torch.zeros(10, *SHAPE), torch.zeros(10, dtype=torch.int64), 10)
    config = RunConfig(
        device="cpu", hidden=(8,), epochs=8, early_stopping_patience=patience, monitor=monitor
    )
    own = Scripted(config, SHAPE, CLASSES, len(train))
    weights = [copied(own.network) for _ in records(own, Epochs(train, validation))]
    assert own.finished and own.best_epoch == best
    assert own.epochs_done == len(weights) == best + patience
    own.restore_best()
    assert_same_weights(copied(own.network), weights[best - 1])
    assert not torch.equal(own.network.net[1].weight, weights[-1]["net.1.weight"])


def test_without_early_stopping_all_epochs_are_trained_and_the_last_weights_kept() -> None:
    train = given(12, 4)
    own = learner(len(train), epochs=4)
    made = list(records(own, Epochs(train, given(20, 20, seed=1))))
    assert [record.epoch for record in made] == [1, 2, 3, 4]
    assert own.finished and own.best_epoch == own.epochs_done == 4
    last = copied(own.network)
    own.restore_best()
    assert_same_weights(copied(own.network), last)
    assert list(records(own, Epochs(train, train))) == []


def test_every_choice_of_monitor_is_among_the_metrics() -> None:
    train = given(8, 4)
    metrics = learner(2).epoch(train, train).metrics
    assert set(field_choices(RunConfig, "monitor")) <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())


# Evaluation


def test_validation_changes_nothing_in_training() -> None:
    train = given(24, 8)

    def trained(validation: Given) -> dict[str, torch.Tensor]:
        own = learner(3, batch_norm=True, dropout=0.5)
        list(records(own, Epochs(train, validation)))
        return copied(own.network)

    assert_same_weights(trained(given(5, 5, seed=1)), trained(given(60, 7, seed=2)))


def test_validation_is_in_evaluation_mode_whatever_the_batches() -> None:
    own = learner(3, batch_norm=True, dropout=0.5)
    validation = given(50, 50, seed=1)
    metrics = own.epoch(given(24, 8), validation).metrics
    state = copied(own.network)
    logits = own.logits(validation)
    np.testing.assert_array_equal(own.logits(validation), logits)
    np.testing.assert_allclose(own.logits(given(50, 7, seed=1)), logits, rtol=1e-4, atol=1e-5)
    assert_same_weights(copied(own.network), state)
    expected = epoch_scores(validation.labels, logits)
    assert {f"val/{name}": value for name, value in expected.items()} == {
        name: value for name, value in metrics.items() if name.startswith("val/")
    }
    assert logits.shape == (50, CLASSES) and logits.dtype == np.float32


# What goes wrong


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_non_finite_input_stops_training_and_names_the_step(value: float) -> None:
    good, bad = given(12, 4), given(12, 4)
    list(bad)[1][0][2, 0, 1, 1] = value
    own = learner(3)
    made = records(own, Epochs(good, good, epoch_1=bad))
    assert next(made).epoch == 1
    with pytest.raises(NonFiniteLoss, match=r"step 5 \(epoch 2, batch 2 of 3\)"):
        next(made)


def test_non_finite_output_in_validation_stops_training() -> None:
    bad = given(12, 4)
    next(iter(bad))[0][0] = math.nan
    with pytest.raises(NonFiniteLoss, match=r"validation after epoch 1: .* not finite"):
        learner(3).epoch(given(12, 4), bad)


def test_absurd_lr_stops_training_and_names_the_step() -> None:
    own = learner(3, optimizer="sgd", lr=1e3, hidden="64,64,64", epochs=20)
    train = given(48, 16)
    with pytest.raises(NonFiniteLoss, match=r"epoch \d"):
        list(records(own, Epochs(train, train)))


# Mixtures


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixture_is_trained_towards_both_of_its_labels(smoothing: float) -> None:
    """One step: cross-entropy with soft targets, the shares of both labels."""
    train = given(24, 24)
    own = learner(1, mixup=2.0, label_smoothing=smoothing, optimizer="sgd", lr=0.1, momentum=0)
    plain = copy.deepcopy(own.network)
    record = own.epoch(train, train)
    [(images, labels)] = train
    mixed = mix(images, labels, 2.0, seeds.generator(0, "mixing", 0))
    assert 0.05 < mixed.share < 0.95 and not torch.equal(mixed.labels, mixed.others)
    one, other = F.one_hot(mixed.labels, CLASSES), F.one_hot(mixed.others, CLASSES)
    targets = mixed.share * one + (1 - mixed.share) * other
    logits = plain(mixed.images)
    smoothed = (1 - smoothing) * targets + smoothing / CLASSES
    F.cross_entropy(logits, smoothed).backward()
    for ours, before in zip(own.network.parameters(), plain.parameters(), strict=True):
        expected = before - 0.1 * before.grad
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    loss = F.cross_entropy(logits, targets).item()
    assert record.metrics["train/loss"] == pytest.approx(loss, rel=1e-5)
    right = targets.gather(1, logits.argmax(1, keepdim=True)).mean().item()
    assert record.metrics["train/accuracy"] == pytest.approx(right, rel=1e-6)


def test_shares_differ_from_epoch_to_epoch_and_are_the_same_for_all_arms() -> None:
    train = given(24, 24)
    still = {"optimizer": "sgd", "lr": 1e-30, "mixup": 1.0}
    losses = [r.metrics["train/loss"] for r in records(learner(1, **still), Epochs(train, train))]
    assert len(set(losses)) == 3
    again = records(learner(1, **still, weight_decay=0.1), Epochs(train, train))
    assert [r.metrics["train/loss"] for r in again] == losses


# Learners beside one another


def test_interleaved_learners_give_bitwise_what_they_give_alone(digits_stream: Stream) -> None:
    arms = [
        digits_config(epochs=2, dropout=0.5, batch_norm=True),
        digits_config(epochs=2, dropout=0.2, optimizer="sgd", schedule="cosine"),
        digits_config(epochs=2, network="mixer", dropout=0.2, mixup=0.3),
        digits_config(epochs=2, members=2, dropout=0.2, clip_norm=1.0),
    ]

    def fresh(config: RunConfig) -> Learner:
        return Learner(config, digits_stream.dataset.shape, 10, digits_stream.steps_per_epoch)

    alone = []
    for config in arms:
        own = fresh(config)
        alone.append((without_time(list(records(own, digits_stream))), copied(own.network)))

    learners = [fresh(config) for config in reversed(arms)]
    together: list[list[EpochRecord]] = [[] for _ in arms]
    for number in range(2):
        for own, kept in zip(learners, together, strict=True):
            torch.rand(1)  # someone else draws from torch's generator
            kept.append(own.epoch(digits_stream.epoch(number), digits_stream.validation))
    for own, kept, (metrics, weights) in zip(learners, together, reversed(alone), strict=True):
        assert without_time(kept) == metrics
        assert_same_weights(copied(own.network), weights)


def test_seed_decides_weights_and_masks() -> None:
    train = given(24, 8)

    def loss(seed: int, **changes: object) -> float:
        return learner(3, seed=seed, **changes).epoch(train, train).metrics["train/loss"]

    assert loss(0) == loss(0) != loss(1)
    # Weights that are the same under all seeds: the masks differ
    masked = {"init": "constant", "dropout": 0.5}
    assert loss(0, **masked) == loss(0, **masked) != loss(1, **masked)


# What a learner tells of itself


def test_units_that_begin_equal_stay_equal() -> None:
    train = given(24, 8)
    counts = {}
    for init in ("constant", "he"):
        own = learner(3, init=init)
        own.epoch(train, train)
        counts[init] = own.distinct_units()
    assert counts == {"constant": 1, "he": 16}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("patience", [0, 2])
def test_memory_bytes_is_what_the_tensors_of_a_learner_take(optimizer: str, patience: int) -> None:
    changes = {"optimizer": optimizer, "early_stopping_patience": patience, "hidden": (300, 200)}
    own = learner(2, batch_norm=True, **changes)
    own.epoch(given(8, 4), given(8, 4))
    held = list(own.network.state_dict().values()) * (2 if patience else 1)
    held += [p.grad for p in own.network.parameters()]
    for state in own.optimizer.state.values():
        held += [value for value in state.values() if isinstance(value, torch.Tensor)]
    real = sum(tensor.numel() * tensor.element_size() for tensor in held)
    assert memory_bytes(own.config, SHAPE, CLASSES) == pytest.approx(real, rel=0.02)


def test_memory_bytes_takes_no_memory_itself() -> None:
    huge = RunConfig(hidden=(65536,) * 9, device="cpu")  # 8 x 16 GiB of weights
    weights = 16 * 65536 + 8 * 65536**2 + 65536 * CLASSES
    biases = 9 * 65536 + CLASSES
    assert memory_bytes(huge, SHAPE, CLASSES) == 4 * 4 * (weights + biases)


def test_parameter_count_is_that_of_the_network() -> None:
    count = parameter_count(learner(1).config, SHAPE, CLASSES)
    assert count == (16 * 16 + 16) + (16 * 8 + 8) + (8 * 3 + 3)


def test_histogram_samples_are_values_of_weights_and_latest_gradients() -> None:
    own = learner(2, hidden=(1000,))
    own.epoch(given(8, 4), given(8, 4))
    samples = own.histogram_samples()
    layers = ("1.weight", "1.bias", "3.weight", "3.bias")
    assert set(samples) == {f"{kind}/{x}" for kind in ("weights", "gradients") for x in layers}
    first = own.network.net[1]
    np.testing.assert_array_equal(samples["weights/1.weight"], first.weight.detach().flatten()[::4])
    np.testing.assert_array_equal(samples["gradients/1.bias"], first.bias.grad)
    assert len(samples["weights/1.weight"]) == 4000


def test_histogram_samples_stay_what_they_were_when_taken() -> None:
    own = learner(2)
    own.epoch(given(8, 4), given(8, 4))
    samples = own.histogram_samples()
    kept = {name: values.copy() for name, values in samples.items()}
    own.epoch(given(8, 4), given(8, 4))
    for name, values in samples.items():
        np.testing.assert_array_equal(values, kept[name])


def test_forgetting_evaluation_mode_normalizes_by_batch_and_drops_units() -> None:
    train, validation = given(64, 16), given(41, 41, seed=1)
    kept, forgot = (
        learner(4, batch_norm=True, evaluation_mode=mode, batch_size=8) for mode in (True, False)
    )
    for own in (kept, forgot):
        own._train(train)
    assert_same_weights(copied(kept.network), copied(forgot.network))  # the same training
    [(images, _)] = validation
    plain = kept.network.train()
    with torch.no_grad():
        # 41 images in batches of about 8
        parts = torch.cat([plain(part) for part in images.tensor_split(5)])
    np.testing.assert_allclose(forgot.logits(validation), parts.numpy(), rtol=1e-4, atol=1e-5)
    kept.network.load_state_dict(forgot.network.state_dict())
    assert not np.allclose(kept.logits(validation), parts.numpy(), atol=1e-2)

    dropped = learner(4, dropout=0.5, evaluation_mode=False)
    first, second = dropped.logits(validation), dropped.logits(validation)
    assert not np.allclose(first, second)
