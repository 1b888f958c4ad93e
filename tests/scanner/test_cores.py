"""How many cores are ours: affinity, quotas of control groups, SLURM."""

from __future__ import annotations

import logging
import os

import pytest

from premir.scanner.cores import available_cores, usable_threads


@pytest.fixture(autouse=True)
def large_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/job/step\n", "sys/fs/cgroup/job/cpu.max": "700000 100000"}, 7),
        ({"proc/self/cgroup": "0::/not/here\n", "sys/fs/cgroup/cpu.max": "500000 100000"}, 5),
        (
            {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/cpu.max": "300000 100000",
                "sys/fs/cgroup/job/step/cpu.max": "900000 100000",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/job\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/m/cpu.max": "100000 100000",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            64,
        ),
        ({"proc/self/cgroup": "0::/\nnonsense\n", "sys/fs/cgroup/cpu.max": "1 0 x"}, 64),
    ],
)
def test_quotas(tmp_path, files, expected):
    assert available_cores(write(tmp_path, files), {}) == expected


@pytest.mark.parametrize(
    "given, expected",
    [("6", 6), ("0", 1), ("", 64), ("many", 64), ("500", 64)],
)
def test_slurm(tmp_path, given, expected):
    environment = {"SLURM_CPUS_PER_TASK": given, "SLURM_CPUS_ON_NODE": "2"}
    assert available_cores(tmp_path, environment) == expected


def test_affinity_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores(tmp_path, {}) == 128


def test_no_absurd_number_of_threads(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("premir"), "propagate", True)
    assert usable_threads(200) == 200
    assert not caplog.records
    assert usable_threads(100_000) == 4 * 128
    (message,) = {record.getMessage() for record in caplog.records}
    assert message.startswith("--threads 100000: this machine has use for 512")
