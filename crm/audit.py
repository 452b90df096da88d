"""Who changed what, when and why. ``detail`` carries ids and names of fields, never mail content, passwords or
tokens. The sentences of the page are ``crm.audit_words``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import Audit, User
from crm.privacy import Viewer


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change as shown. ``actor`` is a name, or "system"."""

    id: int
    at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_id: int | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page is narrowed to. ``actor_id`` 0 means the system; ``since`` is in it, ``until`` is not (UTC)."""

    actor_id: int | None = None
    action: str = ""
    subject_kind: str = ""
    subject_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(
    session: Session,
    *,
    actor_id: int | None,
    action: str,
    subject_kind: str | None = None,
    subject_id: int | None = None,
    detail: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Add a row. ``action`` is noun.verb, such as ``contact.merge``; the subject's kind is the noun unless said
    otherwise."""
    row = Audit(at=now, actor_id=actor_id, action=action, detail=detail or {})
    row.subject_kind, row.subject_id = action.partition(".")[0] if subject_kind is None else subject_kind, subject_id
    session.add(row)


def changes(row: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The detail of an update that is about to be made: names of fields, and from whom to whom an owner changes."""
    detail: dict[str, Any] = {"fields": sorted(changed)}
    if "owner_id" in changed:
        detail |= {"from": row.owner_id, "to": changed["owner_id"]}
    return detail


def page(
    session: Session,
    viewer: Viewer,
    *,
    subject_kind: str | None = None,
    subject_id: int | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """Newest first. An admin sees all rows, others what they did themselves. ``before`` is the id the last page
    ended with."""
    chosen = Filter(action=action or "", subject_kind=subject_kind or "", subject_id=subject_id)
    return filtered(session, viewer, chosen, before=before, limit=limit)


def filtered(
    session: Session, viewer: Viewer, chosen: Filter, *, before: int | None = None, limit: int = 50
) -> list[AuditRow]:
    """The same, narrowed further."""
    query = select(Audit, User.name).outerjoin(User, User.id == Audit.actor_id).order_by(Audit.id.desc()).limit(limit)
    if not viewer.is_admin:
        query = query.where(Audit.actor_id == viewer.user_id)
    if chosen.actor_id is not None:
        query = query.where(Audit.actor_id == chosen.actor_id if chosen.actor_id else Audit.actor_id.is_(None))
    for column, value in ((Audit.action, chosen.action), (Audit.subject_kind, chosen.subject_kind)):
        if value:
            query = query.where(column == value)
    if chosen.subject_id is not None:
        query = query.where(Audit.subject_id == chosen.subject_id)
    if chosen.since is not None:
        query = query.where(Audit.at >= chosen.since)
    if chosen.until is not None:
        query = query.where(Audit.at < chosen.until)
    if before is not None:
        query = query.where(Audit.id < before)
    return [
        AuditRow(a.id, a.at, name or "system", a.action, a.subject_kind, a.subject_id, a.detail)
        for a, name in session.execute(query)
    ]


def choices(session: Session, viewer: Viewer) -> tuple[list[str], list[str]]:
    """The actions and the kinds of subjects that there are, for the filters."""
    mine = [] if viewer.is_admin else [Audit.actor_id == viewer.user_id]
    rows = session.execute(select(Audit.action, Audit.subject_kind).where(*mine).distinct()).all()
    return sorted({row.action for row in rows}), sorted({row.subject_kind for row in rows if row.subject_kind})


def refused_today(session: Session, actor_id: int, since: datetime) -> int:
    """How many attempts at what isn't theirs were written down for a person since."""
    mine = Audit.actor_id == actor_id, Audit.action == REFUSED, Audit.at >= since
    return session.scalar(select(func.count()).select_from(Audit).where(*mine)) or 0


REFUSED = "access.refused"
