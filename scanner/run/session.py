"""What one scan after another shares: workers, a second folder, the progress display."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from premir.scanner.errors import StoppedError
from premir.scanner.find.folding import Folder, make_folder
from premir.scanner.options import Execution, Search
from premir.scanner.run.executors import Executor, open_executor
from premir.scanner.run.progress import Progress


@dataclass(frozen=True)
class Session:
    """Shared by scans, which may run in several threads at once.

    Attributes:
        executor: where tiles are worked on; None where nothing but outputs is written.
        second: the ViennaRNA bindings for a second opinion on the kernel's folds; None where they
            do the folding.
        progress: what all scans have done.
        stopping: set it to make scans end at the next opportunity.
    """

    executor: Executor | None
    second: Folder | None
    progress: Progress
    stopping: threading.Event = field(default_factory=threading.Event)

    def check_stop(self) -> None:
        """Raise StoppedError once the session is stopping."""
        if self.stopping.is_set():
            raise StoppedError("stopped; run the same command again to go on")


@contextmanager
def open_session(search: Search, execution: Execution) -> Iterator[Session]:
    """Start what scans of this kind need, and end it; the genome does not matter."""
    with ExitStack() as stack:
        executor = None
        if not execution.finalise:
            executor = stack.enter_context(open_executor(search, execution))
        second = None
        if search.model is not None and search.folder == "kernel":
            second = make_folder("viennarna", processes=execution.threads)
            stack.callback(second.close)
        progress = stack.enter_context(Progress(quiet=execution.quiet))
        yield Session(executor, second, progress)
