"""Settings of commands beside those of training: places, studies, models, images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlp.settings.base import Choice, Place, Settings
from mlp.settings.source import SourceConfig
from mlp.settings.study import ExperimentConfig, Seeds, StudyConfig, TrackingConfig
from mlp.settings.training import MAX_FOLDS
from mlp.tables import Table

if TYPE_CHECKING:
    from mlp.execution.clusters import Serial

EXECUTORS: Table[type[Serial]] = Table(
    "executor",
    {
        "auto": "mlp.execution.clusters:Auto",
        "serial": "mlp.execution.clusters:Serial",
        "processes": "mlp.execution.clusters:Processes",
        "dask": "mlp.execution.clusters:Dask",
    },
)


class SuiteChoice(Settings):
    """Suite that a study trains."""

    suite: Place = Field("regularization", min_length=1)
    """name of a suite, or a YAML file with a suite of your own"""
    list: bool = False
    """print every suite with its arms, and train nothing"""


class FormatConfig(Settings):
    """Format of what a command answers."""

    format: Literal["text", "json"] = "text"
    """format of the answer; json: one document on standard output, everything else on standard
    error"""


class RecipeChoice(Settings):
    """Settings that a training starts from."""

    recipe: Place = Field("plain", min_length=1)
    """settings to start from; plain: the defaults; strong: settings that a search found for small
    sets of colour images; or a YAML file of your own; options you give override the recipe"""


class SearchConfig(Settings):
    """Space, trials and folds of a search, and the confirmation at its end."""

    space: Place = Field("default", min_length=1)
    """name of a search space, or a YAML file with a space of your own"""
    list: bool = False
    """print every search space, and search nothing"""
    trials: int = Field(50, ge=1, le=100_000)
    """number of configurations to score, in all processes of the search together; pruned ones
    count"""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """method that proposes configurations; tpe: from a model of the scores so far (tree-structured
    Parzen estimators); random: at random; grid: every combination"""
    prune: bool = True
    """stop a trial at an epoch at which it is worse than the median of earlier ones"""
    folds: int = Field(3, ge=2, le=MAX_FOLDS)
    """folds of the cross-validation that scores a trial; copies of an image share a fold"""
    confirm: int = Field(4, ge=0, le=100)
    """number of best configurations that are trained again under fresh seeds and folds, and
    compared with the base configuration as a study; 0: none"""
    confirm_seeds: Seeds = Field(
        "auto", json_schema_extra=StudyConfig.model_fields["seeds"].json_schema_extra
    )
    """fresh seeds of that study, as seeds of other studies"""


_ADDRESS = re.compile(r"(?:(?:tcp|tls|wss?)://)?(?:\[[\w:.%]+\]|[\w.-]+):([0-9]{1,5})")


def _check_address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if value and not (found and 1 <= int(found[1]) <= 65535):
        raise ValueError("not an address")
    return value


class ExecutorConfig(Settings):
    """Processes or machines that train the seeds (and folds) of a study."""

    executor: Annotated[str, Choice(EXECUTORS)] = "auto"
    """where the runs train; serial: in this process, one seed (and fold) after the other;
    processes: in processes of this machine; dask: on the workers of a Dask cluster; auto: in
    processes, if the machine has cores for several trainings and the study takes long enough"""
    workers: int = Field(0, ge=0, le=1024)
    """number of processes with executor processes; 0: as many as the physical cores allow with the
    threads of a training"""
    address: Annotated[str, AfterValidator(_check_address)] = Field(
        "",
        json_schema_extra={
            "expected": "the address of a Dask scheduler, such as tcp://10.0.0.5:8786"
        },
    )
    """address of the Dask scheduler with executor dask, such as tcp://10.0.0.5:8786"""

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
    """Recorded study to read."""

    study: str = Field("latest", min_length=1)
    """run id of a study or a single training; latest: the one that began last"""


class ReportChoice(StudyChoice):
    """Recorded studies to report on."""

    compare: str = ""
    """run id of a second study, which is compared with the first arm by arm"""


class AuditConfig(ExperimentConfig, SourceConfig):
    """Data to audit, and what findings lead to."""

    strict: bool = False
    """end with exit code 3 if there is anything to report"""


class RegisterConfig(StudyChoice):
    """Model of a study to register, and its name."""

    name: str = ""
    """name of the registered model; empty: the name of the data"""
    pick: Literal["median", "ensemble"] = "median"
    """model of the arm with the best mean; median: the run with the median score; ensemble: all
    runs as one, which answers with the mean of their probabilities"""
    force: bool = False
    """make it the champion, even if it does not beat the present one"""
    undo: bool = False
    """take back the newest version of that name, and return its aliases to the versions that had
    them before"""


class ModelChoice(ExperimentConfig):
    """Packaged model to use."""

    model: str = ""
    """models:/NAME@champion, models:/NAME/VERSION or models:/m-ID; empty: the champion, if only one
    model is registered"""


class PredictConfig(ModelChoice):
    """Images to classify, and the format of the answers."""

    images: tuple[Place, ...] = Field((), json_schema_extra={"positional": True})
    """image files, folders, or patterns such as 'new/*.jpg'"""
    links: Literal["follow", "inside"] = SourceConfig.model_fields["links"].default
    """links in folders; follow: follow all; inside: refuse links that lead out of the folder, for
    files from strangers"""
    format: Literal["table", "csv", "json"] = "table"
    """format of the answers"""
    top_k: int = Field(3, ge=1)
    """number of the most probable classes to name"""
    explain: Place = ""
    """folder for a picture of each image that shows which pixels spoke for and against its class;
    empty: no pictures"""


class EvaluateConfig(ModelChoice, SourceConfig):
    """Labelled images to evaluate a model on."""

    part: Literal["auto", "test", "val", "train", "all"] = "auto"
    """split to evaluate on; auto: test, else val, else all images"""
    runs_dir: Place = Field(TrackingConfig.model_fields["runs_dir"].default, min_length=1)
    """folder for the TensorBoard events"""
