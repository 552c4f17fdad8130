"""A cluster of real parts: PostgreSQL, an MLflow server, a Dask scheduler and its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from benchmarks.parts import Command, DaskWorker, Part, Postgres, Scheduler, Server
from mlp.tracking.mlflow.names import IDENTITY, KIND, PARENT

SUITE = """
question: Which?
base: {hidden: [64, 32], epochs: 12, batch_size: 64}
arms:
  - name: baseline
  - name: dropout
    changes: {dropout: 0.3}
  - name: batch-norm
    changes: {batch_norm: true}
  - name: turned
    changes: {shift_scale_rotate: 0.5}
"""
SEEDS, ARMS = 4, 4


@dataclass
class Found:
    """What a store has of a study."""

    comparison: bytes
    predictions: dict[str, bytes]
    statuses: dict[str, list[str]]  # by identity

    @classmethod
    def read(cls, uri: str, folder: Path) -> Found:
        """Of the latest study, with all that was recorded in its experiment."""
        client = MlflowClient(uri)
        (experiment,) = [e for e in client.search_experiments() if e.name == "mlp"]
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        studies = [r for r in runs if r.data.tags.get(KIND) == "study"]
        latest = max(studies, key=lambda run: run.info.start_time)
        assert latest.info.status == "FINISHED"
        statuses: dict[str, list[str]] = {}
        predictions = {}
        for run in runs:
            identity = run.data.tags.get(IDENTITY)
            if identity is None:
                continue
            statuses.setdefault(identity, []).append(run.info.status)
            if run.info.status == "FINISHED":
                assert run.data.tags[PARENT] == latest.info.run_id
                place = folder / run.info.run_id
                place.mkdir(parents=True)
                file = download_artifacts(
                    artifact_uri=f"runs:/{run.info.run_id}/predictions.parquet",
                    dst_path=str(place), tracking_uri=uri,
                )  # fmt: skip
                predictions[run.info.run_name] = Path(file).read_bytes()
        table = download_artifacts(
            artifact_uri=f"runs:/{latest.info.run_id}/comparison.csv",
            dst_path=str(folder), tracking_uri=uri,
        )  # fmt: skip
        return cls(Path(table).read_bytes(), predictions, statuses)


@dataclass
class Cluster:
    """The parts, and where they write."""

    folder: Path
    postgres: Postgres
    server: Server
    scheduler: Scheduler
    workers: list[DaskWorker] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {"MLFLOW_TRACKING_URI": self.server.uri, "OMP_NUM_THREADS": "1"}

    def add_worker(
        self,
        options: Sequence[str] = ("--no-nanny",),
        within: Sequence[str] = (),
        folder: Path | None = None,
        **environment: str,
    ) -> DaskWorker:
        folder = folder or self.folder / f"worker{len(self.workers)}"
        own = {**self.environment, "MLP_CACHE": str(folder / "cache"), **environment}
        address = self.scheduler.address
        self.workers.append(DaskWorker(address, folder, own, options, within))
        self.parts.append(self.workers[-1])
        return self.workers[-1]

    def study(self) -> Command:
        """Start the study of this file, to be trained by the workers."""
        made = Command(
            "study", self.folder / "driver", "--suite", "suite.yaml", "--seeds", str(SEEDS),
            "--executor", "dask", "--address", self.scheduler.address, **self.environment,
        )  # fmt: skip
        self.parts.append(made)
        return made

    def found(self) -> Found:
        return Found.read(self.server.uri, self.folder / "found")

    def ends_like(self, undisturbed: Found, command: Command) -> None:
        """A study ends well, as the undisturbed one did."""
        assert command.wait() == 0, command.text
        self.equals(undisturbed)

    def equals(self, undisturbed: Found) -> None:
        """Nothing is missing, doubled or RUNNING, and the table is bitwise the undisturbed one."""
        found = self.found()
        assert len(found.statuses) == SEEDS * ARMS
        for statuses in found.statuses.values():
            assert statuses.count("FINISHED") == 1 and "RUNNING" not in statuses
        assert found.predictions == undisturbed.predictions
        assert found.comparison == undisturbed.comparison


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if Postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    made = Postgres()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The study trained in one process, with nothing in its way."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "suite.yaml").write_text(SUITE)
    command = Command(
        "study", folder, "--suite", "suite.yaml", "--seeds", str(SEEDS), "--threads", "1",
        OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert command.wait() == 0, command.text
    return Found.read(f"sqlite:///{folder / 'mlflow.db'}", folder / "found")


MakeCluster = Callable[..., Cluster]


@pytest.fixture
def make_cluster(tmp_path: Path, postgres: Postgres) -> Iterator[MakeCluster]:
    """Start everything but workers, at the given addresses."""
    parts: list[Part] = []

    def make(server: str = "127.0.0.1", scheduler: str = "127.0.0.1") -> Cluster:
        postgres.renew()
        (tmp_path / "driver").mkdir()
        (tmp_path / "driver" / "suite.yaml").write_text(SUITE)
        made = Cluster(
            tmp_path, postgres, Server(postgres.url, tmp_path / "server", server),
            Scheduler(tmp_path / "scheduler", scheduler), parts=parts,
        )  # fmt: skip
        parts.extend([made.server, made.scheduler])
        return made

    yield make
    for part in reversed(parts):
        part.kill()


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """Everything started, with two workers."""
    made = make_cluster()
    made.add_worker()
    made.add_worker()
    return made
