"""Settings of a study: its seeds, where it is recorded, and what its report compares."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mlp.errors import SettingsError
from mlp.languages import LANGUAGES
from mlp.metrics import COMPARED
from mlp.settings.base import Choice, Place, Settings, field_text
from mlp.settings.training import MAX_FOLDS, MAX_SEED, RunConfig, split_integers


def _split_seeds(value: object) -> object:
    if isinstance(value, str) and "," in value:
        return split_integers(value)
    return value


Seeds = Annotated[
    Literal["auto"]
    | Annotated[int, Field(ge=1, le=1000)]
    | tuple[Annotated[int, Field(ge=0, le=MAX_SEED)], ...],
    BeforeValidator(_split_seeds),
]


class StudyConfig(Settings):
    """Seeds and folds of a study."""

    seeds: Seeds = Field(
        "auto",
        json_schema_extra={
            "expected": "auto, a count from 1 to 1000, or a list of seeds such as 0,1,2"
        },
    )
    """auto: three seeds, then more of them for the arms without a verdict; or their number, counted
    up from seed; or a list of seeds such as 0,1,2 (a list of one ends with a comma: 5,)"""
    max_seeds: int = Field(20, ge=3, le=1000)
    """most seeds of an arm with seeds auto"""
    minutes: float = Field(0.0, ge=0, allow_inf_nan=False)
    """most minutes of training with seeds auto: a round of seeds that would end later is left out,
    but not the first; 0: no limit"""
    folds: int = Field(0, ge=0, le=MAX_FOLDS)
    """number of folds of a cross-validation; each seed draws them anew from training and validation
    images together; 0: the split as given or drawn"""
    arms_at_once: int = Field(0, ge=0)
    """arms trained side by side; 0: as many as fit in half of the free memory"""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if isinstance(self.seeds, tuple) and len(set(self.seeds)) != len(self.seeds):
            raise ValueError(
                f"seeds: each may be named once, but {field_text(self.seeds)} names one twice"
            )
        if self.seeds == ():
            raise ValueError("seeds: give a count or a list such as 0,1,2")
        if self.folds == 1:
            raise ValueError("folds: give at least 2, or 0 for the split as it is; 1 was given")
        return self

    def as_text(self) -> dict[str, str]:
        """Every field as the text that would be typed on a command line."""
        # A list of one seed keeps its comma: without it, it would be a count
        one = isinstance(self.seeds, tuple) and len(self.seeds) == 1
        return super().as_text() | ({"seeds": f"{field_text(self.seeds)},"} if one else {})

    def seed_list(self, first: int) -> tuple[int, ...]:
        """The seeds of the study, or all that auto may come to; a count starts at `first`."""
        if isinstance(self.seeds, tuple):
            return self.seeds
        count = self.max_seeds if self.seeds == "auto" else self.seeds
        return tuple((first + k) % (MAX_SEED + 1) for k in range(count))

    def fold_list(self, base: RunConfig) -> tuple[str, ...]:
        """The folds that each seed trains. Raises SettingsError where base names one as well."""
        if not self.folds:
            return (base.fold,)
        if base.fold != "none":
            raise SettingsError(
                f"folds {self.folds} trains every fold: leave out fold, {base.fold!r} was given"
            )
        return tuple(f"{number}/{self.folds}" for number in range(1, self.folds + 1))


class ExperimentConfig(Settings):
    """Experiment in MLflow."""

    experiment_name: str = ""
    """MLflow experiment; empty: that of MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID, else mlp;
    `mlflow run` has an --experiment-name of its own, which decides there"""


Models = Literal["all", "best", "none"]


class TrackingConfig(ExperimentConfig):
    """Records of runs: where they go, and whether finished runs are used again."""

    runs_dir: Place = Field("runs", min_length=1)
    """folder for the TensorBoard events that are written while training"""
    retrain: bool = False
    """train again, even what is recorded as finished"""
    models: Models = "all"
    """models that are kept; all: that of each run; best: those of the arm that register would
    choose; none: none; the same command with models all trains what has no model again, with the
    same numbers; the trials of a search keep theirs with models all only"""
    patience: float = Field(60.0, ge=0)
    """minutes to wait for a tracking server that does not answer"""


class LanguageConfig(Settings):
    """The language of what a command reports."""

    lang: Annotated[str, Choice(LANGUAGES)] = "en"
    """language of the report, and of what the command says"""


class ReportConfig(LanguageConfig):
    """The score, the margin and the language of a report."""

    metric: Annotated[str, Choice(COMPARED)] = "accuracy"
    """validation score by which arms are compared"""
    margin: float = Field(1.0, ge=0, le=100)
    """difference that would matter, in points (hundredths) of the metric: an arm whose interval
    lies within it to both sides is called equal; ask which gain would be worth its cost; 0: no arm
    is ever called equal"""
