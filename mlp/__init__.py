"""Find which regularizers, initializations and hyperparameters of an MLP help on your images."""

__version__ = "0.1.0"
