"""Lines for one person: what was written for them and not read yet. Writing them is done where the cause is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.models import Notification


def unread(session: Session, user_id: int, *, limit: int = 10) -> list[Notification]:
    """The newest unread ones first."""
    query = select(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    return list(session.scalars(query.order_by(Notification.id.desc()).limit(limit)))


def read(session: Session, user_id: int, ids: list[int], *, now: datetime) -> None:
    """Mark one's own as read; anybody else's are left alone."""
    mine = Notification.user_id == user_id, Notification.id.in_(ids), Notification.read_at.is_(None)
    session.execute(update(Notification).where(*mine).values(read_at=now))
