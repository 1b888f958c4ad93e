"""``python -m premir.kernels --check FASTA``: are the kernels right and fast on this machine?"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import sys
import time
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from premir.kernels.check_fold import check_fold
from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack, pack_tensor, pairing_tensors
from premir.kernels.stems import StemCosts, scan_stems

LONGEST = 1000
"""Longest sequence that is folded, in nt: folding time grows with the cube of the length."""
SCANNED = 2_000_000
"""Nucleotides that the stem scan is timed on."""
MAX_SPAN = 160
"""Longest stem-loop of the timed scan, in nt: the scanner's default."""
COSTS = StemCosts(
    cg=-300, au=-200, gu=-100, loop_open=50, bulge=10, interior=15, hairpin=400, hairpin_step=20,
    hairpin_free=4, tilt=100, window=300,
)  # fmt: skip
"""What the timed scan looks for; its time does not depend on them."""
_REPEATS = 5


def read_fasta(path: Path) -> list[str]:
    """Read the sequences of a FASTA file, plain, gzip or bgzip; names are not looked at.

    Args:
        path: the file. (The strict reader with all its messages belongs to premir.scanner,
            which kernels know nothing of.)

    Returns:
        Sequences as they stand in the file, without line ends.

    Raises:
        OSError: missing, a folder, or damaged gzip data.
        ValueError: no FASTA record, or bytes that are not text.
    """
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error) as error:
            raise OSError(f"gzip data are truncated or damaged ({error})") from error
    if not data.startswith(b">"):
        raise ValueError("is not FASTA: expected a line that starts with '>'")
    if not data.isascii():
        raise ValueError("is not FASTA: it holds bytes that are not text")
    records = ("\n" + data.decode("ascii").replace("\r", "")).split("\n>")[1:]
    return ["".join(record.split("\n")[1:]) for record in records]


def stem_scan_speed(sequences: Sequence[str]) -> float:
    """Time the stem scan on the sequences, repeated to ``SCANNED`` nt.

    Args:
        sequences: any letters, at least one in all.

    Returns:
        Median of several warm runs: megabases of one strand per CPU second of one thread.
    """
    codes = np.resize(encode("".join(sequences)), SCANNED)
    scan_stems(
        codes[:10_000], min_span=40, max_span=MAX_SPAN, costs=COSTS
    )  # Compiles, or loads the cache.
    seconds = []
    for _ in range(_REPEATS):
        begin = time.thread_time()
        scan_stems(codes, min_span=40, max_span=MAX_SPAN, costs=COSTS)
        seconds.append(time.thread_time() - begin)
    return SCANNED / 1e6 / float(np.median(seconds))


def count_round_trips(sequences: Sequence[str]) -> int:
    """Fold sequences, expand each fold to its dense tensor and pack that again.

    Args:
        sequences: A, C, G, T, U only.

    Returns:
        How many came back as they were: codes, pairs and MFE.
    """
    codes, offsets = pack([encode(sequence) for sequence in sequences])
    pairs, mfe = fold_batch(codes, offsets, current_parameters())
    identical = 0
    for n in range(len(sequences)):
        own = slice(offsets[n], offsets[n + 1])
        borders = np.array([0, offsets[n + 1] - offsets[n]])
        tensor = pairing_tensors(codes[own], pairs[own], mfe[n : n + 1], borders)
        packed_codes, packed_pairs, packed_mfe = pack_tensor(tensor[0])
        identical += int(
            np.array_equal(packed_codes, codes[own])
            and np.array_equal(packed_pairs, pairs[own])
            and packed_mfe == mfe[n]
        )
    return identical


def check(path: Path, limit: int) -> dict[str, object]:
    """Check the kernels against ViennaRNA and against themselves.

    Args:
        path: FASTA of hairpins, or of anything else that is no longer than ``LONGEST``.
        limit: most sequences to fold; they are taken at even distances from the whole file.

    Returns:
        What :func:`premir.kernels.check_fold.check_fold` finds, ``skipped`` (sequences too long
        or with other letters), ``identical_tensor_round_trip``, ``stem_scan_mb_per_s`` (one
        strand, one thread) and ``versions``.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not FASTA or holds nothing that can be folded.
    """
    sequences = read_fasta(path)
    usable = [s for s in sequences if 0 < len(s) <= LONGEST and np.all(encode(s) != UNKNOWN)]
    if not usable:
        raise ValueError(f"holds no sequence of A, C, G, T, U up to {LONGEST} nt")
    last = len(usable) - 1
    chosen = [usable[k] for k in np.linspace(0, last, min(limit, len(usable))).astype(int)]
    return {
        **check_fold(chosen),
        "skipped": len(sequences) - len(usable),
        "identical_tensor_round_trip": count_round_trips(chosen),
        "stem_scan_mb_per_s": round(stem_scan_speed(sequences), 2),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numba", "numpy", "viennarna")},
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m premir.kernels``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m premir.kernels",
        description="Compare the compiled kernels with ViennaRNA, and time them. Prints JSON.",
    )
    parser.add_argument(
        "--check", type=Path, required=True, metavar="FASTA", help="sequences to fold"
    )
    parser.add_argument(
        "--limit", type=_positive, default=200, metavar="N",
        help="fold at most N sequences; default: %(default)s",
    )  # fmt: skip
    options = parser.parse_args(argv)
    try:
        result = check(options.check, options.limit)
    except OSError as error:
        return _fail(options.check, f"cannot be read: {error.strerror or error}")
    except ValueError as error:
        return _fail(options.check, str(error))
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def _fail(path: Path, what: str) -> int:
    sys.stderr.write(f"python -m premir.kernels: error: {path}: {what}\n")
    return 2


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


if __name__ == "__main__":
    sys.exit(main())
