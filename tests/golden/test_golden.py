"""Small trainings of every method give the losses, embeddings and scores that were written down.

To the bit on the class of processors where they were written; elsewhere within the rounding of other kernels, which
was at most 1e-4 of a value's size over the AVX-512, AVX2 and SSE kernels of torch, oneDNN and MKL.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from golden import make_project, measured, moves, processor, recorded, worlds

from svrn.data.manifest import Manifest

ROUNDING = 1e-3
MEND = "a change of arithmetic: raise the semantics if it is meant, then `make golden WRITE=1`"


@pytest.fixture(scope="module")
def patterns(tmp_path_factory) -> Iterator[Manifest]:
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield make_project(folder)


def test_every_model_has_its_values():
    assert recorded().values.keys() == worlds().keys(), MEND


@pytest.mark.parametrize("name", sorted(worlds().keys() & recorded().values.keys()))
def test_a_training_gives_the_recorded_values(name, patterns, tmp_path, monkeypatch):
    monkeypatch.setenv("SVRN_CACHE", str(tmp_path / "cache"))
    before = recorded()
    allowed = 0.0 if before.processor == processor() else ROUNDING
    moved = [
        move for move in moves(name, before.values[name], measured(name, patterns, tmp_path)) if move.apart > allowed
    ]
    assert not moved, "\n".join([MEND, *map(str, moved[:10])])
