"""Messages by UID, as upserts: cheap facts first, whole mails when small, only text and calendar parts when large.

The commands of the following batches are sent before the answers of this one are read, so that the line's delay is
paid once, not per batch. Reads with BODY.PEEK only, so that nothing is marked as seen. A message that the server does
not hand over, asked for again on its own, becomes ``Failed``; one that is gone meanwhile is left out.
Facts: RFC 9051 sections 5.5 (pipelining) and 6.4.5 (FETCH), RFC 7162, RFC 8474, Gmail's IMAP extensions.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from connectors.errors import TryLater
from connectors.imap import failures
from connectors.imap.answers import Closed, Refused
from connectors.imap.items import Item
from connectors.imap.session import NONE, Session
from connectors.imap.structure import Leaf, Plan, plan
from connectors.imap.uids import UidSet
from connectors.types import Change, Failed, RawMessage, RawPart, Upsert

WHOLE_LIMIT = 48 * 1024
"""Mails up to this size are fetched whole: the parser is quicker than another command."""
PART_LIMIT = 256 * 1024
HEADER_LIMIT = 256 * 1024
NESTED_HEADER_LIMIT = 64 * 1024
FACTS_AHEAD, BODIES_AHEAD, PARTS_AHEAD = 8, 4, 2
"""How many batches ahead the facts, the bodies and the parts are asked for: at 250 mails a batch and 50 ms a round trip
two batches ahead are 10,000 mails a second."""
AHEAD_BYTES = 12_000_000
"""Bodies further than the next batch are asked for only while less than this is under way."""
LEAN_ESTIMATE = 32 * 1024
SLACK = 16_000_000
MAX_SINGLE_RETRIES = 25

_MONTHS = {
    m: n for n, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DATE = re.compile(r"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d{1,2}):(\d{2}):(\d{2})(?: ([+-])(\d{2})(\d{2}))?")
_LABEL = re.compile(rb'"((?:[^"\\]|\\.)*)"|([^\s"]+)')


@dataclass(slots=True)
class Wanted:
    """What the fetcher is told. ``prefix`` begins each remote id; ``oldest`` is the window; ``stored`` answers which
    remote ids are held already, so that their content is not fetched again."""

    prefix: str
    oldest: datetime | None = None
    stored: Callable[[Collection[str]], Collection[str]] = lambda _ids: ()
    whole: int = WHOLE_LIMIT


@dataclass(slots=True)
class _Job:
    """One batch on its way. Tags are those of the commands under way; ``metas`` what the first stage told."""

    uids: list[int]
    meta_tag: bytes
    metas: dict[int, Item] = field(default_factory=dict)
    small: list[int] = field(default_factory=list)
    large: list[int] = field(default_factory=list)
    small_tag: bytes = b""
    large_tag: bytes = b""
    part_tags: list[bytes] = field(default_factory=list)
    plans: dict[int, Plan] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    asked: bool = False
    planned: bool = False
    volume: int = 0


class Fetcher:
    """Turns lists of UIDs of the open folder into changes, several lists ahead. One use, one folder."""

    def __init__(self, session: Session, wanted: Wanted) -> None:
        self._session = session
        self._wire = session.wire
        self._wanted = wanted
        self._epoch = session.epoch
        self._jobs: deque[_Job] = deque()
        self._ahead = 1  # until the first batch is there, so that it is not kept waiting

    def run(self, lists: Iterable[list[int]]) -> Iterator[tuple[list[int], list[Change]]]:
        """Yield (UIDs asked for, changes) per list, in the order given. Raises TryLater, NeedsPerson."""
        source = iter(lists)
        try:
            while True:
                self._fill(source)
                if not self._jobs:
                    return
                self._look_ahead()
                job = self._jobs[0]
                changes = self._changes(job)
                self._jobs.popleft()
                self._ahead = FACTS_AHEAD
                self._fill(source)
                self._look_ahead()
                self._session.slow_down()
                yield job.uids, changes
                self._still_mine()
        except Closed as closed:
            raise failures.lost(closed) from closed
        except Refused as refused:
            raise self._session.error(refused) from refused

    def _still_mine(self) -> None:
        """Two iterations over one connection at a time would read each other's answers."""
        if self._session.epoch != self._epoch:
            raise RuntimeError("another operation has used this connector; start the iteration anew")

    # -- sending --------------------------------------------------------------------------------------------------

    def _fill(self, source: Iterator[list[int]]) -> None:
        while len(self._jobs) < self._ahead:
            uids = next(source, None)
            if uids is None:
                return
            self._jobs.append(_Job(uids, self._send_fetch(uids, _meta_items(self._session)) if uids else b""))

    def _look_ahead(self) -> None:
        """Ask for what the coming batches need, as far as the volume allows: parts of large mails for the
        nearest jobs, bodies for more. All that is waited for here was asked for at least one batch ago."""
        for job in list(self._jobs)[: PARTS_AHEAD + 1]:
            if job.asked:
                self._ask_parts(job)
        under_way = 0
        for at, job in enumerate(self._jobs):
            if at > BODIES_AHEAD or (at > 1 and under_way > AHEAD_BYTES):
                return
            if not job.asked:
                self._ask(job)
            under_way += job.volume

    def _ask(self, job: _Job) -> None:
        """Second stage: read the facts, then ask for whole small mails and the structure of large ones."""
        job.asked = True
        self._finish(job, job.meta_tag, SLACK)
        for uid in job.uids:
            item = self._wire.items.pop(uid, None)
            if item is not None and item.size >= 0 and item.flags is not None:
                job.metas[uid] = item
        self._retry_metas(job)
        for uid in self._with_content(job):
            (job.small if job.metas[uid].size <= self._wanted.whole else job.large).append(uid)
        job.volume = sum(job.metas[uid].size for uid in job.small) + LEAN_ESTIMATE * len(job.large)
        if job.large:
            job.large_tag = self._send_fetch(job.large, _STRUCTURE)
        if job.small:
            job.small_tag = self._send_fetch(job.small, b"(UID BODY.PEEK[])")

    def _with_content(self, job: _Job) -> list[int]:
        """UIDs whose content is wanted: in the window, no draft, not stored already."""
        open_uids = [uid for uid in job.uids if uid in job.metas and not self._skip(job.metas[uid])]
        ids = [self._remote_id(uid) for uid in open_uids]
        stored = set(self._wanted.stored(ids)) if ids else set()
        return [uid for uid, remote_id in zip(open_uids, ids, strict=True) if remote_id not in stored]

    def _send_fetch(self, uids: Iterable[int], items: bytes) -> bytes:
        return self._wire.send("UID FETCH", UidSet.of(uids).text().encode("ascii"), items)

    # -- reading --------------------------------------------------------------------------------------------------

    def _changes(self, job: _Job) -> list[Change]:
        """Third stage: read the bodies (asking for the parts of large mails on the way) and put the batch together."""
        self._ask_parts(job)
        if job.small:
            self._finish(job, job.small_tag, SLACK + 2 * job.volume)
        for tag in job.part_tags:
            self._finish(job, tag, SLACK + PART_LIMIT * len(job.large))
        bodies = {uid: self._wire.items.pop(uid, None) for uid in (*job.small, *job.large)}
        changes: list[Change] = []
        retried = 0
        for uid in job.uids:
            if uid not in job.metas:
                continue
            if uid not in bodies:
                changes.append(self._upsert(job.metas[uid], None))
                continue
            raw = self._raw(job, uid, bodies[uid])
            if raw is None:
                retried += 1
                changes.extend(self._alone(job, uid, retried))
            else:
                changes.append(self._upsert(job.metas[uid], raw))
        return changes

    def _finish(self, job: _Job, tag: bytes, budget: int) -> None:
        """Wait for a command of the job. A refusal is kept: what came before it counts, the rest is asked for again."""
        if not tag:
            return
        try:
            self._wire.finish(tag, budget=budget)
        except Refused as refused:
            error = self._session.error(refused)
            if not isinstance(error, TryLater) or error.throttled:
                raise error from refused
            job.refused.append(refused)
            self._session.ask("NOOP")

    def _retry_metas(self, job: _Job) -> None:
        """Ask once more for messages whose facts did not come whole; those that are still silent are gone."""
        missing = [uid for uid in job.uids if uid not in job.metas]
        if not missing:
            return
        tag = self._send_fetch(missing, _meta_items(self._session))
        self._finish(job, tag, SLACK)
        for uid in missing:
            item = self._wire.items.pop(uid, None)
            if item is not None:
                item.flags = item.flags or b""
                item.size = max(item.size, 0)
                job.metas[uid] = item

    def _ask_parts(self, job: _Job) -> None:
        """Read the structure of the large mails and ask for their parts: one command per combination of part numbers,
        which most large mails share."""
        if not job.large or job.planned:
            return
        job.planned = True
        self._finish(job, job.large_tag, SLACK + HEADER_LIMIT * len(job.large))
        groups: dict[bytes, list[int]] = {}
        for uid in job.large:
            item = self._wire.items.get(uid)
            try:
                job.plans[uid] = plan(item.structure if item else None)
            except (ValueError, RecursionError):
                groups.setdefault(b"BODY.PEEK[]<0.%d>" % PART_LIMIT, []).append(uid)
                continue
            sections = _sections(job.plans[uid])
            if sections:
                groups.setdefault(sections, []).append(uid)
        job.part_tags = [self._send_fetch(uids, b"(UID %s)" % sections) for sections, uids in groups.items()]

    def _raw(self, job: _Job, uid: int, item: Item | None) -> RawMessage | None:
        """The message from what came, or None when something that was asked for did not."""
        if item is None:
            return None
        if uid in job.plans:
            return _lean(item, job.plans[uid])
        source = item.bodies.get(b"BODY[]")
        source = source if source is not None else item.bodies.get(b"BODY[]<0>")
        return RawMessage(source=source) if source is not None else None

    def _alone(self, job: _Job, uid: int, number: int) -> list[Change]:
        """Ask for one message on its own, at most the first part of it; name it as failed when that brings nothing."""
        if number > MAX_SINGLE_RETRIES and job.refused:
            raise self._session.error(job.refused[-1])
        tag = self._send_fetch([uid], b"(UID FLAGS BODY.PEEK[]<0.%d>)" % max(PART_LIMIT, self._wanted.whole))
        try:
            self._wire.finish(tag, budget=SLACK + 2 * PART_LIMIT)
        except Refused as refused:
            error = self._session.error(refused)
            if not isinstance(error, TryLater) or error.throttled:
                raise error from refused
        item = self._wire.items.pop(uid, None)
        if item is None and not job.refused:
            return []
        source = item.bodies.get(b"BODY[]<0>", item.bodies.get(b"BODY[]")) if item else None
        if source is None:
            return [Failed(self._remote_id(uid), "The server does not hand this message over.", "missing_item")]
        return [self._upsert(job.metas[uid], RawMessage(source=source))]

    # -- putting together -----------------------------------------------------------------------------------------

    def _remote_id(self, uid: int) -> str:
        return f"{self._wanted.prefix}{uid}"

    def _skip(self, item: Item) -> str:
        if b"\\Draft" in (item.flags or b"") or "\\Draft" in _labels(item.labels):
            return "draft"
        if self._wanted.oldest is not None:
            received = received_at(item.date)
            if received is not None and received < self._wanted.oldest:
                return "too_old"
        return ""

    def _upsert(self, item: Item, raw: RawMessage | None) -> Upsert:
        return Upsert(
            remote_id=self._remote_id(item.uid),
            raw=raw,
            flags=flags(item.flags),
            labels=_labels(item.labels),
            content_id=item.content_id,
            thread_id=item.thread_id,
            received_at=received_at(item.date),
            size=max(item.size, 0),
            skip=self._skip(item),
        )


_STRUCTURE = b"(UID BODYSTRUCTURE BODY.PEEK[HEADER]<0.%d>)" % HEADER_LIMIT


def _meta_items(session: Session) -> bytes:
    items = b"(UID FLAGS INTERNALDATE RFC822.SIZE"
    if session.tier != NONE:
        items += b" MODSEQ"
    if session.gmail:
        items += b" X-GM-MSGID X-GM-THRID X-GM-LABELS"
    elif session.has("OBJECTID"):
        items += b" EMAILID THREADID"
    return items + b")"


def _sections(found: Plan) -> bytes:
    bodies = [_section(leaf) for leaf in found.bodies]
    nested = [
        b"BODY.PEEK[%s.HEADER]<0.%d>" % (leaf.part.encode("ascii"), NESTED_HEADER_LIMIT) for leaf in found.forwarded
    ]
    return b" ".join(bodies + nested)


def _section(leaf: Leaf) -> bytes:
    return b"BODY.PEEK[%s]<0.%d>" % (leaf.part.encode("ascii"), PART_LIMIT)


def _lean(item: Item, found: Plan) -> RawMessage | None:
    """Header and parts; None when the header or a text is missing."""
    header = item.bodies.get(b"BODY[HEADER]<0>")
    parts = []
    for leaf in found.bodies:
        body = item.bodies.get(b"BODY[%s]<0>" % leaf.part.encode("ascii"))
        if body is None:
            return None
        parts.append(RawPart(leaf.header(), body, truncated=len(body) >= PART_LIMIT))
    for leaf in found.forwarded:
        nested = item.bodies.get(b"BODY[%s.HEADER]<0>" % leaf.part.encode("ascii"))
        if nested is not None:
            parts.append(RawPart(b"Content-Type: message/rfc822\r\n\r\n", nested, truncated=True))
    return None if header is None else RawMessage(header=header, parts=tuple(parts), attachments=found.attachments)


def flags(raw: bytes | None) -> frozenset[str]:
    """FLAGS as text, without the session flag ``\\Recent``."""
    return frozenset(raw.decode("utf-8", "replace").split()) - {"\\Recent"} if raw else frozenset()


def _labels(raw: bytes) -> tuple[str, ...]:
    """X-GM-LABELS as text: atoms, and quoted strings in modified UTF-7, left as they come where not decodable."""
    if not raw:
        return ()
    found = [re.sub(rb"\\(.)", rb"\1", quoted) if quoted else atom for quoted, atom in _LABEL.findall(raw)]
    return tuple(label.decode("utf-8", "replace") for label in found)


def received_at(text: str) -> datetime | None:
    """INTERNALDATE in UTC (a day without its leading zero or space included); None for nonsense."""
    found = _DATE.match(text)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        number = _MONTHS[month.lower()]
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone).astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None
