"""A private Ray instance: seen by nobody else, and gone afterwards."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import stat
from unittest.mock import patch

import builders
import numpy as np
import psutil
import pytest
from scan_process import ScanProcess, listeners

from premir.scanner.errors import ClusterError
from premir.scanner.run.executors.ray_instance import PrivateInstance

pytestmark = pytest.mark.slow


@pytest.fixture
def start():
    """Start a scan; whatever is left of it when the test ends is killed."""
    scans = []

    def call(*arguments, **options):
        scans.append(ScanProcess(*arguments, **options))
        return scans[-1]

    yield call
    for scan in scans:
        scan.kill()


LONG = ("--folder", "viennarna", "--exhaustive", "--tile-size", 20_000)


@pytest.fixture(scope="module")
def larger_genome(tmp_path_factory):
    """Work for a minute, in tiles of a second, when the bindings fold every candidate."""
    path = tmp_path_factory.mktemp("larger") / "genome.fa"
    rng = np.random.default_rng(5)
    builders.write_fasta(path, {"chr1": builders.random_sequence(rng, 2_000_000)})
    return path


def test_same_bytes_as_threads_and_nothing_left(default_genome, default_scan, start, tmp_path):
    """The default command: shipped network, its threshold, its gates."""
    out = tmp_path / "hits.bed"
    options = ("--tile-size", 5000, "--executor", "ray")
    # A relative path: workers have another current directory.
    scan = start(default_genome[0], "--out", "hits.bed", "--quiet", *options, cwd=tmp_path)
    scan.wait_until(lambda: len(scan.descendants()) > 4)
    code, errors = scan.end()
    assert (code, errors) == (0, "")
    assert out.read_text() == default_scan[0]
    assert scan.left_over() == []


def test_while_it_runs_nobody_else_can_enter_and_ctrl_c_ends_all(larger_genome, start, tmp_path):
    out, work = tmp_path / "hits.bed", tmp_path / "work"
    options = (*LONG, "--executor", "ray", "--threads", 2)
    scan = start(larger_genome, "--out", out, "--work-dir", work, *options)
    scan.wait_until(lambda: any((work / "commits").glob("*.json")))
    processes = [*scan.descendants()]
    assert any("raylet" in process.name() for process in processes)
    found = listeners([*processes, psutil.Process(scan.process.pid)])
    assert found
    for address, port in found:
        ip = ipaddress.ip_address(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip
        assert ip.is_loopback, f"{address}:{port}"
    (folder,) = scan.folders
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (board,) = [
        process for process in processes if any("dashboard.py" in a for a in process.cmdline())
    ]
    assert not listeners([board])  # Ray starts it for other ends; it serves nobody
    (server,) = [process for process in processes if "gcs_server" in process.name()]
    assert server.environ()["RAY_USAGE_STATS_ENABLED"] == "0"
    workers = [process for process in processes if process.name().startswith("ray::fold")]
    assert {worker.nice() for worker in workers} == {psutil.Process().nice()}
    scan.interrupt()
    code, errors = scan.end()
    assert code == 130
    assert errors.splitlines()[-1] == (
        "premir-scan: interrupted; run the same command again to go on"
    )
    assert "Traceback" not in errors
    assert scan.left_over() == []
    assert not out.exists()


def folder_is_there(scan):
    return any(path.exists() for path in scan.folders)


def raylet_is_there(scan):
    return any(process.name() == "raylet" for process in scan.descendants())


@pytest.mark.parametrize(
    "moment", [pytest.param(folder_is_there, marks=pytest.mark.faults), raylet_is_there]
)
def test_ctrl_c_while_it_starts(larger_genome, start, tmp_path, moment):
    scan = start(larger_genome, "--out", tmp_path / "hits.bed", "--executor", "ray", *LONG)
    scan.wait_until(lambda: moment(scan), pause=0.0)
    scan.interrupt()
    assert scan.end()[0] == 130
    assert scan.left_over() == []


def test_kill_error_and_termination_leave_nothing(larger_genome, start, tmp_path):
    scan = start(larger_genome, "--out", tmp_path / "killed.bed", "--executor", "ray", *LONG)
    scan.wait_until(lambda: any((tmp_path / "killed.bed.premir-work").glob("run.json")))
    scan.process.kill()
    scan.process.wait()
    assert all(folder.exists() for folder in scan.folders)  # nobody was left to remove them
    killed = scan
    bad = tmp_path / "bad.fa"
    bad.write_text(">a\nACGT!\n")
    scan = start(bad, "--out", tmp_path / "bad.bed", "--executor", "ray", "-q")
    scan.wait_until(lambda: len(scan.descendants()) > 4)
    code, errors = scan.end()
    assert code == 2
    assert errors.count("\n") == 1
    assert scan.left_over() == []
    assert killed.folders
    assert not any(folder.exists() for folder in killed.folders)  # this start did
    scan = start(larger_genome, "--out", tmp_path / "hits.bed", "--executor", "ray", *LONG)
    scan.wait_until(lambda: any((tmp_path / "hits.bed.premir-work").glob("run.json")))
    scan.process.terminate()
    code, errors = scan.end()
    assert code == 143, errors
    assert scan.left_over() == []


def test_an_instance_that_does_not_start_in_time_is_said_in_one_line(small_genome, start, tmp_path):
    out = tmp_path / "hits.bed"
    scan = start(small_genome[0], "--out", out, "--executor", "ray", "--ray-timeout", 2, "-q")
    stopped = set()
    while scan.process.poll() is None:  # a machine so busy that Ray's server never has its turn
        for process in scan.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == "gcs_server" and process.pid not in stopped:
                    process.suspend()
                    stopped.add(process.pid)
    code, errors = scan.end()
    assert (code, errors) == (
        1,
        "premir-scan: error: the private Ray instance did not start within 2 s, as on a busy "
        "machine: run again with a longer --ray-timeout, or with --executor local, which needs "
        "none\n",
    )
    assert len(stopped) > 1  # it tried once more
    assert scan.left_over() == []
    assert not out.exists()


def test_an_instance_that_cannot_start_says_why_also_where_ray_does_not(monkeypatch):
    import ray

    def fail(**_options):
        raise AssertionError  # as Ray's own assertions do, without a word

    monkeypatch.setattr(ray, "init", fail)
    with (
        patch.dict(os.environ),
        pytest.raises(ClusterError, match="cannot start here: AssertionError; --executor local"),
    ):
        PrivateInstance(1, 5.0)
