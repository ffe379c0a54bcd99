"""The shortest training, to be read from top to bottom: a suite's first run, on a benchmark that is there.

    svrn data manifest tiny-veri776 --out data/tiny-veri776/manifest.parquet
    python examples/train.py smoke

It gives what `svrn train`, `svrn embed` and `svrn evaluate` give; they add resuming, records, devices and speed.
"""

import sys

import numpy as np
import torch

from svrn.config.study import load_study
from svrn.data.cache import ImageStore
from svrn.data.embeddings import Embeddings
from svrn.data.loading import TrainingBatches, evaluation_batches, training_images
from svrn.data.manifest import read_manifest
from svrn.evaluation.embedding import test_images
from svrn.evaluation.evaluator import evaluate
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.output import Seen, Sizes, Targets
from svrn.training.optimisation import build_optimiser, rate_factor

# What is trained: a suite names tables, their rows name models, and a row on a benchmark with a seed is a run.
study = load_study(sys.argv[1])
run = next(run for run in study.runs.values() if run.annotations is None)  # its method reads vehicles alone
parameters, training = run.parameters, run.parameters.training

# Batches of P vehicles with K images each, decoded and augmented; batch number i is always the same.
manifest = read_manifest(run.manifest)
images = training_images(manifest)
batches = TrainingBatches(images, ImageStore(images.files, images.fingerprints, training.input), training)

# The method's network and losses, by the run's parameters.
torch.manual_seed(training.seed)
sizes = Sizes(images.identities, len(images.files))
network, losses = build_network(parameters, sizes).train(), build_losses(parameters, sizes)
optimiser = build_optimiser(network, training.optimisation, losses)
rates = [group["lr"] for group in optimiser.param_groups]

for step in range(training.optimisation.epochs * batches.per_epoch):
    if step % batches.per_epoch == 0:
        losses.begin_epoch(step // batches.per_epoch)
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * rate_factor(training.optimisation, step, batches.per_epoch)
    batch = batches.batch(step)
    chance = network.chance(len(batch.images), torch.Generator().manual_seed((training.seed << 32) + step))
    output = network(Seen(batch.images, batch.labels, chance=chance))
    loss = losses(output, Targets(batch.labels, batch.rows))
    optimiser.zero_grad()
    loss.total.backward()
    optimiser.step()
    print(f"{run.label}, step {step + 1}:", ", ".join(f"{name} {loss[name]:.6f}" for name in ("total", *losses.names)))

# Embeddings of the test images, scored by the benchmark's headline protocol.
network.eval()
rows = test_images(manifest)
parts = [
    network.embed(seen, parameters.inference) for _, seen, _ in evaluation_batches(manifest, rows, training.input, 16)
]
embeddings = Embeddings(rows["image"].to_numpy(dtype=object), np.concatenate([part.numpy() for part in parts]), {})
name, test = next(iter(study.benchmarks[run.benchmark].tests.items()))
print(f"{run.benchmark}, {name}, {test.protocols[0]}:")
print(evaluate(embeddings, manifest, test.protocols[0], name).scores.named())
