"""Which paths are streams, standard input and output, pipes and devices, and which are files."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

STDIN, STDOUT = 0, 1
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_LINKS = 40
"""So many symbolic links in a row are followed, as Linux does."""


def is_stream(path: Path) -> bool:
    """Tell stdout, pipes and devices from regular files; what does not exist will be a file."""
    status = status_of(path)
    file = status is None or stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return descriptor_of(path) is not None or not file


def status_of(path: Path) -> os.stat_result | None:
    """Return what a path leads to, None where that cannot be told or is nothing."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def descriptor_of(path: Path) -> int | None:
    """Return which of our open files a path stands for, also through links; None for none."""
    name = str(path)
    if name == "-":
        return STDOUT
    for _ in range(_LINKS):
        if name in _STANDARD:
            return _STANDARD[name]
        if match := _DESCRIPTOR.fullmatch(name):
            return int(match[1])
        try:
            name = str(Path(name).parent / Path(name).readlink())
        except (OSError, ValueError):
            return None
    return None
