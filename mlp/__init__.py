"""Find which regularizers, initializations and hyperparameters of an MLP help on your images.

`mlp.compare("photos")` and the other functions are what the commands call; see docs/library.md.
Nothing is imported before it is asked for.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp.errors import ClusterLost as ClusterLost
    from mlp.errors import DataError as DataError
    from mlp.errors import MlpError as MlpError
    from mlp.errors import NetworkError as NetworkError
    from mlp.errors import NoSuchModel as NoSuchModel
    from mlp.errors import NoSuchRuns as NoSuchRuns
    from mlp.errors import NoSuchStudy as NoSuchStudy
    from mlp.errors import PageDiffers as PageDiffers
    from mlp.errors import ServerAway as ServerAway
    from mlp.errors import SettingsError as SettingsError
    from mlp.errors import StoreUnusable as StoreUnusable
    from mlp.errors import TamperedModel as TamperedModel
    from mlp.errors import UnreadableImage as UnreadableImage
    from mlp.settings.training import RunConfig as RunConfig
    from mlp.study.arm import Arm as Arm
    from mlp.study.suite import Suite as Suite
    from mlp.workflows.judge import judge as judge
    from mlp.workflows.library import audit as audit
    from mlp.workflows.library import compare as compare
    from mlp.workflows.library import load as load
    from mlp.workflows.library import report as report
    from mlp.workflows.library import search as search
    from mlp.workflows.library import train as train

__version__ = "0.1.0"

_MODULES = {
    **dict.fromkeys(
        ("audit", "compare", "load", "report", "search", "train"), "mlp.workflows.library"
    ),
    "judge": "mlp.workflows.judge",
    "Arm": "mlp.study.arm",
    "Suite": "mlp.study.suite",
    "RunConfig": "mlp.settings.training",
    **dict.fromkeys(
        (
            "ClusterLost",
            "DataError",
            "MlpError",
            "NetworkError",
            "NoSuchModel",
            "NoSuchRuns",
            "NoSuchStudy",
            "PageDiffers",
            "ServerAway",
            "SettingsError",
            "StoreUnusable",
            "TamperedModel",
            "UnreadableImage",
        ),
        "mlp.errors",
    ),
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # Whoever imports the package mlp.report or mlp.search would put it in the function's place
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'mlp' has no attribute {name!r}; see dir(mlp)")
    found = getattr(import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*_MODULES, "__version__"]


_this = sys.modules[__name__]
_this.__class__ = _Package
