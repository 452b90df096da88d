"""What the clock brings, once a minute: reminders, tasks that got what they awaited, automation rules, the mails of a
morning, and sending what waits. Every part is safe to run twice, at once, and after a crash; one that fails doesn't
stop the others."""

from __future__ import annotations

import logging
from collections.abc import Callable

from crm import digest, reminders
from sync import followups, post
from sync.service import Service
from sync.traces import where

log = logging.getLogger(__name__)

EVERY = 60
"""Seconds between two rounds."""
SECONDS = 240.0


def run(service: Service) -> dict[str, int]:
    """One round. Returns counts by part; a part that failed is left out and logged."""
    over = service.deadline(SECONDS)
    parts: dict[str, Callable[[], int]] = {
        "closed": lambda: followups.close(service),
        "fired": lambda: followups.fire(service),
        "reminded": lambda: remind(service, over),
        "written": lambda: write(service, over),
        "sent": lambda: post.deliver(service, over=over),
    }
    done: dict[str, int] = {}
    for name, part in parts.items():
        try:
            done[name] = part()
        except Exception as error:  # noqa: BLE001 - one chore that breaks must not silence the others
            log.error("chore %s: %s", name, where(error))
    return done


def remind(service: Service, over: Callable[[], bool] = lambda: False) -> int:
    """Tell who has something due, in small transactions. Returns how many were told."""
    total = 0
    while not over():
        with service.db.transaction() as session:
            told = reminders.remind(session, now=service.now())
        total += told
        if told < reminders.AT_ONCE:
            break
    return total


def write(service: Service, over: Callable[[], bool] = lambda: False) -> int:
    """Write the mails of the morning, a transaction a person. Returns how many there are to send."""
    with service.db.reading() as session:
        people = digest.waiting(session, now=service.now())
    total = 0
    for user_id in people:
        if over():
            break
        with service.db.transaction() as session:
            total += digest.write(session, user_id, now=service.now())
    return total
