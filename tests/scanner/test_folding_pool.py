"""ViennaRNA's processes: made when there is work, few of them, and none where none can be."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from premir.scanner.cores import available_cores
from premir.scanner.find import folding
from premir.scanner.find.folding import KernelFolder, PoolViennaFolder


def batch(count, length=100):
    codes = np.random.default_rng(3).integers(0, 4, count * length).astype(np.uint8)
    return codes, np.arange(0, codes.size + 1, length, dtype=np.int64)


@pytest.fixture
def pool():
    made = []

    def make(processes):
        made.append(PoolViennaFolder(processes))
        return made[-1]

    yield make
    for each in made:
        each.close()


def same(found, expected):
    return np.array_equal(found.mfe, expected.mfe) and np.array_equal(found.pairs, expected.pairs)


def test_processes_are_made_when_there_is_work_for_them(pool, monkeypatch):
    monkeypatch.setattr(folding, "available_cores", lambda: 2)
    few, many = batch(3), batch(150)
    folder = pool(100_000)
    assert len(folder._workers) == 0
    assert same(folder.fold(*few), KernelFolder().fold(*few))
    assert len(folder._workers) == 1
    assert same(folder.fold(*few), KernelFolder().fold(*few))
    assert len(folder._workers) == 1
    assert same(folder.fold(*many), KernelFolder().fold(*many))
    assert len(folder._workers) == 2


def test_no_more_processes_than_open_files_allow(monkeypatch):
    monkeypatch.setattr(folding, "available_cores", lambda: 500)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    assert PoolViennaFolder(100_000)._most == 64
    assert PoolViennaFolder(3)._most == 3
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert PoolViennaFolder(100_000)._most == 500
    assert available_cores() < 500


@pytest.mark.parametrize("possible", [0, 1])
def test_where_no_further_process_can_be_made(pool, monkeypatch, possible):
    make, made = folding._executor, list[bool]()

    def executor():
        if len(made) == possible:
            raise OSError(38, "Function not implemented")  # sem_open without /dev/shm
        made.append(True)
        return make()

    monkeypatch.setattr(folding, "available_cores", lambda: 4)
    monkeypatch.setattr(folding, "_executor", executor)
    codes, offsets = batch(150)
    folder = pool(4)
    assert same(folder.fold(codes, offsets), KernelFolder().fold(codes, offsets))
    assert len(folder._workers) == possible
    assert (folder._alone is None) == bool(possible)
