"""How many devices and threads the workflow gives each step."""

from __future__ import annotations

from dataclasses import dataclass, field

from svrn.config.parameters import RunParameters

_THREADS_ON_A_NODE = 8
_MOST_LOADER_THREADS = 8


@dataclass(frozen=True)
class Devices:
    """What a step may use.

    gpus: devices for all trainings together, 0: the CPU. cores: of this machine, or of a node.
    limit: what to hold Snakemake's `gpu` to, None: leave it. remarks: what the user should be told.
    """

    gpus: int
    cores: int
    limit: int | None = None
    remarks: tuple[str, ...] = field(default=())

    @classmethod
    def here(cls, asked: int | None, there: int, cores: int) -> Devices:
        """On this machine: `asked` is `--resources gpu=N`, None where it was not given."""
        if there == 0:
            remark = f"no GPU here ({asked} asked for): " if asked else "no GPU here: "
            return cls(0, cores, None, (f"{remark}training on the CPU, {cores} at a time",))
        gpus = f"{there} GPU" + ("s" if there > 1 else "")
        if asked is None:
            return cls(there, cores, there, (f"{gpus} here, all are used; --resources gpu=N takes fewer",))
        if asked > there:
            return cls(there, cores, there, (f"{asked} GPUs asked for, {there} here: {there} used",))
        if asked == 0:
            return cls(0, cores, None, (f"{gpus} here, none asked for (gpu=0): training on the CPU",))
        return cls(asked, cores, asked)

    @classmethod
    def on_cluster(cls) -> Devices:
        """On nodes of a cluster: one device a training, unless the profile's set-resources says otherwise."""
        return cls(1, _THREADS_ON_A_NODE)

    @property
    def train_threads(self) -> int:
        """Threads of a training: one on the CPU, where trainings run side by side; a share of the cores with a GPU."""
        return max(1, min(_MOST_LOADER_THREADS, self.cores // self.gpus)) if self.gpus else 1

    @property
    def reader_threads(self) -> int:
        """Threads that read a benchmark's folder."""
        return min(_MOST_LOADER_THREADS, self.cores)

    def of_run(self, parameters: RunParameters) -> int:
        """Devices of one training."""
        return min(parameters.execution.devices, self.gpus)

    @property
    def of_embedding(self) -> int:
        """Devices of one embedding."""
        return min(1, self.gpus)
