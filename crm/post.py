"""Mails of ours to people of the team, as rows: written once by key, claimed by one worker, then sent. Sending is
``sync.post``; nobody outside the team is ever written to.

Exactly once, as far as SMTP allows: a row is claimed and that is committed before a server is spoken to. What was
certainly not taken is tried again, ``ATTEMPTS`` times over hours, then given up and shown. What was cut off after the
text went out may have arrived: it is marked *unsure* and never sent again. The same goes for a claim whose worker died.
The text is wiped once a mail is out, given up or unsure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from crm import due, workspace
from crm.models import Notification, OutgoingMail, Setting, User
from crm.once import insert_once
from crm.vault import Vault

BASE = "%BASE%"
"""Stands for the public address in a text; put in when it is sent."""
ATTEMPTS = 6
DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=6))
LEASE = timedelta(minutes=5)
KEPT = timedelta(days=90)
PASSWORD = "smtp_password"  # noqa: S105 - the name of the row, which holds it sealed
CONTEXT = "setting:smtp_password"
CHOICES = ("reminders", "digest", "weekly")
DEFAULTS: dict[str, Any] = {"reminders": True, "digest": True, "weekly": False, "hour": due.MORNING}


@dataclass(frozen=True, slots=True)
class Server:
    """The workspace's SMTP server. ``password`` is "" where none is needed."""

    host: str
    port: int
    security: str
    username: str
    password: str
    sender: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail to send now, claimed for us."""

    id: int
    user_id: int
    key: str
    to: str
    subject: str
    body: str
    attempts: int


def configured(session: Session) -> bool:
    """Whether the workspace sends mail."""
    return bool(workspace.get(session, "smtp_host"))


def server(session: Session, vault: Vault) -> Server | None:
    """The server with its password opened, None where none is set. Raises vault.CannotOpen."""
    values = workspace.all_(session)
    if not values["smtp_host"]:
        return None
    row = session.get(Setting, PASSWORD)
    return Server(
        values["smtp_host"], values["smtp_port"], values["smtp_security"], values["smtp_username"] or "",
        vault.open(row.value, context=CONTEXT) if row and row.value else "", values["smtp_from"] or "",
    )  # fmt: skip


def set_password(session: Session, vault: Vault, password: str, *, actor_id: int | None, now: datetime) -> None:
    """Seal and keep the password; "" forgets it. Its change is audited, not its value."""
    from crm import audit

    sealed = vault.seal(password, context=CONTEXT) if password else ""
    row = session.get(Setting, PASSWORD)
    if row is None:
        session.add(Setting(name=PASSWORD, value=sealed, updated_at=now, updated_by=actor_id))
    else:
        row.value, row.updated_at, row.updated_by = sealed, now, actor_id
    detail = {"name": PASSWORD}
    audit.record(session, actor_id=actor_id, action="settings.put", subject_kind="setting", detail=detail, now=now)


def has_password(session: Session) -> bool:
    """Whether one is kept."""
    row = session.get(Setting, PASSWORD)
    return bool(row and row.value)


def wants(user: User) -> dict[str, Any]:
    """What a person wants by mail, and the hour of their morning: ``CHOICES`` and ``hour``."""
    held = user.preferences.get("mail")
    return {**DEFAULTS, **(held if isinstance(held, Mapping) else {})}


def enqueue(
    session: Session, user: User, *, key: str, subject: str, body: str, choice: str = "reminders", now: datetime
) -> bool:
    """Write a mail for a person who wants that sort, once by ``key``; nothing where the workspace sends none."""
    if not configured(session) or not wants(user)[choice]:
        return False
    values = {
        "user_id": user.id, "key": key, "subject": subject, "body": body, "state": "waiting", "attempts": 0,
        "created_at": now,
    }  # fmt: skip
    return insert_once(session, OutgoingMail, values) is not None


def claim(session: Session, *, now: datetime) -> Claimed | None:
    """Take the oldest mail that is due, for us alone; commit before sending it."""
    ready = OutgoingMail.state == "waiting", or_(OutgoingMail.not_before.is_(None), OutgoingMail.not_before <= now)
    first = select(OutgoingMail.id).where(*ready).order_by(OutgoingMail.id).limit(1).scalar_subquery()
    values = {"state": "sending", "attempts": OutgoingMail.attempts + 1, "lease_until": now + LEASE, "error": None}
    taken = update(OutgoingMail).where(OutgoingMail.id == first, OutgoingMail.state == "waiting").values(values)
    found = session.execute(taken.returning(OutgoingMail.id)).scalar_one_or_none()
    if found is None:
        return None
    row = session.get_one(OutgoingMail, found, populate_existing=True)
    user = session.get_one(User, row.user_id)
    if not user.active:
        give_up(session, row.id, "They have left.", now=now)
        return claim(session, now=now)
    return Claimed(row.id, row.user_id, row.key, user.email, row.subject, row.body, row.attempts)


def sent(session: Session, mail: Claimed, *, now: datetime) -> None:
    """It was taken by the server."""
    _end(session, mail.id, "sent", None, now)
    told = Notification.user_id == mail.user_id, Notification.key == mail.key
    session.execute(update(Notification).where(*told).values(mailed_at=now))


def not_taken(session: Session, mail: Claimed, says: str, *, lasting: bool, now: datetime) -> None:
    """It was certainly not taken: try later, unless the refusal is lasting or it was tried often enough."""
    if lasting or mail.attempts >= ATTEMPTS:
        give_up(session, mail.id, says, now=now)
        return
    later = now + DELAYS[min(mail.attempts, len(DELAYS)) - 1]
    values = {"state": "waiting", "not_before": later, "lease_until": None, "error": says[:500]}
    session.execute(update(OutgoingMail).where(OutgoingMail.id == mail.id).values(values))


def give_up(session: Session, mail_id: int, says: str, *, now: datetime) -> None:
    """It will not be sent."""
    _end(session, mail_id, "failed", says, now)


def unsure(session: Session, mail_id: int, *, now: datetime) -> None:
    """It may have arrived; it is not sent again."""
    _end(session, mail_id, "unsure", "The connection broke after the text went out; it may have arrived.", now)


def sweep(session: Session, *, now: datetime) -> int:
    """Mark what a worker claimed and never finished as unsure, and forget rows that are long over. Returns how many
    were unsure."""
    dead = OutgoingMail.state == "sending", OutgoingMail.lease_until < now
    ids = list(session.scalars(select(OutgoingMail.id).where(*dead)))
    for mail_id in ids:
        unsure(session, mail_id, now=now)
    over = OutgoingMail.created_at < now - KEPT, OutgoingMail.state.not_in(("waiting", "sending"))
    session.execute(delete(OutgoingMail).where(*over))
    return len(ids)


def idle(session: Session, *, now: datetime) -> bool:
    """Whether there is nothing to send, to mark or to forget, so that no write lock need be taken."""
    due_now = or_(OutgoingMail.not_before.is_(None), OutgoingMail.not_before <= now)
    ready = and_(OutgoingMail.state == "waiting", due_now)
    dead = and_(OutgoingMail.state == "sending", OutgoingMail.lease_until < now)
    old = OutgoingMail.created_at < now - KEPT
    return session.scalar(select(OutgoingMail.id).where(or_(ready, dead, old)).limit(1)) is None


def recent(session: Session, *, limit: int = 20) -> list[tuple[OutgoingMail, str]]:
    """The newest mails with whom they are for, for the admin's page. Subjects are not shown there."""
    query = select(OutgoingMail, User.name).join(User, User.id == OutgoingMail.user_id)
    rows = session.execute(query.where(OutgoingMail.state != "nothing").order_by(OutgoingMail.id.desc()).limit(limit))
    return [(row, name) for row, name in rows]


def waiting(session: Session) -> int:
    """How many are not out yet."""
    return session.scalar(select(func.count()).where(OutgoingMail.state.in_(("waiting", "sending")))) or 0


def _end(session: Session, mail_id: int, state: str, says: str | None, now: datetime) -> None:
    values: dict[str, Any] = {
        "state": state, "error": says[:500] if says else None, "lease_until": None, "body": "", "subject": "",
    }  # fmt: skip
    if state == "sent":
        values["sent_at"] = now
    session.execute(update(OutgoingMail).where(OutgoingMail.id == mail_id).values(values))
