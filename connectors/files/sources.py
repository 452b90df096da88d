"""Files on disk and members of zips, as one thing: a name, a size, a signature that changes with the content, and
a way to open it. Symbolic links and devices are never followed; nothing is unpacked by name."""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from connectors.errors import BadItem

MAX_MEMBERS: Final = 500_000
MAX_UNPACKED: Final = 200 * 1024**3
MAX_RATIO: Final = 200
SMALL: Final = 64 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
# What zipfile raises for damaged or unsupported members (NotImplementedError: an unknown way of packing).
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


class Source(Protocol):
    """A file to read. ``rel`` is its path below the archive, with slashes; ``modified`` is seconds since 1970."""

    @property
    def rel(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def modified(self) -> float: ...

    @property
    def signature(self) -> str: ...

    def open(self) -> BinaryIO:
        """A seekable binary file, the caller closes it. Raises BadItem."""
        ...

    def head(self, length: int) -> bytes:
        """The first bytes. Raises BadItem."""
        ...


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A regular file."""

    rel: str
    size: int
    modified: float
    signature: str
    path: Path

    def open(self) -> BinaryIO:
        """See ``Source.open``; a link put in the file's place meanwhile is refused."""
        try:
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError as error:
            raise BadItem(f'"{self.rel}" cannot be opened: {error.strerror}.', remote_id=self.rel) from None
        return os.fdopen(handle, "rb")

    def head(self, length: int) -> bytes:
        """See ``Source.head``."""
        with self.open() as handle:
            return handle.read(length)


class ZipArchive:
    """An opened zip: its table of contents is read once for all its members."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._handle: BinaryIO | None = None
        self._packed: zipfile.ZipFile | None = None

    def packed(self) -> zipfile.ZipFile:
        """The zip, opened on first use. Raises BadItem, zipfile.BadZipFile and what else zipfile raises."""
        if self._packed is None:
            self._handle = self.source.open()
            self._packed = zipfile.ZipFile(self._handle)
        return self._packed

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._handle is not None:
            self._handle.close()
        self._handle = self._packed = None


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file within a zip. Opening unpacks it into a nameless temporary file, never past its declared size."""

    rel: str
    size: int
    modified: float
    signature: str
    archive: ZipArchive
    member: zipfile.ZipInfo

    def open(self) -> BinaryIO:
        """See ``Source.open``. Raises BadItem when it is encrypted, damaged, or swells beyond measure."""
        target = tempfile.SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 - handed to the caller, who closes it
        try:
            for chunk in self._chunks(self.size):
                target.write(chunk)
        except BaseException:
            target.close()
            raise
        target.seek(0)
        return cast(BinaryIO, target)

    def head(self, length: int) -> bytes:
        """See ``Source.head``. Unpacks no more than it must."""
        return b"".join(self._chunks(min(length, self.size)))

    def _chunks(self, length: int) -> Iterator[bytes]:
        self._check()
        try:
            with self.archive.packed().open(self.member) as stream:
                while length > 0 and (chunk := stream.read(min(_CHUNK, length))):
                    length -= len(chunk)
                    yield chunk
        except _DAMAGE:
            text = f'"{self.rel}" is damaged or packed in a way that cannot be read.'
            raise BadItem(text, remote_id=self.rel, code="damaged") from None

    def _check(self) -> None:
        if self.member.flag_bits & 1:
            text = f'"{self.rel}" is encrypted; unpack it with its password and add it again.'
            raise BadItem(text, remote_id=self.rel, code="encrypted")
        swells = self.size > SMALL and self.size > MAX_RATIO * max(self.member.compress_size, 1)
        if swells or self.size > MAX_UNPACKED:
            raise BadItem(f'"{self.rel}" would unpack to {self.size} bytes.', remote_id=self.rel, code="zip_bomb")


def disk_file(path: Path, rel: str) -> DiskFile | None:
    """The regular file at ``path``; None for a link, a device or what is gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return DiskFile(rel, found.st_size, found.st_mtime, f"{found.st_size}.{found.st_mtime_ns}", path)


def members(archive: ZipArchive) -> Iterator[ZipMember]:
    """The files of a zip, in its order. Raises BadItem for a zip that is cut, damaged, or holds too much."""
    rel = archive.source.rel
    try:
        entries = [entry for entry in archive.packed().infolist() if not entry.is_dir()]
    except _DAMAGE:
        text = f'"{rel}" is no complete zip file; copy it again.'
        raise BadItem(text, remote_id=rel, code="damaged") from None
    if len(entries) > MAX_MEMBERS or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        text = f'"{rel}" holds too much ({len(entries)} files).'
        raise BadItem(text, remote_id=rel, code="zip_bomb")
    for entry in entries:
        if not stat.S_ISLNK(entry.external_attr >> 16):
            yield _member(archive, entry)


def _member(archive: ZipArchive, entry: zipfile.ZipInfo) -> ZipMember:
    parts = [part for part in entry.filename.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    year, month, day, hour, minute, second = entry.date_time
    # The order of members by their local times is all this is for, so the zone does not matter.
    order = ((((year * 13 + month) * 32 + day) * 24 + hour) * 60 + minute) * 60.0 + second
    rel = "/".join([archive.source.rel, *parts])
    return ZipMember(rel, entry.file_size, order, f"{entry.file_size}.{entry.CRC:x}", archive, entry)
