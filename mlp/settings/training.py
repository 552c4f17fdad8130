"""The configuration of one training: every default, limit and help text of its settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlp.metrics import MONITORED
from mlp.settings.architecture import ACTIVATIONS, NETWORKS, VIEWS
from mlp.settings.base import Choice, Place
from mlp.settings.own_network import (
    FORM,
    dotted,
    file_and_class,
    gathered,
    keywords,
    keywords_text,
    own_setting,
)
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
from mlp.tables import Table

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LRScheduler

    from mlp.learning.initialization import Initialization
    from mlp.learning.optimization import Rule

OPTIMIZERS: Table[Rule] = Table(
    "optimizer",
    {
        "adam": "mlp.learning.optimization:ADAM",
        "adamw": "mlp.learning.optimization:ADAMW",
        "sgd": "mlp.learning.optimization:SGD",
    },
)
# Of so many steps
SCHEDULES: Table[Callable[[RunConfig, torch.optim.Optimizer, int], LRScheduler | None]] = Table(
    "schedule",
    {
        "none": "mlp.learning.optimization:constant",
        "cosine": "mlp.learning.optimization:cosine",
        "onecycle": "mlp.learning.optimization:onecycle",
    },
)
INITIALIZATIONS: Table[Initialization] = Table(
    "initialization",
    {
        "he": "mlp.learning.initialization:HE",
        "xavier": "mlp.learning.initialization:XAVIER",
        "uniform": "mlp.learning.initialization:UNIFORM",
        "normal": "mlp.learning.initialization:NORMAL",
        "constant": "mlp.learning.initialization:CONSTANT",
        "default": "mlp.learning.initialization:DEFAULT",
    },
)

OWN_INIT = "network"  # the one that a network of one's own brings
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
AUGMENTATION = "augmentation"  # marks settings that are rows of mlp.data.augmentation
Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False), AUGMENTATION]
ImageSide = Annotated[int, Field(ge=1, le=1024)]

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


Width = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1), BeforeValidator(split_integers)]


def _check_fold(value: str) -> str:
    number, _, folds = value.partition("/")
    numbers = number.isdecimal() and folds.isdecimal()
    known = numbers and 2 <= int(folds) <= MAX_FOLDS and 1 <= int(number) <= int(folds)
    if value != "none" and not known:
        raise ValueError("no such fold")
    return value


class RunConfig(SourceConfig):
    """All the hyperparameters of one training. Frozen; unknown keys are errors; seed 0 is valid."""

    split: OfSource[Place] = ""
    """CSV file of path, class, split (train, val, test) and sha256 whose split is used, such as the
    split.csv that each study writes; empty: the split of the data"""
    on_leak: OfSource[Literal["warn", "drop", "error"]] = "warn"
    """what to do if validation or test images are copies of training images; warn: say so; drop:
    leave the copies out; error: end"""
    val_fraction: OfSplit[float] = Field(0.2, gt=0.0, lt=1.0)
    """share of the images of each class that the seed draws for validation, if the data has no
    validation split of its own"""
    images_per_class: OfArmSplit[int] = Field(0, ge=0)
    """number of distinct images of each class to train on, drawn by the seed; 0: all"""
    image_size: OfPixels[Literal["auto"] | ImageSide] = Field(
        "auto", json_schema_extra={"expected": "auto, or a number of pixels from 1 to 1024"}
    )
    """side in pixels of the square to which images are resized, whatever their proportions; auto:
    64, or the longest side of all images if that is smaller"""
    channels: OfPixels[Literal["auto", "rgb", "gray"]] = "auto"
    """channels of the images; auto: gray if every image is grayscale, else rgb"""
    normalization: OfStream[Literal["dataset", "imagenet", "none"]] = "dataset"
    """for each channel, subtract a mean and divide by a standard deviation; dataset: those of the
    training images; imagenet: those of ImageNet; none: pixels stay in 0..1"""
    fold: OfSplit[Annotated[str, AfterValidator(_check_fold)]] = Field(
        "none", json_schema_extra={"expected": "none, or a fold such as 2/5: the second of five"}
    )
    """k/K: validate on the k-th of K folds of the training and validation images, and train on the
    others; none: the split as given or drawn"""
    epochs: OfTraining[int] = Field(20, ge=1)
    """passes over the training images"""
    batch_size: OfStream[int] = Field(32, ge=1)
    """images in a training step"""
    optimizer: OfTraining[Annotated[str, Choice(OPTIMIZERS)]] = "adam"
    """update rule"""
    momentum: OfTraining[Fraction] = 0.9
    """momentum of sgd; adam and adamw ignore it"""
    lr: OfTraining[float] = Field(1e-3, gt=0.0, le=1e3, allow_inf_nan=False)
    """learning rate (peak of a schedule)"""
    weight_decay: OfTraining[Amount] = Field(0.0, le=1e3)
    """L2 penalty on all parameters (adam, sgd), or decoupled decay (adamw)"""
    schedule: OfTraining[Annotated[str, Choice(SCHEDULES)]] = "none"
    """course of the learning rate over all steps; none: constant"""
    label_smoothing: OfTraining[Fraction] = 0.0
    """share of the target that is spread evenly over all classes"""
    class_weights: OfTraining[Literal["none", "balanced"]] = "none"
    """weights of the classes in the loss; none: each image counts the same; balanced: each class
    counts the same, however few images it has"""
    mixup: OfTraining[Amount] = Field(0.0, le=100.0)
    """train on blends of two images and their labels, with a share drawn from Beta(mixup, mixup):
    the higher, the more even; 0: no blends"""
    clip_norm: OfTraining[Amount] = Field(0.0, le=1e6)
    """largest L2 norm of the gradient over all parameters: a larger gradient is scaled down to it;
    0: no limit"""
    network: OfNetwork[Annotated[str, Choice(NETWORKS, FORM, file_and_class)]] = "mlp"
    """mlp: a multilayer perceptron; mixer: an MLP that cuts an image into patches, and mixes the
    patches and the numbers within each patch in turn; cnn: three convolutions, as a reference for
    both (hidden has no effect on it); or a class of your own in a file (docs/networks.md)"""
    network_settings: OfNetwork[
        Annotated[str, AfterValidator(lambda text: keywords_text(keywords(text)))]
    ] = Field("", json_schema_extra={"expected": "names and values, such as depth=3,width=128"})
    """settings of a network of your own, such as depth=3,width=128; in suites, recipes and spaces
    also one by one, as network.width: 128"""
    members: OfNetwork[int] = Field(1, ge=1, le=1000)
    """number of networks that are trained side by side from different weights, and answer with the
    mean of their probabilities"""
    patch: OfNetwork[Annotated[int, Field(ge=1, le=1024)]] = 4
    """side in pixels of the mixer's patches"""
    hidden: OfNetwork[Widths] = Field(
        (512, 256),
        json_schema_extra={"expected": "one or more widths from 1 to 65536, such as 512,256"},
    )
    """widths of the hidden layers, separated by commas; for a mixer: the hidden units of each
    block, and last how many numbers describe a patch"""
    activation: OfNetwork[Annotated[str, Choice(ACTIVATIONS)]] = "relu"
    """nonlinearity after each hidden layer"""
    dropout: OfNetwork[Fraction] = 0.0
    """probability of setting a hidden activation to zero while training"""
    batch_norm: OfNetwork[bool] = False
    """batch normalization between each hidden layer and its activation; for a mixer: in place of
    layer normalization"""
    init: OfNetwork[Annotated[str, Choice(INITIALIZATIONS, OWN_INIT, OWN_INIT.__eq__)]] = "he"
    """initialization of the weights; default: that of torch.nn.Linear; network: as the constructor
    of a network of your own leaves them"""
    hflip: OfStream[Probability] = 0.0
    """probability of flipping left to right"""
    vflip: OfStream[Probability] = 0.0
    """probability of flipping top to bottom"""
    brightness_contrast: OfStream[Probability] = 0.0
    """probability of changing brightness and contrast by up to 20%"""
    shift_scale_rotate: OfStream[Probability] = 0.0
    """probability of an affine change: a shift of up to 6.25%, a scale of up to 10%, a turn of up
    to 45 degrees"""
    transpose: OfStream[Probability] = 0.0
    """probability of exchanging rows and columns; at 0.5, with both flips at 0.5, all eight
    orientations of a square are equally likely"""
    tta: OfNetwork[Annotated[str, Choice(VIEWS)]] = "none"
    """test-time augmentation: the final scores and the packaged model take the mean over an image
    and its mirror image (hflip), all its flips (flips), or these and their transposes (dihedral);
    scores at each epoch are of the image alone"""
    early_stopping_patience: OfTraining[int] = Field(0, ge=0)
    """stop after this many epochs without a better monitored metric, and keep the best weights; 0:
    train all epochs and keep the last weights"""
    evaluation_mode: OfTraining[bool] = True
    """validate with all units and the running statistics of batch norm; false: as if model.eval()
    had been forgotten, to see the effect"""
    monitor: OfTraining[Annotated[str, Choice(MONITORED)]] = "val/loss"
    """metric that early stopping watches"""
    seed: OfSplit[int] = Field(0, ge=0, le=MAX_SEED)
    """origin of all randomness: split, order, augmentation, initialization, dropout"""
    device: OfMachine[Literal["auto", "cpu", "cuda"]] = "auto"
    """device to train on; auto: cuda if there is one, else cpu"""
    threads: OfMachine[int] = Field(0, ge=0, le=1024)
    """CPU threads of a training step, on which numbers depend to the last bit; 0: one for a small
    network, two or four for larger ones, on every machine"""

    def key(self, *stages: Stage) -> tuple[object, ...]:
        """The values of the settings that influence these stages: equal where those are."""
        return tuple(getattr(self, k) for k, r in roles(type(self)).items() if r.stage in stages)

    def gives(self, name: str) -> bool:
        own = own_setting(name)
        return super().gives(name) if own is None else own in keywords(self.network_settings)

    def value(self, name: str) -> Any:
        """The value of a setting, which may be one of a network's own such as `network.width`."""
        own = own_setting(name)
        return getattr(self, name) if own is None else keywords(self.network_settings).get(own)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        return gathered(values)

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
    network_source: OfNetwork[str] = ""
    """content of the file of a network of one's own"""

    def as_text(self) -> dict[str, str]:
        """Every field as text, and each setting of a network of one's own.

        The digest of that network's file stands for its content.
        """
        texts = super().as_text()
        if source := texts.pop("network_source"):
            texts["network_source"] = hashlib.sha256(source.encode()).hexdigest()
        return texts | dotted(self.network_settings)
