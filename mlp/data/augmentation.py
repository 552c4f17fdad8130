"""The random changes to training images. Albumentations runs here and nowhere else."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from mlp.errors import SettingsError
from mlp.settings.training import AUGMENTATION, RunConfig
from mlp.tables import Table

# Each makes its transform of the module albumentations. Its probability is the field of that name
# in RunConfig. Its random numbers depend on its place: a new one belongs at the end.
AUGMENTATIONS: Table[Callable[[Any], Any]] = Table(
    "augmentation",
    {
        "hflip": lambda library: library.HorizontalFlip(),
        "vflip": lambda library: library.VerticalFlip(),
        "transpose": lambda library: library.Transpose(),
        "brightness_contrast": lambda library: library.RandomBrightnessContrast(0.2, 0.2),
        # ShiftScaleRotate's ranges for its successor; what leaves the frame is mirrored in, so that
        # no black corner tells an augmented image
        "shift_scale_rotate": lambda library: library.Affine(
            translate_percent=(-0.0625, 0.0625),
            scale=(0.9, 1.1),
            rotate=(-45, 45),
            border_mode=cv2.BORDER_REFLECT_101,
        ),
    },
)


def policy(config: RunConfig) -> dict[str, float]:
    """The probability of each augmentation, in the order of the table.

    Raises SettingsError where an augmentation has no setting, or a setting no augmentation.
    """
    fields = type(config).model_fields
    declared = {name for name, field in fields.items() if AUGMENTATION in field.metadata}
    if alone := declared ^ set(AUGMENTATIONS):
        raise SettingsError(
            f"{', '.join(sorted(alone))}: an augmentation is a probability in the settings and a "
            f"row of AUGMENTATIONS, which has {', '.join(AUGMENTATIONS)}"
        )
    return {name: float(getattr(config, name)) for name in AUGMENTATIONS}


def pipeline(probabilities: Mapping[str, float], seed: int) -> Any:
    """The Albumentations pipeline of a policy, uint8 (H, W, C) to the same.

    Whether an image has one augmentation says nothing about the others. Ranges are those of the
    transforms that the exercise names.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network at import
    import albumentations

    with warnings.catch_warnings():
        # A misspelt argument only warns, and is ignored
        warnings.simplefilter("error", UserWarning)
        transforms = {name: make(albumentations) for name, make in AUGMENTATIONS.items()}
        made = albumentations.Compose([transforms[k] for k, p in probabilities.items() if p > 0])
    # Compose's own seed would be that of each transform: then an image has all of them or none.
    # Seeded by its place, a transform does the same whatever others there are.
    for number, (name, p) in enumerate(probabilities.items()):
        child = np.random.SeedSequence([seed, number])
        transforms[name].p = p
        transforms[name].set_random_state(
            np.random.default_rng(child), random.Random(int(child.generate_state(1)[0]))
        )
    return made
