"""Every exported kernel takes inputs as they come from Ray and memory maps: read-only."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import builders
import numpy as np
import pytest

import premir.kernels
from premir.kernels import (
    alignments,
    cutting,
    fixedpoint,
    gate_features,
    kin,
    kmers,
    mfe,
    overlaps,
    pairing,
    shuffling,
    similarity,
    sites,
    stems,
    stemwise,
    stretches,
    tensorconv,
)
from premir.kernels.codes import decode, encode, reverse_complement
from premir.kernels.energies import current_parameters
from premir.scanner.find.stem_costs import ANIMAL

RNG = np.random.default_rng(11)
HAIRPINS = builders.random_hairpins(RNG, [60, 93, 110])
PACKED = (HAIRPINS.codes, HAIRPINS.pairs, HAIRPINS.mfe, HAIRPINS.offsets)
BEFORE, AFTER = np.array([5, 0, 20]), np.array([4, 3, 0])
CODES = encode(builders.random_sequence(RNG, 3_000))
STEMS = stems.scan_stems(CODES, min_span=40, max_span=120, costs=ANIMAL)
START, END = np.array([0, 5, 200]), np.array([80, 85, 300])
STRAND = np.array([1, -1, 1], np.int8)
ARMS = np.stack([np.stack([START, START + 30], 1), np.stack([END - 30, END], 1)], 1)
SAMPLE = kmers.sample_arms(CODES, START, END, ARMS)
TABLE = SAMPLE.table()
COUNTS = np.ones(TABLE.keys.size, np.uint32)
SOUGHT = kin.Sought.of(CODES[:200], np.array([0, 90, 200]))
STRETCHES = stretches.Stretches.of(CODES, np.array([0, 1_000, 3_000]))
KNOWN = (
    HAIRPINS.codes,
    HAIRPINS.offsets,
    np.zeros(HAIRPINS.codes.size, np.uint8),
    np.array([[0, 2, 24], [2, HAIRPINS.offsets[2], HAIRPINS.offsets[2] + 22]]),
)
RECORD = bytes.fromhex("21000000" + 8 * "00" + "01" + 24 * "00")
NODES = np.array([[1, 70, 1, 2, 0], [-1, 0, 0, 0, 3], [-1, 0, 0, 0, -4]], np.int32)
WEIGHT = RNG.normal(size=(9, 11, 11, 4)).astype(np.float32)
LARGEST = np.full(32, fixedpoint.LARGEST)
CONV = fixedpoint.FixedConv.of(np.ones((3, 32, 32), np.float32), np.zeros(32, np.float32), LARGEST)
MAPS = RNG.normal(size=(3, 33, 33, 4)).astype(np.float32)


def in_place(function: Callable[..., None], out: np.ndarray) -> Callable[..., np.ndarray]:
    """A kernel that changes its last argument, as a function that returns it."""

    def call(*inputs: Any) -> np.ndarray:
        result = out.copy()
        function(*inputs, result)
        return result

    return call


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "alignments.read_alignments": (
        lambda data: alignments.read_alignments(data, 0, tags=["NH"])[0],
        (np.frombuffer(RECORD, np.uint8),),
    ),
    "codes.decode": (decode, (CODES,)),
    "codes.encode": (encode, (np.frombuffer(b"ACGUNacgt", np.uint8),)),
    "codes.reverse_complement": (reverse_complement, (CODES,)),
    "cutting.cut": (cutting.cut, (CODES, START, END, STRAND)),
    "gate_features.stem_features": (
        gate_features.stem_features,
        (HAIRPINS.codes, HAIRPINS.offsets, BEFORE, AFTER, np.full(3, -900, np.int16)),
    ),
    "gate_features.fold_features": (gate_features.fold_features, (*PACKED, BEFORE, AFTER)),
    "gate_features.sum_votes": (
        in_place(gate_features.sum_votes, np.zeros(3, np.int64)),
        (gate_features.fold_features(*PACKED, BEFORE, AFTER), NODES, np.array([0, 1], np.int32)),
    ),
    "kin.Sought.of": (kin.Sought.of, (CODES[:200], np.array([0, 90, 200]))),
    "kin.Sought.count": (
        lambda sought, letters, borders, own: sought.count(
            letters,
            origin=0,
            inner=(0, 3_000),
            borders=borders,
            own=own,
            least=20,
            counts=np.zeros(200, np.uint8),
            done=np.zeros(2, np.uint8),
        ),
        (SOUGHT, CODES, np.array([0, 1_000, 3_000]), np.array([[0, 90], [90, 200]])),
    ),
    "kin.kin": (kin.kin, (np.arange(200, dtype=np.uint16), np.array([0, 90, 200]))),
    "kmers.kmer_keys": (kmers.kmer_keys, (CODES,)),
    "kmers.KmerTable.of": (kmers.KmerTable.of, (kmers.kmer_keys(CODES),)),
    "kmers.count_kmers": (
        in_place(kmers.count_kmers, np.zeros_like(COUNTS)),
        (kmers.kmer_keys(CODES), TABLE),
    ),
    "kmers.sample_arms": (kmers.sample_arms, (CODES, START, END, ARMS)),
    "kmers.copies": (kmers.copies, (SAMPLE, TABLE, COUNTS)),
    "mfe.fold_batch": (mfe.fold_batch, (HAIRPINS.codes, HAIRPINS.offsets, current_parameters())),
    "overlaps.resolve_overlaps": (
        overlaps.resolve_overlaps,
        (START, END, np.array([1, 0, 2]), np.array([False, True, False])),
    ),
    "pairing.longest_stem": (pairing.longest_stem, (HAIRPINS.pairs[:60],)),
    "pairing.dot_bracket": (pairing.dot_bracket, (HAIRPINS.pairs[:60],)),
    "pairing.pack": (lambda *codes: pairing.pack(codes), (CODES, CODES)),
    "pairing.pack_tensor": (pairing.pack_tensor, (pairing.pairing_tensors(*PACKED)[0],)),
    "pairing.pair_table": (pairing.pair_table, ("((..))",)),
    "pairing.pairing_tensors": (pairing.pairing_tensors, PACKED),
    "pairing.terminal_loop": (pairing.terminal_loop, (HAIRPINS.pairs[:60],)),
    "similarity.KnownHairpins.of": (similarity.KnownHairpins.of, KNOWN),
    "similarity.KnownHairpins.nearest": (
        lambda known, codes, offsets, scores, penalties: known.nearest(
            codes, offsets, scores=scores, fewest=10, penalties=penalties
        ),
        (
            similarity.KnownHairpins.of(*KNOWN),
            HAIRPINS.codes,
            HAIRPINS.offsets,
            np.array([[3, -3, -8]], np.int32),
            np.zeros(3, np.int32),
        ),
    ),
    "shuffling.shuffle": (
        shuffling.shuffle,
        (CODES, np.array([0, 1_000, 3_000]), RNG.random(CODES.size)),
    ),
    "sites.look_across": (lambda pairs: sites.look_across(pairs, (30, 34)), (HAIRPINS.pairs[:60],)),
    "sites.site_cells": (
        lambda codes, fold, at: sites.site_cells(codes, fold, (30, 34), at),
        (CODES[:60], sites.look_across(HAIRPINS.pairs[:60], (30, 34)), np.array([0, 9, 40])),
    ),
    "stems.scan_stems": (
        lambda codes, borders: stems.scan_stems(
            codes, min_span=40, max_span=120, costs=ANIMAL, borders=borders
        ),
        (CODES, np.array([0, 1_000, 3_000])),
    ),
    "stems.select_stems": (
        lambda energy, span, borders: stems.select_stems(
            energy, span, highest=-500, radius=20, borders=borders
        ),
        (*STEMS, np.array([0, 1_000, 3_000])),
    ),
    "fixedpoint.pool_stems": (
        lambda columns, starts, counts, *weights: fixedpoint.pool_stems(
            columns, starts, counts, [replace(CONV, weights=each) for each in weights], 2, 3
        ),
        (np.ones((9, 32), np.float32), np.array([0, 4]), np.array([3, 4]), *[CONV.weights] * 3),
    ),
    "fixedpoint.FixedConv.of": (
        lambda *given: astuple(fixedpoint.FixedConv.of(*given)),
        (RNG.normal(size=(3, 32, 32)).astype(np.float32), np.zeros(32, np.float32), LARGEST),
    ),
    "stemwise.count_columns": (stemwise.count_columns, (HAIRPINS.pairs, HAIRPINS.offsets)),
    "stemwise.fill_columns": (
        in_place(
            stemwise.fill_columns,
            np.zeros((200 * len(HAIRPINS), len(stemwise.COLUMN_FIELDS)), np.float32),
        ),
        (HAIRPINS.codes, HAIRPINS.pairs, HAIRPINS.offsets, 200 * np.arange(len(HAIRPINS))),
    ),
    "stemwise.numbers_of": (stemwise.numbers_of, PACKED),
    "stretches.Stretches.of": (stretches.Stretches.of, (CODES, np.array([0, 1_000, 3_000]))),
    "stretches.Stretches.shared_with": (
        stretches.Stretches.shared_with,
        (STRETCHES, CODES, START, END),
    ),
    "stretches.Stretches.count": (
        in_place(stretches.Stretches.count, np.zeros(STRETCHES.keys.size, np.int64)),
        (STRETCHES, CODES),
    ),
    "stretches.Stretches.take": (
        stretches.Stretches.take,
        (STRETCHES, STRETCHES.keys % 2 == 0),
    ),
    "tensorconv.convolve_tensors": (
        in_place(tensorconv.convolve_tensors, np.zeros_like(MAPS)),
        (*PACKED, WEIGHT, 4, 10),
    ),
    "tensorconv.convolve_tensors_float64": (
        in_place(tensorconv.convolve_tensors_float64, np.zeros(MAPS.shape)),
        (*PACKED, WEIGHT.astype(np.float64), 4, 10),
    ),
    "tensorconv.convolve_tensors_backward": (
        in_place(tensorconv.convolve_tensors_backward, np.zeros_like(WEIGHT)),
        (*PACKED, MAPS, 4, 10),
    ),
}
APART = frozenset(
    {
        "energies.current_parameters", "energies.parse_parameters", "loop_tables.loop_tables",
        "folding_model.model_details", "mfe.lowest_energy", "mfe_kernel.fold_all",
        "mfe_kernel.signature", "mfe_kernel.workspace", "check_fold.check_fold", "kin.least_score",
    }
)  # fmt: skip
"""Exported functions that are given no array: texts, files, or what others here are given."""
PACKED_KINDS = (
    alignments.Alignments,
    kin.Sought,
    kmers.ArmKmers,
    kmers.KmerTable,
    similarity.KnownHairpins,
    stretches.Stretches,
)


def read_only(value: Any) -> Any:
    """A copy whose arrays cannot be written to."""
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.flags.writeable = False
        return copy
    if isinstance(value, PACKED_KINDS):
        fields = {name: read_only(getattr(value, name)) for name in type(value).__slots__}
        return replace(value, **fields)
    return value


def flat(value: Any) -> list[Any]:
    if isinstance(value, PACKED_KINDS):
        return [getattr(value, name) for name in type(value).__slots__]
    return list(value) if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("name", CASES)
def test_inputs_may_be_read_only(name: str) -> None:
    function, inputs = CASES[name]
    given, frozen = function(*inputs), function(*map(read_only, inputs))
    for one, other in zip(flat(given), flat(frozen), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_exported_kernel_is_left_out() -> None:
    found = set()
    for info in pkgutil.iter_modules(premir.kernels.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"premir.kernels.{info.name}")
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and not name.startswith("_") and callable(value) and not inspect.isclass(value):
                found.add(f"{info.name}.{name}")
    assert found - set(CASES) - APART == set()
