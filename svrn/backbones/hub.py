"""Published weights, from torch's own cache or the network."""

from __future__ import annotations

from urllib.error import URLError

import torch
from torch import Tensor

from svrn.errors import UserError


def fetch_state(url: str) -> dict[str, Tensor]:
    """The state dict at `url`: from torch hub's cache, else downloaded into it and checked by the hash in its name.

    Raises:
        UserError: it is not in the cache and cannot be downloaded.
    """
    folder = f"{torch.hub.get_dir()}/checkpoints"
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"cannot get the ImageNet weights {url}: {error}",
            where="model.backbone.weights",
            mend=f"put that file into {folder}, or name a copy (weights: file, file: PATH, file_digest: its sha256), or"
            " use weights: random",
        ) from error
