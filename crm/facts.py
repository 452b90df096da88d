"""What a record's header tells: last mail in and out, last meeting held, the next one, open tasks, how strong the
relation is and who knows them best. Only over items that exist for the viewer: a private item is no last contact and
adds no strength.

Strength, documented: every linked item of the last 365 days counts its weight (meeting held 5, call 4, mail from them
2, mail to them 1) halved every 60 days; score = 100 * (1 - e^(-sum / 12)). Levels: 1 from 5, 2 from 20, 3 from 40, 4
from 60, 5 from 80. A one-way relation (nothing came from them, no meeting, no call) is level 1 at most. Items with
more than 25 people of the other side don't count; meetings count once they were held (``crm.held``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from math import exp
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from crm.held import held, planned
from crm.models import Address, Communication, Link, Participant, Sighting, Task, User
from crm.privacy import Viewer, visible
from crm.task_lists import TaskRow
from crm.timeline import LogFilter, conditions

WINDOW = timedelta(days=365)
HALF_LIFE_DAYS = 60.0
SCALE = 12.0
LEVELS = (5.0, 20.0, 40.0, 60.0, 80.0)
CROWD = 25
ITEMS_MAX = 3_000
WEIGHTS = {"meeting": 5.0, "call": 4.0, "inbound": 2.0, "outbound": 1.0}
WORDS = {
    "meeting": ("meeting", "meetings"), "call": ("call", "calls"), "inbound": ("mail from them", "mails from them"),
    "outbound": ("mail to them", "mails to them"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Touch:
    """One item of the header. ``at`` is UTC."""

    id: int
    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Knows:
    """A teammate who is in touch. ``score`` 0 to 100 by the formula above, over the ``items`` of the last year
    that their own mailboxes saw."""

    user_id: int
    name: str
    score: float
    last_at: datetime
    items: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """The header. ``level`` 0 (no relation) to 5, with ``reasons`` as sentences. ``reply_hours`` is the median time
    until they answer us in a thread, None for never."""

    last_inbound: Touch | None
    last_outbound: Touch | None
    last_meeting: Touch | None
    next_meeting: Touch | None
    open_tasks: int
    next_task: str
    next_task_due: datetime | None
    score: float
    level: int
    reasons: tuple[str, ...]
    knows: tuple[Knows, ...] = field(default_factory=tuple)
    reply_hours: float | None = None
    last_call: Touch | None = None

    @property
    def last_touch(self) -> Touch | None:
        """The latest of mail either way, call, and meeting held."""
        touches = (self.last_inbound, self.last_outbound, self.last_meeting, self.last_call)
        return max((t for t in touches if t is not None), key=lambda t: (t.at, t.id), default=None)


def of_contact(
    session: Session, viewer: Viewer, contact_id: int, *, now: datetime, known: Sequence[TaskRow] | None = None
) -> Facts:
    """The facts of a contact. *Last inbound* is what they wrote themselves, not what they got a copy of. ``known`` are
    their open tasks where the caller has them, the nearest first."""
    mine, theirs = Task.contact_id == contact_id, ~_written_by_other(contact_id)
    return _facts(session, viewer, LogFilter(contact_id=contact_id), mine, known, now, theirs)


def of_company(
    session: Session, viewer: Viewer, company_id: int, *, now: datetime, known: Sequence[TaskRow] | None = None
) -> Facts:
    """The facts of a company, over all its people."""
    return _facts(session, viewer, LogFilter(company_id=company_id), Task.company_id == company_id, known, now)


def of_deal(
    session: Session, viewer: Viewer, deal_id: int, *, now: datetime, known: Sequence[TaskRow] | None = None
) -> Facts:
    """The facts of a deal."""
    return _facts(session, viewer, LogFilter(deal_id=deal_id), Task.deal_id == deal_id, known, now)


def last_contacted(
    session: Session, viewer: Viewer, contact_ids: Iterable[int], *, now: datetime
) -> dict[int, datetime]:
    """When we were last in touch with each contact: our last mail to them, call, or meeting held, by whichever
    teammate."""
    wanted = list(contact_ids)
    query = (
        select(Link.target_id, func.max(Communication.occurred_at))
        .join(Communication, Communication.id == Link.communication_id)
        .where(Link.target_kind == "contact", Link.target_id.in_(wanted), Link.tombstoned.is_(False))
        .where(visible(viewer), Communication.occurred_at <= now, _ours(now), no_crowd())
        .group_by(Link.target_id)
    )
    return dict(session.execute(query).all())


def _facts(
    session: Session,
    viewer: Viewer,
    chosen: LogFilter,
    tasks: ColumnElement[bool],
    known: Sequence[TaskRow] | None,
    now: datetime,
    theirs: ColumnElement[bool] | None = None,
) -> Facts:
    """Two statements: what counts, with the latest of each kind, and whose mailboxes saw it; one more for the tasks."""
    where = [*conditions(session, viewer, chosen), Communication.status == "linked", Communication.cancelled.is_(False)]
    counted, latest = _rows(session, where, theirs, now)
    score, level, reasons = strength(counted, now)
    open_, title, due = _tasks(session, tasks) if known is None else _next(known)
    return Facts(
        last_inbound=latest.get("last_inbound"), last_outbound=latest.get("last_outbound"),
        last_meeting=latest.get("last_meeting"), next_meeting=latest.get("next_meeting"),
        open_tasks=open_, next_task=title, next_task_due=due, score=score, level=level, reasons=reasons,
        knows=_knows(session, viewer, counted, now), reply_hours=_reply_hours(counted),
        last_call=latest.get("last_call"),
    )  # fmt: skip


def strength(rows: Sequence[Any], now: datetime) -> tuple[float, int, tuple[str, ...]]:
    """Score, level and reasons of rows with ``sort`` (a key of WEIGHTS) and ``occurred_at``. Pure."""
    total, groups = 0.0, dict[str, list[Any]]()
    for row in rows:
        age = max(0.0, (now - row.occurred_at).total_seconds() / 86400)
        total += WEIGHTS[row.sort] * 0.5 ** (age / HALF_LIFE_DAYS)
        groups.setdefault(row.sort, []).append(row)
    score = 100 * (1 - exp(-total / SCALE))
    level = sum(score >= least for least in LEVELS)
    if set(groups) <= {"outbound"}:
        level = min(level, 1)
    ranked = sorted(groups.items(), key=lambda g: -WEIGHTS[g[0]] * len(g[1]))
    return round(score, 1), level, tuple(_reason(sort, found, now) for sort, found in ranked)


def _reason(sort: str, rows: list[Any], now: datetime) -> str:
    days = (now - max(row.occurred_at for row in rows)).days
    when = "today" if days < 1 else "yesterday" if days == 1 else f"{days} days ago"
    return f"{len(rows)} {WORDS[sort][len(rows) != 1]}, the last {when}"


def _rows(
    session: Session, where: list[ColumnElement[bool]], theirs: ColumnElement[bool] | None, now: datetime
) -> tuple[list[Any], dict[str, Touch]]:
    """What counts for strength, newest first (id, sort, time, thread), and the latest item of each kind, in one
    statement."""
    mine = select(Communication.id).where(*where).cte("mine")  # judged once, read by each part
    ours = Communication.id.in_(select(mine.c.id))
    rows = session.execute(union_all(_counted(ours, theirs, now), *_latest(ours, theirs, now))).all()
    counted = sorted((r for r in rows if r.sort in WEIGHTS), key=lambda r: (r.occurred_at, r.id), reverse=True)
    return counted, {r.sort: Touch(r.id, r.occurred_at, r.kind) for r in rows if r.sort not in WEIGHTS}


def _counted(ours: ColumnElement[bool], theirs: ColumnElement[bool] | None, now: datetime) -> Any:
    came = Communication.direction == "inbound"
    inbound = came if theirs is None else and_(came, theirs)
    sort = case(
        (held(now), "meeting"),
        (Communication.kind == "call", "call"),
        (and_(Communication.kind == "email", inbound), "inbound"),
        (and_(Communication.kind == "email", Communication.direction == "outbound"), "outbound"),
        else_=None,
    )
    inside = Communication.occurred_at <= now, Communication.occurred_at > now - WINDOW
    query = select(*_columns(sort)).where(ours, *inside, no_crowd(), sort.is_not(None))
    return _limited(query.order_by(Communication.occurred_at.desc()).limit(ITEMS_MAX))


def _latest(ours: ColumnElement[bool], theirs: ColumnElement[bool] | None, now: datetime) -> list[Any]:
    """The last mail each way, the last meeting held and the next one."""
    mail, past = Communication.kind == "email", Communication.occurred_at <= now
    inbound = [mail, past, Communication.direction == "inbound", *([theirs] if theirs is not None else [])]
    kinds: tuple[tuple[str, list[ColumnElement[bool]]], ...] = (
        ("last_inbound", inbound),
        ("last_outbound", [mail, past, Communication.direction == "outbound"]),
        ("last_call", [past, Communication.kind == "call"]),
        ("last_meeting", [held(now)]),
        ("next_meeting", [planned(now)]),
    )
    found = []
    for name, more in kinds:
        at = Communication.occurred_at
        query = select(*_columns(literal(name))).where(ours, *more, no_crowd())
        found.append(_limited(query.order_by(at if name == "next_meeting" else at.desc()).limit(1)))
    return found


def _columns(sort: ColumnElement[Any]) -> tuple[Any, ...]:
    at = (Communication.occurred_at, Communication.thread_id, Communication.kind)
    return (Communication.id, sort.label("sort"), *at)


def _limited(query: Any) -> Any:
    """A part of a UNION that has a LIMIT of its own: SQLite takes that from a subquery only."""
    return select(query.subquery())


def _knows(session: Session, viewer: Viewer, rows: Sequence[Any], now: datetime) -> tuple[Knows, ...]:
    """Teammates by strength over what their own mailboxes saw, private mailboxes of others left out."""
    by_id = {row.id: row for row in rows}
    found: dict[tuple[int, str], list[Any]] = {}
    if by_id:
        for user_id, name, item_id in session.execute(_seen_by(viewer, list(by_id))):
            found.setdefault((user_id, name), []).append(by_id[item_id])
    scored = [
        Knows(user_id, name, strength(theirs, now)[0], max(r.occurred_at for r in theirs), len(theirs))
        for (user_id, name), theirs in found.items()
    ]
    return tuple(sorted(scored, key=lambda k: (-k.score, k.name)))


def _seen_by(viewer: Viewer, ids: list[int]) -> Any:
    open_ = or_(Sighting.tier != "private", Sighting.owner_id == viewer.user_id)
    mailboxes = (
        select(User.id, User.name, Sighting.communication_id)
        .join(User, User.id == Sighting.owner_id)
        .where(Sighting.communication_id.in_(ids), open_)
    )
    written = select(User.id, User.name, Communication.id).join(User, User.id == Communication.author_id)
    return mailboxes.union(written.where(Communication.id.in_(ids)))


def _reply_hours(rows: Sequence[Any]) -> float | None:
    """Median hours from our mail to their next one in the same thread."""
    waits, asked = [], dict[int, datetime]()
    for row in reversed(rows):
        if row.thread_id is None:
            continue
        if row.sort == "outbound":
            asked.setdefault(row.thread_id, row.occurred_at)
        elif row.sort == "inbound" and (since := asked.pop(row.thread_id, None)):
            waits.append((row.occurred_at - since).total_seconds() / 3600)
    return round(median(waits), 1) if waits else None


def _tasks(session: Session, condition: ColumnElement[bool]) -> tuple[int, str, datetime | None]:
    """How many are open, and the next one."""
    query = select(Task.title, Task.due_at, func.count().over().label("total"))
    query = query.where(condition, Task.done_at.is_(None), Task.deleted_at.is_(None))
    row = session.execute(query.order_by(Task.due_at.is_(None), Task.due_at, Task.id).limit(1)).first()
    return (row.total, row.title, row.due_at) if row else (0, "", None)


def _next(known: Sequence[TaskRow]) -> tuple[int, str, datetime | None]:
    return (len(known), known[0].title, known[0].due_at) if known else (0, "", None)


def _ours(now: datetime) -> ColumnElement[bool]:
    """Our side was in touch: a mail of ours, a call, a meeting that was held."""
    return or_(
        and_(Communication.kind == "email", Communication.direction == "outbound"),
        Communication.kind == "call",
        held(now),
    )


@cache
def no_crowd() -> ColumnElement[bool]:
    """Condition on ``Communication``: at most ``CROWD`` people of the other side."""
    party = aliased(Participant)
    others = (
        select(func.count(func.distinct(party.canonical)))
        .where(party.communication_id == Communication.id, party.own.is_(False))
        .correlate(Communication)
        .scalar_subquery()
    )
    return others <= CROWD


def _written_by_other(contact_id: int) -> ColumnElement[bool]:
    """The item's From is an address of other contacts and not of this one."""
    author, held, mine = aliased(Participant), aliased(Address), aliased(Address)
    own = exists().where(mine.canonical == author.canonical, mine.contact_id == contact_id)
    return exists().where(
        author.communication_id == Communication.id, author.role == "from",
        exists().where(held.canonical == author.canonical, held.contact_id != contact_id).correlate(author),
        ~own.correlate(author),
    ).correlate(Communication)  # fmt: skip
