"""Put a trained run into the package, for a release: python tools/ship_weights.py KEY

Copies results/runs/KEY's configuration, environment, weights and record to svrn/shipped/ and writes its card there. The
run must be scored: its card says what it is worth, and on what that was not measured. What exported files of it scored
beside it (`svrn export --run KEY --format onnx-int8 --score BENCHMARK`) stands in the card too.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svrn.errors import UserError
from svrn.files import write_text
from svrn.reporting.card import file_scores, model_card
from svrn.runs.folder import check_run, sha256_of
from svrn.runs.shipped import CARD, FILES, FOLDER

NOTE = """
## On photographs

These weights were trained on rendered vehicles alone. What they find among photographs was not measured: no real
benchmark was at hand. Take them to try the commands; for work, train on images like yours.
"""


def ship(run: Path, target: Path = FOLDER) -> None:
    """Copy a scored run into the package.

    Raises:
        UserError: not a finished run, or it has no scores.
    """
    check_run(run, run.name)
    if not list(run.glob("evaluations/*/metrics.json")):
        raise UserError("this run is not scored", where=str(run), mend="make its suite's tables first")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(run / name, target / name)
    exported = "".join(
        file_scores(json.loads(record.read_text(encoding="utf-8")))
        for record in sorted((run / "export").glob("*.scores.json"))
    )
    write_text(target / CARD, model_card(run) + exported + NOTE)
    check_shipped(target)


def check_shipped(folder: Path) -> None:
    """That a release can carry what is in `folder`.

    Raises:
        UserError: a file is missing, the weights are not those of their record, or the card does not say what they are
            worth, and on what that was not measured.
    """
    for name in (*FILES, CARD):
        if not (folder / name).is_file():
            raise UserError(f"no {name}", where=str(folder), mend="python tools/ship_weights.py KEY")
    recorded = json.loads((folder / "run.json").read_text(encoding="utf-8"))["model_digest"]
    if sha256_of(folder / "model.safetensors") != recorded:
        raise UserError("the weights are not those that run.json names", where=str(folder), mend="ship them again")
    card = (folder / CARD).read_text(encoding="utf-8")
    if "## Scores" not in card or "Not scored yet" in card or NOTE not in card:
        raise UserError("the card lacks scores or their limits", where=str(folder / CARD), mend="ship them again")


if __name__ == "__main__":
    try:
        ship(Path("results/runs") / sys.argv[1])
    except UserError as error:
        sys.exit(f"svrn: {error}")
    print(f"written: {FOLDER}; commit it, then make release")
