"""One training from its folder's lock to its last file: alone, or as the head of several processes."""

from __future__ import annotations

import json
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from svrn.config.annotations import SIDECAR, side_digest
from svrn.config.identity import TRAINING_SEMANTICS, key_of
from svrn.config.parameters import RunParameters
from svrn.config.recorded import CONFIG, read_recorded
from svrn.config.study import Run
from svrn.data.cache import ImageStore, cache_folder
from svrn.data.loading import TrainingBatches, TrainingImages, training_images
from svrn.data.manifest import Manifest
from svrn.data.sampling import Rows
from svrn.data.side import Vocabulary
from svrn.data.side_table import SideTable, learn_vocabulary, side_table
from svrn.data.styles import camera_styles
from svrn.errors import UserError
from svrn.files import disk_errors, make_folder, remove_parts, write_json, write_text
from svrn.locks import release, try_lock
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.attributes import vehicle_attributes
from svrn.parts.output import Sizes
from svrn.training.checkpoints import clear, save_tensors, sha256_of
from svrn.training.device import prepare
from svrn.training.distributed import Group
from svrn.training.environment import Energy, device_facts, environment
from svrn.training.progress import Progress
from svrn.training.records import Events, now, read_events, seconds_before
from svrn.training.stop import StopRequest
from svrn.training.trainer import Trainer

FINAL_FILES = ("config.yaml", "env.json", "model.safetensors", "train.parquet", "run.json")


@dataclass(frozen=True)
class Job:
    """What every process of a training needs to know."""

    run: Run
    manifest: Manifest
    run_dir: Path
    position: str | None = None


def train(run: Run, manifest: Manifest, run_dir: Path, *, progress: Progress | None = None) -> None:
    """Train a run, or go on where it was stopped: see `svrn.training.train`."""
    progress = progress or Progress(f"{run.key} {run.label}")
    lock = _lock(run_dir)
    try:
        if finished(run_dir, run.key):
            clear(run_dir / "checkpoints")
            progress.say("finished already: nothing to do")
            return
        (run_dir / "run.json").unlink(missing_ok=True)
        if manifest.train_digest != run.train_digest:
            raise UserError(
                f"the training images are not those of run {run.key}: digest {manifest.train_digest[:12]}, "
                f"wanted {run.train_digest[:12]}",
                where=f"manifest of {manifest.benchmark}",
                mend="make the manifest again, then plan again: other images are another run",
            )
        job = Job(run, manifest, run_dir)
        devices = run.parameters.execution.devices
        if devices == 1:
            with StopRequest() as stop:
                train_process(job, Group(), stop, progress)
        else:
            from svrn.training.launch import launch

            launch(job, devices, progress)
    finally:
        release(lock)


def finished(run_dir: Path, key: str) -> bool:
    """Whether every file of the run is there and run.json, the last one written, names it, its weights and its log.

    Raises:
        UserError: the folder holds another run, or a config.yaml that this run was not trained by.
    """
    if not all((run_dir / name).is_file() for name in FINAL_FILES):
        return False
    try:
        record = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
        found, digests = record["key"], (record["model_digest"], record["log_digest"])
    except (ValueError, KeyError, TypeError):
        return False
    if found != key:
        raise UserError(
            f"this folder holds run {found}, not {key}", where=str(run_dir), mend="give every run its own folder"
        )
    config = key_of(read_recorded(run_dir).identity)
    if config != key:
        raise UserError(
            f"this is the configuration of run {config}, the folder holds {key}",
            where=str(run_dir / CONFIG),
            mend="put the run's own config.yaml back, or remove the folder and train the run again",
        )
    return (sha256_of(run_dir / "model.safetensors"), sha256_of(run_dir / "train.parquet")) == digests


def _lock(run_dir: Path) -> int:
    with disk_errors(run_dir):
        make_folder(run_dir)
    lock = try_lock(run_dir / ".lock")
    if lock is None:
        raise UserError(
            "this run is being trained by another process", where=str(run_dir), mend="wait for it, or stop it first"
        )
    for folder in (run_dir, run_dir / "checkpoints"):
        remove_parts(folder)
    return lock


def train_process(job: Job, group: Group, stop: StopRequest, progress: Progress) -> None:
    """Train as one process of `group`; the main one writes the run's files."""
    run, run_dir, parameters = job.run, job.run_dir, job.run.parameters
    training, execution = parameters.training, parameters.execution
    earlier, starts = seconds_before(read_events(run_dir / "events.jsonl"))
    events = Events(run_dir / "events.jsonl")
    device = prepare(training.numerics, training.seed, group.rank)
    energy = Energy(device)
    images = training_images(job.manifest)
    folder = cache_folder() if execution.cache else None
    store = ImageStore(images.files, images.fingerprints, training.input, folder=folder, workers=execution.workers)
    vocabulary, side = _side_information(job, images)
    kinds, gpu = _kinds(parameters, side), device.type == "cuda"
    batches = TrainingBatches(
        images, store, training, rank=group.rank, world=group.world, side=side, kinds=kinds, pinned=gpu
    )
    sizes = _sizes(parameters, images, store, vocabulary, side)
    network = build_network(parameters, sizes)
    losses = build_losses(parameters, sizes)
    trainer = Trainer(run.key, parameters, network, losses, batches, run_dir, device, group, events, stop, progress)
    resumed = trainer.restore()
    if group.main:
        if starts == 0 and (run_dir / "events.jsonl").is_file():
            (run_dir / "events.jsonl").unlink()
        _describe(job, sizes, device)
        events.write("start", step=trainer.step, devices=group.world, device=device_facts(device)["name"])
        if side is not None:
            progress.say(f"reads of its training images: {side.columns.in_words()}")
        if resumed:
            progress.say(f"goes on after step {trainer.step} of {trainer.steps}")
    group.wait()
    trainer.run()
    if group.main:
        _finish(job, trainer, energy, earlier, starts, device, group)


def _side_information(job: Job, images: TrainingImages) -> tuple[Vocabulary | None, SideTable | None]:
    """What the run's method reads of its training images beside them, and the words that its network may learn."""
    run = job.run
    needs = run.parameters.method.needs(run.parameters)
    both = needs.training.union(needs.test)
    if not both:
        return None, None
    folder = run.manifest.parent
    if run.side_digest is not None and side_digest(folder / SIDECAR, needs.training, "train") != run.side_digest:
        raise UserError(
            f"the side information of the training images is not that of run {run.key}",
            where=str(folder / SIDECAR),
            mend="plan again: other side information is another run",
        )
    vocabulary = learn_vocabulary(job.manifest, folder, both)
    if not needs.training:
        return vocabulary, None
    return vocabulary, side_table(job.manifest, folder, images.names, needs.training, vocabulary, part="train")


def _kinds(parameters: RunParameters, side: SideTable | None) -> Rows | None:
    """What each training image shows of the attribute over which the method spreads a vehicle's images in a batch."""
    name = parameters.method.spreads(parameters)
    if name is None:
        return None
    assert side is not None and side.attributes is not None
    found: Rows = side.attributes[:, side.columns.attributes.index(name)].numpy()
    return found


def _sizes(
    parameters: RunParameters,
    images: TrainingImages,
    store: ImageStore,
    vocabulary: Vocabulary | None,
    side: SideTable | None,
) -> Sizes:
    """What the run's network is built for: all of it follows from the training images."""
    told = None if side is None else side.attributes
    labels = torch.from_numpy(images.labels)
    attributes = None if told is None else vehicle_attributes(labels, told, images.identities)
    styles = None
    if parameters.method.camera_styles(parameters):
        assert vocabulary is not None and side is not None and side.camera is not None
        styles = camera_styles(store.fetch, side.camera.numpy(), len(vocabulary.cameras))
    return Sizes(images.identities, len(images.files), vocabulary, attributes, styles)


def _describe(job: Job, sizes: Sizes, device: torch.device) -> None:
    """config.yaml and env.json."""
    run = job.run
    content: dict[str, Any] = {
        "key": run.key,
        "label": run.label,
        "benchmark": run.benchmark,
        "train_digest": run.train_digest,
        "identities": sizes.identities,
        **({} if run.side_digest is None else {"side_digest": run.side_digest}),
        **({} if sizes.vocabulary is None else {"vocabulary": sizes.vocabulary.as_plain()}),
        "semantics": TRAINING_SEMANTICS,
        "parameters": run.parameters.model_dump(mode="json"),
    }
    write_text(job.run_dir / "config.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    write_json(job.run_dir / "env.json", environment(device))


def _finish(
    job: Job, trainer: Trainer, energy: Energy, earlier: float, starts: int, device: torch.device, group: Group
) -> None:
    """The model, the log, and last of all run.json; then the checkpoints are not needed any more."""
    run_dir, events = job.run_dir, trainer.events
    model_digest = save_tensors(trainer.model(), run_dir / "model.safetensors", {"run": job.run.key})
    trainer.log.write(run_dir / "train.parquet")
    cuda = device.type == "cuda"
    # ru_maxrss is in KiB on Linux
    peak = (
        torch.cuda.max_memory_allocated(device) if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    seconds = events.elapsed + earlier
    began = next((one["time"] for one in read_events(run_dir / "events.jsonl") if one["event"] == "start"), now())
    joules = energy.joules()
    record = {
        "key": job.run.key,
        "model_digest": model_digest,
        "log_digest": sha256_of(run_dir / "train.parquet"),
        "steps": trainer.steps,
        "device": device_facts(device)["name"],
        "device_kind": device.type,
        "devices": group.world,
        "device_seconds": round(seconds * group.world, 3),
        "peak_memory_bytes": peak,
        "energy_joules": None if joules is None else round(joules * group.world, 1),
        "precision": "float32" if trainer.autocast is None else str(trainer.autocast).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "restarts": starts,
        "started": began,
        "ended": now(),
    }
    events.write("end", step=trainer.step)
    write_json(run_dir / "run.json", record)
    clear(run_dir / "checkpoints")
    trainer.progress.say(f"finished: {trainer.steps} steps in {seconds:.0f} s")
