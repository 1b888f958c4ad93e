"""Joining a Ray cluster, or starting a private instance that nobody else can see or enter."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from premir.scanner.errors import ClusterError, InputError, line_of
from premir.scanner.scratch import scratch_folder

_log = logging.getLogger(__name__)

_OBJECT_STORE = 128 << 20
"""Bytes of shared memory of a private instance: tasks hand back records of a few hundred bytes."""

_TOKEN = secrets.token_hex(16)
"""Key to our private instances: Ray reads it once per process."""


class PrivateInstance:
    """A Ray instance on this machine, for this process.

    Listeners on the loopback interface only, behind a token; no dashboard, no usage reports; a
    session folder that only this user can enter; gone when closed or when this process exits, and
    what a killed process leaves of it goes with the next start.

    Args:
        cpus: how many tasks run at once.
        patience: seconds that it may take to start.

    Raises:
        ClusterError: it did not start in time.
    """

    def __init__(self, cpus: int, patience: float) -> None:
        self._scratch = ExitStack()
        self._scratch.enter_context(
            _environment(
                **_start_times(patience),
                RAY_USAGE_STATS_ENABLED="0",
                # Workers of niceness 15, Ray's default, starve beside anything else that computes.
                RAY_worker_niceness="0",
                # The name misleads: on Linux, too, all listeners are on the loopback interface.
                RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
                # From the environment, Ray does not write it to a file.
                RAY_AUTH_MODE="token",
                RAY_AUTH_TOKEN=_TOKEN,
            )
        )
        import ray  # reads these variables

        self.ray: Any = ray
        # Before Ray's own exit handler is there, so that it runs after it: for a start cut short.
        atexit.register(self._scratch.close)
        try:
            # A short path, because the names of sockets below it must stay under 107 bytes. Ray
            # opens its own folder to everybody, so that one lies inside.
            folder = self._scratch.enter_context(scratch_folder(Path("/tmp")))
            with _our_signals():
                self._start(cpus, patience, folder)
        except BaseException:
            self.close()
            raise

    def _start(self, cpus: int, patience: float, folder: Path) -> None:
        """Start Ray, once more where the machine is too busy for it, or its processes hang."""
        started = time.monotonic()
        for attempt in itertools.count():
            begun = time.monotonic()
            try:
                self.ray.init(
                    address="local",
                    num_cpus=cpus,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    _temp_dir=str(folder / f"ray{attempt}"),
                    **_QUIET,
                )
                return
            except Exception as error:  # Ray raises a bare one when its processes are late
                self.ray.shutdown()
                _end_processes_of(folder)
                _log.debug("the private Ray instance did not start", exc_info=True)
                now = time.monotonic()
                if now - begun < _AT_ONCE:
                    reason = line_of(error)
                    raise ClusterError(
                        f"a private Ray instance cannot start here: {reason}; --executor local "
                        "needs none"
                    ) from error
                if now - started >= patience:
                    raise ClusterError(
                        f"the private Ray instance did not start within {patience:g} s, as on a "
                        "busy machine: run again with a longer --ray-timeout, or with --executor "
                        "local, which needs none"
                    ) from error
                _log.info(
                    "the private Ray instance did not start within %.0f s, as on a busy machine: "
                    "trying once more", now - begun,
                )  # fmt: skip

    def close(self) -> None:
        """End every process of the instance and remove its folder."""
        self.ray.shutdown()
        self._scratch.close()


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment, and put back what they were before."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_processes_of(folder: Path) -> None:
    """Kill what a start that failed left behind: Ray itself would do so at our exit only."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(str(folder) in argument for argument in process.cmdline()):
                process.kill()


_AT_ONCE = 1.0
"""A start that fails within so many seconds was not late: it fails each time."""
_STARTS = 4
"""Starts that share the patience: on a busy machine Ray's processes may hang for ever."""


def _start_times(patience: float) -> dict[str, str]:
    """Return how long Ray waits for its server and for its raylet, by the names that it reads."""
    seconds = str(max(1, round(patience / _STARTS)))
    return {"RAY_gcs_server_port_wait_time_s": seconds, "RAY_raylet_start_wait_time_s": seconds}


class JoinedCluster:
    """A Ray cluster of somebody else's making, which we leave as it was."""

    def __init__(self, address: str) -> None:
        if address.startswith("ray://"):
            raise InputError(
                f"--ray-address {address}: Ray Client is not supported; "
                "use `ray job submit`, or HOST:PORT on a machine of the cluster"
            )
        _check_reachable(address)
        import ray

        self.ray: Any = ray
        try:
            with _our_signals():
                ray.init(address=address, **_QUIET)
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            reason = line_of(error)
            raise InputError(f"--ray-address {address}: no Ray cluster there: {reason}") from error

    def close(self) -> None:
        """Leave the cluster; what we left running there ends."""
        self.ray.shutdown()


_QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}


@contextmanager
def _our_signals() -> Iterator[None]:
    """Keep signals as they were while Ray starts or is joined.

    Ray puts a handler of its own in place of ours for SIGTERM, one that ends the process at once.
    And a start that is cut short leaves helpers behind for a minute, so that Ctrl-C waits for its
    end; pressed twice, it does not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    on_terminate, on_interrupt = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    interrupted = False

    def later(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, on_interrupt)

    signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, on_terminate)
        signal.signal(signal.SIGINT, on_interrupt)
    if interrupted:
        signal.raise_signal(signal.SIGINT)


_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What an HTTP/2 client says first: preface and empty SETTINGS frame (RFC 9113, section 3.4)."""

_SETTINGS = 4
"""Type, the fourth byte, of the frame that a server answers with."""


_ANSWERS_WITHIN = 5.0
"""Seconds that whoever listens at an address has to say what it is."""


def _check_reachable(address: str) -> None:
    """Fail within seconds where no gRPC server listens; Ray itself would try for many minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_HELLO)
            frame = connection.recv(9, socket.MSG_WAITALL)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        reason = (
            "" if len(frame) == 9 and frame[3] == _SETTINGS else "what listens there is not Ray"
        )
    if reason:
        raise InputError(f"--ray-address {address}: no Ray cluster there: {reason}")
