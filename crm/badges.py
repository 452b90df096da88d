"""The numbers beside the menu's entries, all in one statement, because every page has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import notices, review, task_lists
from crm.privacy import Viewer, member


@dataclass(frozen=True, slots=True)
class Badges:
    """What waits for the viewer: questions in review, tasks due by tonight, notices unread."""

    review: int
    tasks: int
    notices: int


def of(session: Session, viewer: Viewer, *, now: datetime, zone: str) -> Badges:
    """The viewer's numbers; ``zone`` says when their day ends."""
    member(viewer)
    due = task_lists.due_query(viewer, now, zone)
    queries = (review.waiting_query(viewer, now), due, notices.unread_query(viewer.user_id))
    return Badges(*session.execute(select(*(query.scalar_subquery() for query in queries))).one())
