"""A run as a hub's folder and back; the weights that come with the package; pixels normalised in the graph."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from building import build_network
from safetensors.torch import save_file

from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.data.augmentation import normalise
from svrn.errors import UserError
from svrn.runs import shipped
from svrn.runs.export import TOLERANCE, export
from svrn.runs.hub import read_hub, write_hub
from svrn.runs.run import load_run, read_config

SMALL = {
    "model": {
        "backbone": {"name": "small_cnn", "weights": "random"},
        "head": {"reduction": 16},
        "stages": {"count": 1},
        "unified": {"enabled": False},
    },
    "training": {"input": {"size": 32}, "losses": {name: {"weight": 0} for name in ("vcc", "icc", "dcc")}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run that was never trained, scored once."""
    parameters = RunParameters.model_validate(SMALL)
    key = run_key(parameters, "f" * 64)
    folder = tmp_path_factory.mktemp("runs") / key
    folder.mkdir()
    torch.manual_seed(3)
    save_file(dict(build_network(parameters.model, 7).state_dict()), folder / "model.safetensors")
    config = {
        "key": key,
        "label": "baseline s0",
        "benchmark": "demo-veri776",
        "train_digest": "f" * 64,
        "identities": 7,
    }
    config |= {"semantics": 1, "parameters": parameters.model_dump(mode="json")}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "run.json").write_text(json.dumps({"key": key, "model_digest": digest}))
    for name in ("env.json", "train.parquet"):
        (folder / name).write_text("{}")
    scores = folder / "evaluations" / ("e" * 12)
    scores.mkdir(parents=True)
    scored = {"benchmark": "demo-veri776", "test": "test", "protocol": "veri776", "mAP": 41.25, "CMC@1": 50.0}
    (scores / "metrics.json").write_text(json.dumps(scored))
    return folder


@pytest.fixture(scope="module")
def hub(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "model"
    assert write_hub(run, out, "# The card\n", rendered=True) == 16
    return out


def test_the_card_says_what_it_scored(hub: Path) -> None:
    front, _, card = (hub / "README.md").read_text().removeprefix("---\n").partition("---\n")
    head = yaml.safe_load(front)
    assert head["license"] == "apache-2.0" and head["library_name"] == "svrn"
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"]["config"] == "protocol veri776" and result["metrics"][0]["value"] == 41.25
    assert "# The card" in card and "svrn runs import" in card


def test_the_loader_needs_torch_alone_and_gives_the_runs_embeddings(hub: Path, run: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('svrn', 'torchvision', 'safetensors', 'numpy.svrn', 'pandas'): sys.modules[name] = None\n"
        "import torch, load\n"
        "torch.manual_seed(0); x = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)\n"
        "torch.save(load.embed(x), sys.argv[1])\n"
    )
    out = hub.parent / "embeddings.pt"
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=hub, check=True)
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    parameters, _ = read_config(run)
    wanted = load_run(run).embed(normalise(pixels.numpy()), parameters.inference)
    assert torch.allclose(torch.load(out), torch.nn.functional.normalize(wanted, dim=1), atol=1e-4)


def test_it_comes_back_as_it_was_and_only_as_what_it_says(hub: Path, run: Path, tmp_path: Path) -> None:
    left = tmp_path / "runs" / run.name / ".import.0123.part"
    left.mkdir(parents=True)  # an import that was killed
    made = read_hub(hub, tmp_path / "runs")
    (made / ".lock").unlink()
    there = {file.relative_to(made): file.read_bytes() for file in made.rglob("*") if file.is_file()}
    assert there == {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}
    with pytest.raises(UserError, match="here already"):
        read_hub(hub, tmp_path / "runs")
    with pytest.raises(UserError, match="holds no run"):
        read_hub(tmp_path, tmp_path / "runs")
    config = hub / "run" / "config.yaml"
    text = config.read_text()
    try:
        config.write_text(text.replace("seed: 0", "seed: 1"))
        with pytest.raises(UserError, match="which it names"):
            read_hub(hub, tmp_path / "other")
    finally:
        config.write_text(text)
    assert not (tmp_path / "other").exists()


def test_a_folder_with_something_in_it_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("x")
    with pytest.raises(UserError, match="not an empty folder"):
        write_hub(run, tmp_path / "model", "", rendered=False)
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_pixels_are_normalised_in_the_graph(run: Path, tmp_path: Path) -> None:
    import onnxruntime

    made = export(run, "onnx", tmp_path / "pixels.onnx", pixels=True)
    assert made.disagreement <= TOLERANCE
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    pixels = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    (given,) = session.run(["embedding"], {"images": pixels.numpy()})
    parameters, _ = read_config(run)
    wanted = load_run(run).embed(normalise(pixels.numpy()), parameters.inference)
    assert torch.allclose(torch.from_numpy(given), wanted, atol=1e-3)
    assert "uint8" in session.get_modelmeta().custom_metadata_map["svrn.pixels"]


class TestShipped:
    def test_a_clone_carries_none_and_says_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
        for asked in (None, "shipped"):
            with pytest.raises(UserError, match="carries no trained weights"):
                shipped.run_folder(asked)
        assert shipped.run_folder("0123456789ab") == Path("results/runs/0123456789ab")

    def test_what_is_shipped_opens_like_a_run(self, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from tools.ship_weights import check_shipped, ship

        source, target = tmp_path / run.name, tmp_path / "shipped"
        shutil.copytree(run, source)
        scores = [{"benchmark": "demo-veri776", "test": "test", "protocol": "veri776", "metric": "mAP"}]
        small = {"file": "net.int8.onnx", "digest": "d" * 64, "scores": [{**scores[0], "run": 41.25, "file": 41.0}]}
        (source / "export").mkdir()
        (source / "export" / "net.int8.scores.json").write_text(json.dumps(small))
        ship(source, target)
        monkeypatch.setattr(shipped, "FOLDER", target)
        assert shipped.run_folder(None) == target and shipped.kept_in(target) == Path("results/shipped")
        assert load_run(target).embed(torch.zeros(2, 3, 32, 32), read_config(target)[0].inference).shape == (2, 16)
        card = (target / "README.md").read_text()
        assert "What they find among photographs was not measured" in card and "| 41.25 |" in card
        assert "| mAP | 41.25 | 41.00 | -0.25 |" in card
        (target / "README.md").write_text(card.replace("not measured", "good"))
        with pytest.raises(UserError, match="lacks scores or their limits"):
            check_shipped(target)
        (target / "README.md").write_text(card)
        (target / "model.safetensors").write_bytes(b"others")
        with pytest.raises(UserError, match="the weights are not those"):
            check_shipped(target)
        (target / "model.safetensors").unlink()
        with pytest.raises(UserError, match="no model"):
            check_shipped(target)

    def test_a_run_without_scores_is_not_shipped(self, run: Path, tmp_path: Path) -> None:
        from tools.ship_weights import ship

        bare = tmp_path / run.name
        shutil.copytree(run, bare, ignore=shutil.ignore_patterns("evaluations"))
        with pytest.raises(UserError, match="not scored"):
            ship(bare, tmp_path / "shipped")
