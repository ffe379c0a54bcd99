from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from svrn.data import protocols
from svrn.data.manifest import SCHEMA, Manifest
from svrn.data.protocols import NO_CAMERA
from svrn.errors import UserError


def made(rows: list[tuple[str, int, int | None, str]], tracks: list[str] | None = None) -> Manifest:
    frame = pd.DataFrame(rows, columns=["image", "vehicle", "camera", "split"])
    for name in SCHEMA.names:
        if name not in frame.columns:
            frame[name] = None
    if tracks:
        frame["track"] = tracks
    kinds = {"vehicle": "Int64", "camera": "Int64", "frame": "Int64", "width": "Int32", "height": "Int32"}
    return Manifest(frame[SCHEMA.names].astype(kinds), Path(), "made")


POOL = made([(f"{i:03d}", i % 7, None, "S.pool" if i % 2 else "S.pool+M.pool") for i in range(60)])
FIXED = made([("q", 1, 1, "query+gallery"), ("b", 1, 2, "gallery"), ("a", 2, 1, "gallery"), ("t", 3, 1, "train")])


def test_every_protocol_is_found_by_its_name() -> None:
    assert set(protocols.names()) >= {
        "veri776",
        "veri776-track",
        "vehicleid",
        "vehicleid-inverted",
        "veriwild",
        "veriwild-junk-kept",
        "plain",
    }
    for name in protocols.names():
        assert protocols.get(name).name == name


def test_a_wrong_name_gets_the_nearest_and_all() -> None:
    with pytest.raises(UserError) as error:
        protocols.get("VeRi-776")
    assert "did you mean 'veri776'" in str(error.value)
    assert all(name in str(error.value) for name in protocols.names())


def test_fixed_roles_come_from_the_manifest_in_name_order() -> None:
    (trial,) = protocols.trials(FIXED, protocols.get("veri776"))
    assert trial.draw is None
    assert trial.query.images.tolist() == ["q"]
    assert trial.gallery.images.tolist() == ["a", "b", "q"]
    assert trial.gallery.cameras.tolist() == [1, 2, 1]


def test_draws_are_what_their_description_says() -> None:
    """Worked out again from the rule alone: the image of a vehicle with the least sha256 of
    seed/draw/image."""
    found = list(protocols.trials(POOL, protocols.get("vehicleid"), "S"))
    assert [trial.draw for trial in found] == list(range(1, 11))
    table = POOL.members("pool", "S")
    for trial in found:
        wanted = []
        for _, group in table.groupby("vehicle"):
            wanted.append(min(group["image"], key=lambda n: hashlib.sha256(f"2016/{trial.draw}/{n}".encode()).digest()))
        assert trial.gallery.images.tolist() == sorted(wanted)
        assert trial.drawn == sorted(wanted)
        assert sorted(set(table["image"]) - set(wanted)) == trial.query.images.tolist()
    assert len({tuple(trial.drawn) for trial in found}) == 10


def test_the_first_draw_is_published_here() -> None:
    first = next(iter(protocols.trials(POOL, protocols.get("vehicleid"), "S")))
    assert first.drawn == ["000", "003", "004", "005", "006", "029", "037"]


def test_draws_do_not_depend_on_the_order_of_rows() -> None:
    shuffled = Manifest(POOL.table.sample(frac=1, random_state=3), POOL.root, "made")
    for name in ("vehicleid", "vehicleid-inverted"):
        rule = protocols.get(name)
        for a, b in zip(protocols.trials(POOL, rule, "S"), protocols.trials(shuffled, rule, "S"), strict=True):
            assert a.query.images.tolist() == b.query.images.tolist()
            assert a.gallery.vehicles.tolist() == b.gallery.vehicles.tolist()


def test_inverted_swaps_the_roles_of_the_same_draws() -> None:
    straight = protocols.trials(POOL, protocols.get("vehicleid"), "M")
    inverted = protocols.trials(POOL, protocols.get("vehicleid-inverted"), "M")
    for a, b in zip(straight, inverted, strict=True):
        assert a.gallery.images.tolist() == b.query.images.tolist()
        assert a.query.images.tolist() == b.gallery.images.tolist()


def test_every_image_of_a_pool_has_one_role_in_each_draw() -> None:
    for trial in protocols.trials(POOL, protocols.get("vehicleid"), "S"):
        assert sorted([*trial.query.images, *trial.gallery.images]) == sorted(POOL.members("pool", "S")["image"])
        assert len(np.unique(trial.gallery.vehicles)) == len(trial.gallery)


def test_a_missing_camera_is_an_error_where_the_protocol_rests_on_it_and_none_elsewhere() -> None:
    manifest = made([("q", 1, None, "query"), ("g", 1, 2, "gallery"), ("h", 2, 2, "gallery")])
    with pytest.raises(UserError, match="rests on cameras, 1 of 1 images have none, the first is 'q'"):
        list(protocols.trials(manifest, protocols.get("veriwild")))
    (trial,) = protocols.trials(manifest, protocols.get("plain"))
    assert trial.query.cameras.tolist() == [NO_CAMERA]


def test_tracks_are_needed_of_the_gallery_alone() -> None:
    rows: list[tuple[str, int, int | None, str]] = [
        ("q", 1, 1, "query"),
        ("g", 1, 2, "gallery"),
        ("h", 2, 2, "gallery"),
    ]
    with pytest.raises(UserError, match="rests on tracks"):
        list(protocols.trials(made(rows), protocols.get("veri776-track")))
    (trial,) = protocols.trials(made(rows, ["", "t", "u"]), protocols.get("veri776-track"))
    assert trial.gallery.tracks.tolist() == ["t", "u"]


def test_wrong_test_sets_and_roles_are_said() -> None:
    with pytest.raises(UserError, match="no test set 'S'") as error:
        list(protocols.trials(FIXED, protocols.get("veri776"), "S"))
    assert "test sets here: test" in str(error.value)
    with pytest.raises(UserError, match="needs images in the role 'query'") as error:
        list(protocols.trials(POOL, protocols.get("veri776"), "S"))
    assert "vehicleid" in str(error.value)
    with pytest.raises(UserError, match="role 'pool'"):
        list(protocols.trials(FIXED, protocols.get("vehicleid")))
    alone = made([(str(i), i, None, "S.pool") for i in range(4)])
    with pytest.raises(UserError, match="every vehicle has one image"):
        list(protocols.trials(alone, protocols.get("vehicleid"), "S"))


def test_one_vehicle_alone_is_no_test_set() -> None:
    """A competition's test set has no labels; loaders give all its images one, and every search is right."""
    unlabelled = made([("q", 0, 1, "query"), ("a", 0, 2, "gallery"), ("b", 0, 3, "gallery")])
    for name in ("veri776", "plain", "veriwild-junk-kept"):
        with pytest.raises(UserError, match=r"all 2 gallery images of test set 'test' are of one vehicle \(0\)"):
            list(protocols.trials(unlabelled, protocols.get(name)))
    with pytest.raises(UserError, match="are of one vehicle"):
        list(protocols.trials(made([(str(i), 5, None, "S.pool") for i in range(4)]), protocols.get("vehicleid"), "S"))
    two = made([("q", 0, 1, "query"), ("a", 0, 2, "gallery"), ("b", 1, 3, "gallery")])
    assert len(list(protocols.trials(two, protocols.get("plain")))) == 1


def test_a_test_set_without_an_answer_is_said_before_anything_is_trained() -> None:
    one_camera = made([("q", 1, 1, "query"), ("a", 1, 1, "gallery"), ("b", 2, 1, "gallery")])
    with pytest.raises(UserError, match="none of the 1 queries of test set 'test' has a match"):
        protocols.check(one_camera, protocols.get("veri776"))
    protocols.check(one_camera, protocols.get("plain"))
    itself = made([("q", 1, 1, "query+gallery"), ("b", 2, 1, "gallery")])
    with pytest.raises(UserError, match="another image of its vehicle"):
        protocols.check(itself, protocols.get("plain"))


def test_what_does_not_fit_is_told_for_every_protocol() -> None:
    blind = made([("q", 1, None, "query"), ("a", 1, None, "gallery"), ("b", 2, None, "gallery")])
    reasons = protocols.misfits(blind)["test"]
    assert set(reasons) == set(protocols.names()) - {"plain", "veriwild-junk-kept"}
    assert "rests on cameras" in reasons["veri776"] and "role 'pool'" in reasons["vehicleid"]
    assert set(protocols.misfits(POOL)["S"]) == set(protocols.names()) - {"vehicleid", "vehicleid-inverted"}


def test_the_only_test_set_needs_no_name() -> None:
    assert protocols.only_test(FIXED) == "test"
    with pytest.raises(UserError, match="several test sets"):
        protocols.only_test(POOL)
    with pytest.raises(UserError, match="no test set"):
        protocols.only_test(made([("a", 1, 1, "train")]))
