"""The embedding pass on a tiny run made here: what it writes, that it goes on where it was stopped, what it
refuses."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from worlds import processes

from svrn.config.parameters import Inference
from svrn.data.embeddings import read_embeddings
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.evaluation import embedding
from svrn.evaluation.embedding import PassOptions, embed
from svrn.evaluation.evaluator import evaluate
from svrn.runs.run import read_config


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PIECE", 8)


def test_every_test_image_is_embedded_and_the_file_says_from_what(
    run: Path, manifest: Manifest, tmp_path: Path
) -> None:
    seen = []
    embed(run, manifest, tmp_path / "e.parquet", progress=lambda done, total: seen.append((done, total)))
    found = read_embeddings(tmp_path / "e.parquet")
    assert found.images.tolist() == [f"{n:04d}.png" for n in range(3, 23)]
    assert found.vectors.shape == (20, 16)
    assert seen == [(8, 20), (16, 20), (20, 20)]
    assert found.origin["run"] == "0123456789ab"
    assert found.origin["manifest_digest"] == manifest.digest
    assert len(found.origin["model_digest"]) == 64
    assert Inference.model_validate(json.loads(found.origin["inference"])) == Inference()
    assert [p.name for p in tmp_path.iterdir()] == ["e.parquet"]
    assert evaluate(found, manifest, "veri776").about["embeddings"]["run"] == "0123456789ab"


def test_a_stopped_pass_goes_on_and_gives_the_same_file(
    run: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(run, manifest, tmp_path / "whole.parquet")
    calls: list[int] = []
    straight = embedding._Worker.vectors

    def stopping(self, network, device, start):  # type: ignore[no-untyped-def]
        calls.append(start)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return straight(self, network, device, start)

    monkeypatch.setattr(embedding._Worker, "vectors", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed(run, manifest, tmp_path / "e.parquet")
    assert not (tmp_path / "e.parquet").exists()
    embed(run, manifest, tmp_path / "e.parquet")
    assert calls.count(0) == 1  # the first piece was kept
    assert (tmp_path / "e.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.parquet", "whole.parquet"]


def test_pieces_of_another_model_are_not_used(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    embed(run, manifest, tmp_path / "e.parquet")
    first = read_embeddings(tmp_path / "e.parquet")
    stale = tmp_path / ".e.parquet.000000000000.parts"
    stale.mkdir()
    np.save(stale / "00000000.npy", np.full((8, 16), 7, dtype=np.float32))
    embed(run, manifest, tmp_path / "e.parquet")
    assert (read_embeddings(tmp_path / "e.parquet").vectors == first.vectors).all()
    assert not stale.exists()


def test_pieces_made_with_other_side_information_are_not_used(
    run: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, calls, straight = PassOptions(folder=tmp_path / "data"), [], embedding._Worker.vectors

    def stopping(self, network, device, start):  # type: ignore[no-untyped-def]
        calls.append(start)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return straight(self, network, device, start)

    monkeypatch.setattr(embedding._Worker, "vectors", stopping)
    monkeypatch.setattr(embedding, "side_digest", lambda *_: "a" * 64)
    with pytest.raises(KeyboardInterrupt):
        embed(run, manifest, tmp_path / "e.parquet", options)
    monkeypatch.setattr(embedding, "side_digest", lambda *_: "b" * 64)
    embed(run, manifest, tmp_path / "e.parquet", options)
    assert calls.count(0) == 2


def embed_at(run: Path, manifest: Manifest, out: Path, log: Path, steps: Semaphore, waits: Event) -> None:
    """Embed as a process of its own: a line in `log` for each piece that it computes, one piece a step."""
    embedding.PIECE = 8
    embedding._say = lambda _: waits.set()
    straight = embedding._Worker.vectors

    def stepping(self, network, device, start):  # type: ignore[no-untyped-def]
        steps.acquire()
        with log.open("a") as file:
            file.write(f"{os.getpid()} {start}\n")
        return straight(self, network, device, start)

    embedding._Worker.vectors = stepping  # type: ignore[method-assign]
    embed(run, manifest, out)


@pytest.mark.parametrize("killed", [False, True])
def test_two_that_make_one_file(run: Path, manifest: Manifest, tmp_path: Path, killed: bool) -> None:
    """The second waits; what the first made it takes, what a killed one left it goes on with."""
    embed(run, manifest, tmp_path / "whole.parquet")
    log, out, context = tmp_path / "log", tmp_path / "e.parquet", processes()
    steps = [context.Semaphore(1), context.Semaphore(9)]
    waits = context.Event()
    ours = [context.Process(target=embed_at, args=(run, manifest, out, log, some, waits)) for some in steps]
    ours[0].start()
    while not list(tmp_path.glob(".e.parquet.*.parts/0*.npy")):  # then the next piece waits for its step
        assert ours[0].exitcode is None
        time.sleep(0.01)
    ours[1].start()
    assert waits.wait(timeout=300), "it does not wait"
    if killed:
        ours[0].kill()
    else:
        for _ in range(2):
            steps[0].release()
    for one in ours:
        one.join()
    assert [one.exitcode for one in ours] == [-9 if killed else 0, 0]
    computed = [line.split() for line in log.read_text().splitlines()]
    of_the_first = [start for pid, start in computed if pid == str(ours[0].pid)]
    assert of_the_first == (["0"] if killed else ["0", "8", "16"])
    assert [start for _, start in computed] == ["0", "8", "16"], "a piece was computed twice"
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.parquet", "log", "whole.parquet"]


def test_flip_averages_the_mirrored_image(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    flipped = PassOptions(inference=Inference(flip=True))
    embed(run, manifest, tmp_path / "f.parquet", flipped)
    embed(run, manifest, tmp_path / "e.parquet")
    both = read_embeddings(tmp_path / "f.parquet"), read_embeddings(tmp_path / "e.parquet")
    assert not np.allclose(both[0].vectors, both[1].vectors)
    for file in manifest.root.iterdir():
        Image.open(file).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file)
    try:
        embed(run, manifest, tmp_path / "m.parquet", flipped)
    finally:
        for file in manifest.root.iterdir():
            Image.open(file).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file)
    assert np.allclose(read_embeddings(tmp_path / "m.parquet").vectors, both[0].vectors, atol=1e-4)


def test_batch_size_workers_and_devices_keep_the_embeddings(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    embed(run, manifest, tmp_path / "e.parquet")
    options = PassOptions(batch=3, workers=2, devices=("cpu", "cpu"), cache=tmp_path / "cache")
    embed(run, manifest, tmp_path / "o.parquet", options)
    a, b = read_embeddings(tmp_path / "e.parquet"), read_embeddings(tmp_path / "o.parquet")
    assert a.images.tolist() == b.images.tolist()
    assert np.allclose(a.vectors, b.vectors, atol=1e-5)


def test_half_precision_is_near_and_named(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    embed(run, manifest, tmp_path / "e.parquet")
    embed(run, manifest, tmp_path / "h.parquet", PassOptions(arithmetic="bfloat16"))
    a, b = read_embeddings(tmp_path / "e.parquet"), read_embeddings(tmp_path / "h.parquet")
    assert b.origin["arithmetic"] == "bfloat16" and a.origin["arithmetic"] == "float32"
    cosine = (a.vectors * b.vectors).sum(1) / np.linalg.norm(a.vectors, axis=1) / np.linalg.norm(b.vectors, axis=1)
    assert cosine.min() > 0.99 and not (a.vectors == b.vectors).all()


def test_what_cannot_be_embedded_is_said(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run"):
        embed(tmp_path / "none", manifest, tmp_path / "e.parquet")
    with pytest.raises(UserError, match="no test images to embed"):
        embed(run, replace(manifest, table=manifest.table[:3]), tmp_path / "e.parquet")
    gone = manifest.table.assign(path=manifest.table["path"].replace("0010.png", "gone.png"))
    with pytest.raises(UserError, match=r"gone\.png"):
        embed(run, replace(manifest, table=gone), tmp_path / "e.parquet")
    assert not (tmp_path / "e.parquet").exists()


def test_a_diverged_model_is_refused(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.yaml").write_text((run / "config.yaml").read_text())
    state = {
        k: v * float("nan") if v.is_floating_point() else v for k, v in load_file(run / "model.safetensors").items()
    }
    save_file(state, broken / "model.safetensors")
    with pytest.raises(UserError, match="embeddings are not finite"):
        embed(broken, manifest, tmp_path / "e.parquet")


def test_the_command_names_the_file_after_the_way_of_inference(run: Path, manifest: Manifest, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from svrn.cli import load
    from svrn.config.identity import inference_key
    from svrn.data.manifest import write_manifest

    write_manifest(manifest, tmp_path / "m.parquet")
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    parameters, _ = read_config(mine)
    result = CliRunner().invoke(load("embed"), [str(mine), str(tmp_path / "m.parquet"), "--flip"])
    assert result.exit_code == 0, result.output
    flipped = parameters.model_copy(update={"inference": Inference(flip=True)})
    assert inference_key(flipped) != inference_key(parameters)
    file = mine / "embeddings" / f"{manifest.benchmark}-{inference_key(flipped)}.parquet"
    assert len(read_embeddings(file).images) == 20 and "embedded 20 of 20" in result.output


def test_a_way_of_inference_that_the_suite_has_not_is_said(run: Path) -> None:
    from svrn.cli.embed import embed as command

    with pytest.raises(UserError, match="does not embed 'nothing' with run"):
        command(str(run), "nothing", inference="00000000", suite="smoke")
