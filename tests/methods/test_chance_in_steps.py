"""Which runs ask for something by chance in a step: what their parameters say, against what their networks ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from method_worlds import run_of_method, sizes_of

from svrn.config.identity import run_key
from svrn.methods.rooms import build_network

OVERLAYS = sorted(file.stem for file in Path("params/models").glob("*.yaml") if not file.stem.endswith("own-recipe"))


@pytest.mark.parametrize("model", OVERLAYS)
def test_a_run_that_draws_says_so_and_its_key_depends_on_how(model: str) -> None:
    """Its name is another one where its seed decides what is drawn, and the same where that changes nothing."""
    runs = {
        (seed, by_seed): run_of_method(model, {"training": {"seed": seed, "chance_by_seed": by_seed}})
        for seed in (0, 3)
        for by_seed in (True, False)
    }
    run = runs[3, True]
    drawn = build_network(run, sizes_of(run)).train().chance(4, torch.Generator().manual_seed(0))
    draws = any(one.numel() for one in drawn.values())
    assert run.method.draws_in_steps(run) == draws
    keys = {which: run_key(one, "d" * 64) for which, one in runs.items()}
    assert keys[0, True] == keys[0, False]
    assert (keys[3, True] != keys[3, False]) == draws
    assert keys[0, True] != keys[3, False]
