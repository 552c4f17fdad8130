"""A call of the library: the work of a command in the process of somebody else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlp import console
from mlp.errors import MlpError
from mlp.processes import stoppable
from mlp.tracking.mlflow.environment import lent_environment

_LOG = logging.getLogger("mlp")


@contextmanager
def call() -> Iterator[None]:
    """Work as a command does, and leave the process as it was.

    What a command would print goes to the log `mlp`, as INFO. An interruption ends what has begun,
    and later ones are passed over meanwhile. Raises MlpError for what the surroundings got wrong.
    """
    with console.told_to(_LOG.info), stoppable(), lent_environment():
        try:
            yield
        except MlpError:
            raise
        except Exception as error:
            from mlp.tracking.mlflow.surroundings import in_words

            if said := in_words(error, (), ()):
                raise MlpError(said) from error
            raise


@contextmanager
def training() -> Iterator[None]:
    """A `call` that trains: torch has its threads back at the end."""
    with call():
        import torch

        threads = torch.get_num_threads()
        try:
            yield
        finally:
            torch.set_num_threads(threads)
