"""Side information on its way into a training: the run's own, on its training images, with the words it may learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from method_worlds import run_of_method

from svrn.config.annotations import SIDECAR, side_digest
from svrn.config.identity import run_key
from svrn.config.study import Run
from svrn.data.annotations.table import Annotations, Texts, write_annotations
from svrn.data.loading import training_images
from svrn.data.manifest import Manifest
from svrn.data.side import Vocabulary
from svrn.errors import UserError
from svrn.training import session
from svrn.training.session import Job
from tests.data.annotations.annotation_worlds import manifest_in

COLOURS = ("red", "blue", "red", "white", "blue", "red", "teal", "teal", "red", "blue")
TYPES = ("van", "van", "bus", "bus", "van", "bus", "sedan", "bus", "van", "van")


def world(folder: Path, colours: tuple[str, ...] = COLOURS) -> Manifest:
    """Six training and four test images, a colour and a type of each; teal and sedan are the test images' alone."""
    manifest = manifest_in(folder)
    columns = {
        f"attribute:{name}": Texts(np.array(values, object)) for name, values in (("colour", colours), ("type", TYPES))
    }
    images = manifest.table["image"].to_numpy(dtype=object)
    write_annotations(Annotations(images, columns, dict.fromkeys(columns, "release")), manifest, folder)
    return manifest


def job_of(manifest: Manifest, method: str, folder: Path) -> Job:
    parameters = run_of_method(method)
    needs = parameters.method.needs(parameters).training
    side = side_digest(folder / SIDECAR, needs, "train") if needs else None
    key = run_key(parameters, manifest.train_digest, side)
    return Job(Run(key, "a run", parameters, manifest.benchmark, manifest.train_digest, side), manifest, folder / "run")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the workflow has a benchmark: data/NAME below the project."""
    monkeypatch.chdir(tmp_path)
    return Path("data") / "cars"


def test_a_training_reads_what_is_told_of_its_images_in_their_order(folder: Path) -> None:
    manifest = world(folder)
    images = training_images(manifest)
    vocabulary, table = session._side_information(job_of(manifest, "agnet", folder), images)
    assert vocabulary == Vocabulary((), {"colour": ("blue", "red", "white"), "type": ("bus", "van")})
    assert table is not None and table.attributes is not None
    names = list(manifest.table["image"])
    for name, told in zip(images.names, table.attributes.tolist(), strict=True):
        number = names.index(name)
        assert told == [("blue", "red", "white").index(COLOURS[number]), ("bus", "van").index(TYPES[number])]


def test_a_method_that_reads_none_is_given_none(folder: Path) -> None:
    manifest = world(folder)
    assert session._side_information(job_of(manifest, "bot", folder), training_images(manifest)) == (None, None)


def test_other_side_information_of_the_training_images_is_another_run(folder: Path) -> None:
    job = job_of(world(folder), "agnet", folder)
    other = world(folder, ("white", *COLOURS[1:]))
    with pytest.raises(UserError, match=f"is not that of run {job.run.key}"):
        session._side_information(replace(job, manifest=other), training_images(other))
    test_alone = world(folder, (*COLOURS[:-1], "white"))
    session._side_information(replace(job, manifest=test_alone), training_images(test_alone))
