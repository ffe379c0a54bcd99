"""Write workflow/envs/svrn.yaml, the conda environment of the rules, from requirements.lock; `make lock` calls it.

python tools/environment_file.py

The pins stand in the file itself: Snakemake copies it into its own folder (`--conda-prefix`), from where no path leads
back to this one. The package itself is added by svrn.post-deploy.sh.
"""

from __future__ import annotations

import re
from pathlib import Path

LOCK = Path("requirements.lock")
FILE = Path("workflow/envs/svrn.yaml")
HEAD = """\
# The environment of every rule where the user asks for conda (`--software-deployment-method conda`). Without that the
# rules run in the environment that snakemake itself runs in, as `make env` makes it.
# Made from requirements.lock by `make lock`. svrn.post-deploy.sh adds the package itself.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =3.11
  - pip
  - pip:
"""


def pins(lock: str) -> list[str]:
    """The requirements of a lock file, their hashes left out (conda passes none on)."""
    return [re.sub(r"\s*\\$", "", line) for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def environment_file(lock: str) -> str:
    """The text of the environment's file."""
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins(lock))


if __name__ == "__main__":
    FILE.write_text(environment_file(LOCK.read_text(encoding="utf-8")), encoding="utf-8")
