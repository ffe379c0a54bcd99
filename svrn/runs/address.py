"""Where a group shares its runs."""

from __future__ import annotations

from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any

from svrn.errors import UserError


def store_address(asked: str | None, settings: str | None) -> str:
    """Where runs are shared: as asked, as params/config.yaml says, or beside DVC's default remote.

    Raises:
        UserError: none of them says.
    """
    address = asked or settings or _beside_dvc()
    if address is None:
        raise UserError(
            "nothing says where runs are shared",
            where="--store",
            mend="set `store:` in params/config.yaml to a folder or address, or make a DVC remote the default",
        )
    return address


def _beside_dvc() -> str | None:
    """A folder in DVC's default remote, which DVC itself leaves alone."""
    settings: dict[str, dict[str, Any]] = {}
    for file in (Path(".dvc/config"), Path(".dvc/config.local")):
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(file, encoding="utf-8")
        except ConfigError:
            continue
        for section in parser.sections():
            settings.setdefault(section.strip("'"), {}).update(parser.items(section))
    name = settings.get("core", {}).get("remote")
    url = settings.get(f'remote "{name}"', {}).get("url")
    if url is None:
        return None
    place = url if "://" in url else (Path(".dvc") / url).as_posix()  # an absolute path stays what it is
    return f"{place.rstrip('/')}/svrn-runs"
