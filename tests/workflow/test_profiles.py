"""The profiles: Slurm is tried for real (tests/e2e), LSF and PBS on a stand-in, Kubernetes by its jobs alone."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from workflow_project import ROOT, Project, stand_in_project

pytestmark = [pytest.mark.xdist_group("workflow-profiles"), pytest.mark.timeout(600)]
PROFILES = sorted((ROOT / "workflow" / "profiles").glob("*/profile.yaml"))

LSF = {
    "bsub": """#!/bin/sh
echo "$@" >> submitted.txt
for script; do :; done
number=$(($(ls jobs 2>/dev/null | wc -l) + 1)); mkdir -p jobs; touch jobs/$number.started
( sh "$script" > jobs/$number.log 2>&1; echo $? > jobs/$number.code ) > /dev/null 2>&1 &
echo "Job <$number> is submitted to queue <gpu>."
""",
    "bjobs": """#!/bin/sh
for number; do :; done
[ -f jobs/$number.code ] || { echo RUN; exit 0; }
[ "$(cat jobs/$number.code)" = 0 ] && echo DONE || echo EXIT
""",
}
PBS = {
    "qsub": """#!/bin/sh
echo "$@" >> submitted.txt
for script; do :; done
number=$(($(ls jobs 2>/dev/null | wc -l) + 1)); mkdir -p jobs; touch jobs/$number.started
( sh "$script" > jobs/$number.log 2>&1; echo $? > jobs/$number.code ) > /dev/null 2>&1 &
echo "$number.server"
""",
    "qstat": """#!/bin/sh
for number; do :; done
number=${number%.server}
[ -f jobs/$number.code ] || { echo "    job_state = R"; exit 0; }
echo "    job_state = F"; echo "    Exit_status = $(cat jobs/$number.code)"
""",
}


@pytest.mark.parametrize("file", PROFILES, ids=[file.parent.name for file in PROFILES])
def test_every_profile_keeps_what_the_workflow_counts_on(file: Path) -> None:
    profile = yaml.safe_load(file.read_text())
    assert profile["rerun-triggers"] == ["mtime", "params"]
    assert profile["logger"] == "svrn" and profile["rerun-incomplete"] and profile["keep-going"]
    if file.parent.name != "default":
        text = file.read_text()
        assert "three lines to change" in text
    if file.parent.name in ("slurm", "kubernetes", "generic"):
        assert profile["retries"] >= 1, "a training that lost its node goes on in its next job"


@pytest.mark.parametrize(("scheduler", "commands"), [("lsf", LSF), ("pbs", PBS)])
def test_lsf_and_pbs(tmp_path: Path, scheduler: str, commands: dict[str, str]) -> None:
    project = stand_in_project(tmp_path / "project")
    for name, text in commands.items():
        (project.folder / "bin" / name).write_text(text)
        (project.folder / "bin" / name).chmod(0o755)
    project.replace("workflow/profiles/generic/profile.yaml", "--scheduler lsf", f"--scheduler {scheduler}")
    run = a_run(project)
    words = ("--workflow-profile", "workflow/profiles/generic", "--config", "suite=smoke", "--latency-wait", "5")
    target = f"results/runs/{run}/run.json"
    result = project.snakemake(target, *words, "--seconds-between-status-checks", "1")
    assert result.code == 0, result.text
    submitted = (project.folder / "submitted.txt").read_text().splitlines()
    assert [" train " in f" {line} " for line in submitted].count(True) == 1
    (training,) = [line for line in submitted if " train " in line]
    assert ("num=1" if scheduler == "lsf" else "ngpus=1") in training
    others = [line for line in submitted if " train " not in line]
    assert others and not any("num=" in line or "ngpus" in line for line in others)

    (project.folder / target).unlink()
    failed = project.snakemake(
        target, *words, "--seconds-between-status-checks", "1", "--retries", "0", STAND_IN_FAIL=run
    )
    assert failed.code == 1 and f"logs/train/{run}.log" in failed.text[failed.text.index("svrn: 1 job failed") :]


def test_kubernetes_jobs_get_their_device_volume_and_memory() -> None:
    """The plugin's own code, given the profile's values, makes the specification; nothing is sent."""
    from snakemake_executor_plugin_kubernetes import Executor, parse_persistent_volumes

    profile = yaml.safe_load((ROOT / "workflow/profiles/kubernetes/profile.yaml").read_text())
    made = []
    executor = object.__new__(Executor)
    executor.logger = logging.getLogger("test")
    executor.run_namespace, executor.namespace = "test", profile["kubernetes-namespace"]
    executor.container_image, executor.k8s_cpu_scalar = profile["container-image"], 0.95
    executor.k8s_service_account_name, executor.privileged, executor.secret_envvars = None, False, {}
    executor.persistent_volumes = parse_persistent_volumes(profile["kubernetes-persistent-volumes"])
    executor.format_job_exec = lambda job: "snakemake ..."
    executor._kubernetes_retry = lambda call: call()
    executor.report_job_submission = lambda job: None
    executor.batchapi = SimpleNamespace(create_namespaced_job=lambda namespace, body: made.append((namespace, body)))
    for rule in ("train", "evaluate"):
        resources = {**profile["default-resources"], **profile["set-resources"].get(rule, {})}
        cores = profile["set-threads"].get(rule, 1)
        job = SimpleNamespace(resources={**resources, "_cores": cores}, jobid=1, attempt=1, is_containerized=False)
        executor.run_job(job)
    (namespace, training), (_, scoring) = made
    container = training.spec.template.spec.containers[0]
    assert namespace == "default" and container.image == profile["container-image"]
    assert container.resources.limits["nvidia.com/gpu"] == "1"
    assert container.resources.requests["memory"] == "16000M" and container.resources.requests["cpu"] == "7600m"
    assert "/data" in [mount.mount_path for mount in container.volume_mounts]
    claims = [
        v.persistent_volume_claim.claim_name for v in training.spec.template.spec.volumes if v.persistent_volume_claim
    ]
    assert claims == ["svrn-data"]
    assert training.spec.backoff_limit == 0, "Snakemake tries again, not Kubernetes"
    assert "nvidia.com/gpu" not in scoring.spec.template.spec.containers[0].resources.requests


def a_run(project: Project) -> str:
    """The key of some run of the smoke suite, as `svrn plan` shows it."""
    text = project.snakemake("all_tables", "-n", "--cores", "1", "--config", "suite=smoke").text
    match = re.search(r"Training run ([0-9a-f]{12})", text)
    assert match, text
    return match.group(1)
