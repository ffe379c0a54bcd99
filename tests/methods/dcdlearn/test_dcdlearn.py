"""DCDLearn: its orders, its losses by loops, and the control whose orders are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from method_worlds import losses_of, run_of_method, sizes_of, trainer_of

from svrn.config.parameters import RunParameters
from svrn.data.side import Side
from svrn.data.styles import CameraStyles
from svrn.errors import UserError
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.output import Branch, Output, Seen, Sizes, Targets
from svrn.parts.styles import StyleTransfer

LABELS = torch.arange(6) // 2
IMAGES = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(3))
CAMERAS = torch.tensor([0, 1, 2, -1, 1, 0])
PLAIN = {"method": {"transfer": "none"}}
BASELINE = {
    "model": {"stages": {"count": 1}, "unified": {"enabled": False}},
    "training": {"losses": {"vcc": {"weight": 0}, "icc": {"weight": 0}, "dcc": {"weight": 0}}},
}


def made(*overlays: dict[str, Any]) -> tuple[RunParameters, Any, Any]:
    run = run_of_method("dcdlearn", *overlays)
    torch.manual_seed(1)
    sizes = sizes_of(run)
    return run, build_network(run, sizes).train(), build_losses(run, sizes)


def seen_by(run: RunParameters) -> Seen:
    return Seen(IMAGES, LABELS, Side(run.method.needs(run).training, camera=CAMERAS))


def test_cameras_are_needed_in_training_alone_and_not_by_the_control() -> None:
    run, _, _ = made()
    assert run.method.needs(run).training.names() == ("camera",) and not run.method.needs(run).test
    control, _, _ = made(PLAIN)
    assert not control.method.needs(control).training and not control.method.camera_styles(control)


def test_three_orders_go_through_one_network_in_training_and_the_image_alone_at_test() -> None:
    run, network, _ = made()
    seen = seen_by(run)
    styles = sizes_of(run).styles
    moved, back = StyleTransfer(styles)(IMAGES, CAMERAS)
    output = network(seen)
    _, other, _ = made()
    whole = other.main_branch(
        other.mining(other.run_blocks(torch.cat([IMAGES, moved, back]))), Seen(IMAGES, LABELS)
    ).feature
    torch.testing.assert_close(torch.cat([one.feature for one in output.branches]), whole)
    assert len(output.branches) == 3 and all(one.logits.shape == (6, 6) for one in output.branches)
    assert len(network.eval()(seen).branches) == 1


def test_losses_by_loops() -> None:
    _, _, losses = made()
    chance = torch.Generator().manual_seed(4)
    features = torch.rand(3, 6, 16, generator=chance)
    logits = torch.randn(3, 6, 6, generator=chance)
    branches = tuple(Branch(one, one, its) for one, its in zip(features, logits, strict=True))
    centres = torch.rand(6, 16, generator=chance)
    losses.centres.centres.copy_(centres)
    found = losses(Output(branches), Targets(LABELS))
    identity = triplet = centre = 0.0
    places = [(order, image) for order in range(3) for image in range(6)]
    for order, image in places:
        label = int(LABELS[image])
        identity -= float(logits[order, image].log_softmax(0)[label]) / 18
        centre += float((features[order, image] - centres[label]).square().sum()) / 2 / 18
        far, near = [], []
        for other in places:
            if other != (order, image):
                distance = float((features[order, image] - features[other]).norm())
                (far if LABELS[other[1]] == label else near).append(distance)
        triplet += max(max(far) - min(near) + 0.3, 0.0) / 18
    assert float(found["identity"]) == pytest.approx(identity, rel=1e-4)
    assert float(found["triplet"]) == pytest.approx(triplet, rel=1e-4)
    assert float(found["centre"]) == pytest.approx(centre, rel=1e-4)
    assert float(found.total) == pytest.approx(identity + triplet + 0.0005 * centre, rel=1e-4)


def test_three_equal_orders_are_one() -> None:
    run, network, losses = made()
    equal = CameraStyles(torch.full((3, 3), 0.5), torch.full((3, 3), 0.2), 0)
    network.styles = StyleTransfer(equal)
    unknown = Side(run.method.needs(run).training, camera=torch.full((6,), -1))
    thrice = losses(network(Seen(IMAGES, LABELS, unknown)), Targets(LABELS))
    _, control, one = made(PLAIN)
    once = one(control(Seen(IMAGES, LABELS)), Targets(LABELS))
    for name in ("total", "identity", "triplet", "centre"):
        torch.testing.assert_close(thrice[name], once[name], rtol=1e-4, atol=1e-5)


def test_the_control_without_centres_is_the_baseline_to_the_digit(tmp_path: Path) -> None:
    ours = run_of_method("dcdlearn", PLAIN, {"method": {"centre_weight": 0.0}})
    mine = trainer_of(ours, tmp_path / "dcdlearn")
    theirs = trainer_of(run_of_method("svrn", BASELINE), tmp_path / "baseline")
    mine.run()
    theirs.run()
    columns = [theirs.parts.index(name) for name in ("total", "identity", "triplet")]
    assert np.array_equal(losses_of(mine, tmp_path)[:, :3], losses_of(theirs, tmp_path)[:, columns])


def test_images_without_cameras_are_refused_in_training_and_a_trained_network_needs_no_styles() -> None:
    run, network, _ = made()
    with pytest.raises(UserError, match="whose cameras are known"):
        network(Seen(IMAGES, LABELS))
    opened = build_network(run, Sizes(6))
    opened.load_state_dict(network.state_dict())
    network.eval()
    assert torch.equal(opened.eval().embed(IMAGES, run.inference), network.embed(IMAGES, run.inference))


def test_only_batch_hard_triplets_go_across_orders() -> None:
    with pytest.raises(ValueError, match="batch-hard"):
        run_of_method("dcdlearn", {"training": {"losses": {"triplet": {"kind": "circle"}}}})
