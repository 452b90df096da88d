"""Items of the log that stand on top of their records: pinning and taking the pin off. A pin changes nothing that
matching reads, and shows an item to nobody who may not see it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound
from crm.models import Communication
from crm.privacy import Viewer, visible


def put(session: Session, viewer: Viewer, item_id: int, *, pinned: bool, now: datetime) -> None:
    """Pin an item the viewer may see, or take the pin off. Raises NotFound."""
    row = session.scalar(select(Communication).where(Communication.id == item_id, visible(viewer)))
    if row is None:
        raise NotFound("There is no such item.")
    row.pinned_at = now if pinned else None
    session.flush()
    audit.record(
        session, actor_id=viewer.user_id, action="item.pin" if pinned else "item.unpin",
        subject_kind="communication", subject_id=item_id, now=now,
    )  # fmt: skip
