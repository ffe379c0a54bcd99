"""Export: the same embeddings elsewhere, for any batch size, or a clear refusal and no file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from building import build_network
from safetensors.torch import save_file

from svrn.config.parameters import RunParameters
from svrn.data.augmentation import normalise
from svrn.errors import UserError
from svrn.runs import export as exporting
from svrn.runs.export import SUFFIXES, Format, export

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

    parameters, _ = read_config(run)
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


def test_machine_code_gives_the_runs_embeddings(tmp_path: Path) -> None:
    run = _run(tmp_path / "abc123", stages={"count": 1}, unified={"enabled": False})
    made = export(run, "aoti", tmp_path / "net.aoti.pt2", pixels=True)
    assert made.disagreement <= exporting.TOLERANCE and made.dimension == 16
    told = torch._inductor.aoti_load_package(str(made.path)).get_metadata()
    assert told["svrn.run"] == "abc123" and "uint8" in told["svrn.pixels"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["abc123", "net.aoti.pt2"]


def test_without_a_compiler_machine_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="there is no no-such-compiler here"):
        export(_run(tmp_path / "abc123"), "aoti", tmp_path / "net.pt2")


def test_onnx_is_what_trackers_read(tmp_path: Path) -> None:
    """BoxMOT 25: one float32 input of rank 4, channels first, its size fixed, RGB normalised as for ImageNet on the
    scale 0 to 1; the first output is taken, and brought to unit length by the tracker; a bound axis is `batch`."""
    import onnxruntime

    run = _run(tmp_path / "abc123", stages={"count": 1}, unified={"enabled": False})
    session = onnxruntime.InferenceSession(str(export(run, "onnx", tmp_path / "net.onnx").path))
    (taken,), given = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(float)", ["batch", 3, 64, 64])
    assert given[0].shape == ["batch", 16]
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    theirs = (crops / 255 - mean.reshape(3, 1, 1)) / deviation.reshape(3, 1, 1)
    np.testing.assert_allclose(theirs, normalise(crops).numpy(), atol=1e-5)


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


@pytest.mark.parametrize("form", ["onnx", "torch-export"])
def test_a_file_names_no_folder_of_the_machine_that_wrote_it(form: Format, tmp_path: Path) -> None:
    path = export(_run(tmp_path / "abc123"), form, tmp_path / f"net{SUFFIXES[form]}").path
    content = path.read_bytes()
    if form == "torch-export":
        with zipfile.ZipFile(path) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"stack_trace" not in content or b".py" not in content
    assert str(Path(__file__).parents[2]).encode() not in content
