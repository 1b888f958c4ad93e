"""Contig names that readers of BED take for comments."""

from __future__ import annotations

import re

_LOST = re.compile(r"[#!>]|track|browser|visibility|chrom\Z", re.IGNORECASE)
"""How a line must begin that bedtools 2.30.0 skips, found by trying names with its commands (case
does not matter to ``intersect``, ``merge`` and others); tabix skips ``#`` alone."""


def lost_in_bed(name: str) -> str | None:
    """Say why hits on a contig of this name would be lost, and what to do; None where they are not.

    The lines of such a contig look like comments, and BED has no way to write them otherwise.
    """
    if not _LOST.match(name):
        return None
    better = "c_" + name.lstrip("#!>")
    return (
        "bedtools or tabix take lines that begin with this name for comments and lose the hits; "
        f"rename the contig, for instance to {better!r}"
    )
