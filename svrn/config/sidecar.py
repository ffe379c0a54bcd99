"""What stands beside a benchmark's manifest: the digests of its data, and test sets that do not fit their protocols."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svrn.config.benchmark import Benchmark
from svrn.config.cells import DATA
from svrn.errors import UserError
from svrn.ordinary import read_ordinary

_MOST_SIDECAR = 1 << 24


@dataclass(frozen=True)
class Digests:
    """What identifies a benchmark's data: its training images, and everything."""

    train: str
    whole: str


def digests_of(name: str, benchmark: Benchmark, data: Path = DATA) -> Digests | None:
    """A benchmark's digests: declared for embedded ones, else from its manifest's sidecar; None before that is made."""
    if benchmark.train_digest is not None:
        return Digests(benchmark.train_digest, benchmark.train_digest)
    content = read_sidecar(name, data)
    return None if content is None else Digests(str(content["train_digest"]), str(content["digest"]))


def read_sidecar(name: str, data: Path = DATA) -> dict[str, Any] | None:
    """What stands beside a benchmark's manifest; None before that is made.

    Raises:
        UserError: it was torn (by a crash, a full disk), or is something else.
    """
    file = data / name / "manifest.json"
    if not file.is_file():
        return None
    try:
        content = json.loads(read_ordinary(file, _MOST_SIDECAR))
        if not isinstance(content, dict) or not {"train_digest", "digest"} <= content.keys():
            raise ValueError("no digests in it")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"not what stands beside a manifest: {error}",
            where=str(file),
            mend=f"remove {file} and {file.with_suffix('.parquet').name}: the same command makes them again",
        ) from None
    return content


def misfit(name: str, test: str, protocol: str, data: Path = DATA) -> str | None:
    """Why a benchmark's test set cannot be scored under a protocol, as far as its manifest's making found out."""
    content = read_sidecar(name, data) or {}
    reasons = content.get("misfits")
    found = reasons.get(test, {}) if isinstance(reasons, dict) else {}
    return found.get(protocol) if isinstance(found, dict) else None
