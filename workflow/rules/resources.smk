"""Threads, devices and order of the jobs."""

import functools
from os import environ

from snakemake.resources import Resource

from svrn.config.devices import Devices
from svrn.training.device_list import visible_devices

# Whether `--cache` was given. Snakemake warns about every rule that could be cached and is not, so they say so only then.
caching = workflow.workflow_settings.cache is not None


@functools.cache
def devices():
    """Devices and threads, once it is known where jobs run; Snakemake's limit is held to what there is."""
    if not workflow.local_exec:
        return Devices.on_cluster()
    asked = workflow.global_resources.get("gpu")
    there = len(or_stop(visible_devices, environ))
    found = Devices.here(asked and asked.value, there, workflow.cores)
    if found.limit is not None:
        workflow.global_resources["gpu"] = Resource("gpu", found.limit)
    if there and not found.gpus:
        environ["CUDA_VISIBLE_DEVICES"] = (
            ""  # jobs inherit it: none asked for, none used
        )
    if not workflow.remote_exec:
        for remark in found.remarks:
            print(f"svrn: {remark}", file=sys.stderr)
    return found


def all_cores(wildcards):
    return devices().cores


def train_threads(wildcards):
    return devices().train_threads


def reader_threads(wildcards):
    return devices().reader_threads


def train_gpus(wildcards):
    return devices().of_run(run_of(wildcards).parameters)


def one_gpu(wildcards):
    return devices().of_embedding


def train_priority(wildcards):
    return study.priority(wildcards.run)
