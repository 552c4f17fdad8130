"""Where the seeds of a study train changes nothing but the time."""

from __future__ import annotations

import asyncio
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.spawn import get_preparation_data
from pathlib import Path
from types import ModuleType

import pytest
import requests
from click.testing import CliRunner
from distributed import Client, LocalCluster, Security

from mlp.commands.train import train as train_command
from mlp.errors import ClusterLost
from mlp.execution.clusters import Auto, Dask, Processes
from mlp.execution.executor import in_pieces, run
from mlp.execution.warm import without_script
from mlp.settings.base import ConfigError
from mlp.settings.commands import EXECUTORS, ExecutorConfig
from mlp.study.arm import Arm
from mlp.study.plan import Study
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
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
    with EXECUTORS[config.executor](config).connect(study.specs) as client:
        outcomes = run(study, tracker, retrain=True, client=client)
    tracker.end("FINISHED")
    seeds = len(study.specs) // len(ARMS)
    assert [o.status for o in outcomes] == ["FINISHED", "FINISHED", "FAILED"] * seeds
    assert [(o.arm, o.seed) for o in outcomes] == [(s.arm, s.config.seed) for s in study.specs]
    for spec in study.specs:
        assert list(tracker.place.events(spec.name).glob("events.*"))
    return recorded(store, tracker)


def test_processes_record_what_one_process_records(store: Store, make_study: MakeStudy) -> None:
    study = make_study(*ARMS, seeds=(0, 1, 2))
    alone = train(store, study, ExecutorConfig(executor="serial"))
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
    config = ExecutorConfig(executor="processes", workers=1)
    with Processes(config).connect(study.specs) as client:
        again = run(study, tracker, client=client)
        only_its_own_command_can_use(client)
    tracker.end("FINISHED")
    assert [(o.run_id, o.scores) for o in again] == [(o.run_id, o.scores) for o in first]


@pytest.mark.parametrize(
    ("given", "threads", "expected"),
    [
        ({"executor": "processes"}, 1, 4),
        ({"executor": "processes"}, 2, 2),
        ({"executor": "processes"}, 8, 1),
        ({"executor": "processes", "workers": 7}, 2, 7),
        ({"executor": "auto"}, 1, 1),  # of so little work
    ],
)
def test_cores_are_divided(
    given: dict[str, object],
    threads: int,
    expected: int,
    make_study: MakeStudy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlp.execution.clusters.cores", lambda: 4)
    config = ExecutorConfig.parse(given)
    place = EXECUTORS[config.executor](config)
    assert isinstance(place, Processes)
    assert place.workers(make_study(*ARMS, seeds=(0, 1), threads=threads).specs) == expected


def test_long_studies_have_several_processes_by_themselves(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = make_study(*ARMS, epochs=100_000).specs
    place = Auto(ExecutorConfig())
    for cores, memory, expected in ((1, 64, 1), (2, 64, 2), (8, 64, 3), (8, 2, 2), (8, 0, 1)):
        monkeypatch.setattr("mlp.execution.clusters.cores", lambda n=cores: n)
        monkeypatch.setattr("mlp.execution.clusters.free_memory", lambda n=memory: n * 2**30)
        assert place.workers(specs) == expected
        assert place.apart(specs) == (expected > 1)


def test_workers_do_not_import_the_script_that_starts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def imported() -> set[str]:
        return {name for name in get_preparation_data("worker") if name.startswith("init_main")}

    script = ModuleType("__main__")
    script.__file__ = __file__
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert imported()
    with without_script():
        assert not imported()
    assert imported() and sys.modules["__main__"] is script


SCRIPT = """
print("begun", flush=True)
import mlp
study = mlp.compare(
    "digits", {"arms": [{"name": "plain"}, {"name": "fast", "changes": {"lr": 0.01}}]},
    seeds=2, epochs=1, image_size=8, hidden=8, executor="processes", workers=2,
)
print(list(study.table["n"]))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_trains_in_processes(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "MLFLOW_TRACKING_URI": "sqlite:///own.db"}
    typed = [sys.executable, str(script)]
    done = subprocess.run(
        typed, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("begun\n[2, 2]\n", "")


def test_pieces_keep_all_workers_busy_and_streams_together(make_study: MakeStudy) -> None:
    specs = make_study(seeds=(0, 1, 2)).specs
    assert [len(piece) for piece in in_pieces(specs, 1)] == [8, 8, 8]
    for workers in (2, 3, 8, 100):
        cut = in_pieces(specs, workers)
        assert sorted(s.identity for piece in cut for s in piece) == sorted(
            s.identity for s in specs
        )
        assert len(cut) >= min(2 * workers, len(specs))
        assert all(len({s.config.seed for s in piece}) == 1 for piece in cut)
    together = [{s.arm for s in piece} for piece in in_pieces(specs, 3)]
    assert sum({"augmentation", "all"} <= piece for piece in together) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"executor": "dask"}, "needs that of a scheduler"),
        ({"address": "tcp://a:1"}, "is for executor dask"),
        ({"workers": "2"}, "is for executor processes"),
        ({"executor": "threads"}, "one of auto, serial, processes, dask; 'threads' was given"),
    ],
)
def test_what_does_not_go_together_is_explained(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ExecutorConfig.parse(given)


@pytest.mark.parametrize(
    "address",
    ["foo", "http://x:80", "tcp://a", "tcp://a:0", "tcp://a:99999", "a:1/", "a b:1", ":1"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="address: should be the address of a Dask scheduler, su"):
        ExecutorConfig.parse({"executor": "dask", "address": address})


@pytest.mark.parametrize("address", ["tcp://a:1", "tls://10.0.0.5:8786", "a.b-c:8786", "[::1]:80"])
def test_an_address_is_taken_as_dask_takes_it(address: str) -> None:
    assert ExecutorConfig(executor="dask", address=address).address == address


def no_answer(address: str) -> str:
    """What is said of an address, before anything else is done."""
    result = CliRunner().invoke(train_command, ["--executor", "dask", "--address", address])
    (line,) = result.output.splitlines()
    assert result.exit_code == 1 and not list(Path().iterdir())
    assert line.startswith(f"Error: address: no Dask scheduler answers at '{address}'")
    return line


def test_a_scheduler_that_does_not_answer_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    start = time.monotonic()
    assert "refused" in no_answer(f"tcp://127.0.0.1:{port}")
    assert "(" in no_answer("tcp://nowhere.invalid:1")
    assert time.monotonic() - start < 5


def test_what_is_no_scheduler_is_named_whatever_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlp.execution.clusters._ANSWER_SECONDS", 1)

    class Other(socketserver.BaseRequestHandler):
        content = b""

        def handle(self) -> None:
            with suppress(OSError):
                self.request.sendall(self.content)
                self.request.recv(1024)

    for Other.content in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(16), b"\xff" * 64):
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,)).start()
            said = no_answer(f"127.0.0.1:{server.server_address[1]}")
            assert "what listens there does not answer as one" in said
            server.shutdown()


def test_a_scheduler_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, object] = {"n_workers": 0, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(protocol="tcp://", **settings) as started:
        config = ExecutorConfig(executor="dask", address=started.scheduler_address)
        Dask(config).check()

        async def in_a_notebook() -> None:  # which has a loop that runs
            Dask(config).check()

        asyncio.run(in_a_notebook())
        monkeypatch.setattr("distributed.__version__", "2020.1.0")
        with pytest.raises(ClusterLost, match=r"is of Dask .*, this is 2020.1.0: install the same"):
            Dask(config).check()
