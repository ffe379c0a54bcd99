"""Zip, tar and rar behind one face: what is in an archive, what of it is no plain file, and its bytes."""

from __future__ import annotations

import contextlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from svrn.errors import UserError

_MOST_AFTER_END = 1 << 28
_RAR = b"Rar!\x1a\x07"


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive. `name` is relative, with forward slashes; `key` finds it in the archive."""

    name: str
    size: int
    is_folder: bool
    refused: str | None
    key: object


class Reader(Protocol):
    """What each kind of archive can do."""

    def parts(self) -> list[Path]: ...

    def members(self) -> Iterator[Member]: ...

    def open(self, member: Member) -> IO[bytes]: ...

    def close(self) -> None: ...


@contextlib.contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Every way in which a broken archive shows itself becomes one message."""
    import lzma

    import rarfile

    try:
        yield
    except rarfile.RarCannotExec:
        raise UserError(
            "a rar archive needs an unpacker, and none is installed",
            where=str(archive),
            mend="install unrar, unar, 7-Zip or bsdtar; or unpack it yourself and name the folder",
        ) from None
    except rarfile.NeedFirstVolume:
        raise UserError("not the first part", where=str(archive), mend="name the first part (part1, part01)") from None
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        rarfile.Error,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        what = str(error) or type(error).__name__
        raise UserError(f"broken or incomplete archive: {what}", where=str(archive), mend="get it again") from error
    except OSError as error:  # gzip's own complaints are OSErrors too
        what = error.strerror or str(error)
        mend = "get it again, or check the disk"
        raise UserError(f"cannot be unpacked: {what}", where=str(archive), mend=mend) from error
    except RuntimeError as error:  # zipfile's way to ask for a password
        raise UserError(f"cannot be unpacked: {error}", where=str(archive), mend="unpack it yourself") from error


def open_archive(archive: Path) -> Reader:
    with archive.open("rb") as file:
        start = file.read(len(_RAR))
    if start == _RAR:
        return _Rar(archive)
    if zipfile.is_zipfile(archive):
        return _Zip(archive)
    if start[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7") or tarfile.is_tarfile(archive):
        return _Tar(archive)
    raise UserError(
        "neither zip, tar nor rar",
        where=str(archive),
        mend="give one of these, or unpack it and name the folder",
    )


class _Zip:
    def __init__(self, archive: Path) -> None:
        self.file = zipfile.ZipFile(archive)
        self.archive = archive

    def parts(self) -> list[Path]:
        return [self.archive]

    def members(self) -> Iterator[Member]:
        for info in self.file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            refused = None
            if info.flag_bits & 0x1:
                refused = "it is encrypted"
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                refused = "it is a link" if kind == stat.S_IFLNK else "it is a device or pipe"
            yield Member(info.filename, info.file_size, info.is_dir(), refused, info)

    def open(self, member: Member) -> IO[bytes]:
        assert isinstance(member.key, zipfile.ZipInfo)
        return self.file.open(member.key)

    def close(self) -> None:
        self.file.close()


class _Tar:
    def __init__(self, archive: Path) -> None:
        self.file = tarfile.open(archive)  # noqa: SIM115 - closed by `close`
        self.archive = archive

    def parts(self) -> list[Path]:
        return [self.archive]

    def members(self) -> Iterator[Member]:
        for info in self.file:
            refused = None
            if info.issym() or info.islnk():
                refused = "it is a link"
            elif not (info.isreg() or info.isdir()):
                refused = "it is a device or pipe"
            yield Member(info.name, info.size, info.isdir(), refused, info)
        self._read_to_its_end()

    def _read_to_its_end(self) -> None:
        """gzip, bzip2 and xz compare their checksum when they come to their end, which tar itself never reads."""
        rest = 0
        while self.file.fileobj is not None and (chunk := self.file.fileobj.read(1 << 20)):
            rest += len(chunk)
            if rest > _MOST_AFTER_END:
                raise tarfile.ReadError("too much after its last member")

    def open(self, member: Member) -> IO[bytes]:
        assert isinstance(member.key, tarfile.TarInfo)
        file = self.file.extractfile(member.key)
        assert file is not None  # a regular file, by `members`
        return file

    def close(self) -> None:
        self.file.close()


class _Rar:
    """Rar through rarfile, which finds the further parts itself and runs whichever unpacker is installed."""

    def __init__(self, archive: Path) -> None:
        import rarfile

        self.file = rarfile.RarFile(archive)

    def parts(self) -> list[Path]:
        return [Path(part) for part in self.file.volumelist()]

    def members(self) -> Iterator[Member]:
        for info in self.file.infolist():
            refused = None
            if info.needs_password():
                refused = "it is encrypted"
            elif info.is_symlink() or getattr(info, "file_redir", None):
                refused = "it is a link"
            yield Member(info.filename, info.file_size, info.is_dir(), refused, info)

    def open(self, member: Member) -> IO[bytes]:
        opened: IO[bytes] = self.file.open(member.key)
        return opened

    def close(self) -> None:
        self.file.close()
