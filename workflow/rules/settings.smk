"""The settings that the workflow was called with, and what its commands must know of them."""

import sys
from os import environ
from pathlib import Path

try:
    from svrn.config import products
    from svrn.errors import UserError
except ModuleNotFoundError as missing:
    print(
        f"svrn: {missing.name} is not installed where {sys.executable} looks\n  mend: install the package svrn"
        f" {VERSION} beside Snakemake, for example with `make env`",
        file=sys.stderr,
    )
    sys.exit(2)


def or_stop(load, *arguments):
    """Call; a user's mistake is one message and exit code 2, not a traceback."""
    try:
        return load(*arguments)
    except UserError as error:
        print(f"svrn: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def repository():
    """The folder that this workflow is part of; None where the workflow is not on disk."""
    here = Path(str(workflow.current_basedir))  # an address is no folder
    return here.resolve().parents[1] if here.is_dir() else None


or_stop(products.check_module, VERSION, workflow.modifier.path_modifier.prefix)
or_stop(products.check_command_line, config)
settings = or_stop(products.settings_of, config)
environ.update(or_stop(products.environment, settings, repository()))
SUITE = settings.suite
