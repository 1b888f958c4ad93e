from __future__ import annotations

import builders
import h5py
import numpy as np
import pytest

from premir.kernels.pairing import pairing_tensors
from premir.scanner import shards
from premir.scanner.errors import ShardError
from premir.scanner.shards import Loci


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
        ("version", 99, "version is 99; this premir reads 1"),
        ("feature_schema", "do2018-v2", "feature_schema is 'do2018-v2'; this premir reads"),
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
