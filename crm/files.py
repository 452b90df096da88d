"""Files that people put on contacts, companies and deals: a quote, a contract, a picture. Kept in the database, so that
a backup has them and erasing a person takes them along.

The kind of a file is what its name's ending says and its first bytes do not contradict; the browser's word is not
taken. Programs, pages and pictures that can carry script are refused. Deleting keeps the row for an undo; a file
deleted for longer than ``KEPT`` loses its content when the next one is put on any record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import Company, Contact, Deal, RecordFile
from crm.privacy import Viewer, member

SIZE_MAX = 10_000_000
PER_RECORD_MAX = 200
NAME_MAX = 150
KEPT = timedelta(days=30)
NOUNS: dict[str, Any] = {"contact": Contact, "company": Company, "deal": Deal}
_ZIP, _OLE = (b"PK\x03\x04", b"PK\x05\x06"), (b"\xd0\xcf\x11\xe0",)
_OFFICE, _ODF = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
KINDS: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "pdf": ("application/pdf", (b"%PDF",)),
    "doc": ("application/msword", _OLE),
    "docx": (f"{_OFFICE}.wordprocessingml.document", _ZIP),
    "xls": ("application/vnd.ms-excel", _OLE),
    "xlsx": (f"{_OFFICE}.spreadsheetml.sheet", _ZIP),
    "ppt": ("application/vnd.ms-powerpoint", _OLE),
    "pptx": (f"{_OFFICE}.presentationml.presentation", _ZIP),
    "odt": (f"{_ODF}.text", _ZIP),
    "ods": (f"{_ODF}.spreadsheet", _ZIP),
    "odp": (f"{_ODF}.presentation", _ZIP),
    "rtf": ("application/rtf", (b"{\\rtf",)),
    "txt": ("text/plain", ()),
    "md": ("text/plain", ()),
    "csv": ("text/csv", ()),
    "png": ("image/png", (b"\x89PNG",)),
    "jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "gif": ("image/gif", (b"GIF8",)),
    "webp": ("image/webp", (b"RIFF",)),
    "heic": ("image/heic", ()),
    "eml": ("message/rfc822", ()),
    "msg": ("application/vnd.ms-outlook", _OLE),
    "ics": ("text/calendar", ()),
    "vcf": ("text/vcard", ()),
    "zip": ("application/zip", _ZIP),
}
"""Ending -> media type, and what the content begins with (nothing: any text)."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file as a record's page lists it."""

    id: int
    name: str
    type: str
    size: int
    author: str
    created_at: datetime


def add(session: Session, viewer: Viewer, on: tuple[str, int], *, name: str, content: bytes, now: datetime) -> int:
    """Put a file on a record (``on`` is noun and id). Returns its id. Raises Refused with a sentence for the field
    ``file``, NotFound for an unknown record."""
    noun, record_id = on
    _live(session, noun, record_id)
    clean = file_name(name)
    kind = _kind(clean, content)
    here = RecordFile.noun == noun, RecordFile.record_id == record_id, RecordFile.deleted_at.is_(None)
    if (session.scalar(select(func.count(RecordFile.id)).where(*here)) or 0) >= PER_RECORD_MAX:
        raise Refused(f"A record holds at most {PER_RECORD_MAX} files; delete one first.", "file")
    row = RecordFile(
        noun=noun, record_id=record_id, name=clean, type=kind, size=len(content), content=content,
        author_id=member(viewer).user_id, created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _forget_old(session, now)
    audit.record(
        session, actor_id=viewer.user_id, action="file.add", subject_id=row.id, detail={noun: record_id}, now=now
    )  # fmt: skip
    return row.id


def file_name(raw: str) -> str:
    """The last part of a path, in printable characters, with its ending kept when it is cut."""
    last = PurePosixPath(raw.replace("\\", "/")).name
    clean = " ".join("".join(c for c in last if c.isprintable()).split()).strip(". ")
    stem, dot, ending = clean.rpartition(".")
    return clean if len(clean) <= NAME_MAX else f"{stem[: NAME_MAX - len(ending) - 1]}{dot}{ending}"


def by_id(session: Session, viewer: Viewer, file_id: int) -> RecordFile:
    """The file; its content is read when asked for. They are the team's. Raises NotFound, also where the record is
    put away."""
    member(viewer)
    row = session.get(RecordFile, file_id)
    if row is None or row.deleted_at is not None:
        raise NotFound("There is no such file.")
    _live(session, row.noun, row.record_id)
    return row


def delete(session: Session, viewer: Viewer, file_id: int, *, now: datetime) -> RecordFile:
    """Put a file away (``restore`` brings it back). Raises NotFound."""
    row = by_id(session, viewer, file_id)
    row.deleted_at = now
    session.flush()
    audit.record(session, actor_id=viewer.user_id, action="file.delete", subject_id=file_id, now=now)
    return row


def restore(session: Session, viewer: Viewer, file_id: int, *, now: datetime) -> RecordFile:
    """Bring a deleted file back. Raises NotFound, also when its content is gone."""
    row = session.get(RecordFile, file_id)
    if member(viewer) and (row is None or row.deleted_at is None or row.deleted_at < now - KEPT):
        raise NotFound("There is no such deleted file.")
    assert row is not None
    _live(session, row.noun, row.record_id)
    row.deleted_at = None
    session.flush()
    audit.record(session, actor_id=viewer.user_id, action="file.restore", subject_id=file_id, now=now)
    return row


def _live(session: Session, noun: str, record_id: int) -> None:
    row = session.get(NOUNS[noun], record_id) if noun in NOUNS else None
    if row is None or row.deleted_at is not None:
        raise NotFound("There is no such record.")


def _kind(name: str, content: bytes) -> str:
    """The media type. Raises Refused with what to do."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if not name or not content:
        raise Refused("Choose a file; this one is empty.", "file")
    if len(content) > SIZE_MAX:
        raise Refused(
            f"{name} is {len(content) / 1e6:.1f} MB; a file may have {SIZE_MAX // 1_000_000} MB at most.", "file"
        )
    if ending not in KINDS:
        raise Refused(f"{name} is of a kind that is not kept here. Documents, tables, pictures, mails and zip are.",
                      "file")  # fmt: skip
    kind, begins = KINDS[ending]
    if (begins and not content.startswith(begins)) or (not begins and ending != "heic" and b"\0" in content[:4096]):
        raise Refused(f"{name} says it is {ending}, but its content is something else.", "file")
    return kind


def _forget_old(session: Session, now: datetime) -> None:
    """Deleted files nobody can bring back any more lose their content."""
    old = RecordFile.deleted_at < now - KEPT, RecordFile.size > 0
    session.execute(update(RecordFile).where(*old).values(content=b"", size=0))
