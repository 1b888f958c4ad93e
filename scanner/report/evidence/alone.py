"""What the hairpins of hits fold into by themselves, without the context that the model reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.hairpins import gather
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Chunk, Material
from premir.scanner.report.table import HitTable


def hairpin_energies(table: HitTable, material: Material) -> npt.NDArray[np.float64]:
    """Fold the intervals of hits alone, with the kernel, as many at a time as there are cores.

    Args:
        table: N hits.
        material: has the sequences that were folded with their context.

    Returns:
        float64 (N,), minimum free energies in kcal/mol.
    """
    folder = KernelFolder()

    def energies(chunk: Chunk) -> npt.NDArray[np.float64]:
        hairpins = chunk.hairpins
        borders = (hairpins.offsets[:-1, None] + chunk.inner).ravel()
        flat, offsets = gather(borders, np.arange(0, borders.size, 2))
        return folder.fold(hairpins.codes[flat], offsets).mfe / 100

    with ThreadPoolExecutor(material.threads, thread_name_prefix="alone") as pool:
        return np.concatenate([np.empty(0), *pool.map(energies, material.chunks(table))])


TRACK = Track(
    name="alone",
    columns=(
        Column(
            "mfe_hairpin", float, "minimum free energy of the hairpin alone, from start to end, "
            "without the context in which mfe is", unit="kcal/mol", form=".2f",
        ),
    ),
    compute=lambda table, material: [hairpin_energies(table, material)],
    late=True,
)  # fmt: skip
