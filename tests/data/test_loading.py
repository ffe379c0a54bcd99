"""Decoding, the packed cache, augmentation and batches."""

import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from svrn.config.parameters import Batches, Input, Optimisation, Training
from svrn.data.augmentation import DEVIATION, MEAN, augment, draws, erased_box, normalise
from svrn.data.cache import ImageStore, packed
from svrn.data.decode import decode
from svrn.data.loading import TrainingBatches, evaluation_batches, training_images
from svrn.data.manifest import SCHEMA, Manifest
from svrn.errors import UserError


def structured(seed: int, width: int = 90, height: int = 70) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def manifest(tmp_path):
    """12 vehicles with 4 images each; the digests do not follow the names."""
    rows = []
    for i in range(48):
        name = f"{i:03d}.jpg"
        structured(i).save(tmp_path / name, quality=92)
        digest = f"{(i * 7919) % 1009:04x}"
        rows.append({"image": name, "path": name, "vehicle": 100 + i // 4, "split": "train", "digest": digest})
    table = pd.DataFrame(rows).reindex(columns=SCHEMA.names).astype({"digest": "string"})
    return Manifest(table, tmp_path, "things")


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_the_picture_is_pils(tmp_path, interpolation, size):
    structured(1).save(tmp_path / "a.jpg", quality=90)
    ours = decode(tmp_path / "a.jpg", size, interpolation).permute(1, 2, 0).numpy().astype(int)
    how = getattr(Image.Resampling, interpolation.upper())
    theirs = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB").resize((size, size), how)).astype(int)
    assert abs(ours - theirs).max() <= 2
    assert abs(ours - theirs).mean() < 0.02


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_grey_and_palette_images_become_rgb(tmp_path, mode):
    structured(2).convert(mode).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 32, "bilinear").shape == (3, 32, 32)


def test_unreadable_images_are_named(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"not an image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("bad.jpg", "empty.jpg", "absent.jpg"):
        with pytest.raises(UserError, match="cannot read this image") as error:
            decode(tmp_path / name, 32, "bicubic")
        assert error.value.where == str(tmp_path / name)


def test_normalise_against_the_formula():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 5), dtype=np.uint8)
    wanted = (pixels - np.array(MEAN).reshape(3, 1, 1)) / np.array(DEVIATION).reshape(3, 1, 1)
    assert np.allclose(normalise(pixels).numpy(), wanted, atol=1e-6)


def test_augmentations_do_what_they_say():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 40, 40), dtype=np.uint8)
    chance = np.stack([draws(0, 0, 0, 0)])
    nothing = Input(flip=0, erasing=0)
    assert torch.equal(augment(pixels.copy(), chance, nothing), normalise(pixels))
    mirrored = augment(pixels.copy(), chance, Input(flip=1, erasing=0))
    assert torch.equal(mirrored, normalise(pixels).flip(-1))
    erased = augment(pixels.copy(), chance, Input(flip=0, erasing=1))
    holes = (erased[0] != normalise(pixels)[0]).any(0)
    assert 0.02 * 1600 * 0.8 <= holes.sum() <= 0.4 * 1600 * 1.2
    assert (erased[0][:, holes] == 0).all()
    moved = augment(pixels.copy(), chance, Input(flip=0, erasing=0, pad_crop=6))
    dy, dx = int(chance[0, 1] * 13) - 6, int(chance[0, 2] * 13) - 6
    padded = np.pad(pixels, ((0, 0), (0, 0), (6, 6), (6, 6)))[:, :, 6 + dy : 46 + dy, 6 + dx : 46 + dx]
    assert torch.equal(moved, normalise(padded))
    jittered = augment(pixels.copy(), chance, Input(flip=0, erasing=0, colour_jitter=0.3))
    assert not torch.equal(jittered, normalise(pixels))


def test_erasing_comes_as_often_as_asked_and_fits():
    boxes = [erased_box(draws(0, 0, i, 0)[6:], 0.5, 50) for i in range(600)]
    found = [box for box in boxes if box]
    assert 250 < len(found) < 350
    assert all(top + height <= 50 and left + width <= 50 for top, left, height, width in found)


def test_chance_belongs_to_the_image():
    one = draws(1, 2, 3, 0)
    assert (one == draws(1, 2, 3, 0)).all()
    for other in (draws(2, 2, 3, 0), draws(1, 3, 3, 0), draws(1, 2, 4, 0), draws(1, 2, 3, 1)):
        assert not np.isin(one, other).any()


def test_cache_is_made_once_and_equals_decoding(manifest, tmp_path):
    images = training_images(manifest)
    folder = tmp_path / "cache"
    stores = []

    def make() -> None:
        stores.append(ImageStore(images.files, images.fingerprints, Input(size=32), folder=folder))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(folder.glob("*.npy"))) == 1
    direct = ImageStore(images.files, images.fingerprints, Input(size=32))
    rows = np.array([5, 0, 5, 47])
    for store in stores:
        assert (store.fetch(rows) == direct.fetch(rows)).all()


def test_the_same_images_in_another_order_are_another_cache(manifest, tmp_path):
    """Rows of the packed file are positions: a cache of the same images must not be read in another order."""
    images = training_images(manifest)
    rows = np.arange(len(images.files))
    direct = ImageStore(images.files, images.fingerprints, Input(size=32)).fetch(rows)
    for order in (rows, rows[::-1], np.roll(rows, 1)):
        files, texts = [images.files[i] for i in order], [images.fingerprints[i] for i in order]
        store = ImageStore(files, texts, Input(size=32), folder=tmp_path / "cache")
        assert (store.fetch(rows) == direct[order]).all()
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 3
    for other in (Input(size=16), Input(size=32, interpolation="bilinear")):
        cached = ImageStore(images.files, images.fingerprints, other, folder=tmp_path / "cache").fetch(rows)
        assert (cached == ImageStore(images.files, images.fingerprints, other).fetch(rows)).all()


def test_a_cache_cut_short_is_made_again(manifest, tmp_path):
    images = training_images(manifest)
    packed(images.files, images.fingerprints, 32, "bicubic", tmp_path / "cache")
    file = next((tmp_path / "cache").glob("*.npy"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    packed(images.files, images.fingerprints, 32, "bicubic", tmp_path / "cache")
    assert file.read_bytes() == whole


def test_no_room_for_a_cache_is_said_and_lived_with(manifest, tmp_path, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    images = training_images(manifest)
    store = ImageStore(images.files, images.fingerprints, Input(size=32), folder=tmp_path / "cache")
    assert "no room" in capsys.readouterr().err
    assert store.fetch(np.array([3])).shape == (1, 3, 32, 32)


def test_an_image_that_cannot_be_read_stops_the_cache_and_leaves_nothing(manifest, tmp_path):
    (tmp_path / "007.jpg").write_bytes(b"broken")
    images = training_images(manifest)
    with pytest.raises(UserError, match="cannot read this image"):
        ImageStore(images.files, images.fingerprints, Input(size=32), folder=tmp_path / "cache")
    assert [f.suffix for f in (tmp_path / "cache").iterdir()] == [".lock"]


def test_training_order_does_not_depend_on_the_layout(manifest):
    images = training_images(manifest)
    table = manifest.table.sample(frac=1, random_state=1)
    table = table.assign(image="other_" + table["image"], vehicle=9000 - table["vehicle"])
    again = training_images(Manifest(table, manifest.root, "otherwise"))
    assert [f.name for f in images.files] == [f.name for f in again.files]
    assert (images.labels == again.labels).all()
    assert images.identities == 12


def batches_of(manifest, **more) -> TrainingBatches:
    training = Training(
        input=Input(size=32, pad_crop=2, colour_jitter=0.1),
        batches=Batches(identities=4, images=4),
        optimisation=Optimisation(batches_per_epoch=4),
        seed=5,
    )
    images = training_images(manifest)
    return TrainingBatches(images, ImageStore(images.files, images.fingerprints, training.input), training, **more)


def test_batches_do_not_depend_on_workers_or_the_way_there(manifest):
    batches = batches_of(manifest)
    alone = list(batches.iterate(range(6)))
    threaded = list(batches_of(manifest).iterate(range(6), workers=3))
    for one, other in zip(alone, threaded, strict=True):
        assert torch.equal(one.images, other.images) and one.names == other.names
    assert torch.equal(batches_of(manifest).batch(5).images, alone[5].images)


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_a_batch(manifest, world):
    whole = batches_of(manifest).batch(3)
    parts = [batches_of(manifest, rank=r, world=world).batch(3) for r in range(world)]
    assert torch.equal(torch.cat([p.images for p in parts]), whole.images)
    assert torch.equal(torch.cat([p.labels for p in parts]), whole.labels)


def test_a_batch_that_does_not_divide(manifest):
    with pytest.raises(UserError, match="16 images does not divide by 3"):
        batches_of(manifest, world=3)


def test_evaluation_batches(manifest, tmp_path):
    rows = manifest.table.iloc[10:21]
    plain = list(evaluation_batches(manifest, rows, Input(size=32), 4))
    assert [len(names) for names, _, _ in plain] == [4, 4, 3]
    assert [name for names, _, _ in plain for name in names] == list(rows["image"])
    cached = list(evaluation_batches(manifest, rows, Input(size=32), 4, workers=2, cache=tmp_path / "c"))
    for one, other in zip(plain, cached, strict=True):
        assert torch.equal(one[1], other[1])
    expected = decode(tmp_path / "010.jpg", 32, "bicubic").numpy()
    assert torch.equal(plain[0][1][:1], normalise(expected[None]))


def test_a_batchs_images_are_augmented_by_seed_epoch_image_and_how_often_it_came(manifest):
    batches = batches_of(manifest)
    again = 0
    for number in (0, 3, 5, 7):
        epoch, rows = number // 4, batches.rows(number)[1]
        before = [row for earlier in range(4 * epoch, number) for row in batches.rows(earlier)[1].tolist()]
        times = [(before + rows[:place].tolist()).count(row) for place, row in enumerate(rows.tolist())]
        again += sum(count > 0 for count in times)
        chance = np.stack([draws(5, epoch, row, count) for row, count in zip(rows.tolist(), times, strict=True)])
        wanted = augment(batches.store.fetch(rows), chance, batches.training.input)
        assert torch.equal(batches.batch(number).images, wanted)
        assert batches.batch(number).rows.tolist() == rows.tolist()
    assert again > 3, "images that come a second time in an epoch"


def test_an_image_without_a_digest_is_another_when_its_file_was_written_again(manifest):
    table = manifest.table.assign(digest=pd.array([None] * len(manifest.table), dtype="string"))
    one = Manifest(table, manifest.root, "things")
    before = training_images(one).fingerprints
    assert len(set(before)) == 48 and training_images(one).fingerprints == before
    file = manifest.root / "007.jpg"
    data, status = file.read_bytes(), file.stat()
    file.write_bytes(data[::-1])  # as long as it was
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = training_images(one).fingerprints
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("change", ["longer", "of another shape", "of another type", "without a header"])
def test_a_cache_that_is_not_what_was_written_is_made_again(manifest, tmp_path, change):
    images = training_images(manifest)
    packed(images.files, images.fingerprints, 32, "bicubic", tmp_path / "cache")
    file = next((tmp_path / "cache").glob("*.npy"))
    whole = file.read_bytes()
    array = np.load(file)
    if change == "longer":
        file.write_bytes(whole + b"\0")
    elif change == "of another shape":
        np.save(file, array.reshape(96, 3, 16, 32))
    elif change == "of another type":
        np.save(file, array.view(np.int8))
    else:
        file.write_bytes(bytes(len(whole)))
    assert file.read_bytes() != whole
    found = packed(images.files, images.fingerprints, 32, "bicubic", tmp_path / "cache")
    assert file.read_bytes() == whole and (found == array).all()
