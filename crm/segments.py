"""Segments: a filter with a name over contacts, companies or deals, of one's own or shared with the team; its rows,
their number, and a task for each. The table of all of them is ``crm.segment_table``.

A segment keeps the strings of its filter, not ids: who is in it is asked anew each time, for whoever looks ("me" is the
viewer, and a touch counts only where it exists for the viewer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from crm import audit, criteria, tasks
from crm.criteria import TABLES, Criteria
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import Address, Audit, Communication, Company, Contact, Deal, Link, Segment, Stage, Task, User
from crm.privacy import Viewer, member

NAME_MAX = 80
LISTED_MAX = 60
TASKS_MAX = 500
CHUNK = 500


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment in the list. ``count`` None: its filter can't be carried out any more (a field is gone)."""

    id: int
    noun: str
    name: str
    owner: str
    mine: bool
    shared: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """A record in a segment. ``state`` is the lifecycle, industry or stage. ``last_at``: the last touch the viewer may
    know of."""

    id: int
    name: str
    state: str
    owner: str
    owner_id: int | None
    last_at: datetime | None
    email: str = ""
    company: str = ""
    size: str = ""
    opt_out: bool = False
    value: Decimal | None = None
    currency: str = ""


def save(
    session: Session, viewer: Viewer, *, noun: str, name: str, given: Mapping[str, str], shared: bool,
    segment_id: int | None = None, now: datetime,
) -> Segment:  # fmt: skip
    """Keep a filter under a name, or change a kept one of one's own. Raises Refused, NotFound, NotAllowed."""
    clean = " ".join(name.split())
    if not 0 < len(clean) <= NAME_MAX:
        raise Refused(f"A segment needs a name of at most {NAME_MAX} characters.", "name")
    chosen = criteria.read(noun, given)
    criteria.conditions(session, viewer, chosen, now=now)
    if segment_id is None:
        row = Segment(noun=noun, owner_id=member(viewer).user_id, created_at=now)
        session.add(row)
    else:
        row = changeable(session, viewer, segment_id)
    row.name, row.shared, row.filters = clean, shared, dict(criteria.kept(given))
    session.flush()
    action = "segment.add" if segment_id is None else "segment.change"
    audit.record(session, actor_id=viewer.user_id, action=action, subject_id=row.id, now=now)
    return row


def by_id(session: Session, viewer: Viewer, segment_id: int) -> Segment:
    """A segment of one's own, or a shared one. Raises NotFound."""
    row = session.get(Segment, segment_id)
    if row is None or not (row.shared or row.owner_id == member(viewer).user_id):
        raise NotFound("There is no such segment.")
    return row


def changeable(session: Session, viewer: Viewer, segment_id: int) -> Segment:
    """The segment, for its owner, and a shared one for who leads. Raises NotFound, NotAllowed."""
    row = by_id(session, viewer, segment_id)
    if row.owner_id != viewer.user_id and not viewer.leads:
        raise NotAllowed("This segment is somebody else's; save one of your own from it.")
    return row


def remove(session: Session, viewer: Viewer, segment_id: int, *, now: datetime) -> dict[str, Any]:
    """Take it away. Returns what ``save`` needs to bring it back. Raises as ``changeable``."""
    row = changeable(session, viewer, segment_id)
    found = {"noun": row.noun, "name": row.name, "given": dict(row.filters), "shared": row.shared}
    session.delete(row)
    session.flush()
    audit.record(
        session, actor_id=viewer.user_id, action="segment.remove", subject_id=segment_id, detail=found, now=now
    )  # fmt: skip
    return found


def bring_back(session: Session, viewer: Viewer, segment_id: int, *, now: datetime) -> Segment:
    """The undo of ``remove``, by who did it. Raises NotFound."""
    row = _told(session, viewer, "segment.remove", segment_id)
    return save(session, viewer, **row.detail, now=now)


def listed(session: Session, viewer: Viewer, *, now: datetime) -> list[SegmentRow]:
    """One's own and the shared ones with their numbers, by noun and name; two statements."""
    mine = Segment.owner_id == member(viewer).user_id
    query = select(Segment, User.name).outerjoin(User, User.id == Segment.owner_id)
    query = query.where(or_(mine, Segment.shared.is_(True))).order_by(Segment.noun, Segment.name, Segment.id)
    rows = session.execute(query.limit(LISTED_MAX)).all()
    counts = _counts(session, viewer, [row for row, _ in rows], now)
    return [
        SegmentRow(s.id, s.noun, s.name, owner or "", s.owner_id == viewer.user_id, s.shared, counts.get(s.id))
        for s, owner in rows
    ]


def _counts(session: Session, viewer: Viewer, rows: Sequence[Segment], now: datetime) -> dict[int, int]:
    parts = []
    for row in rows:
        try:
            where = criteria.conditions(session, viewer, criteria.read(row.noun, row.filters), now=now)
        except Refused:
            continue
        parts.append(select(literal(row.id), func.count()).select_from(TABLES[row.noun]).where(*where))
    return dict(session.execute(union_all(*parts)).all()) if parts else {}


def count(session: Session, viewer: Viewer, chosen: Criteria, *, now: datetime) -> int:
    """How many records fit. Raises Refused."""
    where = criteria.conditions(session, member(viewer), chosen, now=now)
    return session.scalar(select(func.count()).select_from(TABLES[chosen.noun]).where(*where)) or 0


def opted_out(session: Session, viewer: Viewer, chosen: Criteria, *, now: datetime) -> int:
    """How many of them do not want to be written to; 0 for companies and deals."""
    if chosen.noun != "contact":
        return 0
    where = criteria.conditions(session, member(viewer), chosen, now=now)
    return session.scalar(select(func.count()).select_from(Contact).where(*where, Contact.opt_out.is_(True))) or 0


def page(
    session: Session, viewer: Viewer, chosen: Criteria, *, after: int | None = None, limit: int = 50, now: datetime
) -> list[Member]:
    """The records that fit, by id, after the id the page before ended with. Two statements. Raises Refused."""
    table = TABLES[chosen.noun]
    query = _QUERIES[chosen.noun]().where(*criteria.conditions(session, member(viewer), chosen, now=now))
    if after is not None:
        query = query.where(table.id > after)
    rows = session.execute(query.order_by(table.id).limit(min(limit, CHUNK))).all()
    last = last_touched(session, viewer, chosen.noun, [row[0].id for row in rows], now=now)
    return [_member(chosen.noun, r, first, owner, more, last.get(r.id)) for r, first, owner, more in rows]


def last_touched(
    session: Session, viewer: Viewer, noun: str, ids: Sequence[int], *, now: datetime
) -> dict[int, datetime]:
    """When each record was last touched, by the rule of ``crm.criteria``. One statement."""
    owner: Any = Link.target_id
    query = select(owner, func.max(Communication.occurred_at))
    query = query.join(Communication, Communication.id == Link.communication_id)
    if noun == "company":
        owner = func.coalesce(Contact.company_id, Link.target_id)
        query = select(owner, func.max(Communication.occurred_at)).select_from(Link)
        query = query.join(Communication, Communication.id == Link.communication_id)
        query = query.outerjoin(Contact, (Link.target_kind == "contact") & (Contact.id == Link.target_id))
        of_people = (Link.target_kind == "contact") & Contact.company_id.in_(ids)
        where = or_(of_people, (Link.target_kind == "company") & Link.target_id.in_(ids))
    else:
        where = (Link.target_kind == noun) & Link.target_id.in_(ids)
    query = query.where(where, Link.tombstoned.is_(False), *criteria.touches(viewer, now))
    return dict(session.execute(query.group_by(owner)).all())


def make_tasks(
    session: Session, viewer: Viewer, chosen: Criteria, *, title: str, due_at: datetime | None, to_owners: bool,
    now: datetime,
) -> tuple[int, int]:  # fmt: skip
    """A task for each record that fits, for the record's owner or for the viewer. Returns the number that
    ``undo_tasks`` takes, and how many were made. Raises Refused for none, and for more than ``TASKS_MAX``."""
    rows = page(session, viewer, chosen, limit=CHUNK, now=now)
    total = count(session, viewer, chosen, now=now)
    if total > TASKS_MAX:
        raise Refused(f"{total:,} records fit; tasks are made for {TASKS_MAX} at most. Narrow it down.", "title")
    if not rows:
        raise Refused("Nobody and nothing fits, so there is no task to make.", "title")
    made = [
        tasks.create(
            session, title=title, due_at=due_at, owner_id=(to_owners and row.owner_id) or viewer.user_id,
            contact_id=row.id if chosen.noun == "contact" else None, now=now, actor_id=viewer.user_id,
            company_id=row.id if chosen.noun == "company" else None, deal_id=row.id if chosen.noun == "deal" else None,
        ).id
        for row in rows
    ]  # fmt: skip
    note = Audit(
        at=now, actor_id=viewer.user_id, action="segment.tasks", subject_kind="segment", detail={"tasks": made}
    )  # fmt: skip
    session.add(note)
    session.flush()
    return note.id, len(made)


def undo_tasks(session: Session, viewer: Viewer, number: int, *, now: datetime) -> int:
    """Take away the tasks of one ``make_tasks`` of one's own, those that are done left out. Returns how many. Raises
    NotFound."""
    row = session.get(Audit, number)
    if row is None or row.action != "segment.tasks" or row.actor_id != viewer.user_id:
        raise NotFound("There is nothing to take back.")
    ids = list(row.detail.get("tasks", []))
    live = Task.id.in_(ids), Task.deleted_at.is_(None), Task.done_at.is_(None)
    found = session.scalars(select(Task).where(*live)).all()
    for task in found:
        task.deleted_at = now
    session.flush()
    audit.record(
        session, actor_id=viewer.user_id, action="segment.tasks_undo", detail={"tasks": len(found)}, now=now
    )  # fmt: skip
    return len(found)


def _told(session: Session, viewer: Viewer, action: str, subject_id: int) -> Audit:
    query = select(Audit).where(
        Audit.action == action, Audit.subject_id == subject_id, Audit.actor_id == viewer.user_id
    )
    row = session.scalar(query.order_by(Audit.id.desc()).limit(1))
    if row is None or session.get(Segment, subject_id) is not None:
        raise NotFound("There is nothing to take back.")
    return row


def _contacts() -> Any:
    first = select(Address.canonical).where(Address.contact_id == Contact.id).order_by(Address.position, Address.id)
    email = first.limit(1).correlate(Contact).scalar_subquery()
    query = select(Contact, Company.name, User.name, email).outerjoin(Company, Company.id == Contact.company_id)
    return query.outerjoin(User, User.id == Contact.owner_id)


def _companies() -> Any:
    return select(Company, Company.industry, User.name, Company.size).outerjoin(User, User.id == Company.owner_id)


def _deals() -> Any:
    query = select(Deal, Company.name, User.name, Stage.name).join(Stage, Stage.id == Deal.stage_id)
    query = query.outerjoin(Company, Company.id == Deal.company_id)
    return query.outerjoin(User, User.id == Deal.owner_id)


_QUERIES = {"contact": _contacts, "company": _companies, "deal": _deals}


def _member(noun: str, row: Any, first: str | None, owner: str | None, more: str | None, at: datetime | None) -> Member:
    held = (owner or "", row.owner_id, at)
    if noun == "contact":
        return Member(row.id, row.name, row.lifecycle, *held, more or "", first or "", opt_out=row.opt_out)
    if noun == "company":
        return Member(row.id, row.name, first or "", *held, size=more or "")
    return Member(row.id, row.title, more or "", *held, company=first or "", value=row.value, currency=row.currency)
