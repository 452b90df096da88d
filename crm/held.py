"""Which meetings count as held, as SQL conditions: over, not cancelled, and not declined by our side.

A meeting in the log is only a plan until its end. Our side declined when someone of ours said no and nobody of ours -
organizer or guest, rooms left out - did otherwise; a silent guest did not decline. Reads no clock.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, and_, exists, func
from sqlalchemy.orm import aliased

from crm.models import Communication, Participant


def held(now: datetime) -> ColumnElement[bool]:
    """Condition on ``Communication``: a meeting that has taken place by ``now`` (UTC)."""
    ended = func.coalesce(Communication.ends_at, Communication.occurred_at) <= now
    return and_(Communication.kind == "meeting", ended, stands())


def planned(now: datetime) -> ColumnElement[bool]:
    """Condition on ``Communication``: a meeting that has not begun by ``now`` and that we mean to be at."""
    return and_(Communication.kind == "meeting", Communication.occurred_at > now, stands())


@cache
def stands() -> ColumnElement[bool]:
    """Condition on ``Communication``: neither cancelled nor declined by our side."""
    return and_(Communication.cancelled.is_(False), ~_declined())


def _declined() -> ColumnElement[bool]:
    no, other = aliased(Participant), aliased(Participant)
    ours = exists().where(
        no.communication_id == Communication.id, no.own.is_(True), no.is_person.is_(True), no.response == "declined"
    )
    otherwise = exists().where(
        other.communication_id == Communication.id, other.own.is_(True), other.is_person.is_(True),
        func.coalesce(other.response, "") != "declined",
    )  # fmt: skip
    return and_(ours.correlate(Communication), ~otherwise.correlate(Communication))
