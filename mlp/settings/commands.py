"""Settings of commands beside those of training: places, studies, models, images."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlp.settings.base import Choice, Place, Settings
from mlp.settings.source import SourceConfig
from mlp.settings.study import ExperimentConfig, TrackingConfig
from mlp.settings.training import MAX_FOLDS
from mlp.tables import Table

if TYPE_CHECKING:
    from mlp.execution.clusters import Executor

EXECUTORS: Table[Callable[[ExecutorConfig, int], Executor]] = Table(
    "executor",
    {
        "serial": "mlp.execution.clusters:Serial",
        "processes": "mlp.execution.clusters:Processes",
        "dask": "mlp.execution.clusters:Dask",
    },
)


class SuiteChoice(Settings):
    """The suite that a study trains."""

    suite: Place = Field(
        "regularization",
        min_length=1,
        description="name of a suite, or a YAML file with one of your own",
    )
    list: bool = Field(False, description="print every suite with its arms, and train nothing")


class RecipeChoice(Settings):
    """The settings that a training begins with."""

    recipe: Place = Field(
        "plain",
        min_length=1,
        description="settings to begin with: plain, the defaults; strong, found for small sets of "
        "colour images; or a YAML file of your own; options you give override the recipe",
    )


class SearchConfig(Settings):
    """Where a search looks, how, and for how long."""

    space: Place = Field(
        "default",
        min_length=1,
        description="name of a search space, or a YAML file with one of your own",
    )
    list: bool = Field(False, description="print every search space, and search nothing")
    trials: int = Field(
        50,
        ge=1,
        le=100_000,
        description="configurations to score, all processes of the search together; pruned ones "
        "count",
    )
    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe",
        description="what proposes configurations: tpe, a model of what was good so far "
        "(tree-structured Parzen estimators); random, chance; grid, every combination",
    )
    prune: bool = Field(
        True,
        description="stop a trial at an epoch at which it is worse than the median of those before",
    )
    folds: int = Field(
        3,
        ge=2,
        le=MAX_FOLDS,
        description="folds of the cross-validation that scores a trial; copies of an image share a "
        "fold",
    )
    confirm: int = Field(
        4,
        ge=0,
        le=100,
        description="best configurations to be trained again under fresh seeds and folds, and "
        "compared with the base as a study; 0: none",
    )
    confirm_seeds: int = Field(3, ge=1, le=1000, description="fresh seeds of that study")


_ADDRESS = re.compile(r"(?:(?:tcp|tls|wss?)://)?(?:\[[\w:.%]+\]|[\w.-]+):([0-9]{1,5})")


def _check_address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if value and not (found and 1 <= int(found[1]) <= 65535):
        raise ValueError("not an address")
    return value


class ExecutorConfig(Settings):
    """Where the seeds (and folds) of a study train."""

    executor: Annotated[str, Choice(EXECUTORS)] = Field(
        "serial",
        description="where the seeds (and folds) train: one after the other in this process; in "
        "processes of this machine; or with the workers of a Dask cluster",
    )
    workers: int = Field(
        0,
        ge=0,
        le=1024,
        description="processes of the executor of that name; 0: as many as there are physical "
        "cores for, by threads",
    )
    address: Annotated[str, AfterValidator(_check_address)] = Field(
        "",
        description="Dask scheduler of the executor dask, such as tcp://10.0.0.5:8786",
        json_schema_extra={
            "expected": "the address of a Dask scheduler, such as tcp://10.0.0.5:8786"
        },
    )

    @model_validator(mode="after")
    def _where(self) -> Self:
        if self.executor == "dask" and not self.address:
            raise ValueError(
                "address: executor dask needs that of a scheduler, such as tcp://10.0.0.5:8786; "
                "`python -m dask scheduler` starts one and prints it"
            )
        if self.address and self.executor != "dask":
            raise ValueError(f"address: is for executor dask; executor is {self.executor}")
        if self.workers and self.executor != "processes":
            raise ValueError(f"workers: is for executor processes; executor is {self.executor}")
        return self


class StudyChoice(ExperimentConfig):
    """The choice of a recorded study."""

    study: str = Field(
        "latest",
        min_length=1,
        description="run id of a study or single training, or latest: the one begun last",
    )


class ReportChoice(StudyChoice):
    """The choice of the studies that a report is about."""

    compare: str = Field(
        "",
        description="run id of a second study, to be compared with the first arm by arm",
    )


class AuditConfig(ExperimentConfig, SourceConfig):
    """The data that are looked at, and what their findings lead to."""

    strict: bool = Field(False, description="end with exit code 3 when there is anything to report")


class RegisterConfig(StudyChoice):
    """The model of a study that is registered, and its name."""

    name: str = Field("", description="name of the registered model; empty: that of the data")
    pick: Literal["median", "ensemble"] = Field(
        "median",
        description="of the arm with the best mean: the run with the median score, or all runs as "
        "one model that gives the mean of their probabilities",
    )
    force: bool = Field(
        False, description="make it champion even where it does not beat the present one"
    )
    undo: bool = Field(
        False,
        description="take the newest version of that name back, and give its aliases to whom they "
        "belonged before",
    )


class ModelChoice(ExperimentConfig):
    """The choice of a packaged model."""

    model: str = Field(
        "",
        description="models:/NAME@champion, models:/NAME/VERSION or models:/m-ID; empty: the "
        "champion, where only one model is registered",
    )


class PredictConfig(ModelChoice):
    """The images to classify, and the form of the answers."""

    images: tuple[Place, ...] = Field(
        (),
        description="image files, folders, or patterns such as 'new/*.jpg'",
        json_schema_extra={"positional": True},
    )
    links: Literal["follow", "inside"] = Field(
        SourceConfig.model_fields["links"].default,
        description="links in folders: follow all; inside: refuse those that lead out of the "
        "folder, for files from strangers",
    )
    format: Literal["table", "csv", "json"] = Field("table", description="how answers are written")
    top_k: int = Field(3, ge=1, description="how many of the most probable classes are named")
    explain: Place = Field(
        "",
        description="folder for a picture of each image with the pixels that spoke for and against "
        "its class; empty: none",
    )


class EvaluateConfig(ModelChoice, SourceConfig):
    """On which labelled images a model is evaluated."""

    part: Literal["auto", "test", "val", "train", "all"] = Field(
        "auto", description="which split of it; auto: test, else val, else all images"
    )
    runs_dir: Place = Field(
        TrackingConfig.model_fields["runs_dir"].default,
        min_length=1,
        description="folder of the TensorBoard events that are written",
    )
