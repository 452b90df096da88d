"""What to know before a meeting: who comes and what they answered, the last touches with them, deals and tasks that are
open with them. For the meetings ahead on a record's page.

All meetings of a page are prepared together, in a constant number of statements. Only over items that exist for the
viewer; of one that is shown as busy, nobody is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
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
    """The same where the caller has the ``touches`` and built their rows together with others: two statements."""
    chosen = meetings(rows)
    if not chosen:
        return []
    ids = _Targets.of(chosen)
    touched = [(built[item.id], target) for item, target in found if item.id in built]
    deals, tasks = _deals(session, ids), _tasks(session, ids)
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


def _deals(session: Session, ids: _Targets) -> list[tuple[OpenDeal, set[tuple[str, int]]]]:
    """Open deals, with the records of the meetings that each is about."""
    on = and_(DealContact.deal_id == Deal.id, DealContact.contact_id.in_(ids.contacts))
    about = or_(Deal.id.in_(ids.deals), DealContact.contact_id.is_not(None), Deal.company_id.in_(ids.companies))
    query = (
        select(Deal.id, Deal.title, Deal.company_id, Stage.name, DealContact.contact_id)
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(DealContact, on)
        .where(about, Deal.status == "open", Deal.deleted_at.is_(None))
        .order_by(Deal.expected_close.is_(None), Deal.expected_close, Deal.id)
    )
    found: dict[int, tuple[OpenDeal, set[tuple[str, int]]]] = {}
    for deal_id, title, company_id, stage, contact_id in session.execute(query):
        fresh = OpenDeal(deal_id, title, stage), {("deal", deal_id), ("company", company_id or 0)}
        _, records = found.setdefault(deal_id, fresh)
        records.add(("contact", contact_id or 0))
    return list(found.values())


def _tasks(session: Session, ids: _Targets) -> list[tuple[OpenTask, set[tuple[str, int]]]]:
    about: ColumnElement[bool] = or_(
        Task.contact_id.in_(ids.contacts), Task.company_id.in_(ids.companies), Task.deal_id.in_(ids.deals)
    )
    query = select(Task).where(about, Task.done_at.is_(None), Task.deleted_at.is_(None))
    rows = session.scalars(query.order_by(Task.due_at.is_(None), Task.due_at, Task.id))
    return [
        (
            OpenTask(t.id, t.title, t.due_at, t.due_all_day),
            {("contact", t.contact_id or 0), ("company", t.company_id or 0), ("deal", t.deal_id or 0)},
        )
        for t in rows
    ]
