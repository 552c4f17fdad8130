"""Which regularizers, initializations and hyperparameters of an MLP help on a folder of images."""

__version__ = "0.1.0"
