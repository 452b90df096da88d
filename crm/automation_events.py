"""What automation rules may wait for, each found by a query over the log and the records: no reply, a meeting held, a
new contact, a deal that moved, a deal that went silent. Reads only; a subject's ``key`` names it for good.

A rule works for the team, so it knows of the log what every teammate may know of (``EVERYBODY``): an item that is
private to somebody starts nothing, and answers nothing. What an import brought starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm import silence, workspace
from crm.awaited import EVERYBODY
from crm.due import zone_of
from crm.facts import no_crowd
from crm.held import held
from crm.models import Communication, Contact, Deal, DealContact, DealStageChange, Link, Sighting, Stage
from crm.privacy import visible
from crm.silence import UNREACHED, by_a_person

MOST = 1_000
LOOKED_AT = 20_000
WORDS = {"lead": "lead", "client": "client", "past_client": "past client"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that happened, which a rule fires for once. ``at`` is when (UTC); ``why`` a few words for the origin:
    "no reply 5 d, mail of 2 Mar". ``owner_id`` of the record, else of the mailbox."""

    key: str
    at: datetime
    why: str
    contact_id: int | None = None
    company_id: int | None = None
    deal_id: int | None = None
    communication_id: int | None = None
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of happening: its words, the names of its conditions, and how it is found between two moments."""

    says: str
    conditions: tuple[str, ...]
    find: Callable[[Session, Mapping[str, Any], datetime, datetime], list[Subject]]


def no_reply(session: Session, conditions: Mapping[str, Any], begin: datetime, now: datetime) -> list[Subject]:
    """A mail of ours was the last word for ``days`` with each contact it went to."""
    wait = timedelta(days=conditions["days"])
    mail = Communication.kind == "email", Communication.direction == "outbound", by_a_person(), no_crowd()
    sent = Communication.occurred_at > begin - wait, Communication.occurred_at <= now - wait
    rows = session.execute(_of_contacts().where(*mail, *sent, visible(EVERYBODY))).all()
    last = _last_touches(session, {row.contact_id for row in rows}, begin - wait, now)
    answered = {row.id for row in rows if last[row.contact_id] > row.occurred_at}
    silent = [row for row in rows if row.id not in answered]
    return _items(session, silent, conditions, lambda at: (at + wait, f"no reply {wait.days} d, mail of {{}}"))


def meeting_held(session: Session, conditions: Mapping[str, Any], begin: datetime, now: datetime) -> list[Subject]:
    """A meeting with a contact is over, and took place."""
    ended = func.coalesce(Communication.ends_at, Communication.occurred_at)
    rows = session.execute(_of_contacts().where(held(now), ended > begin, no_crowd(), visible(EVERYBODY))).all()
    return _items(session, rows, conditions, lambda at: (at, "meeting of {}"))


def contact_created(session: Session, conditions: Mapping[str, Any], begin: datetime, now: datetime) -> list[Subject]:
    """A contact was added, by a person, a form, the API or the creation policy."""
    where = [Contact.created_at > begin, Contact.created_at <= now, *_lifecycle(conditions)]
    if source := conditions.get("source"):
        where.append(func.lower(Contact.source) == str(source).lower())
    query = select(Contact).where(Contact.import_id.is_(None), Contact.deleted_at.is_(None), *where)
    day = _day(session)
    return [
        Subject(
            f"contact:{c.id}", c.created_at, f"new {WORDS.get(c.lifecycle, 'contact')}, {day(c.created_at)}", c.id,
            c.company_id, None, None, c.owner_id,
        )
        for c in session.scalars(query.order_by(Contact.created_at, Contact.id).limit(MOST))
    ]  # fmt: skip


def stage_changed(session: Session, conditions: Mapping[str, Any], begin: datetime, now: datetime) -> list[Subject]:
    """A deal came into a stage: any, one, or any of a kind."""
    where: list[ColumnElement[bool]] = [DealStageChange.at > begin, DealStageChange.at <= now]
    where.append(Deal.deleted_at.is_(None))
    where.append(or_(Deal.import_id.is_(None), DealStageChange.from_stage_id.is_not(None)))
    if stage := conditions.get("stage"):
        where.append(Stage.id == stage)
    if kind := conditions.get("kind"):
        where.append(Stage.kind == kind)
    query = (
        select(DealStageChange, Deal, Stage.name)
        .join(Deal, Deal.id == DealStageChange.deal_id)
        .join(Stage, Stage.id == DealStageChange.to_stage_id)
        .where(*where)
        .order_by(DealStageChange.at, DealStageChange.id)
        .limit(MOST)
    )
    rows, day = session.execute(query).all(), _day(session)
    people = _people(session, [deal.id for _, deal, _ in rows])
    return [
        Subject(
            f"stage_change:{change.id}", change.at, f"moved to {name}, {day(change.at)}", people.get(deal.id),
            deal.company_id, deal.id, None, deal.owner_id,
        )
        for change, deal, name in rows
    ]  # fmt: skip


def deal_silent(session: Session, conditions: Mapping[str, Any], begin: datetime, now: datetime) -> list[Subject]:
    """An open deal has had no two-way contact for ``days``, or for its stage's limit; once each silence."""
    open_ = Deal.status == "open", Deal.deleted_at.is_(None)
    deals = {d.id: d for d in session.scalars(select(Deal).where(*open_).order_by(Deal.id))}
    found = silence.of_deals(session, EVERYBODY, select(Deal.id).where(*open_), now=now)
    people, subjects = _people(session, list(deals)), []
    for deal_id, quiet in sorted(found.items()):
        days = conditions.get("days") or quiet.limit
        at = quiet.since + timedelta(days=days) if days else None
        if at is None or not begin < at <= now or quiet.next_meeting is not None:
            continue
        deal = deals[deal_id]
        why = f"deal silent {days} d"
        key = f"deal:{deal_id}:{quiet.since:%Y%m%dT%H%M%S}"
        subjects.append(Subject(key, at, why, people.get(deal_id), deal.company_id, deal_id, None, deal.owner_id))
    return subjects[:MOST]


EVENTS: dict[str, Event] = {
    "no_reply": Event("nobody answered our mail", ("days", "lifecycle"), no_reply),
    "meeting_held": Event("a meeting was held", ("lifecycle",), meeting_held),
    "contact_created": Event("a contact or lead is new", ("lifecycle", "source"), contact_created),
    "stage_changed": Event("a deal comes to a stage", ("stage", "kind"), stage_changed),
    "deal_silent": Event("a deal goes silent", ("days",), deal_silent),
}


def _of_contacts() -> Any:
    """Items with the contacts they are linked to, a row each."""
    columns = (
        Communication.id, Communication.occurred_at, Contact.id.label("contact_id"), Contact.company_id,
        Contact.owner_id, Contact.lifecycle,
    )  # fmt: skip
    return (
        select(*columns)
        .join(Link, and_(Link.communication_id == Communication.id, Link.target_kind == "contact"))
        .join(Contact, Contact.id == Link.target_id)
        .where(Communication.status == "linked", Communication.cancelled.is_(False), Link.tombstoned.is_(False))
        .where(Contact.deleted_at.is_(None))
        .order_by(Communication.occurred_at, Communication.id, Contact.id)
        .limit(LOOKED_AT)
    )


def _items(
    session: Session, rows: Sequence[Any], conditions: Mapping[str, Any],
    happened: Callable[[datetime], tuple[datetime, str]],
) -> list[Subject]:  # fmt: skip
    """One subject an item, about its first contact of the lifecycle asked for."""
    day, found, wanted = _day(session), dict[int, Subject](), conditions.get("lifecycle")
    fitting = [row for row in rows if not wanted or row.lifecycle == wanted]
    mailboxes = _mailboxes(session, [row.id for row in fitting])
    for row in fitting:
        at, why = happened(row.occurred_at)
        found.setdefault(
            row.id,
            Subject(
                f"item:{row.id}", at, why.format(day(row.occurred_at)), row.contact_id, row.company_id, None, row.id,
                row.owner_id or mailboxes.get(row.id),
            ),
        )  # fmt: skip
    return list(found.values())


def _last_touches(session: Session, contacts: set[int], begin: datetime, now: datetime) -> dict[int, datetime]:
    """When each contact was last in touch with us, in any way that counts; ``begin`` where not since then."""
    reached = and_(Communication.kind == "call", func.coalesce(Communication.outcome, "").not_in(UNREACHED))
    touch = or_(and_(Communication.kind == "email", by_a_person()), reached, held(now))
    found = dict.fromkeys(contacts, begin)
    for chunk in _chunks(sorted(contacts)):
        query = (
            select(Link.target_id, func.max(Communication.occurred_at))
            .join(Communication, Communication.id == Link.communication_id)
            .where(Link.target_kind == "contact", Link.target_id.in_(chunk), Link.tombstoned.is_(False))
            .where(Communication.status == "linked", Communication.cancelled.is_(False), touch, visible(EVERYBODY))
            .where(Communication.occurred_at > begin, Communication.occurred_at <= now)
            .group_by(Link.target_id)
        )
        found.update((contact, at) for contact, at in session.execute(query))
    return found


def _lifecycle(conditions: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    word = conditions.get("lifecycle")
    return [Contact.lifecycle == word] if word else []


def _people(session: Session, deal_ids: list[int]) -> dict[int, int]:
    """The first contact of each deal."""
    found: dict[int, int] = {}
    for chunk in _chunks(deal_ids):
        query = select(DealContact.deal_id, DealContact.contact_id).where(DealContact.deal_id.in_(chunk))
        for deal_id, contact_id in session.execute(query.order_by(DealContact.id)):
            found.setdefault(deal_id, contact_id)
    return found


def _mailboxes(session: Session, ids: list[int]) -> dict[int, int]:
    """Whose mailbox saw each item, those that share it only."""
    found: dict[int, int] = {}
    for chunk in _chunks(ids):
        query = select(Sighting.communication_id, func.min(Sighting.owner_id)).where(Sighting.tier != "private")
        rows = session.execute(query.where(Sighting.communication_id.in_(chunk)).group_by(Sighting.communication_id))
        found.update((item_id, owner) for item_id, owner in rows)
    return found


def _chunks(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _day(session: Session) -> Callable[[datetime], str]:
    """ "2 Mar", in the workspace's zone."""
    zone = zone_of(str(workspace.get(session, "time_zone")))

    def shown(moment: datetime) -> str:
        local = moment.astimezone(zone)
        return f"{local.day} {local:%b}"

    return shown
