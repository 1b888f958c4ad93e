from __future__ import annotations

from dataclasses import replace

import builders
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.pairing import MAX_LENGTH, pairing_tensors
from premir.scanner.errors import ShardError
from premir.scanner.find import shards
from premir.scanner.find.loci import Loci


def make(seed=1, lengths=(45, 96, 398, 60)):
    rng = np.random.default_rng(seed)
    hairpins = builders.random_hairpins(rng, list(lengths))
    count = len(lengths)
    loci = Loci(
        contig=rng.integers(0, 9, count).astype(np.int32),
        start=np.arange(count) * 10**10,
        end=np.arange(count) * 10**10 + np.array(lengths),
        strand=rng.choice([-1, 1], count).astype(np.int8),
        stem_energy=rng.integers(-9000, 0, count).astype(np.int16),
        folded_start=np.arange(count) * 10**10,
        folded_end=np.arange(count) * 10**10 + np.array(lengths),
    )
    return hairpins, loci


def equal(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)


@pytest.mark.parametrize("lengths", [(45, 96, 398, 60), ()])
def test_round_trip(tmp_path, lengths):
    hairpins, loci = make(lengths=lengths)
    path = tmp_path / "shard.h5"
    shards.write_shard(path, hairpins=hairpins, loci=loci)
    assert equal(shards.read_hairpins(path), hairpins)
    assert equal(shards.read_loci(path), loci)
    assert [entry.name for entry in tmp_path.iterdir()] == ["shard.h5"]


def test_same_content_same_bytes(tmp_path):
    hairpins, loci = make()
    for name in ("a.h5", "b.h5"):
        shards.write_shard(tmp_path / name, hairpins=hairpins, loci=loci)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_packed_is_much_smaller_than_dense(tmp_path):
    hairpins, loci = make(lengths=(95,) * 200)
    shards.write_shard(tmp_path / "a.h5", hairpins=hairpins, loci=loci)
    dense = pairing_tensors(hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets)
    assert dense.nbytes > 100 * (tmp_path / "a.h5").stat().st_size


def test_reader_for_other_programs(tmp_path):
    hairpins, _ = make(lengths=(45, 96, 70, 60, 51))
    shards.write_shard(tmp_path / "a.h5", hairpins=hairpins)
    dense = pairing_tensors(hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets)
    seen = 0
    for tensors, lengths in shards.iterate_tensors(tmp_path / "a.h5", batch=2):
        for tensor, length in zip(tensors, lengths, strict=True):
            assert length == hairpins.lengths[seen]
            assert np.array_equal(tensor[:, :length, :length], dense[seen, :, :length, :length])
            seen += 1
    assert seen == 5


@pytest.mark.parametrize(
    "attribute, value, message",
    [
        ("format", "cooler", "format is 'cooler'; this premir reads 'premir-shard'"),
        ("version", 99, "version is 99; this premir reads 2"),
        ("version", 1, "version is 1; this premir reads 2"),
        ("feature_schema", "do2018-v3", "feature_schema is 'do2018-v3'; this premir reads"),
        ("format", None, "format is None; this premir reads 'premir-shard'"),
    ],
)
def test_foreign_versions_are_refused_by_name(tmp_path, attribute, value, message):
    hairpins, _ = make()
    path = tmp_path / "shard.h5"
    shards.write_shard(path, hairpins=hairpins)
    with h5py.File(path, "r+") as file:
        del file.attrs[attribute]
        if value is not None:
            file.attrs[attribute] = value
    with pytest.raises(ShardError) as caught:
        shards.read_hairpins(path)
    assert message in str(caught.value)


def test_damage_is_noticed(tmp_path):
    hairpins, _ = make(lengths=(90,) * 50)
    path = tmp_path / "shard.h5"
    shards.write_shard(path, hairpins=hairpins)
    content = path.read_bytes()
    with h5py.File(path) as file:
        where = file["hairpins/codes"].id.get_chunk_info(0).byte_offset
    flipped = bytearray(content)
    flipped[where + 20] ^= 1
    for broken in (bytes(flipped), content[: len(content) // 2], b"", b"text"):
        path.write_bytes(broken)
        with pytest.raises(ShardError, match="damaged shard, or not one"):
            shards.read_hairpins(path)


def test_shard_without_loci(tmp_path):
    hairpins, _ = make()
    shards.write_shard(tmp_path / "a.h5", hairpins=hairpins)
    with pytest.raises(ShardError, match="damaged shard, or not one"):
        shards.read_loci(tmp_path / "a.h5")


def put(path, **columns):
    """Change single numbers of a shard's columns, or (with a list) columns as a whole."""
    with h5py.File(path, "r+") as file:
        for name, change in columns.items():
            (group,) = (each for each in file if name in file[each])
            values = file[f"{group}/{name}"][...]
            del file[f"{group}/{name}"]
            if isinstance(change, dict):
                for at, value in change.items():
                    values[at] = value
            else:
                values = np.array(change, values.dtype)
            file[f"{group}/{name}"] = values


@pytest.fixture
def small(tmp_path):
    """A shard of two hairpins, ((.)) and (.). on two contigs, with scores."""
    hairpins, loci = make(lengths=(5, 4))
    pairs = np.array([4, 3, -1, 1, 0, 2, -1, 0, -1], np.int16)
    path = tmp_path / "shard.h5"
    scores = shards.Scores(np.array([3, 8]), np.array([-1.5, 2.0]))
    shards.write_shard(path, hairpins=replace(hairpins, pairs=pairs), loci=loci, scores=scores)
    return path


@pytest.mark.parametrize(
    "change, message",
    [
        ({"offsets": {0: 1}}, "offsets do not rise from 0 to the number of codes, 9"),
        ({"offsets": {2: 8}}, "offsets do not rise"),
        ({"offsets": {2: 10}}, "offsets do not rise"),
        ({"offsets": {1: 10}}, "offsets do not rise"),
        ({"offsets": {1: -1}}, "offsets do not rise"),
        ({"offsets": [0, 9]}, "columns of hairpins differ in length"),
        ({"offsets": []}, "columns of hairpins differ in length"),
        ({"codes": [0] * 8}, "columns of hairpins differ in length"),
        ({"codes": {3: 5}}, "a code is above 4"),
        ({"codes": {3: 255}}, "a code is above 4"),
        ({"codes": {3: 4}}, "an unknown letter has a partner"),
        ({"pairs": {2: -2}}, "a partner is below -1"),
        ({"pairs": {0: 5}}, "a partner lies beyond the end of its hairpin"),
        ({"pairs": {5: 4}}, "a partner lies beyond the end of its hairpin"),
        ({"pairs": {0: 3}}, "a partner has another partner, or is itself"),
        ({"pairs": {0: -1}}, "a partner has another partner, or is itself"),
        ({"pairs": {4: -1}}, "a partner has another partner, or is itself"),
        ({"pairs": {2: 2}}, "a partner has another partner, or is itself"),
        ({"pairs": {8: 1}}, "a partner has another partner, or is itself"),
        ({"mfe": [1]}, "as many hairpins as loci and scores are expected"),
    ],
)
def test_numbers_that_are_no_hairpins_are_told(small, change, message):
    assert [len(part) for part in (shards.read_hairpins(small), shards.read_loci(small))] == [2, 2]
    put(small, **change)
    for read in (shards.read_hairpins, lambda path: next(shards.iterate_tensors(path))):
        with pytest.raises(ShardError, match=message):
            read(small)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"contig": {1: -1}}, "a contig is below 0"),
        ({"strand": {0: 0}}, "a strand is neither 1 nor -1"),
        ({"strand": {0: -128}}, "a strand is neither 1 nor -1"),
        ({"folded_start": {0: -1}}, "a locus ends before it begins, or reaches"),
        ({"folded_start": {1: 2 * 10**10}}, "a locus ends before it begins, or reaches"),
        ({"start": {1: 2 * 10**10}}, "a locus ends before it begins, or reaches"),
        ({"folded_end": {0: 1}}, "a locus ends before it begins, or reaches"),
        ({"stem_energy": [0]}, "columns of loci differ in length"),
        ({"start": [0]}, "as many hairpins as loci and scores are expected"),
    ],
)
def test_numbers_that_are_no_loci_are_told(small, change, message):
    put(small, **change)
    with pytest.raises(ShardError, match=message):
        shards.read_loci(small)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"row": {0: -1}}, "a row is below 0"),
        ({"log_odds": {1: np.nan}}, "log odds are not finite"),
        ({"log_odds": {1: -np.inf}}, "log odds are not finite"),
        ({"log_odds": [1.0]}, "columns of scores differ in length"),
        ({"row": [1]}, "as many hairpins as loci and scores are expected"),
    ],
)
def test_numbers_that_are_no_scores_are_told(small, change, message):
    scores = shards.read_scores(small)
    assert (scores.row.tolist(), scores.log_odds.tolist()) == ([3, 8], [-1.5, 2.0])
    put(small, **change)
    with pytest.raises(ShardError, match=message):
        shards.read_scores(small)
    with pytest.raises(ShardError, match=message):
        shards.read_shard(small)


def test_a_shard_of_few_hairpins_is_small(small):
    """A scan keeps one of each tile."""
    assert small.stat().st_size < 16_000
    with h5py.File(small) as file:
        assert file["hairpins/codes"].chunks is None


def test_faults_are_found_beyond_the_first_block(tmp_path):
    hairpins, _ = make(lengths=(20,) * (2 * shards._BLOCK + 3))
    pairs = hairpins.pairs.copy()
    pairs[-20:] = -1
    pairs[-1] = 0
    shards.write_shard(tmp_path / "a.h5", hairpins=replace(hairpins, pairs=pairs))
    with pytest.raises(ShardError, match="a partner has another partner"):
        shards.read_hairpins(tmp_path / "a.h5")


def test_hairpins_longer_than_pair_tables_can_tell_are_refused(tmp_path):
    hairpins, _ = make(lengths=(MAX_LENGTH + 1,))
    shards.write_shard(tmp_path / "a.h5", hairpins=hairpins)
    with pytest.raises(ShardError, match="a hairpin is longer than 32767 nt"):
        shards.read_hairpins(tmp_path / "a.h5")


@given(seed=st.integers(0, 10_000), at=st.integers(0, 10_000), value=st.integers(-3, 70))
@settings(max_examples=200, deadline=None)
def test_a_changed_partner_is_found(seed, at, value):
    hairpins = builders.random_hairpins(np.random.default_rng(seed), [0, 30, 1, 61, 17])
    at %= hairpins.pairs.size
    same = hairpins.pairs[at] == value
    hairpins.pairs[at] = value
    assert (shards._hairpin_fault(hairpins) is None) == same


def test_what_is_no_column_is_refused(small):
    columns = {"pairs": np.zeros((9, 1), np.int16), "codes": np.zeros(9, np.int64)}
    for name, values in columns.items():
        with h5py.File(small, "r+") as file:
            del file[f"hairpins/{name}"]
            file[f"hairpins/{name}"] = values
        with pytest.raises(ShardError, match=f"hairpins/{name} is no column of "):
            shards.read_hairpins(small)
    with h5py.File(small, "r+") as file:
        del file["hairpins/codes"]
        file.create_group("hairpins/codes")
    with pytest.raises(ShardError, match="hairpins/codes is no column of uint8"):
        shards.read_hairpins(small)


def test_a_column_that_promises_more_than_the_file_holds_is_refused(small):
    with h5py.File(small, "r+") as file:
        del file["hairpins/codes"]
        file.create_dataset("hairpins/codes", (10**15,), np.uint8, chunks=(10**6,))
    with pytest.raises(ShardError, match="hairpins/codes promises more than the file holds"):
        shards.read_hairpins(small)


def test_odd_headers_are_refused(small):
    for value in (np.array([1, 1]), 1.0, b"1"):
        with h5py.File(small, "r+") as file:
            file.attrs["version"] = value
        with pytest.raises(ShardError, match=r"version is .*; this premir reads 2"):
            shards.read_loci(small)
