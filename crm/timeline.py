"""The log, and the timelines of contacts, companies and deals: pages of rows the viewer may see, newest first.

Keyset pages: a page costs the same at any depth. Record timelines fold a thread or a meeting series into one row.
Every question goes through ``crm.privacy``; what a row shows is ``crm.log_rows``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, cast, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from crm import search
from crm.errors import Refused
from crm.log_rows import LogRow, build
from crm.models import Communication, Contact, Job, Link, Participant, Sighting
from crm.privacy import Viewer, content_visible, visible

PAGE_MAX = 200
AHEAD = 5
PINNED = 3
# aliases of its own, so that a caller may join the same tables
_sighting, _party, _link, _other = aliased(Sighting), aliased(Participant), aliased(Link), aliased(Link)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What a page is narrowed to; empty means all. ``kinds`` of email, meeting, call, note. ``status`` linked,
    review, unmatched, ignored. ``user_id``: seen in a mailbox of theirs, or written by them. ``address``: takes part.
    ``since`` is included, ``until`` not. ``activities``: notes that stand for what somebody did elsewhere
    (``crm.notes``)."""

    kinds: frozenset[str] = frozenset()
    activities: bool = False
    direction: str = ""
    status: str = ""
    reason: str = ""
    account_id: int | None = None
    user_id: int | None = None
    contact_id: int | None = None
    company_id: int | None = None
    deal_id: int | None = None
    thread_id: int | None = None
    address: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def of_record(self) -> bool:
        """Whether the page is a record's timeline."""
        return any(value is not None for value in (self.contact_id, self.company_id, self.deal_id))

    @property
    def narrowed(self) -> bool:
        """Whether it asks for a part of a record's timeline only: some kinds, words, or a time."""
        return bool(self.kinds or self.activities or self.text.strip() or self.direction or self.since or self.until)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the token of the next page, None at the end."""

    rows: list[LogRow]
    next: str | None


def page(
    session: Session,
    viewer: Viewer,
    filters: LogFilter | None = None,
    *,
    before: str | None = None,
    limit: int = 50,
    fold: bool = False,
    now: datetime | None = None,
) -> Page:
    """A page, newest first; a constant number of statements. ``before`` is the token of the page before. ``fold``:
    one row per thread or series, for record timelines only. ``now``: what lies ahead is left to ``upcoming``. Raises
    Refused for a bad token."""
    chosen = filters or LogFilter()
    where = conditions(session, viewer, chosen)
    if now is not None:
        where.append(Communication.occurred_at <= now)
    if fold and chosen.of_record:
        return _folded(session, viewer, where, before, min(limit, PAGE_MAX))
    query = select(Communication).where(*where)
    if before is not None:
        query = query.where(_older(*_token(before)))
    newest = query.order_by(Communication.occurred_at.desc(), Communication.id.desc())
    items = list(session.scalars(newest.limit(min(limit, PAGE_MAX) + 1)))
    return _page(items, build(session, viewer, items[: min(limit, PAGE_MAX)]), min(limit, PAGE_MAX))


def upcoming(
    session: Session, viewer: Viewer, filters: LogFilter | None = None, *, now: datetime, limit: int = 10
) -> list[LogRow]:
    """What lies ahead, the nearest first, the next one of each series; cancelled ones left out."""
    where = [*conditions(session, viewer, filters or LogFilter()), Communication.occurred_at > now]
    return build(session, viewer, soonest(session, [*where, Communication.cancelled.is_(False)], limit))


def soonest(session: Session, where: Iterable[ColumnElement[bool]], limit: int) -> list[Communication]:
    """The nearest items under these conditions (which hold the viewer's), of each thread or series the next one."""
    rank = func.row_number().over(partition_by=group(), order_by=(Communication.occurred_at, Communication.id))
    inner = select(Communication.id, rank.label("rank")).where(*where).subquery()
    query = select(Communication).join(inner, inner.c.id == Communication.id).where(inner.c.rank == 1)
    return list(session.scalars(query.order_by(Communication.occurred_at, Communication.id).limit(limit)))


@dataclass(frozen=True, slots=True)
class Sections:
    """A record's timeline before its rows are built: what is pinned, what lies ahead (the nearest first), a folded
    page, and the token of the next one. ``folded`` are the size of each group and how many of it are cancelled, by
    item id."""

    pinned: list[Communication]
    ahead: list[Communication]
    page: list[Communication]
    folded: dict[int, tuple[int, int]]
    next: str | None

    @property
    def items(self) -> list[Communication]:
        """All of them, each once."""
        return list({item.id: item for item in (*self.pinned, *self.ahead, *self.page)}.values())


def of_record(
    session: Session, viewer: Viewer, filters: LogFilter, *, before: str | None = None, limit: int = 50, now: datetime
) -> Sections:
    """A page of a record's timeline in one statement, with what is pinned and what lies ahead where it is the first
    page of the unfiltered one. Raises Refused for a bad token."""
    mine = select(Communication.id).where(*conditions(session, viewer, filters)).cte("mine")  # judged once
    where: list[ColumnElement[bool]] = [Communication.id.in_(select(mine.c.id))]
    size = min(limit, PAGE_MAX)
    parts = [_part("page", _ranked([*where, Communication.occurred_at <= now], before, size + 1))]
    if before is None and not filters.narrowed:
        soon = [*where, Communication.occurred_at > now, Communication.cancelled.is_(False)]
        parts += [_part("ahead", _ranked(soon, None, AHEAD, nearest=True)), _part("pinned", _pinned(where))]
    inner = union_all(*parts).subquery()
    query = select(Communication, inner.c.part, inner.c.size, inner.c.gone)
    found = session.execute(query.join(inner, inner.c.id == Communication.id)).all()
    by_part: dict[str, list[Communication]] = {"page": [], "ahead": [], "pinned": []}
    for row in sorted(found, key=lambda r: (r[0].occurred_at, r[0].id), reverse=True):
        by_part[row.part].append(row[0])
    rows = by_part["page"]
    folded = {row[0].id: (row.size, row.gone or 0) for row in found if row.part != "pinned"}
    return Sections(by_part["pinned"], by_part["ahead"][::-1], rows[:size], folded, _mark(rows, size))


def _part(name: str, query: Any) -> Any:
    """A part of a UNION that has a LIMIT of its own: SQLite takes that from a subquery only."""
    inner = query.subquery()
    return select(inner.c.id, literal(name).label("part"), inner.c.size, inner.c.gone)


def _ranked(where: list[ColumnElement[bool]], before: str | None, limit: int, *, nearest: bool = False) -> Any:
    """The newest (or nearest) item of each thread and series, with its group's size and cancelled ones."""
    at = (Communication.occurred_at, Communication.id)
    order = at if nearest else tuple(column.desc() for column in at)
    inner = (
        select(
            *at,
            func.row_number().over(partition_by=group(), order_by=order).label("rank"),
            func.count().over(partition_by=group()).label("size"),
            func.sum(case((Communication.cancelled.is_(True), 1), else_=0)).over(partition_by=group()).label("gone"),
        )
        .where(*where)
        .subquery()
    )
    query = select(inner.c.id, inner.c.size, inner.c.gone).where(inner.c.rank == 1)
    if before is not None:
        when, item_id = _token(before)
        same = or_(inner.c.occurred_at < when, inner.c.id < item_id)
        query = query.where(inner.c.occurred_at <= when, same)
    by = (inner.c.occurred_at, inner.c.id)
    return query.order_by(*(by if nearest else (column.desc() for column in by))).limit(limit)


def _pinned(where: list[ColumnElement[bool]]) -> Any:
    query = select(Communication.id, literal(1).label("size"), literal(0).label("gone"))
    pinned = query.where(*where, Communication.pinned_at.is_not(None))
    return pinned.order_by(Communication.pinned_at.desc()).limit(PINNED)


def count(session: Session, viewer: Viewer, filters: LogFilter | None = None) -> int:
    """How many items the viewer may see under the filter."""
    where = conditions(session, viewer, filters or LogFilter())
    return session.scalar(select(func.count()).select_from(Communication).where(*where)) or 0


def tally(session: Session, viewer: Viewer, filters: LogFilter | None = None) -> dict[tuple[str, str], int]:
    """Numbers by (status, reason) of what the viewer may see, for chips that open the list."""
    where = conditions(session, viewer, replace(filters or LogFilter(), status="", reason=""))
    query = select(Communication.status, Communication.reason, func.count()).where(*where)
    grouped = query.group_by(Communication.status, Communication.reason)
    return {(status, reason or ""): n for status, reason, n in session.execute(grouped)}


def conditions(session: Session, viewer: Viewer, filters: LogFilter) -> list[ColumnElement[bool]]:
    """The filter and the viewer as SQL conditions on ``Communication``."""
    found: list[ColumnElement[bool]] = [visible(viewer)]
    if filters.kinds:
        found.append(Communication.kind.in_(sorted(filters.kinds)))
    if filters.activities:
        found.append(Communication.kind == "note")
        found.append(cast(Communication.marks, String) != "[]")
    for name in ("direction", "status", "reason"):
        if value := getattr(filters, name):
            found.append(getattr(Communication, name) == value)
    if filters.thread_id is not None:
        found.append(Communication.thread_id == filters.thread_id)
    if filters.since is not None:
        found.append(Communication.occurred_at >= filters.since)
    if filters.until is not None:
        found.append(Communication.occurred_at < filters.until)
    return found + _seen(viewer, filters) + _record(filters) + _words(session, viewer, filters)


def _any(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(literal(1)).where(*where).limit(1).correlate(Communication).scalar_subquery().is_not(None)


def _seen(viewer: Viewer, filters: LogFilter) -> list[ColumnElement[bool]]:
    here = _sighting.communication_id == Communication.id
    found: list[ColumnElement[bool]] = []
    if filters.account_id is not None:
        found.append(_any(here, _sighting.account_id == filters.account_id))
    if filters.user_id is not None:
        own = _any(here, _sighting.owner_id == filters.user_id)
        found.append(or_(own, Communication.author_id == filters.user_id))
    if filters.address:
        takes_part = _party.communication_id == Communication.id, _party.canonical == filters.address
        # whom a blind copy went to is content: by address it is found by those only who can read all
        openly = _any(*takes_part, _party.role != "bcc")
        found.append(or_(openly, and_(_any(*takes_part), content_visible(viewer))))
    return found


def _record(filters: LogFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for kind in ("contact", "deal"):
        if (target := getattr(filters, f"{kind}_id")) is not None:
            found.append(Communication.id.in_(_linked(kind, target)))
    if filters.company_id is not None:
        found.append(Communication.id.in_(of_company(filters.company_id)))
    return found


def _linked(kind: str, target: int) -> Any:
    live = _link.target_kind == kind, _link.target_id == target, _link.tombstoned.is_(False)
    return select(_link.communication_id).where(*live).correlate(None)


def of_company(company_id: int) -> Any:
    """Ids of a company's items: those linked to it, and those of its people whatever their address's domain, unless
    such an item is linked to another company or was taken off this one."""
    live = Contact.company_id == company_id, Contact.deleted_at.is_(None)
    jobs = select(Job.contact_id).where(Job.company_id == company_id, Job.valid_to.is_(None)).correlate(None)
    people = select(Contact.id).where(*live).correlate(None).union(jobs)
    settled = or_(_other.target_id == company_id, _other.tombstoned.is_(False))
    same_item = _other.communication_id == _link.communication_id
    elsewhere = exists().where(same_item, _other.target_kind == "company", settled).correlate(_link)
    theirs = select(_link.communication_id).where(
        _link.target_kind == "contact", _link.target_id.in_(people), _link.tombstoned.is_(False), ~elsewhere
    )
    return _linked("company", company_id).union(theirs.correlate(None))


def _words(session: Session, viewer: Viewer, filters: LogFilter) -> list[ColumnElement[bool]]:
    if not filters.text.strip():
        return []
    found = search.matches(session, viewer, filters.text)
    return [found] if found is not None else [Communication.id < 0]


def group() -> ColumnElement[str]:
    """What folds into one row: a thread, a series, or the item alone."""
    return case(
        (and_(Communication.kind == "meeting", Communication.ical_uid.is_not(None)), "e" + Communication.ical_uid),
        (Communication.thread_id.is_not(None), "t" + cast(Communication.thread_id, String)),
        else_="c" + cast(Communication.id, String),
    )


def _folded(
    session: Session, viewer: Viewer, where: list[ColumnElement[bool]], before: str | None, limit: int
) -> Page:
    inner = _ranked(where, before, limit + 1).subquery()
    query = select(Communication, inner.c.size).join(inner, inner.c.id == Communication.id)
    newest = (Communication.occurred_at.desc(), Communication.id.desc())
    found = session.execute(query.order_by(*newest)).all()
    items = [row[0] for row in found]
    sizes = {item.id: size for item, size in found}
    return _page(items, build(session, viewer, items[:limit], counts=sizes), limit)


def _page(items: list[Communication], rows: list[LogRow], limit: int) -> Page:
    return Page(rows, _mark(items, limit))


def _mark(items: list[Communication], limit: int) -> str | None:
    """The token of the next page, where there is more than ``limit``."""
    last = items[limit - 1] if len(items) > limit else None
    return f"{last.occurred_at.isoformat()}_{last.id}" if last else None


def _older(at: datetime, item_id: int) -> ColumnElement[bool]:
    return and_(Communication.occurred_at <= at, or_(Communication.occurred_at < at, Communication.id < item_id))


def _token(token: str) -> tuple[datetime, int]:
    at, _, item_id = token.partition("_")
    try:
        return datetime.fromisoformat(at), int(item_id)
    except ValueError:
        raise Refused("There is no such page.", "before") from None


__all__ = [
    "LogFilter", "LogRow", "Page", "Sections", "conditions", "count", "group", "of_company", "of_record", "page",
    "tally", "upcoming",
]  # fmt: skip
