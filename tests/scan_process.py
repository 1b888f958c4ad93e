"""A premir-scan in a process of its own, and everything that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil


class ScanProcess:
    """A running premir-scan, in its own process group as a shell would put it."""

    def __init__(self, *arguments: object, cwd: Path | None = None) -> None:
        self.seen: dict[int, psutil.Process] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "premir.scanner.cli", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            process_group=0,
        )

    def descendants(self) -> list[psutil.Process]:
        """Processes that it has started by now and their children; all ever seen are remembered."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.seen.update((process.pid, process) for process in found)
        return found

    def wait_until(self, condition: Callable[[], bool], seconds: float = 300.0) -> None:
        """Wait for something to happen while the scan runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "waited too long"
            self.descendants()
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Press Ctrl-C: the signal goes to the whole group."""
        self.descendants()
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, seconds: float = 600.0) -> tuple[int, str]:
        """Wait for the end; returns exit code and stderr."""
        try:
            _, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors

    def kill(self) -> None:
        """End it and what it started, if it is still there."""
        self.descendants()
        for process in self.seen.values():
            if _runs(process):
                process.kill()
        self.process.kill()
        self.process.communicate()

    def left_over(self, seconds: float = 60.0) -> list[str]:
        """Command lines of the descendants that are still there after some time."""
        deadline = time.monotonic() + seconds
        while alive := [process for process in self.seen.values() if _runs(process)]:
            if time.monotonic() > deadline:
                return [" ".join(process.cmdline()) for process in alive]
            time.sleep(0.1)
        return []


def listeners(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Addresses that processes listen on."""
    found = set()
    for process in processes:
        try:
            connections = process.net_connections("inet")
        except psutil.NoSuchProcess:
            continue
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN or (
                connection.status == psutil.CONN_NONE and not connection.raddr
            ):
                found.add((connection.laddr.ip, connection.laddr.port))
    return found


def session_folders() -> set[Path]:
    """Folders of private Ray instances."""
    return set(Path("/tmp").glob("premir-*"))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
