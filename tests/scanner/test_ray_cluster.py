"""A Ray cluster of several nodes on this machine: what is refused, and what is survived."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile

import psutil
import pytest
from data_sets import ROOT
from scan_process import ScanProcess

from premir.scanner import __version__

pytestmark = pytest.mark.slow

ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on the loopback interface only
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # as in our private instances: workers get their share
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
}
NOTICES_SOON = {"health_check_period_ms": 500, "health_check_failure_threshold": 16}
"""A node that is gone counts as dead after eight seconds, not after a minute; not sooner, lest a
busy machine count as gone."""
SLOW = ("--folder", "viennarna")
"""So that a tile takes a tenth of a second, and a worker can be caught in the middle of one."""


@pytest.fixture(scope="module")
def cluster():
    """A head that runs one task at a time; tests add nodes and remove them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        for name, value in {**ENVIRONMENT, "RAY_TMPDIR": folder}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False, "_system_config": NOTICES_SOON}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def scan(cluster, small_genome, tmp_path):
    """Start a scan of the small genome on the cluster."""
    started = []

    def call(*options):
        arguments = ("--out", tmp_path / "hits.bed", "--min-prob", 0, "--tile-size", 1000)
        address = ("--ray-address", cluster.address, "--log-file", tmp_path / "log")
        started.append(ScanProcess(small_genome[0], *arguments, *address, *options))
        return started[-1]

    yield call
    for process in started:
        process.kill()


@pytest.fixture
def node(cluster):
    """Add a node to the cluster, for one test."""
    added = []

    def add(**options):
        added.append(cluster.add_node(num_cpus=1, **options))
        return added[-1]

    yield add
    for one in added:
        if one in cluster.list_all_nodes():
            cluster.remove_node(one, allow_graceful=False)


@pytest.fixture
def another_version(tmp_path):
    """A folder with premir as it is here, compiled kernels and all, but for its version."""
    other = tmp_path / "other" / "premir"
    scanner = other / "scanner"
    scanner.mkdir(parents=True)
    (other / "kernels").symlink_to(ROOT / "kernels")
    for path in (ROOT / "scanner").iterdir():
        (scanner / path.name).symlink_to(path)
    init = (scanner / "__init__.py").read_text()
    (scanner / "__init__.py").unlink()
    (scanner / "__init__.py").write_text(init.replace(__version__, "0.0.7"))
    return {"PYTHONPATH": str(other.parent)}


@pytest.fixture(scope="module")
def without_gpu(cluster, small_genome, tmp_path_factory):
    """Start a scan that waits for a GPU; the first one runs while other tests are at work."""
    started = []

    def call(patience):
        out = tmp_path_factory.mktemp("gpu") / "hits.bed"
        address = ("--ray-address", cluster.address, "--device", "cuda", "--gpu-timeout", patience)
        started.append(ScanProcess(small_genome[0], "--out", out, *address))
        return started[-1]

    first = call(20)
    yield lambda patience: first if patience == 20 else call(patience)
    for process in started:
        process.kill()


def workers(task, node=None):
    """Processes of our nodes, or of one, that run a task or an actor at the moment."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid) if node else None
    found = []
    for process in (raylet or psutil.Process()).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name().startswith(f"ray::{task}"):
                found.append(process)
    return found


@contextlib.contextmanager
def held(scan, node=None):
    """Stop a worker in the middle of folding: its tile is not done before we are."""
    caught = []

    def catch():
        for worker in workers("fold", node):
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.suspend()
                if worker.name().startswith("ray::fold"):
                    caught.append(worker)
                    return True
                worker.resume()  # it was done just now
        return False

    scan.wait_until(catch, pause=0.0)
    try:
        yield caught[0]
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            caught[0].resume()


def committed(tmp_path, stage):
    return len(list((tmp_path / "hits.bed.premir-work" / "commits").glob(f"{stage}-*")))


def written(path):
    return path.read_text() if path.exists() else ""


@pytest.mark.usefixtures("without_gpu")
def test_the_default_command_on_several_nodes(
    cluster, node, default_genome, default_scan, tmp_path
):
    """Shipped network, its threshold, its gates; and what Ray hands over is read-only."""
    node()
    out = tmp_path / "hits.bed"
    options = ("--tile-size", 5000, "--ray-address", cluster.address, "--quiet")
    process = ScanProcess(default_genome[0], "--out", out, *options)
    try:
        assert process.end() == (0, "")
    finally:
        process.kill()
    assert out.read_text() == default_scan[0]
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert summary["executor"] == "ray"
    assert summary["tiles_total"] > 3


def test_waiting_for_a_gpu_is_said_and_ends(without_gpu):
    patience = 20
    code, errors = without_gpu(patience).end()
    while re.search("no answer within|no CPU", errors):  # a busy machine gets more time
        patience *= 4
        code, errors = without_gpu(patience).end()
    assert code == 2
    said = r"waiting for a GPU: the Ray cluster has 0, of which 0 free; \d+ of at most "
    assert re.search(f"{said}{patience} s", errors)
    assert errors.splitlines()[-1] == (
        "premir-scan: error: --device cuda: no GPU of the Ray cluster came free within "
        f"{patience} s; use --device cpu, or a longer --ray-timeout"
    )


def test_a_tile_that_fails_leaves_its_traceback_in_the_log(scan, tmp_path):
    process = scan("-q", *SLOW)
    with held(process):  # on one CPU nothing else is folded meanwhile
        (tmp_path / "hits.bed.premir-work" / "shards" / "tile-000030.h5").mkdir()
    process.wait_until(lambda: "IsADirectoryError" in written(tmp_path / "log"))
    process.interrupt()
    code, errors = process.end()
    assert code == 130
    assert "Traceback" not in errors
    assert "in write_shard" in written(tmp_path / "log")  # where in the worker it happened


def test_lost_workers_and_actors_change_nothing(scan, node, reference, tmp_path):
    node(num_gpus=1)
    process = scan(*SLOW)
    actors = 0
    for count in (3, 12):  # before the first group of tiles is scored, and later
        process.wait_until(
            lambda n=count: committed(tmp_path, "shards") + committed(tmp_path, "scores") >= n
        )
        with held(process) as worker:
            for actor in workers("ScoringActor"):
                actor.kill()
                actors += 1
            worker.kill()
    code, errors = process.end()
    assert code == 0, errors
    assert (tmp_path / "hits.bed").read_text() == reference
    assert actors > 0
    assert "torch finds no GPU there; scoring on its CPU" in errors
    assert "tiles to be scored together: 8" in written(tmp_path / "log")
    assert "trying once more" in errors
    assert "Traceback" not in errors


@pytest.mark.faults
def test_lost_nodes_and_memory_change_nothing(cluster, scan, node, reference, tmp_path):
    process = scan(*SLOW)
    process.wait_until(lambda: committed(tmp_path, "scores") >= 2)
    with held(process):  # the head is busy, so that tiles go to the nodes that come
        # A machine whose memory monitor finds all memory used up, and kills whatever runs there.
        short = {"RAY_memory_usage_threshold": "0.0", "RAY_memory_monitor_refresh_ms": "50"}
        without_memory = node(env_vars=short)
        process.wait_until(lambda: "OutOfMemoryError" in written(tmp_path / "log"))
        cluster.remove_node(without_memory, allow_graceful=False)
        lost = node()
        with held(process, lost):
            cluster.remove_node(lost, allow_graceful=False)
    code, errors = process.end()
    assert code == 0, errors
    assert (tmp_path / "hits.bed").read_text() == reference
    assert "trying once more" in errors
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["tiles_quarantined"] == 0


@pytest.mark.faults
def test_node_with_another_version_is_named(scan, node, another_version, tmp_path):
    """Where it joins a scan, and where it is there from the start."""
    named = (
        r"premir-scan: error: Ray node .+: premir is 0\.0\.7 there and "
        rf"{re.escape(__version__)} here"
    )
    process = scan("-q", *SLOW)
    with held(process):
        node(env_vars=another_version)
        code, errors = process.end()
    assert code == 2
    assert re.fullmatch(named, errors.splitlines()[-1])
    code, errors = scan("-q").end()
    assert code == 2
    (line,) = errors.splitlines()
    assert re.fullmatch(named.replace(".+", r"127\.0\.0\.1 \(.+\)"), line)
    assert not (tmp_path / "hits.bed").exists()
