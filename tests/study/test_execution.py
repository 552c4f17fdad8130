"""Where the seeds of a study train changes nothing but the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from distributed import Client, Security

from mlp.options import ExecutorConfig
from mlp.settings import ConfigError, SettingsError
from mlp.study.execution import cluster, divide, run
from mlp.study.planning import Study
from mlp.study.suite import Arm
from mlp.tracking.mlflow_tracker import MlflowTracker
from mlp.tracking.store import Store, open_store
from tests.study.conftest import MakeStudy

ARMS = (
    Arm("plain", {}, ""),
    Arm("noisy", {"dropout": 0.3, "hflip": 0.5, "batch_norm": True}, ""),
    Arm("wild", {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}, "diverges"),
)


@pytest.fixture
def store(fresh_database: None) -> Iterator[Store]:
    yield open_store("mlp")


def recorded(store: Store, tracker: MlflowTracker) -> dict[str, object]:
    """Everything that is recorded of the runs of a study, except times."""
    found: dict[str, object] = {}
    history = store.client.get_metric_history
    for status in ("FINISHED", "FAILED"):
        for one in store.children(tracker.run_id, status):
            histories = {
                name: [(m.step, m.value) for m in history(one.info.run_id, name)]
                for name in one.data.metrics
                if not name.startswith("time/")
            }
            assert one.info.run_name not in found
            found[one.info.run_name] = status, histories, one.data.params
    return found


def train(store: Store, study: Study, config: ExecutorConfig) -> dict[str, object]:
    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    with cluster(config, study.base) as client:
        outcomes = run(study, tracker, retrain=True, client=client)
    tracker.end("FINISHED")
    assert [o.status for o in outcomes] == ["FINISHED", "FINISHED", "FAILED"] * len(study.seeds)
    assert [(o.arm, o.seed) for o in outcomes] == [(s.arm, s.config.seed) for s in study.specs]
    for spec in study.specs:
        assert list((tracker.folder / spec.name).glob("events.*"))
    return recorded(store, tracker)


def test_processes_record_what_one_process_records(store: Store, make_study: MakeStudy) -> None:
    study = make_study(*ARMS, seeds=(0, 1, 2))
    alone = train(store, study, ExecutorConfig())
    assert len(alone) == 9
    assert train(store, study, ExecutorConfig(executor="processes", workers=2)) == alone


def only_its_own_command_can_use(client: Client) -> None:
    """Neither a stranger's certificate nor none opens the cluster, and its pages are empty."""
    address = client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    for place, security in (
        (address, Security.temporary()),
        (address.replace("tls", "tcp"), None),
    ):
        with pytest.raises(OSError):
            Client(place, timeout=2, security=security, set_as_default=False)
    pages = client.scheduler_info()["services"]["dashboard"]
    for page in ("info/main/workers.html", "json/identity.json"):
        assert requests.get(f"http://127.0.0.1:{pages}/{page}", timeout=5).status_code == 404


def test_what_is_recorded_needs_no_worker(store: Store, make_study: MakeStudy) -> None:
    study = make_study(ARMS[0])
    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    first = run(study, tracker)
    with cluster(ExecutorConfig(executor="processes", workers=1), study.base) as client:
        again = run(study, tracker, client=client)
        assert client is not None
        only_its_own_command_can_use(client)
    tracker.end("FINISHED")
    assert [o.scores for o in again] == [o.scores for o in first] and again[0].reused


def test_cores_are_divided() -> None:
    cores = psutil.cpu_count(logical=False) or 1
    assert divide(ExecutorConfig(), 0) == (0, 0)
    assert divide(ExecutorConfig(), 3) == (0, 3)
    assert divide(ExecutorConfig(executor="processes"), 0) == (cores, 1)
    assert divide(ExecutorConfig(executor="processes"), cores) == (1, cores)
    assert divide(ExecutorConfig(executor="processes", workers=1), 0) == (1, cores)
    assert divide(ExecutorConfig(executor="processes", workers=5), 2) == (5, 2)
    assert divide(ExecutorConfig(executor="dask", address="tcp://a:1"), 0) == (0, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"executor": "dask"}, "needs that of a scheduler"),
        ({"address": "tcp://a:1"}, "is for executor dask"),
        ({"workers": "2"}, "is for executor processes"),
        ({"executor": "threads"}, "one of serial, processes, dask; 'threads' was given"),
    ],
)
def test_what_does_not_go_together_is_explained(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ExecutorConfig.parse(given)


def test_a_scheduler_that_does_not_answer_is_named(make_study: MakeStudy) -> None:
    config = ExecutorConfig(executor="dask", address="nowhere://10")
    with (
        pytest.raises(SettingsError, match="no Dask scheduler answers at 'nowhere://10'"),
        cluster(config, make_study(ARMS[0]).base),
    ):
        pass
