"""An exported network that reads cameras and viewpoints: further inputs, and the mean for what is not known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from runs_with_cameras import CAMERAS, UNTRAINED, run_with_cameras

from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.augmentation import normalise
from svrn.data.side import Side
from svrn.errors import UserError
from svrn.runs.export import SUFFIXES, TOLERANCE, export
from svrn.runs.hub import write_hub
from svrn.runs.run import load_run, read_config

UNKNOWN = torch.tensor([-1, -1, -1, -1])
ASKED = torch.tensor([3, UNTRAINED, 99, 2])
PLACES = torch.tensor([CAMERAS.index(3), -1, -1, CAMERAS.index(2)])
VIEWS = torch.tensor([0, 5, 7, -1])


def by_the_run(run: Path, images: torch.Tensor, camera: torch.Tensor, view: torch.Tensor | None = None) -> torch.Tensor:
    side = Side(SideColumns(camera=True, viewpoint=view is not None), camera=camera, viewpoint=view)
    return load_run(run).embed(images, read_config(run)[0].inference, side)


@pytest.mark.parametrize("form", ["onnx", "torch-export"])
def test_a_camera_is_given_by_its_number_and_an_unknown_one_has_the_mean(tmp_path: Path, form: str) -> None:
    run = run_with_cameras(tmp_path / "runs", "camera_view")
    made = export(run, form, tmp_path / f"net{SUFFIXES[form]}")
    assert made.inputs == ("images", "camera", "viewpoint") and made.disagreement <= TOLERANCE
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def given(camera: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        if form == "torch-export":
            return torch.export.load(made.path).module()(images, camera=camera, viewpoint=view).detach()
        session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
        assert json.loads(told["svrn.cameras"]) == list(CAMERAS)
        assert json.loads(told["svrn.viewpoints"]) == list(VIEWPOINTS)
        inputs = {"images": images.numpy(), "camera": camera.numpy(), "viewpoint": view.numpy()}
        return torch.from_numpy(session.run(None, inputs)[0])

    wanted = by_the_run(run, images, PLACES, VIEWS)
    torch.testing.assert_close(given(ASKED, VIEWS), wanted, rtol=0, atol=2e-4)
    far = torch.tensor([8, -5, 100, 8])
    unknown = by_the_run(run, images, UNKNOWN, UNKNOWN)
    torch.testing.assert_close(given(UNKNOWN, far), unknown, rtol=0, atol=2e-4)
    assert (unknown - wanted).abs().amax(1).min() > 0.01, "a camera makes a difference"


def test_the_hubs_loader_takes_cameras_or_none(tmp_path: Path) -> None:
    run = run_with_cameras(tmp_path / "runs")
    hub = tmp_path / "hub"
    length = write_hub(run, hub, "# The card\n", rendered=True)
    assert "`camera` is one of 2, 3, 7" in (hub / "README.md").read_text()
    code = (
        "import torch, load, sys\n"
        "x = torch.arange(4 * 3 * 64 * 64).reshape(4, 3, 64, 64).remainder(251).to(torch.uint8)\n"
        f"told = load.embed(x, camera=torch.tensor({ASKED.tolist()}))\n"
        "torch.save([told, load.embed(x)], sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out.pt")], cwd=hub, check=True)
    pixels = np.arange(4 * 3 * 64 * 64).reshape(4, 3, 64, 64) % 251
    images = normalise(pixels.astype(np.uint8))
    for found, camera in zip(torch.load(tmp_path / "out.pt"), (PLACES, UNKNOWN), strict=True):
        wanted = torch.nn.functional.normalize(by_the_run(run, images, camera), dim=1)
        assert found.shape == (4, length)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_what_no_number_tells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from svrn.config.methods import Needs
    from svrn.methods.transreid.parameters import Parameters

    run = run_with_cameras(tmp_path / "runs")
    monkeypatch.setattr(Parameters, "needs", lambda self, run: Needs(test=SideColumns(camera=True, masks=("front",))))
    with pytest.raises(UserError, match="reads camera, mask:front of every image it embeds"):
        export(run, "onnx", tmp_path / "net.onnx")
