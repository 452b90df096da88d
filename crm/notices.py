"""Lines for one person, each exactly once by its key: what was written for them and not read yet. The same line goes
out by mail where the workspace sends mail and the person wants it (``crm.post``)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from crm import post
from crm.models import Notification, User
from crm.once import insert_once

PAGE_MAX = 200


def tell(
    session: Session, user_id: int, *, key: str, kind: str, text: str, href: str = "", mail: bool = True, now: datetime
) -> bool:
    """Write a line for an active person, once by ``key``; with ``mail`` it is posted too. ``text`` may hold nothing
    that they may not see, ``href`` is a path of ours. Returns whether it is new."""
    user = session.get(User, user_id)
    if user is None or not user.active:
        return False
    values = {"user_id": user_id, "key": key, "kind": kind, "text": text[:500], "href": href, "created_at": now}
    made = insert_once(session, Notification, values)
    if made is not None and mail:
        post.enqueue(session, user, key=key, subject=text[:200], body=f"{text}\n\n{post.BASE}{href}\n", now=now)
    return made is not None


def unread(session: Session, user_id: int, *, limit: int = 10) -> list[Notification]:
    """The newest unread ones first."""
    query = select(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    return list(session.scalars(query.order_by(Notification.id.desc()).limit(limit)))


def unread_query(user_id: int) -> Select[Any]:
    """How many wait to be read, as a query of one number."""
    mine = Notification.user_id == user_id, Notification.read_at.is_(None)
    return select(func.count()).select_from(Notification).where(*mine)


def page(session: Session, user_id: int, *, before: int | None = None, limit: int = 50) -> list[Notification]:
    """All of one person's, newest first, read ones too. ``before`` is the id the last page ended with."""
    query = select(Notification).where(Notification.user_id == user_id)
    if before is not None:
        query = query.where(Notification.id < before)
    return list(session.scalars(query.order_by(Notification.id.desc()).limit(min(limit, PAGE_MAX))))


def read(session: Session, user_id: int, ids: list[int], *, now: datetime) -> None:
    """Mark one's own as read; anybody else's are left alone."""
    mine = Notification.user_id == user_id, Notification.id.in_(ids), Notification.read_at.is_(None)
    session.execute(update(Notification).where(*mine).values(read_at=now))


def read_all(session: Session, user_id: int, *, now: datetime) -> None:
    """Mark all of one's own as read."""
    mine = Notification.user_id == user_id, Notification.read_at.is_(None)
    session.execute(update(Notification).where(*mine).values(read_at=now))
