"""What a run is: every parameter of a training, typed, with the paper's configuration as the defaults.

Sections, equations and "reading" numbers refer to the SVRN paper and to docs/readings.md.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from svrn.config.methods import MethodParameters, method_of
from svrn.config.strict import Strict


class Backbone(Strict):
    """The network that is cut into four blocks and staged."""

    name: str = Field(
        "resnet50",
        description="resnet18/34/50/101, resnet50_ibn_a, efficientnet_lite0, small_cnn, or timm:NAME, torchvision:NAME;"
        " a plain transformer of timm (timm:vit_small_patch16_224) too",
    )
    weights: Literal["imagenet", "random", "file", "shipped"] = Field(
        "imagenet", description="what it starts from; shipped: the trunk of the run that comes with the package"
    )
    file: str | None = Field(None, description="weights file (safetensors or a plain state dict) for weights: file")
    file_digest: str | None = Field(
        None, description="sha256 of that file, or of the shipped one; a run is known by it, not by its path"
    )
    last_stride: Literal[1, 2] = Field(1, description="stride of block 4 (1: X is 16x16 at 256 px)")
    frozen_blocks: int = Field(0, ge=0, le=4, description="first blocks kept as they are, statistics too")

    @model_validator(mode="after")
    def _file_named(self) -> Backbone:
        if (self.weights == "file") != (self.file is not None):
            raise ValueError("backbone.file is given exactly when backbone.weights is `file`")
        return self

    @model_validator(mode="after")
    def _one_stride(self) -> Backbone:
        if self.patch() is not None and self.last_stride != 1:
            raise ValueError(f"{self.name} has one stride from its first block on: last_stride must be 1")
        return self

    def patch(self) -> int | None:
        """Side of the patches that a plain vision transformer of timm reads, in pixels; None for another network."""
        found = re.fullmatch(r"timm:(?:vit|deit3?|flexivit|eva|eva02)_\w*?patch(\d+)_[\w.]+", self.name)
        return None if found is None else int(found[1])


class Stages(Strict):
    """The cascade (readings 1 to 4)."""

    count: int = Field(3, ge=1, le=4, description="1 is the baseline")
    starts: tuple[int, ...] = Field(
        (1, 3, 4, 4),
        description="block each stage starts from; its input is the stage before's input to that block",
    )
    share_weights: bool = Field(False, description="stages use one copy of a block instead of their own")

    @model_validator(mode="after")
    def _starts_fit(self) -> Stages:
        starts = self.starts[: self.count]
        if len(starts) < self.count:
            raise ValueError(f"{self.count} stages need {self.count} starts, there are {len(starts)}")
        if starts[0] != 1 or list(starts) != sorted(starts) or not all(1 <= s <= 4 for s in starts):
            raise ValueError(f"stage starts {starts} must begin with 1, never fall, and lie in 1..4")
        if self.count > 1 and starts[1] == 1:
            raise ValueError("a later stage starts at block 2, 3 or 4: the image itself is not suppressed")
        return self

    def passes(self) -> float:
        """The stages' work in passes through the backbone, a block counted as a quarter."""
        return sum((5 - start) / 4 for start in self.starts[: self.count])


class Head(Strict):
    """Spatial mining, reduction and classification of a stage (readings 5, 6, 8)."""

    spatial_mining: bool = Field(True, description="channel-wise mean and max, convolutions, sigmoid gate")
    reduction: int = Field(512, ge=1, description="channels after the 1x1 reduction layer, the length of F")
    hidden: int = Field(
        0, ge=0, description="a control's: channels of a 1x1 convolution, BN and ReLU before the reduction; 0: none"
    )
    pooling: Literal["average", "gem"] = Field("average", description="gem is beyond the paper")
    bn_neck: bool = Field(False, description="beyond the paper: a bias-free BN neck; the classifier sees BN(F)")


class Salience(Strict):
    """Ranking layer, critic and suppression (readings 7 to 11, equations 2 to 5, Algorithm 1)."""

    scores: Literal["predicted", "random", "none"] = Field(
        "predicted",
        description="what masks follow: the ranking layer, chance (a control), or no masks at all (a control)",
    )
    grid: int = Field(8, ge=1, description="cells along each side")
    alphas: tuple[float, ...] = Field((0.2, 0.1, 0.1), description="part of the cells that stage t suppresses")
    rule: Literal["top_n", "literal"] = Field("top_n", description="Algorithm 1: n cells, or as printed n-1")
    cumulative: bool = Field(True, description="a cell suppressed once stays suppressed in later stages")
    fill: Literal["zero", "mean"] = Field("zero", description="what a suppressed cell becomes: zeros or channel means")
    strength: float = Field(1.0, gt=0, le=1, description="how far a chosen cell goes there; below 1 a mask is soft")
    reward_to_features: bool = Field(False, description="whether the reward's gradient reaches X")

    @model_validator(mode="after")
    def _alphas_are_parts(self) -> Salience:
        for alpha in self.alphas:
            if not 0 <= alpha < 1:
                raise ValueError(f"alpha must be in [0, 1), got {alpha}")
        return self


class Unified(Strict):
    """The unified layer g of equation 6 (reading 13)."""

    enabled: bool = Field(True, description="train g; without it there is no G and no cross-space constraint")
    layers: int = Field(2, ge=1, le=4, description="1x1 convolutions with BN, ReLU between them")
    residual: bool = Field(False, description="G = F + g(F), last layer starting at zero")


class Model(Strict):
    """The network. `stages.count: 1` is the baseline."""

    backbone: Backbone = Backbone()
    stages: Stages = Stages()
    head: Head = Head()
    salience: Salience = Salience()
    unified: Unified = Unified()

    @model_validator(mode="after")
    def _parts_fit(self) -> Model:
        masks = self.stages.count - 1
        if masks and self.head.hidden:
            raise ValueError("head.hidden widens the control of one stage; a cascade's critic does not look through it")
        if self.salience.scores != "none" and len(self.salience.alphas) < masks:
            raise ValueError(f"{self.stages.count} stages need {masks} alphas, there are {len(self.salience.alphas)}")
        return self


class Identity(Strict):
    """Cross entropy over the training identities, summed over stages (equation 13)."""

    weight: float = Field(1.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="beyond the paper")


class Triplet(Strict):
    """Batch-hard triplet loss on F, summed over stages (equation 13); circle is beyond the paper."""

    kind: Literal["batch_hard", "circle"] = "batch_hard"
    weight: float = Field(1.0, ge=0)
    margin: float = Field(0.3, ge=0, description="beta_T, or circle's margin")
    scale: float = Field(64.0, gt=0, description="circle's gamma")


class Vcc(Strict):
    """Vehicle-based cross-space constraint (equations 7 and 8)."""

    weight: float = Field(1.0, ge=0)
    margin: float = Field(0.3, ge=0, description="beta_V")


class Icc(Strict):
    """Image-based cross-space constraint (equations 9 and 10, reading 15)."""

    weight: float = Field(1.0, ge=0)
    margin: float = Field(0.15, ge=0, description="beta_I")
    negatives: Literal["other_image", "other_feature"] = "other_image"


class Dcc(Strict):
    """Diverse constraint (equation 11, reading 16)."""

    weight: float = Field(1.0, ge=0)
    normalise: bool = Field(True, description="whether the rows of G are taken at unit length")


class SingleSpace(Strict):
    """A control: batch-hard triplet loss on G within each stage, in the place of the cross-space constraint."""

    weight: float = Field(0.0, ge=0)
    margin: float = Field(0.3, ge=0)


class Losses(Strict):
    """The parts of the total loss (equations 12 and 13). Weight 0 switches a part off."""

    identity: Identity = Identity()
    triplet: Triplet = Triplet()
    vcc: Vcc = Vcc()
    icc: Icc = Icc()
    dcc: Dcc = Dcc()
    single_space: SingleSpace = SingleSpace()
    reward_weight: float = Field(1.0, ge=0, description="equation 4's weight")
    normalise_unified: bool = Field(
        True, description="whether VCC and ICC see G at unit length (reading 14; for DCC: dcc.normalise, reading 16)"
    )


class Input(Strict):
    """From an image file to the network's input, and the augmentations of training."""

    size: int = Field(256, ge=16, description="side of the square input in pixels")
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    flip: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")
    erasing: float = Field(0.5, ge=0, le=1, description="probability of random erasing")
    pad_crop: int = Field(0, ge=0, description="beyond the paper: pad by this many pixels, crop back at random")
    colour_jitter: float = Field(0.0, ge=0, le=1, description="beyond the paper: strength of colour jitter")


class Batches(Strict):
    """P x K sampling (reading 17)."""

    identities: int = Field(8, ge=1, description="P")
    images: int = Field(4, ge=1, description="K")
    accumulate: int = Field(1, ge=1, description="batches whose gradients are added before a step")


class Optimisation(Strict):
    """Optimiser and schedule (section IV-B; reading 18)."""

    optimiser: Literal["adam", "sgd", "adamw"] = Field("adam", description="adamw is beyond the paper")
    lr: float = Field(1e-4, gt=0)
    head_lr_factor: float = Field(1.0, gt=0, description="learning rate of everything new over that of the backbone")
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="beyond the paper: the rate of a backbone's layer over that of the next one; 1: off",
    )
    weight_decay: float = Field(1e-4, ge=0)
    epochs: int = Field(80, ge=1)
    batches_per_epoch: int | None = Field(None, ge=1, description="null: images / (P x K), rounded down, at least 1")
    schedule: Literal["steps", "cosine"] = "steps"
    milestones: tuple[int, ...] = Field((40, 70), description="epochs after which the rate falls, for `steps`")
    gamma: float = Field(0.1, gt=0, le=1)
    warmup_steps: int = Field(0, ge=0, description="beyond the paper: linear warm-up")
    average: float = Field(
        0.0, ge=0, lt=1, description="beyond the paper: decay of a moving average of the weights, the model; 0: none"
    )


class Numerics(Strict):
    """Arithmetic: part of what a run is, because it changes the result."""

    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="autocast of the forward pass")
    deterministic: bool = True
    channels_last: bool = False


class Training(Strict):
    """How the network is trained."""

    input: Input = Input()
    batches: Batches = Batches()
    optimisation: Optimisation = Optimisation()
    losses: Losses = Losses()
    numerics: Numerics = Numerics()
    seed: int = Field(0, ge=0, description="of weights, sampling, augmentation and what chance decides in a step")
    chance_by_seed: bool = Field(
        True, description="false: chance in a step is that of seed 0, as random masks were recorded before 2026-11-28"
    )


class Inference(Strict):
    """From a trained network to an embedding (reading 12). Not part of a run: a change here never retrains."""

    masks: bool = Field(True, description="whether the trained masks are applied at inference")
    space: Literal["auto", "F", "G"] = Field("auto", description="auto: G where the unified layer is trained, else F")
    fusion: Literal["sum", "concat"] = Field("sum", description="how the stages' features become one")
    normalise: bool = Field(False, description="unit length before fusion")
    after_bn: bool = Field(False, description="take F after the classification block's BN")
    flip: bool = Field(False, description="average with the mirrored image's embedding")


class Execution(Strict):
    """What cannot change the result: not part of a run's identity."""

    workers: int = Field(0, ge=0, description="processes that decode images; 0: in the training process")
    cache: bool = Field(True, description="keep decoded uint8 images packed on disk")
    devices: int = Field(1, ge=1, description="devices of one run; more than one uses DistributedDataParallel")
    compile: bool | Literal["captured"] = Field(
        False,
        description="true: the network through torch.compile; captured: a step's forward and backward as a CUDA graph",
    )
    checkpoint_minutes: float = Field(5.0, gt=0)
    log_every: int = Field(10, ge=1, description="steps between two lines of progress")


class RunParameters(Strict):
    """Everything a run is made from, beside its training images."""

    method: SerializeAsAny[MethodParameters] = Field(
        default_factory=lambda: method_of({}),
        description="which method: a room in svrn/methods, and its own parameters",
    )
    model: Model = Model()
    training: Training = Training()
    inference: Inference = Inference()
    execution: Execution = Execution()

    @field_validator("method", mode="before")
    @classmethod
    def _typed_method(cls, tree: Any) -> MethodParameters:
        return method_of(tree)

    @model_validator(mode="after")
    def _weights_known(self) -> RunParameters:
        backbone = self.model.backbone
        if backbone.weights == "file" and backbone.file_digest is None:
            raise ValueError(
                "backbone.file_digest is wanted with backbone.file: runs from other weights would have the same key;"
                f" `sha256sum {backbone.file}` says it"
            )
        if backbone.weights == "shipped" and backbone.file_digest is None:
            raise ValueError(
                "backbone.file_digest is wanted with weights: shipped: another release may carry other weights;"
                " model_digest in svrn/shipped/run.json says it"
            )
        return self

    @model_validator(mode="after")
    def _method_fits(self) -> RunParameters:
        size, patch = self.training.input.size, self.model.backbone.patch()
        if patch is not None and size % patch:
            near = max(1, round(size / patch)) * patch
            raise ValueError(f"input.size {size} is not a multiple of the backbone's patches, {patch}: {near} is near")
        self.method.check(self)
        return self

    def map_side(self) -> int:
        """Side of the last block's map in pixels, as a convolutional network makes it of this input, or in patches."""
        side, patch = self.training.input.size, self.model.backbone.patch()
        if patch is not None:
            return side // patch
        for _ in range(4 if self.model.backbone.last_stride == 1 else 5):  # every halving rounds up, as padding does
            side = -(-side // 2)
        return side
