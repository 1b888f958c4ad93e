"""Libraries of reads: what is refused, and what is counted of what is not."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import tempfile

import numpy as np
import pysam
import pytest
from builders import write_fasta
from hypothesis import given, settings
from hypothesis import strategies as st
from read_sets import Read, write_library

from premir.scanner.errors import InputError, PremirError
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence.reads import records, stacks
from premir.scanner.report.evidence.reads.counting import Estimate, count_reads, estimate
from premir.scanner.report.evidence.reads.library import check_contigs, check_library
from premir.scanner.report.evidence.reads.stacks import STACK, UNIT, Stacks, centres

CONTIGS = {"chr1": 3000, "chr2": 500}
GENOME = Contigs.of(list(CONTIGS), list(CONTIGS.values()), bytes(64))


def counted(path, genome=GENOME):
    out = io.BytesIO()
    found = count_reads(path, genome, out)
    return found, np.frombuffer(out.getvalue(), STACK)


def checked_and_counted(path):
    check_library(path)
    check_contigs(path, GENOME)
    return counted(path)


def as_rows(records):
    return [
        (
            int(r["start"]),
            int(r["length"]),
            int(r["strand"]),
            r["weight"] / UNIT,
            r["shared"] / UNIT,
        )
        for r in records
    ]


def test_what_is_no_sorted_indexed_library_is_refused_in_one_line(tmp_path):
    reads = [Read("chr1", 10, 22, "+")]
    good = write_library(tmp_path / "good.bam", CONTIGS, reads)
    check_library(good)
    fasta, fastq = tmp_path / "r.fa", tmp_path / "r.fastq.gz"
    fasta.write_text(">a_x3\nACGTACGTACGTACGTACGT\n")
    with gzip.open(fastq, "wb") as handle:
        handle.write(b"@a\nACGTACGTACGTACGTACGT\n+\nIIIIIIIIIIIIIIIIIIII\n")
    (tmp_path / "nonsense.bam").write_bytes(b"BAM\1 and no more")
    (tmp_path / "empty.bam").touch()
    (tmp_path / "cut.bam").write_bytes(good.read_bytes()[:-60])
    flipped = bytearray(good.read_bytes())
    flipped[-40] ^= 255
    (tmp_path / "flipped.bam").write_bytes(flipped)
    pysam.index(str(good), str(tmp_path / "flipped.bam.bai"))
    for path, message in {
        fasta: r"holds sequences, and premir does not align.*bowtie -S -a.*-f r\.fa",
        fastq: r"holds sequences, and premir does not align.*r\.fastq\.gz",
        tmp_path / "nonsense.bam": "no BAM or CRAM file",
        tmp_path / "empty.bam": "is empty; expected BAM or CRAM",
        tmp_path / "cut.bam": "no BGZF EOF marker; file may be truncated",
        tmp_path / "flipped.bam": "damaged at chr1",
        tmp_path / "none.bam": "No such file",
        write_library(tmp_path / "text.sam", CONTIGS, reads, index=False): "is SAM text; sort and",
        write_library(tmp_path / "u.bam", CONTIGS, reads, order="unsorted"): "SO is unsorted",
        write_library(tmp_path / "bare.bam", CONTIGS, reads, index=False): "has no index",
    }.items():
        with pytest.raises(InputError, match=message) as told:
            checked_and_counted(path)
        assert str(path) in str(told.value)
        assert "\n" not in str(told.value)


def test_a_library_on_another_genome_is_refused(tmp_path, caplog):
    path = write_library(tmp_path / "a.bam", {"1": 3000, "2": 500}, [Read("1", 10, 22, "+")])
    with pytest.raises(
        InputError, match=r"other contigs \(1, 2\) than the genome has \(chr1, chr2"
    ):
        check_contigs(path, GENOME)
    path = write_library(tmp_path / "b.bam", {**CONTIGS, "chr2": 501}, [])
    with pytest.raises(InputError, match="chr2 has 501 nt there and 500 in the genome"):
        check_contigs(path, GENOME)
    path = write_library(
        tmp_path / "c.bam",
        {"x": 99, "chr2": 500},
        [Read("x", 1, 22, "+"), Read("chr2", 1, 22, "+")],
    )
    check_contigs(path, GENOME)
    assert "lacks 1 of 2 contigs of this one and has 1 others" in caplog.text
    assert as_rows(counted(path)[1]) == [(3001, 22, 1, 1, 0)]


def test_an_order_that_the_header_denies_and_a_foreign_index_are_noticed(tmp_path):
    one = write_library(tmp_path / "one.bam", CONTIGS, [Read("chr1", 10, 22, "+")] * 3)
    two = write_library(tmp_path / "two.bam", CONTIGS, [Read("chr1", 10, 22, "+")] * 4)
    one.with_name("one.bam.bai").write_bytes(two.with_name("two.bam.bai").read_bytes())
    with pytest.raises(InputError, match="the index belongs to another file"):
        counted(one)


def plain(path):
    """The bytes of a BAM file, and where its first record begins."""
    with pysam.AlignmentFile(str(path)) as file, pysam.BGZFile(str(path), "rb", None) as data:
        data.seek(file.tell())
        records = len(data.read())
    whole = bytearray(gzip.decompress(path.read_bytes()))
    return whole, len(whole) - records


@pytest.mark.parametrize(
    "field, value, said",
    [
        (0, 2**31 - 1, "damaged at chr1: holds what is no record of an alignment"),
        (0, 20, "damaged at chr1: holds what is no record of an alignment"),
        (0, 2**20, "damaged at chr1: it ends within a record"),
        (4, 7, "the index belongs to another file"),
        (8, 5, "is not sorted, whatever its header says"),
        (8, -5, "damaged at chr1: reads begin outside of it"),
        (8, 3000, "damaged at chr1: reads begin outside of it"),
        (20, -1, "damaged at chr1: holds what is no record of an alignment"),
    ],
)
def test_records_that_are_damaged_though_their_checksum_is_not(field, value, said, tmp_path):
    reads = [Read("chr1", 10, 22, "+"), Read("chr1", 20, 22, "+")]
    path = write_library(tmp_path / "a.bam", CONTIGS, reads)
    whole, begin = plain(path)
    second = begin + (len(whole) - begin) // 2
    whole[second + field : second + field + 4] = struct.pack("<i", value)
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(bytes(whole))
    with pytest.raises(InputError, match=said):
        checked_and_counted(path)


@pytest.mark.parametrize("kind", ["bam", "cram"])
def test_a_file_without_its_last_pieces_is_no_whole_file(kind, tmp_path):
    genome = write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 750, "chr2": "ACGT" * 125})
    pysam.faidx(str(genome))
    reads = [Read("chr1", n // 9, 22, "+", f"read{n}") for n in range(20_000)]
    path = write_library(tmp_path / f"a.{kind}", CONTIGS, reads, genome=genome)
    assert checked_and_counted(path)[0].records == 20_000
    whole, end = path.read_bytes(), {"bam": 28, "cram": 38}[kind]  # of the mark at the end
    borders = [at for at in range(len(whole)) if whole[at : at + 4] == b"\x1f\x8b\x08\x04"]
    for at in {len(whole) // 2, borders[len(borders) // 2] if kind == "bam" else 0} - {0}:
        path.write_bytes(whole[:at] + whole[-end:])
        with pytest.raises(
            InputError, match=r"damaged at chr1|the index belongs to another"
        ) as told:
            checked_and_counted(path)
        assert "\n" not in str(told.value)


def test_contigs_come_in_the_order_of_the_genome_and_others_do_not_count(tmp_path, monkeypatch):
    names = [f"c{n}" for n in range(7)]
    reads = [
        Read(name, n % 50, 20 + n % 3, "+-"[n % 2], f"r{n % 11}", {})
        for name in names
        if name not in ("c2", "c5")
        for n in range(120)
    ]
    path = write_library(tmp_path / "a.bam", dict.fromkeys(names, 90), reads)
    alone = {name: rows_on(path, [name])[0] for name in names}
    assert [len(rows) for rows in alone.values()] == [120, 120, 0, 120, 120, 0, 120]
    orders = [names, names[::-1], ["c4", "c2", "c6"], ["c3", "c1", "new", "c5", "c4"], ["c5", "c6"]]
    for piece in (500, 1 << 22):
        monkeypatch.setattr(records, "_PIECE", piece)
        for order in orders:
            assert rows_on(path, order) == [alone.get(name, []) for name in order]


def rows_on(path, names):
    """Stacks on contigs of a genome that has these."""
    genome = Contigs.of(names, [90] * len(names), bytes(32 * len(names)))
    rows: list[list[tuple[int, ...]]] = [[] for _ in names]
    for start, *rest in as_rows(counted(path, genome)[1]):
        rows[start // 90].append((start % 90, *rest))
    return rows


@pytest.mark.parametrize("circular", [False, True])
def test_the_room_for_stacks_is_estimated_from_some_records(circular, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "_PIECE", 30_000)
    places = np.random.default_rng(2).integers(0, 2900, 3000).tolist()
    reads = [Read("chr1", at, 22, "+") for at in places] + [Read("other", 9, 22, "-")] * 900
    path = write_library(tmp_path / "a.bam", {**CONTIGS, "other": 99}, reads)
    out = io.BytesIO()
    genome = Contigs.of(["new", *CONTIGS], [700, *CONTIGS.values()], bytes(96), circular)
    count_reads(path, genome, out)
    found = estimate(path, genome)
    assert found is not None
    assert found.stored == pytest.approx(len(out.getvalue()), rel=0.15)
    assert found.seconds > 0
    assert estimate(path, Contigs.of(["new"], [700], bytes(32))) == Estimate(0, 0)


def test_only_cram_files_are_written_once_more_on_their_way(tmp_path, monkeypatch):
    genome = write_fasta(tmp_path / "genome.fa", {"chr1": "ACGT" * 750, "chr2": "ACGT" * 125})
    pysam.faidx(str(genome))
    reads = [Read("chr1", 10, 22, "+")]
    bam = write_library(tmp_path / "a.bam", CONTIGS, reads)
    cram = write_library(tmp_path / "a.cram", CONTIGS, reads, genome=genome)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert counted(bam)[0].records == 1
    with pytest.raises(
        PremirError, match=r"none: CRAM cannot be turned into BAM there: No such file"
    ):
        counted(cram)


@pytest.mark.parametrize("name, tags", [("a", {"XW": 10**8 + 1}), ("a_x" + "9" * 30, {})])
def test_numbers_of_reads_that_nobody_has_are_refused(name, tags, tmp_path):
    path = write_library(tmp_path / "a.bam", CONTIGS, [Read("chr1", 10, 22, "+", name, tags)])
    with pytest.raises(
        InputError, match="a record at chr1:11 does not stand for a number of reads"
    ):
        counted(path)


@pytest.mark.parametrize(
    "said, expected",
    [
        # So many reads a record: XW before the name, the name before one.
        ([("a_x7", {"NH": 1, "XW": 5})], (5, 0)),
        ([("a_x7", {"NH": 1})], (7, 0)),
        ([("a_x", {"NH": 1}), ("a_x7.1", {"NH": 1}), ("x7", {"NH": 1})], (3, 0)),
        # Places: NH before X0 before the number of records of that name.
        ([("a", {"NH": 4, "X0": 2})], (0.25, 0.25)),
        ([("a_x6", {"X0": 2})], (3, 3)),
        ([("a", {}), ("a", {}), ("b", {})], (2, 1)),
        # 17 places do not divide a unit without rest: a part goes to nobody.
        ([("a_x17", {"NH": 17})], (17 * (UNIT // 17) / UNIT,) * 2),
    ],
)
def test_reads_and_places_of_a_record(said, expected, tmp_path):
    reads = [Read("chr1", 10, 22, "+", name, tags) for name, tags in said]
    found, rows = counted(write_library(tmp_path / "a.bam", CONTIGS, reads))
    assert as_rows(rows) == [(10, 22, 1, *expected)]
    assert found.records == len(said)
    assert found.named == sum(not tags for _, tags in said)


def test_xm_counts_places_only_where_bowtie_1_placed_a_read_at_random(tmp_path):
    reads = [
        Read("chr1", 10, 22, "+", "a", {"XM": 3}, mapq=0),
        Read("chr1", 50, 22, "+", "b", {"XM": 3}, mapq=255),
    ]
    for name, programs, expected in [
        ("bowtie", [{"ID": "Bowtie", "VN": "1.3.1"}], [1 / 3, 1]),
        ("bowtie2", [{"ID": "bowtie2", "PN": "bowtie2"}], [1, 1]),
        ("none", [], [1, 1]),
    ]:
        path = write_library(tmp_path / f"{name}.bam", CONTIGS, reads, programs=programs)
        assert [row[3] for row in as_rows(counted(path)[1])] == expected


def test_records_that_are_no_reads_of_their_own_do_not_count(tmp_path):
    flags = {0: 1, 0x100: 1, 0x400: 1, 0x4: 0, 0x200: 0, 0x800: 0, 0x81: 0, 0x41: 1}
    reads = [Read("chr1", 10 + 50 * n, 22, "+", flag=flag) for n, flag in enumerate(flags)]
    reads += [Read("chr1", 1000, stacks.LONGEST, "-"), Read("chr1", 1000, stacks.LONGEST + 1, "-")]
    found, rows = counted(write_library(tmp_path / "a.bam", CONTIGS, reads))
    kept = [10 + 50 * n for n, counts in enumerate(flags.values()) if counts]
    assert [row[0] for row in as_rows(rows)] == [*kept, 1000]
    assert found.records == len(kept) + 2
    assert found.long == 2 * UNIT


def test_long_reads_and_unsaid_places_are_warned_of(tmp_path, caplog):
    reads = [Read("chr1", n, 50, "+", f"r{n}", {}) for n in range(6)]
    reads += [Read("chr1", n, 22, "+", f"s{n}", {}) for n in range(4)]
    counted(write_library(tmp_path / "a.bam", CONTIGS, reads))
    assert "10 records do not say how many places" in caplog.text
    assert "60 % of the reads are longer than 30 nt: adapters seem to be left on" in caplog.text


LIBRARY = [
    Read(contig, start, length, strand, f"r{n}_x{n % 5 + 1}", {"NH": n % 18 + 1})
    for n, (contig, start, length, strand) in enumerate(
        itertools.product(CONTIGS, (3, 4, 4, 5, 40, 300), (18, 22, 30), "+-")
    )
]


def test_collapsed_and_expanded_reads_bam_and_cram_give_the_same_bytes(tmp_path, monkeypatch):
    genome = write_fasta(
        tmp_path / "genome.fa", {name: "ACGT" * (length // 4) for name, length in CONTIGS.items()}
    )
    pysam.faidx(str(genome))
    collapsed = write_library(tmp_path / "a.bam", CONTIGS, LIBRARY)
    expanded = write_library(
        tmp_path / "b.bam",
        CONTIGS,
        [
            read._replace(name=f"{read.name}.{k}")
            for read in LIBRARY
            for k in range(int(read.name.rpartition("_x")[2]))
        ],
    )
    cram = write_library(tmp_path / "c.cram", CONTIGS, LIBRARY, genome=genome)
    silent = [read._replace(name=f"r{n % 7}_x2", tags={}) for n, read in enumerate(LIBRARY)]
    unsaid = write_library(tmp_path / "d.bam", CONTIGS, silent)
    unsaid_too = write_library(tmp_path / "d.cram", CONTIGS, silent, genome=genome)
    genome.unlink()  # no letters are read, so none are missed
    check_library(cram)
    first = counted(collapsed)[1]
    assert len(first) == 60
    for path in (expanded, cram):
        assert counted(path)[1].tobytes() == first.tobytes()
    by_name = counted(unsaid)[1]
    assert by_name["shared"].all()
    for setting, values in {"_PIECE": (7, 100), "_CHUNK": (1, 7)}.items():
        for value in values:
            monkeypatch.setattr(records, setting, value)
            for path in (collapsed, expanded, cram):
                assert counted(path)[1].tobytes() == first.tobytes()
            for path in (unsaid, unsaid_too):
                assert counted(path)[1].tobytes() == by_name.tobytes()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, stacks.LONGEST)), max_size=60),
    st.integers(0, 3000),
    st.integers(1, 400),
    st.sampled_from([1, 3, 256]),
    st.integers(0, 3000),
)
def test_stacks_are_found_by_position(tmp_path_factory, reads, low, size, every, before):
    records = np.zeros(len(reads), STACK)
    for record, (start, length) in zip(records, sorted(reads), strict=True):
        record["start"], record["length"] = start, length
    path = tmp_path_factory.mktemp("stacks") / "a.stacks"
    path.write_bytes(records.tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "_EVERY", every)
        patch.setattr(stacks, "_AHEAD", 9)
        found = Stacks(path)
        found.reaching(before, before + 20)  # some of what is there now need not be read again
        near = found.reaching(low, low + size)
    here = (centres(records) >= 2 * low) & (centres(records) < 2 * (low + size))
    inside = (centres(near) >= 2 * low) & (centres(near) < 2 * (low + size))
    assert near[inside].tolist() == records[here].tolist()
    assert sum(map(len, found.pieces())) == len(reads)
