"""The released data set of the seed paper, fetched once and checked."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from premir.scanner.errors import InputError, line_of
from premir.scanner.paths import cache_dir

UPSTREAM = "https://raw.githubusercontent.com/eleventh83/deepMiRGene/master/reproduce/dataset/"
"""Where Park et al. (2017) released the data sets; ``$PREMIR_DATA_URL`` names a mirror instead."""

REGISTRY = Path(__file__).with_name("benchmark.sha256")
"""Names and digests of the released files, as pooch reads them."""


def benchmark_folder(data: Path | None) -> Path:
    """Return the folder of the released data set: the one given, or else the fetched one."""
    return data if data is not None else fetch_benchmark()


def fetch_benchmark(url: str | None = None) -> Path:
    """Return the folder of the released data set, downloading what the cache lacks.

    Args:
        url: where the files are; ``$PREMIR_DATA_URL`` or ``UPSTREAM`` by default.

    Returns:
        A folder with ``sequences/``, ``cv/`` and ``test/``, its files checked by ``REGISTRY``.

    Raises:
        InputError: a file could not be fetched, or differs from the released one.
    """
    import pooch

    pooch.get_logger().handlers.clear()
    pooch.get_logger().parent = logging.getLogger(__name__)  # its messages among ours
    folder = cache_dir("benchmark")
    base = (url or os.environ.get("PREMIR_DATA_URL") or UPSTREAM).rstrip("/") + "/"
    files = pooch.create(path=folder, base_url=base, registry=None, retry_if_failed=2)
    files.load_registry(REGISTRY)
    for name in files.registry_files:
        try:
            files.fetch(name)
        except (OSError, ValueError) as error:
            reason = line_of(error)
            raise InputError(
                f"{base}{name}: cannot be fetched ({reason}); download the data set yourself and "
                "give its folder with --data"
            ) from error
    return folder
