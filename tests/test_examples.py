"""The examples: what can be checked of them without the machines that they are for."""

from __future__ import annotations

import shlex

import golden
import pytest
from data_sets import ROOT

from premir.scanner.cli import build_parser
from premir.scanner.genome.fasta import read_records
from premir.scanner.report.reading import read_hits

yaml = pytest.importorskip("yaml")

# Fields of KubeRay's ray.io/v1 API that a user may set, from its reference.
JOB = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint",
    "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy",
    "metadata", "rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes", "submissionMode",
    "submitterConfig", "submitterPodTemplate", "suspend", "ttlSecondsAfterFinished",
}  # fmt: skip
CLUSTER = {
    "autoscalerOptions", "enableInTreeAutoscaling", "headGroupSpec", "headServiceAnnotations",
    "rayVersion", "suspend", "workerGroupSpecs",
}  # fmt: skip
AUTOSCALER = {
    "env", "envFrom", "idleTimeoutSeconds", "image", "imagePullPolicy", "resources",
    "securityContext", "upscalingMode", "volumeMounts",
}  # fmt: skip
HEAD = {"enableIngress", "headService", "rayStartParams", "serviceType", "template"}
WORKERS = {
    "groupName", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams", "replicas",
    "scaleStrategy", "template",
}  # fmt: skip
REQUIRED = {"rayStartParams", "template"}


def test_ray_job_has_kuberays_fields_and_our_options():
    job = yaml.safe_load((ROOT / "examples" / "ray-job.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert spec.keys() <= JOB
    assert cluster.keys() <= CLUSTER
    assert cluster["autoscalerOptions"].keys() <= AUTOSCALER
    assert REQUIRED <= head.keys() <= HEAD
    assert REQUIRED | {"groupName", "minReplicas", "maxReplicas"} <= workers.keys() <= WORKERS
    for group in (head, workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        # All pods see the same files, and the autoscaler learns their size.
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            volume["name"] for volume in pod["volumes"]
        }
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    program, *arguments = shlex.split(spec["entrypoint"])
    assert program == "premir-scan"
    options = build_parser().parse_args(arguments)
    mount = container["volumeMounts"][0]["mountPath"]
    assert str(options.genome[0]).startswith(mount)
    assert all(str(out).startswith(mount) for out in options.out)


def test_the_first_scan_finds_what_is_known_and_nothing_else():
    """As the README counts: of the golden hits, which the default command writes."""
    letters = {name: len(text) for name, text in read_records(golden.EBV)}
    assert letters == {"NC_007605.1": 171_823}
    known = [
        line.split("\t")
        for line in (ROOT / "examples" / "ebv.hairpins.bed").read_text().splitlines()
    ]
    hits = list(read_hits(golden.GOLDEN / "ebv.bed"))
    beside = {
        hit: [row[5] for row in known if int(row[1]) < hit.end and hit.start < int(row[2])]
        for hit in hits
    }
    assert (len(known), {row[5] for row in known}) == (25, {"+"})
    assert (len(hits), sum(hit.strand == "+" for hit in hits)) == (22, 16)
    assert all(len(strands) == 1 for strands in beside.values())
    readme = (ROOT / "README.md").read_text()
    assert "premir-scan: 22 hits in" in readme
    assert (
        "bedtools intersect -s -u -a examples/ebv.hairpins.bed -b hits.bed | wc -l\n16\n" in readme
    )
    lines = (golden.GOLDEN / "ebv.bed").read_text().splitlines()
    for line in [line for line in lines if not line.startswith("##")][:4]:
        fields = line.split("\t")
        assert "\t".join(fields[:6] + fields[12:15]) in readme
