"""Export: the same embeddings elsewhere, for any batch size, or a clear refusal and no file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from building import build_network
from safetensors.torch import save_file

from svrn.config.parameters import RunParameters
from svrn.errors import UserError
from svrn.runs import export as exporting
from svrn.runs.export import export

SMALL = {
    "model": {
        "backbone": {"name": "small_cnn", "weights": "random"},
        "head": {"reduction": 16},
        "salience": {"grid": 4},
    },
    "training": {"input": {"size": 64}, "losses": {name: {"weight": 0} for name in ("vcc", "icc", "dcc")}},
}


def _run(folder: Path, **model: object) -> Path:
    parameters = RunParameters.model_validate({**SMALL, "model": {**SMALL["model"], **model}})
    torch.manual_seed(3)
    network = build_network(parameters.model, 7).eval()
    folder.mkdir()
    save_file(dict(network.state_dict()), folder / "model.safetensors")
    content = {"parameters": parameters.model_dump(mode="json"), "identities": 7}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("form", ["onnx", "torch-export"])
def test_exported_network_gives_the_runs_embeddings_for_other_batch_sizes(tmp_path: Path, form: str) -> None:
    run = _run(tmp_path / "abc123")
    made = export(run, form, tmp_path / f"out{exporting.SUFFIXES[form]}")
    assert made.disagreement <= exporting.TOLERANCE
    assert made.dimension == 16
    images = torch.randn(4, 3, 64, 64)
    from svrn.runs.run import load_run, read_config

    parameters, _ = read_config(run / "config.yaml")
    wanted = load_run(run).embed(images, parameters.inference).numpy()
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
        given = session.run(None, {"images": images.numpy()})[0]
        metadata = session.get_modelmeta().custom_metadata_map
        assert metadata["svrn.run"] == "abc123"
        assert json.loads(metadata["svrn.input"])["size"] == 64
        assert json.loads(metadata["svrn.inference"])["space"] == "G"
    else:
        given = torch.export.load(made.path).module()(images).detach().numpy()
    assert np.abs(given - wanted).max() < 1e-4 * max(1.0, np.abs(wanted).max())


def test_a_file_that_disagrees_is_refused_and_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(tmp_path / "abc123", stages={"count": 1}, unified={"enabled": False})
    monkeypatch.setattr(
        exporting, "_read", lambda form, path: lambda given: np.ones((len(given["images"]), 16), np.float32)
    )
    with pytest.raises(UserError, match="differ by"):
        export(run, "torch-export", tmp_path / "out" / "net.pt2")
    assert list((tmp_path / "out").iterdir()) == []


def test_masks_by_chance_cannot_be_exported(tmp_path: Path) -> None:
    run = _run(tmp_path / "abc123", salience={"grid": 4, "scores": "random"})
    with pytest.raises(UserError, match="chance"):
        export(run, "onnx", tmp_path / "net.onnx")


def test_an_untrained_run_is_said(tmp_path: Path) -> None:
    run = _run(tmp_path / "abc123")
    (run / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no trained weights"):
        export(run, "onnx", tmp_path / "net.onnx")
