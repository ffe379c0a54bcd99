"""Put a trained run into the package, for a release: python tools/ship_weights.py KEY

Copies results/runs/KEY's configuration, environment, weights and record to svrn/shipped/ and writes its card there. The
run must be scored: its card says what it is worth, and on what that was not measured.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svrn.errors import UserError
from svrn.files import write_text
from svrn.reporting.card import model_card
from svrn.runs.folder import check_run
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
    write_text(target / CARD, model_card(run) + NOTE)


if __name__ == "__main__":
    try:
        ship(Path("results/runs") / sys.argv[1])
    except UserError as error:
        sys.exit(f"svrn: {error}")
    print(f"written: {FOLDER}; commit it, then make release")
