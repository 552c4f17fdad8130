"""The executors, which train the seeds (and folds) of a study."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from mlp.errors import ClusterLost
from mlp.execution.warm import METHOD, without_script
from mlp.learning.cost import about_seconds
from mlp.processes import cores, free_memory
from mlp.settings.commands import ExecutorConfig
from mlp.study.tracker import RunSpec

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_SECONDS = 5  # within which a scheduler says what it is
_CONNECT_SECONDS = 15
_LONG = 15.0  # seconds of training; less is done before other processes have started
_MEMORY = 2**30  # bytes that a process takes
_MEMORY_MEASURES = ("target", "spill", "pause", "terminate")


class Serial:
    """Trains one piece after the other in this process; the base of the other executors."""

    here = True  # on this machine

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Raise ClusterLost where it cannot train now. Nothing is left open."""

    def apart(self, specs: Sequence[RunSpec]) -> bool:
        """True where these runs train in other processes.

        One that dies leaves a run that is not the command's.
        """
        return False

    def connect(self, specs: Sequence[RunSpec]) -> AbstractContextManager[Client | None]:
        """A connection to workers for these runs, None for this process. Raises ClusterLost."""
        return nullcontext()


class Processes(Serial):
    """In several processes of this machine at once."""

    def workers(self, specs: Sequence[RunSpec]) -> int:
        """The number of processes for these runs."""
        threads = max(spec.config.threads for spec in specs)
        return self._config.workers or max(1, min(cores() // threads, len(specs)))

    def apart(self, specs: Sequence[RunSpec]) -> bool:
        return True

    def connect(self, specs: Sequence[RunSpec]) -> AbstractContextManager[Client | None]:
        return self._started(self.workers(specs))

    @contextmanager
    def _started(self, workers: int) -> Iterator[Client]:
        import dask
        from distributed import Client, LocalCluster, Security

        from mlp.execution.worker import TRIES

        _silence()
        # A scheduler obeys whoever reaches it: on this machine, only who has this certificate
        security = Security.temporary()
        settings = {
            "distributed.worker.multiprocessing-method": METHOD,
            "distributed.scheduler.allowed-failures": TRIES,
            # Or a worker that has read many images would be ended: they count, but can be let go
            **{f"distributed.worker.memory.{what}": False for what in _MEMORY_MEASURES},
            # What Dask looks at many times a second takes a tenth of a worker's time
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "1s",
            "distributed.admin.system-monitor.interval": "5s",
            # Pages that anybody on this machine could read
            **{f"distributed.{part}.http.routes": [] for part in ("scheduler", "worker")},
        }
        with (
            dask.config.set(settings),
            without_script(),  # as long as a worker that dies is replaced
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=psutil.virtual_memory().total // workers,
                dashboard_address="127.0.0.1:0",
                security=security,
                env=dict(os.environ),  # as it is now
                silence_logs=logging.CRITICAL,
            ) as started,
            Client(started, set_as_default=False) as client,
        ):
            yield client


class Auto(Processes):
    """In several processes where that is quicker than in this one."""

    def workers(self, specs: Sequence[RunSpec]) -> int:
        # Arms side by side wait less for one GPU than processes do
        if specs[0].config.device != "cpu" or _seconds(specs) < _LONG:
            return 1
        return min(super().workers(specs), max(1, free_memory() // _MEMORY))

    def apart(self, specs: Sequence[RunSpec]) -> bool:
        return self.workers(specs) > 1

    def connect(self, specs: Sequence[RunSpec]) -> AbstractContextManager[Client | None]:
        workers = self.workers(specs)
        return self._started(workers) if workers > 1 else nullcontext()


class Dask(Serial):
    """With the workers of a Dask cluster, whose scheduler is at `address`."""

    here = False

    @property
    def address(self) -> str:
        return self._config.address

    def apart(self, specs: Sequence[RunSpec]) -> bool:
        return True

    def check(self) -> None:
        """Wait no longer than some seconds for a scheduler of this version."""
        import distributed
        from distributed.core import rpc
        from distributed.security import Security

        async def versions() -> Any:
            own = Security().get_connection_args("client")
            async with rpc(self.address, timeout=_ANSWER_SECONDS, connection_args=own) as there:
                return await there.versions()

        place = urlsplit(self.address if "://" in self.address else f"tcp://{self.address}")
        try:
            # A port that nobody listens on refuses at once, which Dask would take for a slow start
            there = place.hostname or "", place.port or 0
            socket.create_connection(there, _ANSWER_SECONDS).close()
        except OSError as error:
            raise self._no_answer(error.strerror or str(error)) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            # In a thread of its own: a notebook's has a loop already
            with ThreadPoolExecutor(1) as thread:
                answer = asyncio.wait_for(versions(), _ANSWER_SECONDS)
                found = thread.submit(asyncio.run, answer).result()
            theirs = found["packages"]["distributed"]
        except Exception as error:
            # Another program may answer anything, and be taken for a message of any length
            tls = f": {error}" if self.address.startswith(("tls", "wss")) else ""
            raise self._no_answer(f"what listens there does not answer as one{tls}") from None
        if theirs != distributed.__version__:
            raise ClusterLost(
                f"the scheduler at {self.address} is of Dask {theirs}, this is "
                f"{distributed.__version__}: install the same requirements.txt there and start it "
                "again"
            )

    def _no_answer(self, reason: str) -> ClusterLost:
        return ClusterLost(
            f"address: no Dask scheduler answers at {self.address!r} ({reason}); "
            "`python -m dask scheduler` starts one and prints its address"
        )

    @contextmanager
    def connect(self, specs: Sequence[RunSpec]) -> Iterator[Client | None]:
        from distributed import Client

        _silence()
        try:
            client = Client(self.address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:
            raise self._no_answer(str(error)) from None
        with client:
            yield client


def _seconds(specs: Sequence[RunSpec]) -> float:
    """About how long a core trains these runs."""
    return sum(about_seconds(s.config, len(s.classes), s.train_images) for s in specs)


def _silence() -> None:
    """Keep Dask from speaking of workers that die: that is said here, in other words."""
    for name in list(logging.root.manager.loggerDict):
        if name == "asyncio" or name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
