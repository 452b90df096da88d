"""What to know before a meeting: who comes and what they answered, the last touches with them, deals and tasks that are
open with them. For the meetings ahead on a record's page.

All meetings of a page are prepared together, in a constant number of statements. Only over items that exist for the
viewer; of one that is shown as busy, nobody is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm import log_rows
from crm.log_rows import LogRow, Target
from crm.models import Communication, Deal, DealContact, Link, Participant, Stage, Task
from crm.privacy import Viewer, visible

TOUCHES = 3
SHOWN = 20
ANSWERS = {
    "accepted": "comes", "declined": "does not come", "tentative": "may come", "needs-action": "has not answered",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guest:
    """Someone who takes part. ``answer`` is a few words, "" where none is known; ``own`` says own side."""

    name: str
    answer: str
    own: bool


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
    meetings = [row for row in rows if row.kind == "meeting" and not row.cancelled]
    if not meetings:
        return []
    ids = _Targets.of(meetings)
    guests = log_rows.participants(session, [row.id for row in meetings])
    touched = _touches(session, viewer, ids, now)
    deals, tasks = _deals(session, ids), _tasks(session, ids)
    return [
        Brief(
            row, _guests(guests.get(row.id, [])), _newest(touched, _Targets.of([row])),
            tuple(deal for deal, about in deals if about & _Targets.of([row]).keys)[:SHOWN],
            tuple(task for task, about in tasks if about & _Targets.of([row]).keys)[:SHOWN],
        )
        for row in meetings
    ]  # fmt: skip


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


def _guests(parties: Collection[Participant]) -> tuple[Guest, ...]:
    """People, each once, the other side first; rooms are nobody."""
    found: dict[str, Guest] = {}
    for p in sorted(parties, key=lambda p: (p.own, p.position)):
        name = p.name or p.canonical
        if p.is_person and name:
            before = found.get(p.canonical or name)
            answer = ANSWERS.get(p.response or "", "") or (before.answer if before else "")
            found[p.canonical or name] = Guest(before.name if before else name, answer, p.own)
    return tuple(found.values())[:SHOWN]


def _touches(session: Session, viewer: Viewer, ids: _Targets, now: datetime) -> list[tuple[LogRow, tuple[str, int]]]:
    """The last items with each contact, or each company where no contact is known."""
    wanted = [("contact", ids.contacts), ("company", ids.companies)]
    attached = [and_(Link.target_kind == kind, Link.target_id.in_(found)) for kind, found in wanted if found]
    if not attached:
        return []
    newest = (Communication.occurred_at.desc(), Communication.id.desc())
    rank = func.row_number().over(partition_by=(Link.target_kind, Link.target_id), order_by=newest).label("rank")
    inner = (
        select(Communication.id, Link.target_kind, Link.target_id, rank)
        .join(Link, Link.communication_id == Communication.id)
        .where(or_(*attached), Link.tombstoned.is_(False), visible(viewer))
        .where(Communication.occurred_at <= now, Communication.status == "linked", Communication.cancelled.is_(False))
        .subquery()
    )
    query = select(Communication, inner.c.target_kind, inner.c.target_id).join(inner, inner.c.id == Communication.id)
    pairs = session.execute(query.where(inner.c.rank <= TOUCHES).order_by(*newest)).all()
    items = list({pair[0].id: pair[0] for pair in pairs}.values())
    rows = {row.id: row for row in log_rows.build(session, viewer, items, counts={item.id: 1 for item in items})}
    return [(rows[item.id], (kind, target)) for item, kind, target in pairs if item.id in rows]


def _newest(touched: list[tuple[LogRow, tuple[str, int]]], ids: _Targets) -> tuple[LogRow, ...]:
    """Of the people's touches the last few; those of the company only where no person is known."""
    about = {("contact", i) for i in ids.contacts} or {("company", i) for i in ids.companies}
    return tuple({row.id: row for row, target in touched if target in about}.values())[:TOUCHES]


def _deals(session: Session, ids: _Targets) -> list[tuple[OpenDeal, set[tuple[str, int]]]]:
    """Open deals, with the records of the meetings that each is about."""
    theirs = select(DealContact.deal_id).where(DealContact.contact_id.in_(ids.contacts))
    about = or_(Deal.id.in_(ids.deals), Deal.id.in_(theirs), Deal.company_id.in_(ids.companies))
    query = select(Deal, Stage.name).join(Stage, Stage.id == Deal.stage_id)
    query = query.where(about, Deal.status == "open", Deal.deleted_at.is_(None))
    rows = session.execute(query.order_by(Deal.expected_close.is_(None), Deal.expected_close, Deal.id)).all()
    people: dict[int, set[tuple[str, int]]] = {}
    of_people = select(DealContact.deal_id, DealContact.contact_id).where(DealContact.contact_id.in_(ids.contacts))
    for deal_id, contact_id in session.execute(of_people):
        people.setdefault(deal_id, set()).add(("contact", contact_id))
    return [
        (OpenDeal(d.id, d.title, stage), {("deal", d.id), ("company", d.company_id or 0)} | people.get(d.id, set()))
        for d, stage in rows
    ]


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
