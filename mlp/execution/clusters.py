"""The executors, which train the seeds (and folds) of a study."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from mlp.errors import ClusterLost
from mlp.settings.commands import ExecutorConfig

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_SECONDS = 5  # within which a scheduler says what it is
_CONNECT_SECONDS = 15
_MEMORY_MEASURES = ("target", "spill", "pause", "terminate")


class Serial:
    """Trains one piece after the other in this process; the base of the other executors.

    It is made of its settings and the threads of each training (0: the training decides).
    """

    here = True  # on this machine
    apart = False  # in other processes: one that dies leaves a run that is not the command's
    threads: int  # of each training; 0: it decides for itself

    def __init__(self, config: ExecutorConfig, threads: int) -> None:
        self.threads = threads

    def check(self) -> None:
        """Raise ClusterLost where it cannot train now. Nothing is left open."""

    def connect(self) -> AbstractContextManager[Client | None]:
        """A connection to the workers, None for this process. Raises ClusterLost."""
        return nullcontext()


class Processes(Serial):
    """In processes of this machine, `workers` at once."""

    apart = True

    def __init__(self, config: ExecutorConfig, threads: int) -> None:
        cores = psutil.cpu_count(logical=False) or 1
        self.workers = config.workers or max(1, cores // (threads or 1))
        self.threads = threads or max(1, cores // self.workers)

    @contextmanager
    def connect(self) -> Iterator[Client]:
        import dask
        from distributed import Client, LocalCluster, Security

        from mlp.execution.worker import TRIES

        _silence()
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
                n_workers=self.workers,
                threads_per_worker=1,
                memory_limit=psutil.virtual_memory().total // self.workers,
                dashboard_address="127.0.0.1:0",
                security=security,
                silence_logs=logging.CRITICAL,
            ) as started,
            Client(started, set_as_default=False) as client,
        ):
            yield client


class Dask(Serial):
    """With the workers of a Dask cluster, whose scheduler is at `address`."""

    here = False
    apart = True

    def __init__(self, config: ExecutorConfig, threads: int) -> None:
        self.address, self.threads = config.address, threads or 1

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
            found = asyncio.run(asyncio.wait_for(versions(), _ANSWER_SECONDS))
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
    def connect(self) -> Iterator[Client]:
        from distributed import Client

        _silence()
        try:
            client = Client(self.address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:
            raise self._no_answer(str(error)) from None
        with client:
            yield client


def _silence() -> None:
    """Keep Dask from speaking of workers that die: that is said here, in other words."""
    for name in list(logging.root.manager.loggerDict):
        if name == "asyncio" or name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
