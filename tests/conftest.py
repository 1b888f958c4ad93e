"""Settings of all tests."""

from __future__ import annotations

import os
import subprocess
import sys

import hypothesis

# Workers share the cores: threads of torch that wait for one another must not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("premir", deadline=None)
hypothesis.settings.load_profile("premir")

_FIRST = (
    *("test_ray_cluster.py", "tests/kernels", "test_ray_private.py", "test_docs.py"),
    "test_faults.py",
)
"""What waits for other processes begins early, lest one worker be left with it in the end."""


def pytest_xdist_auto_num_workers():
    """How many workers ``-n auto`` starts: two more than cores, as tests of Ray often wait."""
    from premir.scanner.cores import available_cores

    return available_cores() + 2


def pytest_sessionstart(session):
    """Compile kernels once, before all workers would do so at the same time."""
    if not hasattr(session.config, "workerinput") and session.config.getoption("numprocesses"):
        code = "from premir.scanner.compiling import compile_kernels; compile_kernels()"
        subprocess.run([sys.executable, "-c", code], check=True)


def pytest_collection_modifyitems(items):
    """Bring long files to the front; the others keep their order."""

    def rank(item):
        path = item.path.as_posix()
        return next((n for n, name in enumerate(_FIRST) if name in path), len(_FIRST))

    items.sort(key=rank)
