"""Studies on a cluster whose parts fail: whatever happens, they end as if nothing had.

All parts are real and run as processes of this machine.
"""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.parts import Command, Network, Postgres, Server, SmallDisk, wait_until
from tests.cluster.conftest import ARMS, SEEDS, Cluster, Found, MakeCluster

pytestmark = pytest.mark.slow

# Loaded by a worker: one seed kills the process that trains it
POISON = """
import os, signal
from mlp.study import lockstep as runner
from mlp.execution import worker
def poisoned(specs, *rest):
    if specs[0].config.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return runner.train_piece(specs, *rest)
worker.train_piece = poisoned
"""


def begun(command: Command) -> None:
    """Wait until runs have finished, while others are in training."""
    wait_until(lambda: command.process.poll() is not None or "val accuracy" in command.text, 120)
    assert command.process.poll() is None, command.text


def test_a_cluster_gives_the_table_of_one_process(cluster: Cluster, undisturbed: Found) -> None:
    command = cluster.study()
    cluster.ends_like(undisturbed, command)


def test_a_worker_dies(cluster: Cluster, undisturbed: Found) -> None:
    command = cluster.study()
    begun(command)
    cluster.workers[0].kill()
    cluster.ends_like(undisturbed, command)


def test_the_driver_dies(cluster: Cluster, undisturbed: Found) -> None:
    command = cluster.study()
    begun(command)
    command.kill()
    cluster.ends_like(undisturbed, cluster.study())


def test_the_scheduler_dies(cluster: Cluster, undisturbed: Found) -> None:
    command = cluster.study()
    begun(command)
    cluster.scheduler.kill()
    assert command.wait() == 1
    assert "the Dask scheduler went away" in command.text and "Traceback" not in command.text
    cluster.scheduler.start()
    for worker in cluster.workers:
        worker.kill()
        worker.start()
    cluster.ends_like(undisturbed, cluster.study())


@pytest.mark.parametrize(("name", "seconds"), [("server", 15), ("postgres", 10)])
def test_the_tracking_server_or_its_database_goes_away_and_comes_back(
    cluster: Cluster, undisturbed: Found, name: str, seconds: float
) -> None:
    command = cluster.study()
    begun(command)
    part: Server | Postgres = getattr(cluster, name)
    part.kill()
    time.sleep(seconds)
    part.start()
    cluster.ends_like(undisturbed, command)


def test_the_tracking_server_takes_too_long_to_answer(
    make_cluster: MakeCluster, undisturbed: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")  # in place of a minute
    cluster = make_cluster()
    for _ in range(2):
        cluster.add_worker()
    command = cluster.study()
    begun(command)
    # It gets what is sent meanwhile, and acts on it when nobody waits for the answer any more
    for process in cluster.server.family():
        process.suspend()
    time.sleep(15)
    for process in cluster.server.family():
        process.resume()
    assert command.wait() == 0, command.text
    assert any("does not answer" in worker.text for worker in cluster.workers)
    cluster.equals(undisturbed)


def test_what_a_driver_could_not_send_is_sent_by_the_next(
    cluster: Cluster, undisturbed: Found
) -> None:
    own = Command(
        "study", cluster.folder / "driver", "--suite", "suite.yaml", "--seeds", str(SEEDS),
        "--threads", "1", **cluster.environment,
    )  # fmt: skip
    cluster.parts.append(own)
    begun(own)
    finished = own.text.count("val accuracy")
    cluster.server.kill()
    wait_until(lambda: own.text.count("val accuracy") > finished)
    own.kill()
    cluster.server.start()
    again = cluster.study()
    assert again.wait() == 0, again.text
    assert "records that an earlier command could not" in again.text
    cluster.equals(undisturbed)


def test_a_piece_that_kills_its_worker_each_time_is_given_up(
    make_cluster: MakeCluster, undisturbed: Found
) -> None:
    cluster = make_cluster()
    poison = cluster.folder / "poison.py"
    poison.write_text(POISON)
    for _ in range(2):
        cluster.add_worker(["--nanny", "--preload", str(poison)])
    command = cluster.study()
    assert command.wait() == 0, command.text
    assert "given up after 3 tries" in command.text
    found = cluster.found()
    ended = sorted(statuses for statuses in found.statuses.values())
    assert ended == [["FAILED"]] * ARMS + [["FINISHED"]] * (SEEDS - 1) * ARMS
    assert found.predictions == {
        name: content for name, content in undisturbed.predictions.items() if "seed2" not in name
    }


needs_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to be root"
)


@needs_root
def test_the_network_between_a_worker_and_the_server_is_cut(
    make_cluster: MakeCluster, undisturbed: Found
) -> None:
    network = Network()
    try:
        cluster = make_cluster(Network.SERVER, Network.SCHEDULER)
        for _ in range(2):
            cluster.add_worker(within=network.within)
        command = cluster.study()
        begun(command)
        network.cut_server()
        time.sleep(30)
        network.restore_server()
        cluster.ends_like(undisturbed, command)
    finally:
        network.remove()


@needs_root
def test_the_disk_of_a_worker_is_full(make_cluster: MakeCluster, undisturbed: Found) -> None:
    cluster = make_cluster()
    disk = SmallDisk(cluster.folder / "small", megabytes=1)
    try:
        own = {"TMPDIR": str(disk.place), "MLP_CACHE": str(disk.place / "cache")}
        cluster.add_worker(folder=disk.place, **own)
        cluster.add_worker()
        command = cluster.study()
        assert command.wait() == 0, command.text
        assert "No space left" in command.text and "tried again elsewhere" in command.text
        cluster.equals(undisturbed)
    finally:
        disk.remove()
