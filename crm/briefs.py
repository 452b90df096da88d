"""What to know before a meeting: who comes and what they answered, the last touches with them, deals and tasks that are
open with them. For the meetings ahead on a record's page.

All meetings of a page are prepared together, in a constant number of statements. Only over items that exist for the
viewer; of one that is shown as busy, nobody is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, cast, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from crm import log_rows
from crm.log_rows import Guest, LogRow, Target
from crm.models import Communication, Deal, DealContact, Link, Stage, Task
from crm.privacy import Viewer, visible

TOUCHES = 3
SHOWN = 20
Touches = list[tuple[Communication, tuple[str, int]]]
"""Items, and the record each is a touch with, newest first."""


@dataclass(frozen=True, slots=True)
class OpenDeal:
    """A deal with one of the guests or their company."""

    id: int
    title: str
    stage: str


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task about one of the records."""

    id: int
    title: str
    due_at: datetime | None
    due_all_day: bool


@dataclass(frozen=True, slots=True)
class Brief:
    """One meeting ahead. ``touches`` are the last items with its people, newest first."""

    meeting: LogRow
    guests: tuple[Guest, ...]
    touches: tuple[LogRow, ...]
    deals: tuple[OpenDeal, ...]
    tasks: tuple[OpenTask, ...]


def of(session: Session, viewer: Viewer, rows: Sequence[LogRow], *, now: datetime) -> list[Brief]:
    """Briefs of those rows that are meetings, in their order. ``now`` (UTC) ends what counts as past."""
    found = touches(session, viewer, [row.id for row in meetings(rows)], now=now)
    items = list({item.id: item for item, _ in found}.values())
    built = log_rows.build(session, viewer, items, counts={item.id: 1 for item in items})
    return prepared(session, rows, found, {row.id: row for row in built})


def prepared(
    session: Session, rows: Sequence[LogRow], found: Touches, built: Mapping[int, LogRow]
) -> list[Brief]:
    """The same where the caller has the ``touches`` and built their rows together with others: one statement."""
    chosen = meetings(rows)
    if not chosen:
        return []
    ids = _Targets.of(chosen)
    touched = [(built[item.id], target) for item, target in found if item.id in built]
    deals, tasks = _open(session, ids)
    return [
        Brief(
            row, row.guests, _newest(touched, _Targets.of([row])),
            tuple(deal for deal, about in deals if about & _Targets.of([row]).keys)[:SHOWN],
            tuple(task for task, about in tasks if about & _Targets.of([row]).keys)[:SHOWN],
        )
        for row in chosen
    ]  # fmt: skip


def meetings(rows: Iterable[LogRow]) -> list[LogRow]:
    """Those that need a brief."""
    return [row for row in rows if row.kind == "meeting" and not row.cancelled]


@dataclass(frozen=True, slots=True)
class _Targets:
    """Ids of the records that meetings are attached to."""

    contacts: frozenset[int]
    companies: frozenset[int]
    deals: frozenset[int]

    @classmethod
    def of(cls, rows: Iterable[LogRow]) -> _Targets:
        held = list(rows)
        contacts, companies, deals = (
            frozenset(t.id for row in held for t in targets(row)) for targets in (_contacts, _companies, _deals_of)
        )
        return cls(contacts, companies, deals)

    @property
    def keys(self) -> frozenset[tuple[str, int]]:
        pairs = (("contact", self.contacts), ("company", self.companies), ("deal", self.deals))
        return frozenset((kind, i) for kind, ids in pairs for i in ids)


def _contacts(row: LogRow) -> tuple[Target, ...]:
    return row.contacts


def _companies(row: LogRow) -> tuple[Target, ...]:
    return row.companies


def _deals_of(row: LogRow) -> tuple[Target, ...]:
    return row.deals


def touches(session: Session, viewer: Viewer, meeting_ids: Collection[int], *, now: datetime) -> Touches:
    """The last items with each contact and company that the meetings are attached to, as far as the viewer may know
    of them."""
    if not meeting_ids:
        return []
    about = aliased(Link)
    same = and_(about.target_kind == Link.target_kind, about.target_id == Link.target_id)
    met = select(about.id).where(
        same, about.communication_id.in_(meeting_ids), about.tombstoned.is_(False),
        about.target_kind.in_(("contact", "company")),
    )  # fmt: skip
    newest = (Communication.occurred_at.desc(), Communication.id.desc())
    rank = func.row_number().over(partition_by=(Link.target_kind, Link.target_id), order_by=newest).label("rank")
    inner = (
        select(Communication.id, Link.target_kind, Link.target_id, rank)
        .join(Link, Link.communication_id == Communication.id)
        .where(met.exists(), Link.tombstoned.is_(False), visible(viewer))
        .where(Communication.occurred_at <= now, Communication.status == "linked", Communication.cancelled.is_(False))
        .subquery()
    )
    query = select(Communication, inner.c.target_kind, inner.c.target_id).join(inner, inner.c.id == Communication.id)
    pairs = session.execute(query.where(inner.c.rank <= TOUCHES).order_by(*newest))
    return [(item, (kind, target)) for item, kind, target in pairs]


def _newest(touched: list[tuple[LogRow, tuple[str, int]]], ids: _Targets) -> tuple[LogRow, ...]:
    """Of the people's touches the last few; those of the company only where no person is known."""
    about = {("contact", i) for i in ids.contacts} or {("company", i) for i in ids.companies}
    return tuple({row.id: row for row, target in touched if target in about}.values())[:TOUCHES]


About = set[tuple[str, int]]


def _open(session: Session, ids: _Targets) -> tuple[list[tuple[OpenDeal, About]], list[tuple[OpenTask, About]]]:
    """Open deals and tasks, the nearest first, each with the records of the meetings that it is about; one
    statement."""
    rows = session.execute(union_all(_deals(ids), _tasks(ids))).all()
    deals: dict[int, tuple[OpenDeal, About]] = {}
    tasks: list[tuple[OpenTask, About]] = []
    for row in sorted(rows, key=lambda r: (_last(r.closes), _last(r.due_at), r.id)):
        about = {("contact", row.contact_id or 0), ("company", row.company_id or 0), ("deal", row.deal_id or 0)}
        if row.what == "task":
            tasks.append((OpenTask(row.id, row.title, row.due_at, row.all_day), about))
        else:
            deals.setdefault(row.id, (OpenDeal(row.id, row.title, row.stage), set()))[1].update(about)
    return list(deals.values()), tasks


def _last(day: date | datetime | None) -> tuple[bool, str]:
    """Sorts days in order, those that are not known behind."""
    return day is None, day.isoformat() if day else ""


def _deals(ids: _Targets) -> Any:
    on = and_(DealContact.deal_id == Deal.id, DealContact.contact_id.in_(ids.contacts))
    about = or_(Deal.id.in_(ids.deals), DealContact.contact_id.is_not(None), Deal.company_id.in_(ids.companies))
    columns = (
        literal("deal").label("what"), Deal.id.label("id"), Deal.title.label("title"), Stage.name.label("stage"),
        cast(null(), Task.due_at.type).label("due_at"), cast(null(), Task.due_all_day.type).label("all_day"),
        Deal.expected_close.label("closes"), DealContact.contact_id.label("contact_id"),
        Deal.company_id.label("company_id"), Deal.id.label("deal_id"),
    )  # fmt: skip
    query = select(*columns).join(Stage, Stage.id == Deal.stage_id).outerjoin(DealContact, on)
    return query.where(about, Deal.status == "open", Deal.deleted_at.is_(None))


def _tasks(ids: _Targets) -> Any:
    about = or_(Task.contact_id.in_(ids.contacts), Task.company_id.in_(ids.companies), Task.deal_id.in_(ids.deals))
    columns = (
        literal("task"), Task.id, Task.title, cast(null(), Stage.name.type), Task.due_at, Task.due_all_day,
        cast(null(), Deal.expected_close.type), Task.contact_id, Task.company_id, Task.deal_id,
    )  # fmt: skip
    return select(*columns).where(about, Task.done_at.is_(None), Task.deleted_at.is_(None))
