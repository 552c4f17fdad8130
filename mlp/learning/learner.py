"""One network in training: takes batches, gives one record an epoch."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlp import seeds
from mlp.learning.diagnostics import NOISE_BATCHES, gradient_noise, propagation
from mlp.learning.initialization import initialize
from mlp.learning.mixing import correct_answers, cross_entropy, mix
from mlp.learning.networks.building import build_network
from mlp.metrics import MONITORED, epoch_scores
from mlp.settings.training import OPTIMIZERS, SCHEDULES, Resolved

if TYPE_CHECKING:
    from mlp.data.stream import Batches

# The gradient norm of an epoch is the mean over this many evenly spaced steps: a norm reads every
# gradient once more, which at each step would cost a tenth of it.
_NORM_STEPS = 4
_SAMPLE = 4096  # values of a tensor that stand for it in a histogram


class NonFiniteLoss(ArithmeticError):
    """The loss became infinite or not a number: training has failed."""


@dataclass(frozen=True)
class EpochRecord:
    """The numbers of an epoch. `epoch` counts from 1; `metrics` has the names that trackers use.

    train/* are means over the images of the epoch as they were trained on: augmented, with
    dropout, and with weights that changed from batch to batch. train/loss is cross-entropy
    without label smoothing or class weights, so that it compares with val/loss; gap/accuracy is
    train/accuracy - val/accuracy. A mixed image counts with both of its labels by their shares, and
    of several members train/* are means, while val/* are those of their common answer.
    optim/lr is the rate of the last step, optim/gradient_norm the L2 norm over all parameters
    before clipping, mean of four steps. Epoch 0 is before the first step: it has init/* alone, see
    `propagation` and `gradient_noise`.
    """

    epoch: int
    metrics: dict[str, float] = field(default_factory=dict)


class Learner:
    """A network, its optimizer and its generators; no other randomness enters."""

    def __init__(
        self, config: Resolved, shape: tuple[int, int, int], classes: int, steps_per_epoch: int
    ) -> None:
        """`shape` is (C, H, W) of an image."""
        self.config = config
        self.device = torch.device(config.device)
        self.network = build_network(config, shape, classes)
        generator = torch.Generator().manual_seed(seeds.integer(config.seed, "initialization"))
        initialize(self.network, config.init, generator)
        self.network.to(self.device)
        masks = torch.Generator(self.device).manual_seed(seeds.integer(config.seed, "dropout"))
        self.network.use_generator(masks)
        rule = OPTIMIZERS[config.optimizer]
        trained = (p for p in self.network.parameters() if p.requires_grad)
        self.optimizer = rule.make(trained, config)
        steps = config.epochs * steps_per_epoch
        self.schedule = SCHEDULES[config.schedule](config, self.optimizer, steps)
        self._classes, self.epochs_done = classes, 0
        self.validation_logits: NDArray[np.float32] | None = None  # (N, K), of the latest epoch
        self.best_epoch = 0
        self._best_value = math.inf
        self._best_weights: dict[str, torch.Tensor] | None = None

    @property
    def finished(self) -> bool:
        """True when all epochs are done, or early stopping has lost its patience."""
        patience = self.config.early_stopping_patience
        waited = self.epochs_done - self.best_epoch
        return self.epochs_done >= self.config.epochs or 0 < patience <= waited

    def initial_record(self, train: Batches, validation: Batches) -> EpochRecord:
        """Epoch 0: how signals and gradients are before the first step."""
        if self.config.evaluation_mode:  # else dropout would draw masks, which training would miss
            self.validation_logits = self.logits(validation)
        here = [
            (images.to(self.device), labels.to(self.device))
            for images, labels in itertools.islice(train, NOISE_BATCHES)
        ]
        signals = propagation(self.network, self.config.init, *here[0])
        return EpochRecord(0, signals | gradient_noise(self.network, here))

    def epoch(self, train: Batches, validation: Batches) -> EpochRecord:
        """Train on the batches once, then evaluate. Raises NonFiniteLoss naming the step."""
        start = time.perf_counter()
        with self.network.drawing():
            metrics = self._train(train)
        logits = self.logits(validation)
        if not np.isfinite(logits).all():
            raise NonFiniteLoss(
                f"validation after epoch {self.epochs_done + 1}: the network's output is not finite"
            )
        scores = epoch_scores(validation.labels, logits)
        metrics |= {f"val/{name}": value for name, value in scores.items()}
        metrics["gap/accuracy"] = metrics["train/accuracy"] - metrics["val/accuracy"]
        metrics["time/epoch_seconds"] = time.perf_counter() - start
        self.epochs_done += 1
        self.validation_logits = logits
        self._remember_best(metrics[self.config.monitor])
        return EpochRecord(self.epochs_done, metrics)

    def _train(self, batches: Batches) -> dict[str, float]:
        self.network.train()
        steps = len(batches)
        losses = torch.empty(steps, device=self.device)
        counts = torch.empty(steps)
        correct = torch.zeros((), dtype=torch.float64, device=self.device)
        norms: list[torch.Tensor] = []
        normed = {round((k + 1) * steps / _NORM_STEPS) - 1 for k in range(_NORM_STEPS)}
        config, parameters = self.config, list(self.network.parameters())
        smoothing, weights = config.label_smoothing, self._class_weights(batches.labels)
        plain = not smoothing and weights is None
        mixing = seeds.generator(config.seed, "mixing", self.epochs_done)
        for step, (images, labels) in enumerate(batches):
            mixed = mix(images.to(self.device), labels.to(self.device), config.mixup, mixing)
            self.optimizer.zero_grad()
            votes = self.network.votes(mixed.images)
            loss = cross_entropy(votes, mixed, smoothing, weights)
            # The sum over members, so that each learns as it would alone
            total = config.members * loss if config.members > 1 else loss
            total.backward()  # type: ignore[no-untyped-call]
            if step in normed or config.clip_norm:
                norm = nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None)
                if step in normed:
                    norms.append(norm)
                if config.clip_norm:
                    nn.utils.clip_grads_with_norm_(parameters, config.clip_norm, norm)
            lr = float(self.optimizer.param_groups[0]["lr"])
            self.optimizer.step()
            if self.schedule is not None:
                self.schedule.step()
            with torch.no_grad():
                # Read at the end of the epoch: asking a GPU for a number at each step would stall
                losses[step] = loss.detach() if plain else cross_entropy(votes, mixed)
                correct += correct_answers(votes, mixed)
            counts[step] = len(labels)
        all_losses = losses.cpu()
        bad = (~torch.isfinite(all_losses)).nonzero()
        if len(bad):
            step = int(bad[0])
            raise NonFiniteLoss(
                f"the loss became {all_losses[step].item()} at step "
                f"{self.epochs_done * steps + step + 1} "
                f"(epoch {self.epochs_done + 1}, batch {step + 1} of {steps})"
            )
        seen = counts.double().sum().item()
        return {
            "train/loss": float((all_losses.double() * counts).sum() / seen),
            "train/accuracy": float(correct.item() / (seen * config.members)),
            "optim/gradient_norm": float(torch.stack(norms).double().mean()),
            "optim/lr": lr,
        }

    def _class_weights(self, labels: NDArray[np.int64]) -> torch.Tensor | None:
        match self.config.class_weights:
            case "none":
                return None
            case "balanced":
                counts = np.bincount(labels, minlength=self._classes)
                weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
                return torch.tensor(weights, dtype=torch.float32, device=self.device)

    def logits(
        self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], final: bool = False
    ) -> NDArray[np.float32]:
        """The outputs (N, K) for all images, in evaluation mode unless that is to be forgotten.

        Then in batches of the training's size: images in a batch affect one another. `final`: as
        the kept network will answer, with test-time augmentation.
        """
        config, network = self.config, self.network.train(not self.config.evaluation_mode)
        ask, made = network.answers if final else network, list[torch.Tensor]()
        with torch.inference_mode(), network.drawing():
            for images, _ in batches:
                # Of equal size, so that none has a single image, which has no variance
                parts = 1 if config.evaluation_mode else max(1, len(images) // config.batch_size)
                made += [ask(part.to(self.device)).cpu() for part in images.tensor_split(parts)]
        return np.asarray(torch.cat(made).numpy(), np.float32)

    def _remember_best(self, value: float) -> None:
        value = -value if MONITORED[self.config.monitor].higher_is_better else value
        if self.config.early_stopping_patience == 0 or value < self._best_value:
            self.best_epoch, self._best_value = self.epochs_done, value
            if self.config.early_stopping_patience:
                self._best_weights = {
                    name: tensor.detach().clone()
                    for name, tensor in self.network.state_dict().items()
                }

    def restore_best(self) -> None:
        """Put back the weights of the best epoch, when early stopping watched for one."""
        if self._best_weights is not None:
            self.network.load_state_dict(self._best_weights)

    def distinct_units(self) -> int:
        """Count the different units of the first layer: those with equal weights count once."""
        first = next((p for p in self.network.parameters() if p.ndim > 1), torch.empty(0, 1))
        return len({row.tobytes() for row in first.detach().cpu().numpy()})

    def histogram_samples(self) -> dict[str, NDArray[np.float32]]:
        """Up to 4096 evenly spaced values of each weight and its latest gradient, by name.

        Names are `weights/<layer>` and `gradients/<layer>`.
        """
        samples: dict[str, NDArray[np.float32]] = {}
        for name, parameter in self.network.named_parameters():
            layer = name.removeprefix("net.")
            for kind, tensor in (("weights", parameter.detach()), ("gradients", parameter.grad)):
                if tensor is not None:
                    flat = tensor.flatten()
                    sample = flat[:: math.ceil(len(flat) / _SAMPLE)]
                    # A copy: on the CPU, NumPy would share memory that training goes on to change
                    samples[f"{kind}/{layer}"] = sample.clone().cpu().numpy()
        return samples
