"""Compressed output and its index."""

from __future__ import annotations

import pysam

from premir.scanner.hits import Hit, write_bed_file

LIMIT = 1 << 29
"""A contig of this length does not fit a TBI index."""


def test_long_contigs_get_an_index_that_holds_them_and_no_other_stays(tmp_path):
    path = tmp_path / "hits.bed.gz"
    for longest, index in ((LIMIT - 1, ".tbi"), (LIMIT, ".csi"), (LIMIT - 1, ".tbi")):
        place = longest - 100, longest
        hit = Hit("c", *place, "+", 0.5, -100, None, 0.0, None, "A" * 100, "." * 100)
        assert write_bed_file(path, [hit], ["x"], longest_contig=longest) == 1
        assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, path.name + index]
        with pysam.TabixFile(str(path), index=str(path) + index) as table:
            (line,) = table.fetch("c", longest - 1, longest)
        assert line.split("\t")[:3] == ["c", *map(str, place)]
