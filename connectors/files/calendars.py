"""Containers of .ics files: one file, or a folder of them, as one calendar. An item is a UID within a file, with all
its components, so that a changed event is one change and a vanished one is noticed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from connectors.errors import BadItem
from connectors.files.batches import batches, packed, unpacked
from connectors.files.sources import Source
from connectors.types import Batch, Change, Cursor, Failed, RawCalendar, Removed, Stream, Upsert

MAX_FILE: Final = 50_000_000
MAX_UID: Final = 200

_EVENT: Final = re.compile(rb"^BEGIN:VEVENT[ \t]*\r?$.*?(?:^END:VEVENT[ \t]*\r?\n|\Z)", re.M | re.S | re.I)
_OTHER: Final = re.compile(
    rb"^BEGIN:(VTODO|VJOURNAL|VFREEBUSY)[ \t]*\r?$.*?(?:^END:\1[ \t]*\r?\n|\Z)", re.M | re.S | re.I
)
_UID: Final = re.compile(rb"^UID[^:\r\n]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.M | re.I)
_BEGIN: Final = re.compile(rb"^(?:\xef\xbb\xbf)?BEGIN:(?:VCALENDAR|VEVENT)[ \t]*\r?$", re.M | re.I)
_END: Final = re.compile(rb"^END:VCALENDAR[ \t]*\r?$", re.M | re.I)


class Calendar:
    """One stream of .ics files."""

    def __init__(self, stream: Stream, sources: Iterable[Source]) -> None:
        self.stream = stream
        self._sources = {source.rel: source for source in sources}

    def changes(self, since: Cursor | None, oldest: datetime | None) -> Iterator[Batch]:
        """See ``Connector.changes``; events have no received date, so ``oldest`` does not apply."""
        del oldest
        then: dict[str, Any] = unpacked(since).get("files", {}) if since is not None else {}
        now = {rel: {"signature": source.signature, "items": {}} for rel, source in self._sources.items()}
        if {rel: held["signature"] for rel, held in then.items()} == {r: s.signature for r, s in self._sources.items()}:
            if since is None:
                yield from batches([], packed({"files": now}), 0, listing=True)
            return
        changes = [change for rel in self._sources for change in self._file(rel, then.get(rel), now[rel])]
        kept = {key for held in now.values() for key in held["items"]}
        before = [key for held in then.values() for key in held["items"]]
        changes += [Removed(key, "gone") for key in before if key not in kept]
        yield from batches(changes, packed({"files": now}), len(kept), listing=since is None)

    def _file(self, rel: str, then: dict[str, Any] | None, now: dict[str, Any]) -> Iterator[Change]:
        if then is not None and then["signature"] == now["signature"]:
            now["items"] = then["items"]
            return
        known = then["items"] if then is not None else {}
        try:
            found = events(self._content(rel), rel)
        except BadItem as problem:
            now["items"] = {rel: ""}
            yield Failed(rel, str(problem), problem.code)
            return
        for key, ics in found.items():
            now["items"][key] = hashlib.sha256(ics).hexdigest()[:16]
            if known.get(key) != now["items"][key]:
                yield Upsert(key, raw=RawCalendar(ics), size=len(ics))

    def _content(self, rel: str) -> bytes:
        if self._sources[rel].size > MAX_FILE:
            raise BadItem(f'"{rel}" is larger than {MAX_FILE // 1_000_000} MB.', code="too_large")
        with self._sources[rel].open() as handle:
            return handle.read(MAX_FILE)

    def ids(self) -> Iterator[Collection[str]]:
        """All remote ids, a collection for each file."""
        for rel in self._sources:
            try:
                yield list(events(self._content(rel), rel))
            except BadItem:
                yield [rel]

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The items named; what is gone comes as Removed."""
        wanted = set(remote_ids)
        changes: list[Change] = []
        for rel in self._sources:
            if any(key == rel or key.startswith(f"{rel}#") for key in wanted):
                now: dict[str, Any] = {"signature": "", "items": {}}
                changes += [change for change in self._file(rel, None, now) if change.remote_id in wanted]
        missing = wanted - {change.remote_id for change in changes}
        changes += [Removed(key, "gone") for key in sorted(missing)]
        return batches(changes, None, len(changes), listing=False)


def events(ics: bytes, rel: str) -> dict[str, bytes]:
    """remote id -> the iCalendar object with everything of one UID (and the file's time zones). Raises BadItem for what
    is empty, no calendar, or cut before its first event is whole."""
    if not ics.strip():
        raise BadItem(f'"{rel}" is empty.', code="empty")
    if not _BEGIN.search(ics):
        raise BadItem(f'"{rel}" is not a calendar.', code="not_a_calendar")
    parts: dict[str, list[bytes]] = {}
    for match in _EVENT.finditer(ics):
        parts.setdefault(_key(rel, match[0]), []).append(match[0])
    frame = _OTHER.sub(b"", _EVENT.sub(b"", ics))
    end = _END.search(frame)
    head = (frame[: end.start()] if end else frame).rstrip() + b"\r\n"
    if not parts and end is None:
        raise BadItem(f'"{rel}" is cut before its first event.', code="cut")
    return {key: head + b"".join(found) + b"END:VCALENDAR\r\n" for key, found in parts.items()}


def _key(rel: str, event: bytes) -> str:
    found = _UID.search(event)
    uid = re.sub(rb"\r?\n[ \t]", b"", found[1]).decode("utf-8", "replace").strip() if found else ""
    if not uid or len(uid) > MAX_UID:
        uid = hashlib.sha256(uid.encode() or event).hexdigest()[:32]
    return f"{rel}#{uid}"
