"""Processes of this machine: what names one for good, and whether it is gone."""

from __future__ import annotations

import socket

import psutil


def this_process() -> str:
    """Machine, process id and the process's start, which together name one process for good."""
    own = psutil.Process()
    return f"{socket.gethostname()} {own.pid} {own.create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether a process of this machine, named by `this_process`, has ended."""
    machine, pid, started = process.rsplit(" ", 2)
    if machine != socket.gethostname():
        return False
    try:
        found = psutil.Process(int(pid))
        return (
            found.status() == psutil.STATUS_ZOMBIE or abs(found.create_time() - float(started)) > 2
        )
    except psutil.NoSuchProcess:
        return True
