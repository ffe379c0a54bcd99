"""Where parameters are found: the user's own folder first, then what the workflow brings, then the package.

A project that only calls the workflow (`module svrn: …`, or a folder that snakedeploy made) needs no params/ of its
own; a file that it does have there stands before the workflow's of the same name.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from importlib import metadata
from pathlib import Path

from svrn import __version__

PARAMS = Path("params")
#: Set by the workflow for the commands that it calls: where its own parameters are, and the settings that it was given.
PARAMS_VARIABLE = "SVRN_PARAMS"
SETTINGS_VARIABLE = "SVRN_SETTINGS"
#: What pip installs the package from, for workflow/envs/svrn.post-deploy.sh.
SOURCE_VARIABLE = "SVRN_SOURCE"
#: The run whose weights come with the package.
SHIPPED = Path(__file__).resolve().parents[1] / "shipped"
_PACKAGED = Path(__file__).resolve().parents[1] / "params"


def layers(place: Path) -> list[Path]:
    """A file or folder of params/ in every place where it may be, the user's own first; another path alone."""
    if place.is_absolute() or place.parts[:1] != PARAMS.parts:
        return [place]
    inner = place.relative_to(PARAMS)
    workflow = os.environ.get(PARAMS_VARIABLE)
    below = [Path(workflow) / inner] if workflow else []
    return [place, *below, _PACKAGED / inner]


def find(file: Path) -> Path:
    """The first of a file's places where it is; the user's own where it is nowhere."""
    return next((place for place in layers(file) if place.is_file()), file)


def names(folder: Path) -> list[str]:
    """The names of the YAML files in a folder of parameters, those of the workflow and of the package among them."""
    return sorted({file.stem for place in layers(folder) for file in place.glob("[!.]*.yaml")})


def installed_from() -> str:
    """What pip was given when the package was installed, so that another environment gets the same."""
    direct = metadata.distribution("svrn").read_text("direct_url.json")
    if direct is None:
        return f"svrn=={__version__}"
    origin = json.loads(direct)
    if "vcs_info" in origin:
        version = origin["vcs_info"]
        return f"svrn @ {version['vcs']}+{origin['url']}@{version['commit_id']}"
    if "dir_info" in origin:
        return urllib.request.url2pathname(urllib.parse.urlsplit(origin["url"]).path)
    return f"svrn @ {origin['url']}"


def settings_file(params: Path) -> Path:
    """Where the user's settings are: params/config.yaml, or config/config.yaml as snakedeploy lays a project out."""
    own = params / "config.yaml"
    deployed = Path("config") / "config.yaml"
    if params == PARAMS and not own.is_file() and deployed.is_file():
        return deployed
    return find(own)
