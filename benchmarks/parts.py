"""The parts of a cluster, started as processes that a test or a benchmark can kill."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port that no connection of the machine takes before a server has started on it.

    Systems give outgoing connections ports from 32768 on: a server takes seconds until it listens.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not within {seconds:g} seconds"
        time.sleep(0.1)


class Part:
    """A process with its children, and what it wrote."""

    def __init__(self, command: Sequence[str], folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.command, self.folder, self.environment = list(command), folder, environment
        self.output = folder / f"{len(list(folder.glob('*.out')))}.out"
        self.start()

    def start(self) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}
        with self.output.open("a") as out:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=env, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def family(self) -> list[psutil.Process]:
        try:
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """As `kill -9` does, all of it at once."""
        family = self.family()
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        psutil.wait_procs(family, timeout=10)

    def wait(self, seconds: float = 300) -> int:
        return self.process.wait(seconds)


class Postgres:
    """A PostgreSQL of Debian's packages, with a database of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mlp-pg-"))
        self.port = free_port()
        self.database = "postgres"
        if os.name == "posix" and os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{self.database}"

    def renew(self) -> None:
        """An empty database, from now on."""
        self.database = f"mlflow{time.monotonic_ns()}"
        self._run(
            "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", self.database
        )

    @staticmethod
    def programs() -> Path | None:
        """The folder of its programs, where it is installed."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        return found[-1].parent if found else None

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        where = self.programs()
        assert where is not None
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        subprocess.run(
            [*user, str(where / program), *arguments], check=True, stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(int((Path(self._data) / "postmaster.pid").read_text().split()[0]))

    def size(self) -> int:
        """Bytes on disk of tables and indices."""
        tables = Path(self._data) / "base"
        return sum(file.stat().st_size for file in tables.rglob("*") if file.is_file())

    def kill(self) -> None:
        family = [self.process, *self.process.children()]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)


class Server(Part):
    """An MLflow server with proxied artifacts."""

    def __init__(
        self,
        database: str,
        folder: Path,
        host: str = "127.0.0.1",
        options: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.port = free_port()
        self.uri = f"http://{host}:{self.port}"
        command = [sys.executable, "-m", "mlflow", "server", "--host", host,
                   "--port", str(self.port), "--workers", "1", "--backend-store-uri", database,
                   "--artifacts-destination", str(folder / "artifacts"),
                   "--serve-artifacts", *options]  # fmt: skip
        super().__init__(command, folder, **environment)

    def start(self) -> None:
        super().start()
        wait_until(self.answers, 120)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.text
        try:
            return requests.get(f"{self.uri}/health", timeout=2).ok
        except requests.RequestException:
            return False


class Scheduler(Part):
    """A Dask scheduler."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.address = f"tcp://{host}:{self.port}"
        command = [sys.executable, "-m", "dask", "scheduler", "--host", host,
                   "--port", str(self.port), "--no-dashboard"]  # fmt: skip
        super().__init__(command, folder)


class DaskWorker(Part):
    """A worker process of a Dask cluster, which has a cache of its own."""

    def __init__(
        self,
        address: str,
        folder: Path,
        environment: Mapping[str, str],
        options: Sequence[str] = ("--no-nanny",),
        within: Sequence[str] = (),
    ) -> None:
        """`within`: a command that starts another one, such as `ip netns exec`."""
        command = [*within, sys.executable, "-m", "dask", "worker", address, "--nthreads", "1",
                   "--no-dashboard", "--death-timeout", "60", *options]  # fmt: skip
        super().__init__(command, folder, **{"OMP_NUM_THREADS": "1", **environment})


class Command(Part):
    """A command of this project."""

    def __init__(self, name: str, folder: Path, *options: str, **environment: str) -> None:
        super().__init__([sys.executable, "-m", f"scripts.{name}", *options], folder, **environment)


class Network:
    """A machine beside this one: a network namespace, which sees two addresses of this machine."""

    NAME, OWN, SCHEDULER, SERVER = "mlp-test", "10.213.7.2", "10.213.7.1", "10.213.7.3"

    def __init__(self) -> None:
        ip("netns", "add", self.NAME)
        ip("link", "add", "mlp-t0", "type", "veth", "peer", "name", "mlp-t1", "netns", self.NAME)
        for address in (self.SCHEDULER, self.SERVER):
            ip("address", "add", f"{address}/24", "dev", "mlp-t0")
        ip("link", "set", "mlp-t0", "up")
        ip("-n", self.NAME, "address", "add", f"{self.OWN}/24", "dev", "mlp-t1")
        ip("-n", self.NAME, "link", "set", "mlp-t1", "up")
        ip("-n", self.NAME, "link", "set", "lo", "up")

    @property
    def within(self) -> list[str]:
        return ["ip", "netns", "exec", self.NAME]

    def cut_server(self) -> None:
        """From now on nothing that the other machine sends reaches the tracking server."""
        ip("-n", self.NAME, "route", "add", "blackhole", f"{self.SERVER}/32")

    def restore_server(self) -> None:
        ip("-n", self.NAME, "route", "del", "blackhole", f"{self.SERVER}/32")

    def remove(self) -> None:
        ip("netns", "del", self.NAME)
        subprocess.run(["ip", "link", "del", "mlp-t0"], check=False, stderr=subprocess.DEVNULL)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class SmallDisk:
    """A file system of a few megabytes."""

    def __init__(self, place: Path, megabytes: int = 2) -> None:
        self.place = place
        place.mkdir(parents=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True
        )

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True)
