"""The configuration of one training: every default, limit and help text of its settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlp.settings.architecture import ACTIVATIONS, NETWORKS, VIEWS
from mlp.settings.base import Choice, Place
from mlp.settings.procedure import INITIALIZATIONS, OPTIMIZERS, SCHEDULES
from mlp.settings.roles import (
    OfArmSplit,
    OfMachine,
    OfNetwork,
    OfPixels,
    OfSource,
    OfSplit,
    OfStream,
    OfTraining,
    Stage,
    roles,
)
from mlp.settings.source import SourceConfig

Fraction = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
AUGMENTATION = "augmentation"  # marks settings that are rows of mlp.data.augmentation
Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), AUGMENTATION]
ImageSide = Annotated[int, Field(ge=1, le=1024)]
Monitor = Literal["val/loss", "val/accuracy", "val/macro_f1", "val/balanced_accuracy"]

MAX_SEED = 2**32 - 1
MAX_FOLDS = 100


def split_integers(value: object) -> object:
    """Let a comma-separated text stand for a tuple of integers: `"512,256"` is `(512, 256)`.

    A single integer stands for a tuple of itself, as it does when it is typed.
    """
    if isinstance(value, int):
        return (value,)
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.strip("()[] ").split(",")]
    return tuple(part for part in parts if part)


Widths = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65536)], ...],
    Field(min_length=1),
    BeforeValidator(split_integers),
]


def _check_fold(value: str) -> str:
    if value != "none":
        number, _, folds = value.partition("/")
        if not (number.isdecimal() and folds.isdecimal()):
            raise ValueError("not a fold")
        if not (2 <= int(folds) <= MAX_FOLDS and 1 <= int(number) <= int(folds)):
            raise ValueError("no such fold")
    return value


class RunConfig(SourceConfig):
    """All the hyperparameters of one training. Frozen; unknown keys are errors; seed 0 is valid."""

    split: OfSource[Place] = Field(
        "",
        description="CSV file of path, class, split (train, val, test) and sha256, such as the "
        "split.csv that each study writes: use that split; empty: the split of the data",
    )
    on_leak: OfSource[Literal["warn", "drop", "error"]] = Field(
        "warn",
        description="when validation or test images are copies of training images: say so, leave "
        "the copies out, or end",
    )
    val_fraction: OfSplit[float] = Field(
        0.2,
        gt=0.0,
        lt=1.0,
        description="share of the images of each class drawn by the seed for validation, "
        "when the data has no validation split of its own",
    )
    images_per_class: OfArmSplit[int] = Field(
        0,
        ge=0,
        description="train on so many distinct images of each class, drawn by the seed; 0: all",
    )
    image_size: OfPixels[Literal["auto"] | ImageSide] = Field(
        "auto",
        description="side in pixels to which images are resized (squeezed to a square); "
        "auto: 64, or the longest side of all images when that is smaller",
        json_schema_extra={"expected": "auto, or a number of pixels from 1 to 1024"},
    )
    channels: OfPixels[Literal["auto", "rgb", "gray"]] = Field(
        "auto", description="auto: gray when every image is grayscale, else rgb"
    )
    normalization: OfStream[Literal["dataset", "imagenet", "none"]] = Field(
        "dataset",
        description="subtract a mean and divide by a standard deviation per channel: those of the "
        "training images, those of ImageNet, or none (pixels in 0..1)",
    )
    fold: OfSplit[Annotated[str, AfterValidator(_check_fold)]] = Field(
        "none",
        description="k/K: train on all but the k-th of K folds of the training and validation "
        "images, and validate on that one; none: the split as given or drawn",
        json_schema_extra={"expected": "none, or a fold such as 2/5: the second of five"},
    )
    epochs: OfTraining[int] = Field(20, ge=1, description="passes over the training images")
    batch_size: OfStream[int] = Field(32, ge=1, description="images a training step")
    optimizer: OfTraining[Annotated[str, Choice(OPTIMIZERS)]] = Field(
        "adam", description="update rule"
    )
    momentum: OfTraining[Fraction] = Field(
        0.9, description="momentum of sgd; adam and adamw ignore it"
    )
    lr: OfTraining[float] = Field(
        1e-3, gt=0.0, le=1e3, allow_inf_nan=False, description="learning rate (peak of a schedule)"
    )
    weight_decay: OfTraining[float] = Field(
        0.0,
        ge=0.0,
        le=1e3,
        allow_inf_nan=False,
        description="L2 penalty on all parameters (adam, sgd), or decoupled decay (adamw)",
    )
    schedule: OfTraining[Annotated[str, Choice(SCHEDULES)]] = Field(
        "none", description="course of the learning rate over all steps"
    )
    label_smoothing: OfTraining[Fraction] = Field(
        0.0, description="share of the target spread evenly over all classes"
    )
    class_weights: OfTraining[Literal["none", "balanced"]] = Field(
        "none",
        description="how much a class counts in the loss: each image the same, or each class the "
        "same, however few its images",
    )
    mixup: OfTraining[float] = Field(
        0.0,
        ge=0.0,
        le=100.0,
        allow_inf_nan=False,
        description="train on blends of two images and their labels, by a share drawn from "
        "Beta(mixup, mixup): the higher, the more even; 0: none",
    )
    clip_norm: OfTraining[float] = Field(
        0.0,
        ge=0.0,
        le=1e6,
        allow_inf_nan=False,
        description="scale gradients down to this L2 norm over all parameters where theirs is "
        "larger; 0: never",
    )
    network: OfNetwork[Annotated[str, Choice(NETWORKS)]] = Field(
        "mlp",
        description="multilayer perceptron; mixer: one that sees an image as patches, and mixes "
        "patches and what is in them in turn; cnn, as a reference for both: three convolutions, "
        "for which hidden has no meaning",
    )
    members: OfNetwork[int] = Field(
        1,
        ge=1,
        le=1000,
        description="networks that are trained beside one another from different weights, and "
        "answer with the mean of their probabilities",
    )
    patch: OfNetwork[Annotated[int, Field(ge=1, le=1024)]] = Field(
        4, description="side in pixels of the mixer's patches"
    )
    hidden: OfNetwork[Widths] = Field(
        (512, 256),
        description="widths of the hidden layers, separated by commas; of a mixer, the hidden "
        "units of each block, and last the numbers that describe a patch",
        json_schema_extra={"expected": "one or more widths from 1 to 65536, such as 512,256"},
    )
    activation: OfNetwork[Annotated[str, Choice(ACTIVATIONS)]] = Field(
        "relu", description="nonlinearity after each hidden layer"
    )
    dropout: OfNetwork[Fraction] = Field(
        0.0, description="probability of zeroing a hidden activation while training"
    )
    batch_norm: OfNetwork[bool] = Field(
        False,
        description="batch normalization between each hidden layer and its activation; of a "
        "mixer, in place of layer normalization",
    )
    init: OfNetwork[Annotated[str, Choice(INITIALIZATIONS)]] = Field(
        "he", description="initialization of the weights; default: what torch.nn.Linear does"
    )
    hflip: OfStream[Probability] = Field(0.0, description="probability of flipping left to right")
    vflip: OfStream[Probability] = Field(0.0, description="probability of flipping top to bottom")
    brightness_contrast: OfStream[Probability] = Field(
        0.0, description="probability of changing brightness and contrast by up to 20%"
    )
    shift_scale_rotate: OfStream[Probability] = Field(
        0.0,
        description="probability of an affine change: shift up to 6.25%, scale up to 10%, "
        "turn up to 45 degrees",
    )
    transpose: OfStream[Probability] = Field(
        0.0,
        description="probability of exchanging rows and columns; with both flips at 0.5 as well, "
        "all eight ways to lay down a square are as probable",
    )
    tta: OfNetwork[Annotated[str, Choice(VIEWS)]] = Field(
        "none",
        description="test-time augmentation: the final scores and the packaged model take the mean "
        "over an image and its mirror image, all its flips, or these and their transposes "
        "(dihedral); scores at each epoch are of the image alone",
    )
    early_stopping_patience: OfTraining[int] = Field(
        0,
        ge=0,
        description="stop after this many epochs without a better monitored metric and keep the "
        "best weights; 0: train all epochs and keep the last weights",
    )
    evaluation_mode: OfTraining[bool] = Field(
        True,
        description="validate with all units and batch norm's running statistics; false: as if "
        "model.eval() had been forgotten, to see what that does",
    )
    monitor: OfTraining[Monitor] = Field(
        "val/loss", description="metric that early stopping watches"
    )
    seed: OfSplit[int] = Field(
        0,
        ge=0,
        le=MAX_SEED,
        description="origin of all randomness: split, order, augmentation, initialization, dropout",
    )
    device: OfMachine[Literal["auto", "cpu", "cuda"]] = Field(
        "auto", description="where to train; auto: cuda when there is one"
    )
    threads: OfMachine[int] = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads of a training step; 0: one a physical core, divided among the "
        "workers of executor processes; 1 of executor dask",
    )

    def key(self, *stages: Stage) -> tuple[object, ...]:
        """The values of the settings that influence these stages: equal where those are."""
        return tuple(getattr(self, k) for k, r in roles(type(self)).items() if r.stage in stages)

    @model_validator(mode="after")
    def _batch_norm_needs_batches(self) -> Self:
        if self.batch_norm and self.batch_size == 1:
            raise ValueError(
                "batch_norm needs a batch_size of at least 2: one image has no variance"
            )
        return self


class Resolved(RunConfig):
    """A configuration in which nothing is left to be decided by the data or the machine."""

    image_size: OfPixels[ImageSide]
    channels: OfPixels[Literal["rgb", "gray"]]
    device: OfMachine[Literal["cpu", "cuda"]]
    threads: OfMachine[Annotated[int, Field(ge=1, le=1024)]]
