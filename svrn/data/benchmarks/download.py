"""Fetching an archive from an address that the user has a right to: resumable, checksummed, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from svrn.errors import UserError
from svrn.files import disk_errors, make_folder, sync

_CHUNK = 1 << 20
_TIMEOUT_S = 60
_SYNCED = 16 << 20  # bytes between two syncs: no more of a part is fetched again, whatever broke it off


def download(url: str, folder: Path, *, sha256: str | None) -> Path:
    """Fetch `url` (http, https or file) into `folder`; a broken-off download goes on where it stopped.

    The file takes its name when it is whole and, where `sha256` is given, has that checksum.

    Raises:
        UserError: another kind of address, no such file there, a broken connection, a wrong checksum.
    """
    parts = urllib.parse.urlsplit(url)
    name = Path(urllib.parse.unquote(parts.path)).name
    if parts.scheme not in ("http", "https", "file") or not name:
        raise UserError(f"not an address of a file: {url!r}", where="url", mend="http://, https:// or file://")
    final = folder / name
    if final.exists():
        _check(final, sha256)
        return final
    with disk_errors(folder):
        make_folder(folder)
        partial = folder / f".{name}.part"
        _fetch(url, partial)
        _check(partial, sha256)
        partial.replace(final)
        sync(folder)
    return final


def _fetch(url: str, partial: Path) -> None:
    begun = _kept(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            # A server that does not know ranges answers 200 with the whole file.
            resumed = begun > 0 and getattr(answer, "status", None) == 206
            with partial.open("ab" if resumed else "wb") as file:
                since = 0
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    since += len(chunk)
                    if since >= _SYNCED:
                        _sync(file)
                        since = 0
                _sync(file)
                wanted = answer.headers.get("Content-Length")
                got = file.tell() - (begun if resumed else 0)
    except urllib.error.HTTPError as error:
        if error.code == 416 and begun:  # nothing from there on: another, shorter file has taken its place
            partial.unlink()
            raise UserError("the file there has changed", where=url, mend="run the same command again") from None
        raise UserError(f"the server says {error.code} {error.reason}", where=url, mend="check the address") from None
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise UserError(f"download broke off: {error}", where=url, mend="run the same command again") from None
    if wanted is not None and got != int(wanted):
        raise UserError(f"{got:,} of {wanted} bytes arrived", where=url, mend="run the same command again")


def _kept(partial: Path) -> int:
    """How much of a part can be trusted, the rest cut off: after a power cut its last bytes may never have arrived."""
    if not partial.exists():
        return 0
    kept = max(0, partial.stat().st_size - _SYNCED)
    os.truncate(partial, kept)
    return kept


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _check(file: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with file.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != sha256.lower():
        raise UserError(
            f"its sha256 is {found}, {sha256} is wanted", where=str(file), mend=f"remove {file} and try again"
        )
