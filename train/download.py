"""The released data set of the seed paper, fetched once and checked."""

from __future__ import annotations

import os
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.paths import cache_dir

UPSTREAM = "https://raw.githubusercontent.com/eleventh83/deepMiRGene/master/reproduce/dataset/"
"""Where Park et al. (2017) released the data sets; ``$PREMIR_DATA_URL`` names a mirror instead."""

SHA256 = {
    "sequences/human_neg.fa": "57645a4f678e59ce407af06423dcf55c0cc241bd178055110d62c4aac4802800",
    "sequences/human_pos.fa": "5cc1fa0ae65606035f532c394421bbf925e9520c25f7fdaf3b808f7a87165b1e",
    "sequences/new_neg.fa": "91c5f2d5ed46c1babad2828fe709d3ffb6f0a8850cc6191f4a5089784ef78334",
    "sequences/new_pos.fa": "8e5ba62eaefb68dcbc8bdd3d000e6ccdd86f43e7df36c3b804c64856ba987fd5",
    "sequences/whole_neg.fa": "6d83156947307ee36089b4ff4f50fc2c34024a4eac2164ddbd45f002f53c1dd8",
    "sequences/whole_pos.fa": "6983db7a01397d2632f122fefadf2d41518384830968c5bbf275f1a8fc83311c",
}


def fetch_benchmark(url: str | None = None) -> Path:
    """Return the folder of the released data set, downloading what the cache lacks.

    Args:
        url: where the files are; ``$PREMIR_DATA_URL`` or ``UPSTREAM`` by default.

    Returns:
        A folder with ``sequences/``; every file in it has the digest of ``SHA256``.

    Raises:
        InputError: a file could not be fetched, or differs from the released one.
    """
    import pooch

    folder = cache_dir("benchmark")
    base = (url or os.environ.get("PREMIR_DATA_URL") or UPSTREAM).rstrip("/") + "/"
    files = pooch.create(path=folder, base_url=base, registry=SHA256, retry_if_failed=2)
    for name in SHA256:
        try:
            files.fetch(name)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{base}{name}: cannot be fetched ({reason}); download the data set yourself and "
                "give its folder with --data"
            ) from error
    return folder
