"""What users may change of themselves: name, time zone, and preferences such as the reading of finished hints. Never
roles or passwords."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import User


def update(session: Session, user_id: int, *, name: str, time_zone: str, now: datetime) -> User:
    """Set name and zone (an IANA name). Raises Refused for an empty name or an unknown zone, NotFound for no such
    user."""
    if not name.strip():
        raise Refused("A name is needed.", "name")
    if time_zone not in available_timezones():
        raise Refused(f"{time_zone!r} is not a time zone such as Europe/London.", "time_zone")
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    user.name, user.time_zone = name.strip(), time_zone
    audit.record(session, actor_id=user_id, action="user.profile", subject_kind="user", subject_id=user_id, now=now)
    return user


def remember(session: Session, user_id: int, key: str, value: Any) -> None:
    """Keep one preference (JSON). Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    user.preferences = {**user.preferences, key: value}
