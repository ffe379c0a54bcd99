"""What every method owes: each room is held to all of it by being there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from method_worlds import losses_of, run_of_method, sizes_of, some_side, train_together, trainer_of
from safetensors.torch import save_file
from worlds import processes, start

from svrn.config.documents import read_tree
from svrn.config.identity import inference_key, run_key
from svrn.config.methods import DEFAULT, method_names, parameters_class
from svrn.config.side import SideColumns
from svrn.errors import UserError
from svrn.methods.rooms import build_network
from svrn.parts.output import Seen
from svrn.runs.export import TOLERANCE, export

METHODS = method_names()
EARLY = 4  # steps, beyond an epoch: later on rounding decides which of two pairs is the hardest one
DIGEST = "d" * 64
every_method = pytest.mark.parametrize("name", METHODS)


@every_method
def test_stopped_anywhere_it_goes_on_to_the_bit(name: str, tmp_path: Path) -> None:
    run = run_of_method(name)
    whole = trainer_of(run, tmp_path / "whole")
    whole.run()
    assert np.isfinite(losses_of(whole, tmp_path)).all() and len(whole.log) == whole.steps
    for stop in (1, whole.pretraining + 3):  # within an epoch, and between two
        first = trainer_of(run, tmp_path / f"stopped {stop}")
        batches = first.batches.iterate(map(whole._batch_number, range(stop)))
        while first.step < stop:
            first._take_step(batches)
        first.save()
        torch.manual_seed(99)
        torch.rand(7)
        second = trainer_of(run, tmp_path / f"stopped {stop}")
        assert second.restore() and second.step == stop
        second.run()
        assert second.log.rows == whole.log.rows
        for kind in ("network", "losses"):
            found, wanted = getattr(second, kind).state_dict(), getattr(whole, kind).state_dict()
            assert [one for one in wanted if not torch.equal(found[one], wanted[one])] == []


@every_method
def test_learns_and_leaves_what_is_frozen(name: str, tmp_path: Path) -> None:
    trainer = trainer_of(run_of_method(name), tmp_path)
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    trainer.run()
    changed = {key for key, value in trainer.network.state_dict().items() if not torch.equal(value, before[key])}
    assert any(key.startswith("trunk.3") for key in changed)
    assert not {key for key in changed if key.startswith("trunk.0")}


@pytest.mark.parametrize("world", [2, 4])
def test_the_same_losses_on_any_number_of_processes(world: int, tmp_path: Path) -> None:
    context = processes()
    arguments = (world, tmp_path / "meeting", list(METHODS), tmp_path)
    children = [start(train_together, rank, *arguments, context=context) for rank in range(world)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    apart = {}
    for name in METHODS:
        alone = trainer_of(run_of_method(name), tmp_path / f"{name} alone")
        alone.run()
        wanted = losses_of(alone, tmp_path / f"{name} alone")[:EARLY]
        apart[name] = float(np.abs(np.load(tmp_path / f"{name}.npy")[:EARLY] - wanted).max() / np.abs(wanted).max())
    assert {name: value for name, value in apart.items() if value > 1e-4} == {}


@every_method
def test_embeds_alike_whole_or_image_by_image_folded_or_not(name: str) -> None:
    run = run_of_method(name)
    torch.manual_seed(0)
    network = build_network(run, sizes_of(run)).eval()
    columns = run.method.needs(run).test
    images, side = torch.randn(4, 3, 64, 64), some_side(columns, 4) if columns else None
    whole = network.embed(images, run.inference, side)
    assert whole.dtype == torch.float32 and len(whole) == 4 and bool(whole.isfinite().all())
    assert torch.equal(whole, network.embed(images, run.inference, side))
    if run.method.repeatable(run):
        alone = network.embed(images[1:2], run.inference, None if side is None else side[1:2])
        torch.testing.assert_close(alone, whole[1:2], rtol=1e-4, atol=1e-5)
    network.fold(images)
    torch.testing.assert_close(network.embed(images, run.inference, side), whole, rtol=1e-3, atol=1e-4)


@every_method
def test_refuses_to_train_on_one_image_and_to_embed_in_training(name: str) -> None:
    run = run_of_method(name)
    needs, network = run.method.needs(run), build_network(run, sizes_of(run)).train()
    side = some_side(needs.training, 1) if needs.training else None
    seen = Seen(torch.randn(1, 3, 64, 64), torch.zeros(1, dtype=torch.int64), side, network.chance(1))
    with pytest.raises(UserError, match="at least two images"):
        network(seen)
    with pytest.raises(UserError, match="evaluation mode"):
        network.embed(torch.randn(2, 3, 64, 64), run.inference)


@every_method
def test_exports_or_says_why_not(name: str, tmp_path: Path) -> None:
    run, folder = run_of_method(name), tmp_path / "abc123"
    torch.manual_seed(0)
    sizes = sizes_of(run)
    folder.mkdir()
    save_file(dict(build_network(run, sizes).state_dict()), folder / "model.safetensors")
    words = None if sizes.vocabulary is None else sizes.vocabulary.as_plain()
    content = {"parameters": run.model_dump(mode="json"), "identities": sizes.identities, "vocabulary": words}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    needed = run.method.needs(run).test
    if needed != SideColumns(camera=needed.camera, viewpoint=needed.viewpoint):
        with pytest.raises(UserError, match="of every image"):
            export(folder, "torch-export", tmp_path / "out.pt2")
        return
    assert export(folder, "torch-export", tmp_path / "out.pt2").disagreement <= TOLERANCE


@every_method
def test_its_parameters_are_its_runs_identity(name: str) -> None:
    run = run_of_method(name)
    key = run_key(run, DIGEST)
    own = {field for field in type(run.method).model_fields if field != "name"}
    assert set(run.method.at_test) <= own
    for field in own:
        value = getattr(run.method, field)
        if not isinstance(value, float) or value == 0:
            continue
        other = run.model_copy(update={"method": run.method.model_copy(update={field: value * 1.5})})
        if field in run.method.at_test:
            assert run_key(other, DIGEST) == key and inference_key(other) != inference_key(run)
        else:
            assert run_key(other, DIGEST) != key
    assert run_key(run, DIGEST, "e" * 64) != key
    if name != DEFAULT:
        others = run_of_method(name, {"training": {"losses": {"vcc": {"weight": 0.5}, "reward_weight": 0.5}}})
        assert run_key(others, DIGEST) == key, "another method's parameters are no part of it"


@every_method
def test_says_where_it_comes_from(name: str) -> None:
    about = parameters_class(name).about
    assert all((about.title, about.idea, about.source, about.certain, about.readings, about.ablation))
    assert about.page == f"docs/methods/{name}.md" and Path(about.page).is_file()
    models = [read_tree(file).get("method", {}).get("name", DEFAULT) for file in Path("params/models").glob("*.yaml")]
    assert name in models, "a row of a table needs an overlay in params/models/"
