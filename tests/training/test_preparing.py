"""What a training process sets before it begins: threads, determinism, seeds, types of numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from svrn.config.parameters import Numerics
from svrn.training.device import autocast_type, prepare


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    deterministic, state = torch.get_deterministic_debug_mode(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = benchmark
    torch.set_deterministic_debug_mode(deterministic)
    torch.set_rng_state(state)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_are_those_that_were_asked_for(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVRN_THREADS", threads)
    prepare(Numerics(), 0)
    assert torch.get_num_threads() == int(threads)


def test_a_seed_begins_torchs_chance_and_another_begins_otherwise() -> None:
    drawn = []
    for seed in (0, 1, 1):
        prepare(Numerics(), seed)
        drawn.append(torch.rand(3))
    torch.manual_seed(1)
    assert torch.equal(drawn[1], torch.rand(3)) and torch.equal(drawn[1], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("deterministic", [True, False])
def test_kernels_are_chosen_by_time_only_where_bytes_may_differ(deterministic: bool) -> None:
    torch.set_deterministic_debug_mode("default")
    prepare(Numerics(deterministic=deterministic), 0)
    assert torch.backends.cudnn.benchmark is not deterministic
    assert (torch.get_deterministic_debug_mode() == 1) is deterministic  # 1 warns


@pytest.mark.parametrize(("precision", "wanted"), [("float16", torch.float16), ("bfloat16", torch.bfloat16)])
def test_a_gpu_gets_the_type_that_is_named(
    precision: str, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    said: list[str] = []
    numerics = Numerics.model_validate({"precision": precision})
    assert autocast_type(numerics, torch.device("cuda"), said.append) is wanted and said == []
