"""Which kernels a command needs; they are compiled beforehand, several at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from premir.kernels._jit import COMPILATION, KERNELS
from premir.kernels._jit_processes import fill_cache, import_kernels
from premir.scanner.cores import available_cores

if TYPE_CHECKING:
    from premir.scanner.options import ScanOptions, Search
    from premir.scanner.run.tasks import Job

_log = logging.getLogger(__name__)
_one_by_one = threading.Lock()


def compile_kernels() -> None:
    """Compile every kernel that no cache holds, as where a container is built; say how many."""
    import_kernels()
    fill_cache(list(KERNELS), available_cores())
    for kernel in KERNELS.values():
        kernel.ready()
    if COMPILATION.kernels:
        _log.info("%d kernels compiled in %.1f s", COMPILATION.kernels, COMPILATION.seconds)
    else:
        _log.info("all kernels are in the cache")


def prepare_kernels(options: ScanOptions, job: Job, *, decoys: bool) -> None:
    """Fill the cache with the kernels that a scan calls, before its threads wait for them.

    Args:
        options: settings of the scan.
        job: what its tiles have in common.
        decoys: whether it has any.
    """
    import_kernels()
    names = [name for name in kernels_of(options, job, decoys=decoys) if name in KERNELS]
    with _one_by_one:  # of many scans at a time, the first prepares for all
        fill_cache(names, min(options.execution.threads, available_cores()))


def kernels_of(options: ScanOptions, job: Job, *, decoys: bool) -> Iterator[str]:
    """Name the kernels that a scan calls by itself, as :data:`premir.kernels._jit.KERNELS` does."""
    if job.extractor.kind == "stems":
        yield from ("stems._tilts", "stems._scan", "stems._select", "cutting._cut")
    asked = {
        "alignments._read": bool(options.search.reads),
        "shuffling._shuffle": decoys,
        "mfe_kernel._fold_narrow": job.folder == "kernel",
    }
    yield from (name for name, needed in asked.items() if needed)
    if job.gates is not None:
        yield from ("gate_features._stem_features", "gate_features._fold_features")
        yield "gate_features.sum_votes"
    if job.model is None:
        return
    if "stem" in job.model.kinds:
        yield from ("stemwise._count_columns", "stemwise.fill_columns", "stemwise._fill_numbers")
        yield "fixedpoint._pool_stems"
    if set(job.model.kinds) != {"stem"}:
        yield from ("tensorconv._convolve", "tensorconv._convolve_wide")
    if options.search.known is not None:
        yield "similarity._nearest"
    if options.execution.part is None:
        yield from _of_hits(options.search)


def _of_hits(search: Search) -> Iterator[str]:
    """Name those that are called once all tiles are scored."""
    if search.kin:
        yield from ("kin._words", "kin._count")
    yield from ("overlaps._resolve", "pairing._parse_dot_bracket", "pairing._longest_stem")
    yield from ("kmers._kmer_keys", "kmers._sample_arms", "kmers._index", "kmers._count")
    yield from ("kmers._copies", "sites._look_across", "sites._fill_cells")
