"""What may be chosen about a scoring without changing what the protocol means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from svrn.config.strict import Strict

Precision = Literal["auto", "float32", "float64", "bfloat16", "tf32", "int8"]


class Options(Strict):
    """How the scores are worked out and which further numbers are given.

    Only `distance`, `trapezoidal`, `map_at`, `cmc` and `top` can change what is written. `precision`,
    `device`, `memory_mib`, `chunk` and `threads` change the time and the memory alone: pairs that a product's
    error bound leaves open are worked out again exactly. `auto` is float32, and int8 beside it where the work is
    large and the processor has instructions for it.
    """

    distance: Literal["cosine", "euclidean"] | None = Field(
        None, description="what near means: cosine where it is not given and the embeddings name no distance"
    )
    precision: Precision = Field("auto", description="numbers of the product over all pairs; tf32 needs a GPU")
    device: str = Field("cpu", description="cpu, cuda, cuda:1: where the product over all pairs runs")
    memory_mib: int = Field(512, ge=1, description="size of the scores held at once")
    chunk: int | None = Field(None, ge=1, description="queries at a time; from memory_mib where it is not given")
    threads: int | None = Field(None, ge=1, description="threads; all that the process may use where it is not given")
    cmc: tuple[int, ...] = Field((1, 5, 10), min_length=1, description="ranks at which CMC is read")
    top: int = Field(10, ge=0, description="nearest kept images listed for each query")
    trapezoidal: bool = Field(False, description="give mAP by the trapezoidal rule too (VeRi-776's compute_AP)")
    map_at: int | None = Field(None, ge=1, description="give mAP cut off at this rank too")

    def thread_count(self) -> int:
        """`threads`, else what the environment and the scheduler allow this process."""
        limit = os.environ.get("OMP_NUM_THREADS", "")
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or (min(int(limit), allowed) if limit.isdecimal() and int(limit) else allowed)


def multiplies_int8() -> bool:
    """Whether this processor has instructions for it, as far as Linux says."""
    about = Path("/proc/cpuinfo")
    words = set(about.read_text().split()) if about.exists() else set()
    return bool(words & {"avx512_vnni", "avx_vnni", "amx_int8"})
