"""A Slurm cluster of one node with four stand-in GPUs, for the length of a test: no systemd, no database, no /etc."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GPUS = 4
_DAEMONS = ("slurmctld", "slurmd", "munged")
_CONF = """\
ClusterName=svrn
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
MinJobAge=3600
KillWait=20
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=16000 Gres=gpu:{gpus}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
"""


def program(name: str) -> str | None:
    """A daemon's path; they lie outside an ordinary PATH."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def missing() -> str | None:
    """Why no cluster can be started here, None where one can."""
    absent = [name for name in (*_DAEMONS, "sbatch") if program(name) is None]
    if absent:
        return (
            f"Slurm is not installed ({', '.join(absent)} missing): apt-get install slurmctld slurmd slurm-client munge"
        )
    return None if os.geteuid() == 0 else "the Slurm test starts daemons and device nodes, which only root may"


@dataclass(frozen=True)
class Cluster:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    @property
    def commands(self) -> Path:
        """A folder for PATH whose Slurm commands speak to this cluster."""
        return self.folder / "bin"

    def call(self, *words: str) -> str:
        """A Slurm command's output."""
        done = subprocess.run(words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{file.name}:\n{file.read_text(errors='replace')[-3000:]}" for file in files)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start the daemons, wait until the node is idle, and stop them at the end."""
    folder.mkdir(parents=True)
    made = Cluster(folder)
    _write(folder)
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        log = (folder / f"{Path(words[0]).name}.out.log").open("wb")
        environment = {**os.environ, **made.environment}
        started.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True))

    try:
        munge = folder / "munge"
        start(
            str(program("munged")),
            "--foreground",
            "--force",
            f"--socket={munge}/socket",
            f"--key-file={munge}/key",
            f"--pid-file={munge}/pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
        )
        _wait(lambda: (munge / "socket").exists(), made, "munged")
        start(str(program("slurmctld")), "-D", "-i", "-f", str(folder / "slurm.conf"))
        start(str(program("slurmd")), "-D", "-f", str(folder / "slurm.conf"))
        _wait(lambda: _idle(made), made, "the node")
        yield made
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(_devices(folder), ignore_errors=True)


def _write(folder: Path) -> None:
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(mode=0o755)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o400)
    devices = _devices(folder)
    devices.mkdir()
    for number in range(GPUS):
        os.mknod(devices / f"nvidia{number}", 0o666 | 0o020000, os.makedev(1, 3))  # the null device
    (folder / "bin").mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol"):
        wrapper = folder / "bin" / name  # Snakemake's plugin clears SLURM_* before it submits: wrappers put it back
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
        wrapper.chmod(0o755)
    host = socket.gethostname().split(".")[0]
    conf = _CONF.format(host=host, folder=folder, controller=_port(), node=_port(), gpus=GPUS)
    (folder / "slurm.conf").write_text(conf)
    (folder / "gres.conf").write_text(f"Name=gpu File={devices}/nvidia[0-{GPUS - 1}]\n")


def _devices(folder: Path) -> Path:
    return Path("/dev/shm") / f"svrn-slurm-{os.getpid()}"


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _idle(made: Cluster) -> bool:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%T %G"], env={**os.environ, **made.environment}, capture_output=True, text=True
    )
    return done.returncode == 0 and "idle" in done.stdout and "gpu" in done.stdout


def _wait(there, made: Cluster, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, f"{what} did not come up\n{made.logs()}"
        time.sleep(0.3)
