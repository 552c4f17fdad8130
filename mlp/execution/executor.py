"""Training the seeds (and folds) of a study: here, or with the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from mlp.errors import ClusterLost
from mlp.settings.commands import ExecutorConfig
from mlp.settings.training import RunConfig
from mlp.study.lockstep import train_piece, train_shared
from mlp.study.plan import Datasets, Study
from mlp.study.progress import Progress, Received
from mlp.study.tracker import Outcome, RunSpec, Tracker

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_SECONDS = 5  # within which a scheduler says what it is
_CONNECT_SECONDS = 15
_MEMORY_MEASURES = ("target", "spill", "pause", "terminate")


def divide(config: ExecutorConfig, threads: int) -> tuple[int, int]:
    """Workers of this machine and CPU threads of each, 0 threads being as many as there are.

    Both 0 where the executor is serial: training decides for itself.
    """
    cores = psutil.cpu_count(logical=False) or 1
    if config.executor == "processes":
        workers = config.workers or max(1, cores // (threads or 1))
        return workers, threads or max(1, cores // workers)
    return 0, threads or (1 if config.executor == "dask" else 0)


def check_scheduler(config: ExecutorConfig) -> None:
    """Raise ClusterLost where the executor needs a Dask scheduler and none of this version answers.

    Nothing is waited for longer than some seconds, and nothing is left open.
    """
    if config.executor != "dask":
        return
    import distributed

    place = urlsplit(config.address if "://" in config.address else f"tcp://{config.address}")
    try:
        # A port that nobody listens on refuses at once, which Dask would take for a slow start
        socket.create_connection((place.hostname or "", place.port or 0), _ANSWER_SECONDS).close()
    except OSError as error:
        raise ClusterLost(_no_answer(config, error.strerror or str(error))) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        found = asyncio.run(asyncio.wait_for(_versions(config.address), _ANSWER_SECONDS))
        theirs = found["packages"]["distributed"]
    except Exception as error:
        # Another program may answer anything, and be taken for a message of any length
        tls = f": {error}" if config.address.startswith(("tls", "wss")) else ""
        reason = f"what listens there does not answer as one{tls}"
        raise ClusterLost(_no_answer(config, reason)) from None
    if theirs != distributed.__version__:
        raise ClusterLost(
            f"the scheduler at {config.address} is of Dask {theirs}, this is "
            f"{distributed.__version__}: install the same requirements.txt there and start it again"
        )


async def _versions(address: str) -> Any:
    from distributed.core import rpc
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=_ANSWER_SECONDS, connection_args=arguments) as scheduler:
        return await scheduler.versions()


def _no_answer(config: ExecutorConfig, reason: str) -> str:
    return (
        f"address: no Dask scheduler answers at {config.address!r} ({reason}); "
        "`python -m dask scheduler` starts one and prints its address"
    )


@contextmanager
def cluster(config: ExecutorConfig, base: RunConfig) -> Iterator[Client | None]:
    """A connection to the workers that a study trains with, None for this process.

    Raises ClusterLost where no scheduler answers.
    """
    if config.executor == "serial":
        yield None
        return
    import dask
    from distributed import Client, LocalCluster, Security

    from mlp.execution.worker import TRIES

    # What they have to say of a worker that dies is said here, in other words
    for name in list(logging.root.manager.loggerDict):
        if name == "asyncio" or name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    if config.executor == "dask":
        try:
            client = Client(config.address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:
            raise ClusterLost(_no_answer(config, str(error))) from None
        with client:
            yield client
        return
    workers, _ = divide(config, base.threads)
    # A scheduler obeys whoever reaches it: on this machine, only who has this certificate
    security = Security.temporary()
    settings = {
        "distributed.scheduler.allowed-failures": TRIES,
        # Or a worker that has read many images would be ended: they count, but can be let go
        **{f"distributed.worker.memory.{what}": False for what in _MEMORY_MEASURES},
        # Pages that anybody on this machine could read
        **{f"distributed.{part}.http.routes": [] for part in ("scheduler", "worker")},
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=psutil.virtual_memory().total // workers,
            dashboard_address="127.0.0.1:0",
            security=security,
            silence_logs=logging.CRITICAL,
        ) as started,
        Client(started, set_as_default=False) as client,
    ):
        yield client


def run(
    study: Study,
    tracker: Tracker,
    arms_at_once: int = 0,
    retrain: bool = False,
    client: Client | None = None,
) -> list[Outcome]:
    """Train what is not recorded yet; how each run of the study ended, in the order of its specs.

    Seeds and folds train one after the other, or side by side with the workers of `client`; the
    numbers are the same. Raises ClusterLost.
    """
    ended = {} if retrain else tracker.reuse(study.specs)
    todo = list({s.identity: s for s in study.specs if s.identity not in ended}.values())
    runs, reused = len({s.identity for s in study.specs}), len(ended)
    progress: Progress
    if client is None or not todo:
        progress = Progress(runs, reused)

        def train(specs: Sequence[RunSpec]) -> dict[str, Outcome]:
            trained: dict[str, Outcome] = {}
            for piece in _pieces(specs):
                datasets = Datasets(study.source)  # of other pieces' none is needed again
                trained |= train_piece(piece, datasets, tracker, progress, arms_at_once)
            tracker.deliver()
            return trained
    else:
        from mlp.execution.driver import Driver

        progress = received = Received(runs, reused, todo)
        driver = Driver(client, study, tracker, received, arms_at_once)

        def train(specs: Sequence[RunSpec]) -> dict[str, Outcome]:
            return {k: v for part in driver.train(_pieces(specs)) for k, v in part.items()}

    try:
        ended |= train_shared(todo, tracker, train, progress.taken)
    finally:
        progress.close()
    return [
        dataclasses.replace(ended[spec.identity], arm=spec.arm, seed=spec.config.seed)
        for spec in study.specs
    ]


def _pieces(specs: Sequence[RunSpec]) -> list[tuple[RunSpec, ...]]:
    """Runs by seed and fold."""
    by = groupby(specs, key=lambda spec: (spec.config.seed, spec.config.fold))
    return [tuple(piece) for _, piece in by]
