"""Which containers lie below the given paths: mbox files, Maildirs, folders of mails, calendars - also within zips.

Kinds are told by name, else by the first bytes. What is neither mail nor calendar and has a name that says so (a
program's index, a web page) is passed over; anything else that cannot be read is named as a failed item of its
folder's stream, never dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.errors import BadItem
from connectors.files.calendars import Calendar
from connectors.files.folders import Folder, Item, maildir_item
from connectors.files.mails import looks_like_mail
from connectors.files.mbox import looks_like_mbox
from connectors.files.mboxes import Mbox
from connectors.files.roles import off_reason, role
from connectors.files.sources import DiskFile, Source, ZipArchive, ZipMember, disk_file, members
from connectors.types import Stream, StreamKind, StreamRole

MAX_FILES: Final = 2_000_000
MAX_DEPTH: Final = 40

Container = Mbox | Folder | Calendar

_CALENDARS: Final = (".ics", ".ical", ".icalendar", ".ifb")
_MBOXES: Final = (".mbox", ".mbx", ".mbs")
_MAILS: Final = (".eml", ".emlx", ".msg")
_PASSED: Final = (
    ".msf", ".html", ".htm", ".json", ".csv", ".css", ".js", ".vcf", ".dat", ".plist", ".xml", ".md", ".index",
    ".cache", ".log", ".db", ".sqlite", ".lock", ".png", ".jpg", ".gif", ".svg", ".pdf", ".py",
)  # fmt: skip
_PASSED_NAMES: Final = frozenset({"thumbs.db", "desktop.ini", "subscriptions", "maildirfolder", "table_of_contents"})


@dataclass(slots=True)
class Found:
    """What the walk collects; files of one folder share a stream."""

    mboxes: list[Source] = field(default_factory=list)
    maildirs: dict[str, list[Source]] = field(default_factory=dict)
    mails: dict[str, list[Item]] = field(default_factory=dict)
    calendars: dict[str, list[Source]] = field(default_factory=dict)
    archives: list[ZipArchive] = field(default_factory=list)
    files: int = 0


@dataclass(frozen=True, slots=True)
class Contents:
    """The containers found, and the zips that stay open for them until ``close``."""

    containers: list[Container]
    archives: list[ZipArchive]

    def close(self) -> None:
        """Close the zips; using a container afterwards opens them again."""
        for archive in self.archives:
            archive.close()


def discover(paths: Iterable[Path]) -> Contents:
    """All containers below the paths. Raises BadItem when a path does not exist or there are too many files."""
    found = Found()
    used: set[str] = set()
    for path in paths:
        label = _label(path, used)
        resolved = path.resolve()
        if resolved.is_dir():
            _walk(resolved, label, found, 0)
            continue
        source = disk_file(resolved, label)
        if source is None:
            raise BadItem(f'There is no file or folder "{path}".', code="missing")
        _file(source, "", found, named=True)
    return Contents(_built(found), found.archives)


def _label(path: Path, used: set[str]) -> str:
    name = path.name or path.resolve().name or "archive"
    label = next(one for n in range(1, len(used) + 2) if (one := name if n == 1 else f"{name}~{n}") not in used)
    used.add(label)
    return label


def _walk(folder: Path, rel: str, found: Found, depth: int) -> None:
    """One folder and what is below it. Links are not followed."""
    if depth > MAX_DEPTH:
        _problem(rel, rel, f'"{rel}" lies too deep.', "too_deep", found)
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        _problem(rel, rel, f'"{rel}" cannot be listed: {error.strerror}.', "unreadable", found)
        return
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    maildir = {"cur", "new"} <= {entry.name for entry in folders}
    if maildir:
        found.maildirs.setdefault(rel, [])
    for entry in folders:
        if maildir and entry.name in ("cur", "new", "tmp"):
            if entry.name != "tmp":
                found.maildirs[rel].extend(_plain_files(Path(entry.path), f"{rel}/{entry.name}", found))
        else:
            _walk(Path(entry.path), f"{rel}/{entry.name}", found, depth + 1)
    if not entries:
        found.mails.setdefault(rel, [])  # a folder that is empty, or was emptied, is a stream with nothing in it
    for source in [] if maildir else _plain_files(folder, rel, found):
        _file(source, rel, found)


def _plain_files(folder: Path, rel: str, found: Found) -> Iterator[DiskFile]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        source = disk_file(Path(entry.path), f"{rel}/{_readable(entry.name)}")
        if source is not None:
            yield _counted(source, found)


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _counted(source: DiskFile, found: Found) -> DiskFile:
    found.files += 1
    if found.files > MAX_FILES:
        raise BadItem(f"The archive holds more than {MAX_FILES} files; add its folders one by one.", code="too_large")
    return source


def _file(source: Source, folder: str, found: Found, *, named: bool = False, zips: int = 0) -> None:
    """Sort one file in. ``named`` says that a person named it, so that it is never passed over."""
    name = source.rel.rpartition("/")[2].lower()
    if name.endswith(".zip"):
        _zip(source, folder, found, zips)
        return
    if not named and (name.startswith(".") or name.endswith(_PASSED) or name in _PASSED_NAMES or "dovecot" in name):
        return
    kind = _kind(source, name)
    if kind == "calendar":
        found.calendars.setdefault(_calendar(source, folder, named), []).append(source)
    elif kind == "mbox":
        found.mboxes.append(source)
    elif kind == "mail":
        found.mails.setdefault(folder or "files", []).append(Item(source.rel, source))
    elif named or source.size or "." in name:  # an empty file without an ending is an empty folder of Thunderbird's
        code = "not_a_mail" if source.size else "empty"
        text = f'"{source.rel}" is neither mail nor calendar.' if source.size else f'"{source.rel}" is empty.'
        _problem(folder or "files", source.rel, text, code, found, source)


def _kind(source: Source, name: str) -> str:
    """ "calendar", "mbox", "mail" or "": by the name's ending, else by the first bytes."""
    for endings, kind in ((_CALENDARS, "calendar"), (_MBOXES, "mbox"), (_MAILS, "mail")):
        if name.endswith(endings):
            return kind
    try:
        head = source.head(4096)
    except BadItem:
        return ""
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:15].upper() == b"BEGIN:VCALENDAR":
        return "calendar"
    return "mbox" if looks_like_mbox(head) else "mail" if looks_like_mail(head) else ""


def _calendar(source: Source, folder: str, named: bool) -> str:
    """The calendar a file belongs to: itself when it was named or exported by Google, where a file is a calendar; else
    its folder, where a file is an event."""
    alone = named or not folder or "takeout" in source.rel.lower()
    return source.rel if alone else folder


def _zip(source: Source, folder: str, found: Found, zips: int) -> None:
    try:
        if zips > 1:
            raise BadItem(f'"{source.rel}" is a zip within a zip within a zip.', code="too_deep")
        archive = ZipArchive(source)
        found.archives.append(archive)
        for member in members(archive):
            _member(member, found, zips + 1)
    except BadItem as problem:
        _problem(folder or "files", source.rel, str(problem), problem.code, found, source)


def _member(member: ZipMember, found: Found, zips: int) -> None:
    folder, _, _ = member.rel.rpartition("/")
    parent, _, last = folder.rpartition("/")
    if last in ("cur", "new"):
        found.maildirs.setdefault(parent, []).append(member)
    elif member.member.flag_bits & 1:
        text = f'"{member.rel}" is encrypted; unpack it with its password and add it again.'
        _problem(folder, member.rel, text, "encrypted", found, member)
    else:
        _file(member, folder, found, zips=zips)


def _problem(folder: str, key: str, text: str, code: str, found: Found, source: Source | None = None) -> None:
    held = source or DiskFile(key, 0, 0.0, code, Path(key))
    found.mails.setdefault(folder, []).append(Item(key, held, problem=BadItem(text, remote_id=key, code=code)))


def _built(found: Found) -> list[Container]:
    built: list[Container] = [Mbox(_mail_stream(source.rel), source) for source in found.mboxes]
    for rel, sources in found.maildirs.items():
        items = [maildir_item(rel, source) for source in sources]
        built.append(Folder(_mail_stream(rel, len(items)), items, maildir=True))
    for rel, loose in found.mails.items():
        id = f"{rel}#files" if rel in found.maildirs else rel
        built.append(Folder(_mail_stream(id, len(loose)), loose))
    for rel, sources in found.calendars.items():
        id = f"{rel}#calendar" if rel in found.mails or rel in found.maildirs else rel
        name = rel.removesuffix(".ics") + (" (calendar)" if id != rel else "")
        built.append(Calendar(Stream(id, name, StreamKind.CALENDAR, StreamRole.CALENDAR), sources))
    return built


def _mail_stream(rel: str, count: int | None = None) -> Stream:
    name = _shown(rel)
    found = role(name)
    name += " (files)" if rel.endswith("#files") else ""
    return Stream(rel, name, StreamKind.MAIL, found, not off_reason(found), count)


def _shown(rel: str) -> str:
    """The path without what only files have: ``.mbox``, Thunderbird's ``.sbd``, Maildir++'s leading dots, Apple's
    folder that holds a file called ``mbox``."""
    parts = []
    for part in rel.removesuffix("#files").split("/"):
        plain = part[1:].replace(".", "/") if part.startswith(".") and len(part) > 1 else part
        for suffix in (".mbox", ".sbd", ".mbx", ".mbs"):
            plain = plain.removesuffix(suffix)
        parts.append(plain or part)
    if len(parts) > 1 and parts[-1] == "mbox":
        parts.pop()
    return "/".join(parts)
