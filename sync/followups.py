"""What follows from a change of the log or the records: tasks that awaited it close, automation rules fire. State, not
events, decides: asked twice, or by two workers, nothing is done twice; asked late, nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

from crm import automation, awaited
from sync.service import Service

AT_ONCE = ("contact_created", "stage_changed", "meeting_held")
"""What a change can set off; what only time brings waits for the minute."""


def run(service: Service) -> int:
    """Both, after a change. Returns how much was done."""
    return close(service) + fire(service, AT_ONCE)


def close(service: Service) -> int:
    """Close tasks that have got what they waited for. Returns how many."""
    with service.db.reading() as session:
        if not awaited.any_waiting(session):
            return 0
    with service.db.transaction() as session:
        return len(awaited.close(session, now=service.now()))


def fire(service: Service, events: Sequence[str] | None = None) -> int:
    """Fire the rules that are on, of these events or all. Returns how often. What there is to do is found while
    reading, so that the write lock is taken only when there is something."""
    now = service.now()
    with service.db.reading() as session:
        found = [(rule.id, automation.pending(session, rule, now=now)) for rule in automation.enabled(session, events)]
    fired = 0
    for rule_id, subjects in found:
        if subjects:
            with service.db.transaction() as session:
                fired += automation.fire(session, automation.by_id(session, rule_id), subjects, now=now)
    return fired
