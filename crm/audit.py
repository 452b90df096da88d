"""Who changed what, when and why. ``detail`` carries ids and names of fields, never mail content, passwords or
tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
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
    query = select(Audit, User.name).outerjoin(User, User.id == Audit.actor_id).order_by(Audit.id.desc()).limit(limit)
    if not viewer.is_admin:
        query = query.where(Audit.actor_id == viewer.user_id)
    if subject_kind is not None:
        query = query.where(Audit.subject_kind == subject_kind)
    if subject_id is not None:
        query = query.where(Audit.subject_id == subject_id)
    if action is not None:
        query = query.where(Audit.action == action)
    if before is not None:
        query = query.where(Audit.id < before)
    return [
        AuditRow(a.id, a.at, name or "system", a.action, a.subject_kind, a.subject_id, a.detail)
        for a, name in session.execute(query)
    ]
