"""The errors that a user or the surroundings can cause, each with a message and an exit code."""

from __future__ import annotations


class MlpError(Exception):
    """The root of the tree: its message tells a person what went wrong and how to mend it."""

    exit_code = 1


class SettingsError(MlpError, ValueError):
    """A setting has a value that it cannot have, or settings do not fit together."""

    exit_code = 2


class NetworkError(SettingsError):
    """A network of a user's own cannot be used; the message says why."""


class DataError(MlpError, ValueError):
    """Images, or a file that lists them, cannot be used."""


class UnreadableImage(DataError):
    """Bytes cannot be used as an image; the message says why."""


class NoSuchStudy(MlpError, ValueError):
    """There is no such study, or its record cannot be read."""


class NoSuchRuns(MlpError, ValueError):
    """There are no such runs to judge, or none of them has a score."""


class NoSuchModel(MlpError, ValueError):
    """There is no such model, or its files cannot be read."""


class TamperedModel(MlpError, ValueError):
    """The files of a model are not those that were packaged."""


class PageDiffers(MlpError):
    """A page says something else than its record gives."""

    exit_code = 3


class StoreUnusable(MlpError):
    """The tracking store cannot be opened."""


class ServerAway(MlpError):
    """The tracking server did not answer in the time that was allowed."""


class ClusterLost(MlpError):
    """The Dask cluster went away, or cannot be used."""
