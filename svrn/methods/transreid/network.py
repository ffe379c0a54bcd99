"""TransReID's network: tokens with side information, a global class token, and local ones of jigsaw patches."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.backbones import Blocks
from svrn.backbones.folding import fold
from svrn.backbones.tokens import attention_of_first, build_tokens, run_layer
from svrn.config.parameters import Inference, RunParameters
from svrn.methods.transreid.parameters import Parameters
from svrn.parts.jigsaw import jigsaw
from svrn.parts.maps import as_picture
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.side_tokens import SideVectors


class TokenBlock(nn.Module):
    """Some of the transformer's layers as a block of the trunk. embed: what makes tokens, before the first of them."""

    def __init__(self, layers: tuple[nn.Module, ...], embed: nn.Module | None) -> None:
        super().__init__()
        self.embed, self.layers = embed, nn.ModuleList(layers)


class TokenHead(nn.Module):
    """BN neck and classifier, both without bias, on a class token: in float32."""

    def __init__(self, width: int, identities: int) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(width)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(width, identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, token: Tensor, classify: bool) -> Branch:
        """token: [B, D]."""
        with torch.autocast(token.device.type, enabled=False):
            normed = self.neck(token.float())
            return Branch(token.float(), normed, self.classifier(normed) if classify else None)


class Network(MethodNetwork):
    """The global token first, then the runs'. The trunk's blocks are the convolutional ones of a hybrid with all layers
    as the fourth, or the transformer's layers in four equal parts."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own = cast(Parameters, run.method)
        self.own = own
        self.maps = sum(not isinstance(block, TokenBlock) for block in self.trunk)
        depth = sum(len(block.layers) for block in self._token_blocks())
        self.rates = [own.drop_path * number / max(1, depth - 1) for number in range(depth)]
        self.local_layer = copy.deepcopy(self._token_blocks()[-1].layers[-1]) if own.runs else None
        self.local_norm = copy.deepcopy(self.norm) if own.runs else None
        for part in (self.local_layer, self.local_norm):
            if part is not None:
                part.requires_grad_(run.model.backbone.frozen_blocks < len(self.trunk))
        heads = [TokenHead(self.channels[-1], sizes.identities) for _ in range(1 + own.runs)]
        self.heads = nn.ModuleList(heads)
        self.told: SideVectors | None = None
        if own.side != "none":
            cameras = 0 if sizes.vocabulary is None else len(sizes.vocabulary.cameras)
            self.told = SideVectors(cameras, own.side == "camera_view", self.channels[-1], own.side_scale)

    def make_trunk(self, run: RunParameters) -> Blocks:
        own = cast(Parameters, run.method)
        size = run.training.input.size
        made = build_tokens(run.model.backbone, size, own.width, own.layers, own.heads, own.stride)
        self.norm = made.norm
        self.grid = made.grid
        blocks = list(made.maps)
        parts = 4 - len(blocks)
        for part in range(parts):
            first, last = (len(made.layers) * one // parts for one in (part, part + 1))
            blocks.append(TokenBlock(made.layers[first:last], made.embed if part == 0 else None))
        stride = size // made.grid(size, size)[0]
        strides = (stride,) * 4 if not made.maps else (4, 8, 16, 16)
        return Blocks((blocks[0], blocks[1], blocks[2], blocks[3]), (made.width,) * 4, strides)

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """Which paths are kept, `kept` [images, layers + runs, 2]: 0, or 1 over the chance of being kept; in training
        alone. The last layer's come first for the global token, then for each run."""
        if not self.training or self.own.drop_path == 0:
            return {}
        rates = torch.tensor([*self.rates, *[self.rates[-1]] * self.own.runs]).view(1, -1, 1)
        drawn = torch.rand((images, rates.shape[1], 2), generator=generator)
        return {"kept": (drawn >= rates).float() / (1 - rates)}

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        kept = self._kept(seen)
        tokens = self.tokens(seen, kept)
        *_, last = (layer for block in self._token_blocks() for layer in block.layers)
        classify, depth = seen.labels is not None, len(self.rates)
        pictures = {}
        if seen.maps:
            grid = self.grid(*seen.images.shape[-2:])
            attention = attention_of_first(last, tokens).reshape(-1, *grid)
            pictures = {"attention of the global token": as_picture(attention)}
        whole = run_layer(last, tokens, None if kept is None else kept[:, depth - 1])
        features = [self.norm(whole[:, 0]), *self.local_tokens(tokens, kept)]
        branches = [head(one, classify) for head, one in zip(self.heads, features, strict=True)]
        return Output(tuple(branches), {}, pictures)

    def _kept(self, seen: Seen) -> Tensor | None:
        """What `chance` drew for the batch, in training."""
        drawn = (seen.chance or self.chance(len(seen.images))) if self.training else {}
        return drawn["kept"].to(seen.images.device) if "kept" in drawn else None

    def tokens(self, seen: Seen, kept: Tensor | None) -> Tensor:
        """The tokens [B, 1 + N, D] that both last layers see."""
        values = self.run_blocks(seen.images, last=self.maps) if self.maps else seen.images
        number, depth = 0, len(self.rates)
        for block in self._token_blocks():
            if block.embed is not None:
                values = block.embed(values)
                if self.told is not None:
                    values = values + self.told(seen.side, values.shape[0]).unsqueeze(1).to(values)
            for layer in block.layers:
                if number + 1 < depth:
                    values = run_layer(layer, values, None if kept is None else kept[:, number])
                number += 1
        return values

    def local_tokens(self, tokens: Tensor, kept: Tensor | None) -> list[Tensor]:
        """The class token [B, D] of each run of jigsaw patches."""
        if self.local_layer is None or self.local_norm is None:
            return []
        own, depth = self.own, len(self.rates)
        made = []
        for number, run in enumerate(jigsaw(tokens[:, 1:], own.shift, own.groups, own.runs).unbind(1)):
            paths = None if kept is None else kept[:, depth + number]
            seen = run_layer(self.local_layer, torch.cat([tokens[:, :1], run], 1), paths)
            made.append(self.local_norm(seen[:, 0]))
        return made

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, (1 + runs) D]: the global token, and the runs' over their number, side by side; `normalise` brings each
        to unit length first."""
        features = [one.normed if inference.after_bn else one.feature for one in self(seen).branches]
        if inference.normalise:
            features = [F.normalize(one, dim=1) for one in features]
        return torch.cat([features[0], *[one / self.own.runs for one in features[1:]]], 1)

    def backbone_parameters(self) -> list[nn.Parameter]:
        """A hybrid's layers are new; a transformer on pixels comes with weights as a whole."""
        if self.maps:
            return list(self.trunk[: self.maps].parameters())
        copies = [one for one in (self.norm, self.local_layer, self.local_norm) if one is not None]
        return [*self.trunk.parameters(), *(value for one in copies for value in one.parameters())]

    @torch.no_grad()
    def fold(self, images: Tensor) -> None:
        """As usual, for a hybrid's convolutional blocks; layers of a transformer have nothing to fold."""
        features = images.to(next(self.parameters()).device)
        for number in range(self.maps):
            block, inputs = self.trunk[number], features
            features = block(inputs)
            self.trunk[number] = fold(block, inputs)

    def _token_blocks(self) -> list[TokenBlock]:
        return [block for block in self.trunk if isinstance(block, TokenBlock)]
