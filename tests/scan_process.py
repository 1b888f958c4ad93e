"""A premir-scan in a process of its own, and everything that it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_LOCK = "/premir.lock"
"""How the name of a file ends that the owner of a scratch folder has open."""


class ScanProcess:
    """A running premir-scan, in its own process group as a shell would put it."""

    def __init__(self, *arguments: object, cwd: Path | None = None) -> None:
        self.seen: dict[int, psutil.Process] = {}
        self.folders: set[Path] = set()
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
            found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.seen.update((process.pid, process) for process in found)
        self.folders |= self._scratch_folders()
        return found

    def _scratch_folders(self) -> set[Path]:
        """Folders whose lock it holds now; those of others are not ours to count."""
        with contextlib.suppress(psutil.Error):
            opened = psutil.Process(self.process.pid).open_files()
            return {Path(file.path).parent for file in opened if file.path.endswith(_LOCK)}
        return set()

    def wait_until(
        self, condition: Callable[[], object], seconds: float = 300.0, pause: float = 0.05
    ) -> None:
        """Wait for something to happen while the scan runs, looking in between pauses."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "waited too long"
            self.descendants()
            time.sleep(pause)

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

    def left_over(self, seconds: float = 300.0) -> list[str]:
        """Command lines of the descendants that are still there after some time, and folders."""
        deadline = time.monotonic() + seconds
        while alive := [process for process in self.seen.values() if _runs(process)]:
            if time.monotonic() > deadline:
                return [" ".join(process.cmdline()) for process in alive]
            time.sleep(0.02)
        return [str(folder) for folder in self.folders if folder.exists()]


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


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
