"""Files of hits as other programs read them: the programs themselves, where they are installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pysam
import pytest
from golden import GOLDEN, NAMES
from hit_rows import hits_in

from premir.scanner.report import formats
from premir.scanner.report.hits import Hits, columns_with
from premir.scanner.report.reading import read_hits

JARS = Path("/usr/share/java")
READ_BED = """\
import htsjdk.tribble.AbstractFeatureReader;
import htsjdk.tribble.bed.*;

public class ReadBed {
    public static void main(String[] files) throws Exception {
        for (BEDFeature hit : AbstractFeatureReader.getFeatureReader(
                files[0], new BEDCodec(), false).iterator()) {
            String blocks = "";
            for (FullBEDFeature.Exon block : hit.getExons())
                blocks += " " + (block.getCdStart() - 1) + "-" + block.getCdEnd();
            java.awt.Color colour = hit.getColor();
            System.out.println(String.join("\\t", hit.getContig(), "" + (hit.getStart() - 1),
                "" + hit.getEnd(), hit.getName(), "" + (int) hit.getScore(),
                hit.getStrand().toString(),
                colour.getRed() + "," + colour.getGreen() + "," + colour.getBlue(), blocks));
        }
    }
}
"""


def tool(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def lines_of(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def blocks_of(hit):
    """Blocks as start and end on the contig."""
    sizes = map(int, hit.block_sizes.split(","))
    starts = map(int, hit.block_starts.split(","))
    return [(hit.start + a, hit.start + a + n) for a, n in zip(starts, sizes, strict=True)]


@pytest.fixture(params=[*NAMES, "one block"])
def bed(request, tmp_path):
    """Golden files, and one in which a hit has no loop."""
    if request.param in NAMES:
        return GOLDEN / request.param
    places = [(0, 10, 26, 1), (0, 50, 66, -1), (1, 5, 21, 1)]
    structures = ["((((((....))))))", 16 * ".", "(((....)))......"]
    table, material = hits_in(tmp_path / "run", ["chr1", "chr2"], places, structures)
    path = tmp_path / "hits.bed"
    formats.write_hits(path, Hits(columns_with((), decoys=False), table, material, ["x"]))
    return path


def test_twelve_columns_are_as_bed_wants_them(bed):
    """The rules that bedToBigBed checks."""
    hits = list(read_hits(bed))
    assert hits
    for hit in hits:
        blocks = blocks_of(hit)
        assert len(blocks) == hit.block_count in (1, 2)
        assert blocks[0][0] == hit.thick_start == hit.start
        assert blocks[-1][1] == hit.thick_end == hit.end
        assert all(start < end for start, end in blocks)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(blocks))
        if hit.block_count == 2:
            assert (blocks[0][1], blocks[1][0]) == (hit.loop_start, hit.loop_end)
        assert 0 <= hit.score <= 1000
        assert all(0 <= int(part) <= 255 for part in hit.item_rgb.split(","))
        assert len(hit.name) <= 255


def test_htsjdk_reads_every_line(bed, tmp_path):
    """As GATK, Picard and IGV do."""
    tool("java")
    if not (JARS / "htsjdk.jar").exists():
        pytest.skip("htsjdk (Debian: libhtsjdk-java) is not installed")
    program = tmp_path / "ReadBed.java"
    program.write_text(READ_BED)
    found = lines_of(["java", "-cp", f"{JARS}/*", program, bed])
    assert found == [
        "\t".join(
            map(str, (
                hit.chrom, hit.start, hit.end, hit.name, hit.score, hit.strand, hit.item_rgb,
                "".join(f" {a}-{b}" for a, b in blocks_of(hit)),
            ))
        )
        for hit in read_hits(bed)
    ]  # fmt: skip


def test_pyranges_reads_the_twelve_columns(bed, tmp_path):
    pyranges = pytest.importorskip("pyranges", reason="pyranges is not installed")
    path = tmp_path / "twelve.bed"  # pyranges knows neither comments nor further columns
    lines = [line.split("\t")[:12] for line in bed.read_text().splitlines() if line[0] != "#"]
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    frame = pyranges.read_bed(str(path), as_df=True)
    assert [list(map(str, row)) for row in frame.itertuples(index=False)] == lines


def test_pybedtools_reads_every_line(bed):
    tool("bedtools")
    pybedtools = pytest.importorskip("pybedtools", reason="pybedtools is not installed")
    found = [
        (each.chrom, each.start, each.stop, each.name, int(each.score), each.strand)
        for each in pybedtools.BedTool(str(bed))
    ]
    assert found == [
        (hit.chrom, hit.start, hit.end, hit.name, hit.score, hit.strand) for hit in read_hits(bed)
    ]


def test_bedtools_takes_the_arms_apart(bed, tmp_path):
    tool("bedtools")
    path = tmp_path / "twelve.bed"
    rows = [line.split("\t")[:12] for line in bed.read_text().splitlines() if line[0] != "#"]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    found = [line.split("\t") for line in lines_of(["bedtools", "bed12tobed6", "-i", path])]
    assert [(chrom, int(start), int(end), name) for chrom, start, end, name, *_ in found] == [
        (hit.chrom, a, b, hit.name) for hit in read_hits(bed) for a, b in blocks_of(hit)
    ]


def test_tabix_finds_hits_by_place(bed, tmp_path):
    path = tmp_path / "hits.bed.gz"
    pysam.tabix_compress(str(bed), str(path))
    pysam.tabix_index(str(path), preset="bed")
    hit = list(read_hits(bed))[-1]
    with pysam.TabixFile(str(path)) as file:
        found = [line.split("\t")[3] for line in file.fetch(hit.chrom, hit.start, hit.end)]
    assert hit.name in found


def test_a_bigbed_holds_what_the_file_holds(bed, tmp_path):
    pybigtools = pytest.importorskip("pybigtools", reason="pybigtools is not installed")
    rows = [line.split("\t") for line in bed.read_text().splitlines() if line[0] != "#"]
    rows.sort(key=lambda row: (row[0].encode(), int(row[1])))
    path = tmp_path / "hits.bb"
    lengths = {row[0]: 1_000_000 for row in rows}
    entries = [(row[0], int(row[1]), int(row[2]), "\t".join(row[3:])) for row in rows]
    pybigtools.open(str(path), "w").write(lengths, entries)
    file = pybigtools.open(str(path))
    found = [
        [contig, str(start), str(end), *rest]
        for contig in lengths
        for start, end, *rest in file.records(contig)
    ]
    assert found == rows
