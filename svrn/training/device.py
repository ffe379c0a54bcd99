"""The device a training process runs on, and what it can do: threads, determinism, precision, compilation."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import torch

from svrn.config.parameters import Numerics
from svrn.errors import UserError

Say = Callable[[str], None]

_PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def prepare(numerics: Numerics, seed: int, rank: int = 0) -> torch.device:
    """Set threads, determinism and seeds for this process, and give its device.

    Threads come from SVRN_THREADS (1 where it is not set): a fixed number, because sums in another order round
    differently.

    Raises:
        UserError: SVRN_THREADS is not a number.
    """
    torch.set_num_threads(threads())
    if numerics.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Operators without a deterministic form warn, they do not stop the run. (This is what
        # use_deterministic_algorithms(True, warn_only=True) sets, without its import of the compiler: two seconds.)
        torch.set_deterministic_debug_mode("warn")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not numerics.deterministic
    torch.manual_seed(seed)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


def threads() -> int:
    """Threads of the arithmetic in this process."""
    text = os.environ.get("SVRN_THREADS", "1")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"SVRN_THREADS is {text!r}, wanted a number of threads", where="environment")
    return int(text)


def autocast_type(numerics: Numerics, device: torch.device, say: Say) -> torch.dtype | None:
    """The type of the forward pass under autocast, or None for float32; what the device cannot do becomes float32."""
    if numerics.precision == "float32":
        return None
    if device.type == "cuda" and numerics.precision == "bfloat16":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = device.type == "cuda" or numerics.precision == "bfloat16"
    if not able:
        say(f"{device.type} has no {numerics.precision} arithmetic: training in float32")
        return None
    return _PRECISIONS[numerics.precision]


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of the random generators that a training advances: torch's.

    Sampling, augmentation and random masks draw by number (of epoch, image, batch) and have no state.
    """
    states = {"random.torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what `random_states` gave."""
    torch.set_rng_state(states["random.torch"])
    if device.type == "cuda" and "random.cuda" in states:
        torch.cuda.set_rng_state(states["random.cuda"], device)


def compiled(network: torch.nn.Module, say: Say) -> torch.nn.Module:
    """The network through torch.compile; where a part cannot be compiled it runs as it is, which is said once."""
    if shutil.which("gcc") is None and shutil.which("c++") is None:
        say("no compiler on this machine: training without torch.compile")
        return network
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True
    return torch.compile(network)  # type: ignore[return-value]
