"""Mails that wait for somebody's answer: the last mail of a thread, from the other side, to them, and nobody of ours
has written since.

Automatic mail and newsletters never wait. An answer is any mail of ours in the thread that exists for the viewer: what
a colleague keeps private does not, so such an answer is not known of. Waiting ends with an answer, with a task made
from the mail, when somebody says that it needs none, and after ``DAYS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from crm import audit
from crm.errors import NotFound
from crm.facts import no_crowd
from crm.models import (
    Account,
    AccountAlias,
    Communication,
    Contact,
    Link,
    NoReplyNeeded,
    Participant,
    Sighting,
    Task,
    User,
)
from crm.once import insert_once
from crm.privacy import Viewer, owned, visible
from crm.silence import by_a_person

DAYS = 30
NEWEST, OLDEST = "newest", "oldest"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One mail that waits. ``contact_id`` is None where the writer is no contact."""

    id: int
    thread_id: int | None
    at: datetime
    subject: str
    snippet: str
    name: str
    contact_id: int | None


@dataclass(frozen=True, slots=True)
class Replies:
    """The first of them, and how many there are."""

    rows: tuple[Waiting, ...]
    total: int


def waiting(session: Session, viewer: Viewer, *, now: datetime, order: str = NEWEST, limit: int = 8) -> Replies:
    """What waits for the viewer's own answer, in one statement."""
    when = Communication.occurred_at if order == OLDEST else Communication.occurred_at.desc()
    columns = (
        Communication.id, Communication.thread_id, Communication.occurred_at, Communication.subject,
        Communication.snippet, _writer(Participant.name).label("name"), _writer(Participant.canonical).label("address"),
        _contact(Contact.id).label("contact_id"), _contact(Contact.name).label("contact"),
    )  # fmt: skip
    query = select(*columns, func.count().over().label("total")).where(*_waits(viewer, now))
    found = session.execute(query.order_by(when, Communication.id).limit(limit)).all()
    rows = tuple(
        Waiting(row.id, row.thread_id, row.occurred_at, row.subject, row.snippet,
                row.contact or row.name or row.address or "", row.contact_id)
        for row in found
    )  # fmt: skip
    return Replies(rows, found[0].total if found else 0)


def one(session: Session, viewer: Viewer, communication_id: int) -> Waiting:
    """A mail of the viewer's own. Raises NotFound for anybody else's, and for what is no mail."""
    row = session.execute(
        select(Communication, _writer(Participant.name), _contact(Contact.id), _contact(Contact.name)).where(
            Communication.id == communication_id, Communication.kind == "email", owned(viewer)
        )
    ).first()
    if row is None:
        raise NotFound("There is no such mail of yours.")
    item, name, contact_id, contact = row
    return Waiting(
        item.id, item.thread_id, item.occurred_at, item.subject, item.snippet, contact or name or "", contact_id
    )


def needs_none(session: Session, viewer: Viewer, communication_id: int, *, now: datetime) -> None:
    """Say that a mail of one's own needs no answer. Raises NotFound."""
    one(session, viewer, communication_id)
    values = {"communication_id": communication_id, "user_id": viewer.user_id, "at": now}
    if insert_once(session, NoReplyNeeded, values) is not None:
        _noted(session, viewer, "reply.not_needed", communication_id, now)


def has_task(session: Session, communication_id: int) -> bool:
    """Whether a task was made of the mail."""
    live = Task.communication_id == communication_id, Task.deleted_at.is_(None)
    return session.scalar(select(Task.id).where(*live).limit(1)) is not None


def needs_one(session: Session, viewer: Viewer, communication_id: int, *, now: datetime) -> None:
    """Take that back. Raises NotFound."""
    one(session, viewer, communication_id)
    row = session.get(NoReplyNeeded, communication_id)
    if row is not None:
        session.delete(row)
        _noted(session, viewer, "reply.needed", communication_id, now)


def _noted(session: Session, viewer: Viewer, action: str, communication_id: int, now: datetime) -> None:
    session.flush()
    audit.record(
        session, actor_id=viewer.user_id, action=action, subject_kind="communication", subject_id=communication_id,
        now=now,
    )  # fmt: skip


def _waits(viewer: Viewer, now: datetime) -> list[ColumnElement[bool]]:
    mine = select(Sighting.communication_id).where(Sighting.owner_id == viewer.user_id)
    return [
        Communication.kind == "email", Communication.direction == "inbound", Communication.status == "linked",
        Communication.occurred_at <= now, Communication.occurred_at > now - timedelta(days=DAYS),
        Communication.id.in_(mine), _to(viewer.user_id), by_a_person(), no_crowd(), ~_followed(viewer, now),
        ~exists().where(NoReplyNeeded.communication_id == Communication.id),
        ~exists().where(Task.communication_id == Communication.id, Task.deleted_at.is_(None)),
    ]  # fmt: skip


def _followed(viewer: Viewer, now: datetime) -> ColumnElement[bool]:
    """The thread went on with a mail of either side that the viewer may know of."""
    # the rule of privacy speaks of ``Communication``: the later mails are a query of their own
    ids = (
        select(Communication.thread_id, Communication.occurred_at, Communication.id)
        .where(
            Communication.kind == "email", Communication.direction.in_(("inbound", "outbound")),
            Communication.status == "linked", Communication.thread_id.is_not(None), by_a_person(),
            Communication.occurred_at > now - timedelta(days=DAYS), Communication.occurred_at <= now, visible(viewer),
        )
        .subquery()
    )  # fmt: skip
    newer = or_(
        ids.c.occurred_at > Communication.occurred_at,
        and_(ids.c.occurred_at == Communication.occurred_at, ids.c.id > Communication.id),
    )
    return exists().where(ids.c.thread_id == Communication.thread_id, newer)


def _to(user_id: int) -> ColumnElement[bool]:
    """Addressed to them; or to nobody of ours by name, as a mail to a list of ours is."""
    mine, anybody = aliased(Participant), aliased(Participant)
    to_me = exists().where(
        mine.communication_id == Communication.id, mine.role == "to", mine.canonical.in_(_addresses(user_id))
    )
    to_one = exists().where(
        anybody.communication_id == Communication.id, anybody.role == "to", anybody.canonical.in_(_addresses(None))
    )
    return or_(to_me.correlate(Communication), ~to_one.correlate(Communication))


def _addresses(user_id: int | None) -> Select[Any]:
    """The addresses of a teammate, or of all."""
    users = select(func.lower(User.email).label("address"))
    accounts = select(func.lower(Account.address))
    aliases = select(AccountAlias.canonical).join(Account, Account.id == AccountAlias.account_id)
    if user_id is not None:
        users, accounts = users.where(User.id == user_id), accounts.where(Account.owner_id == user_id)
        aliases = aliases.where(Account.owner_id == user_id)
    return select(union(users, accounts, aliases).subquery().c.address)


def _writer(column: Any) -> Any:
    """A fact of who wrote the item."""
    wrote = Participant.communication_id == Communication.id, Participant.role == "from"
    query = select(column).where(*wrote).order_by(Participant.position).limit(1)
    return query.correlate(Communication).scalar_subquery()


def _contact(column: Any) -> Any:
    """A fact of the contact whose mail it is: the surest link."""
    on = Link.communication_id == Communication.id, Link.target_kind == "contact", Link.tombstoned.is_(False)
    query = select(column).select_from(Link).join(Contact, Contact.id == Link.target_id)
    surest = (Link.pinned.desc(), Link.score.desc(), Link.target_id)
    return query.where(*on).order_by(*surest).limit(1).correlate(Communication).scalar_subquery()

