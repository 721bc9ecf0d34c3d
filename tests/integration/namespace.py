"""A network with a loopback interface and nothing else, for servers that bind every interface they find."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

_PREFIX = "breast-pcr-test"
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_NUMBERS = count()


class Namespace:
    """A network namespace of Linux; needs root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name

    def run(self, command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end; its output is captured, and a status but zero is an error."""
        settings = {"check": True, "text": True, "capture_output": True, "timeout": 300} | options
        return subprocess.run(self._inside(command), **settings)

    def popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in it; the process is the command's own, so that it can be killed."""
        return subprocess.Popen(self._inside(command), **options)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread, and whatever threads and processes it starts, are in it meanwhile."""
        before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        try:
            with self.path.open("rb") as own:
                _set(own.fileno())
            yield
        finally:
            _set(before)
            os.close(before)

    def _inside(self, command: Sequence[str | Path]) -> list[str]:
        # Not `ip netns exec`: that makes a mount namespace too, in which containers get lost.
        return ["nsenter", f"--net={self.path}", "--", *map(str, command)]

    def _remove(self) -> None:
        for _ in range(100):
            found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout
            processes = {int(pid) for pid in found.split()} - {os.getpid()}
            if not processes:
                break
            for pid in processes:
                _kill(pid)
            time.sleep(0.05)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


@contextmanager
def loopback_only() -> Iterator[Namespace]:
    """A new namespace; in the end, every process in it is killed. What an earlier run left is cleared away."""
    _clear()
    namespace = Namespace(f"{_PREFIX}-{os.getpid()}-{next(_NUMBERS)}")
    subprocess.run(["ip", "netns", "add", namespace.name], check=True)
    try:
        subprocess.run(["ip", "-n", namespace.name, "link", "set", "lo", "up"], check=True)
        yield namespace
    finally:
        namespace._remove()


def _clear() -> None:
    for path in Path("/run/netns").glob(f"{_PREFIX}-*"):
        owner = path.name.removeprefix(f"{_PREFIX}-").split("-")[0]
        if not Path("/proc", owner).exists():
            Namespace(path.name)._remove()


def _set(file_descriptor: int) -> None:
    if _LIBC.setns(file_descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns failed")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
