"""What a change of rules would move, before it is made: the change is made, the newest threads are decided, and all of
it is rolled back. Writes nothing that stays. Bounded in threads and time, and says how much of the log it looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.models import Communication, Company, Contact, Deal
from crm.privacy import Viewer, subject_visible, visible
from sync import rematch
from sync.reconcile import Change
from sync.service import Service

THREADS_MAX = 5_000
SECONDS = 4.0
MOVES_MAX = 100


@dataclass(frozen=True, slots=True)
class Move:
    """One item that would change its links; ``gains`` and ``loses`` are names of records. ``subject`` is "" where the
    viewer may not read it."""

    id: int
    occurred_at: datetime
    subject: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Counts over all that was looked at, and the first moves the viewer may see. ``looked_at`` of ``groups``."""

    attached: int
    moved: int
    detached: int
    items: int
    looked_at: int
    groups: int
    moves: tuple[Move, ...]


def simulate(service: Service, viewer: Viewer, change: Callable[[Session], rematch.Scope]) -> Simulation:
    """Make ``change`` (which returns the groups it can touch), decide, and go back to how it was."""
    over = service.deadline(SECONDS)
    with service.db.trial() as session:
        scope = change(session)
        session.flush()
        return _look(session, viewer, scope, service.now(), over)


def _look(
    session: Session, viewer: Viewer, scope: rematch.Scope, now: datetime, over: Callable[[], bool]
) -> Simulation:
    total, done, change = len(scope.threads) + len(scope.series), 0, Change()
    for threads, series in scope.batches():
        if done >= THREADS_MAX or over():
            break
        change.add(rematch.decide(session, threads, series, now, dry_run=True))
        done += len(threads) + len(series)
    moves = _moves(session, viewer, change)
    return Simulation(change.attached, change.moved, change.detached, change.items, done, total, moves)


def _moves(session: Session, viewer: Viewer, change: Change) -> tuple[Move, ...]:
    ids = sorted(change.moves, reverse=True)
    readable = subject_visible(viewer).label("open")
    query = (
        select(Communication.id, Communication.occurred_at, Communication.subject, readable)
        .where(Communication.id.in_(ids), visible(viewer))
        .order_by(Communication.occurred_at.desc(), Communication.id.desc())
        .limit(MOVES_MAX)
    )
    names = _names(session, {target for pair in change.moves.values() for side in pair for target in side})
    return tuple(
        Move(
            row.id, row.occurred_at, row.subject if row.open else "",
            *(tuple(names.get(t, f"{t[0]} {t[1]}") for t in side) for side in change.moves[row.id]),
        )
        for row in session.execute(query)
    )  # fmt: skip


def _names(session: Session, targets: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for kind, column, key in (("contact", Contact.name, Contact.id), ("company", Company.name, Company.id),
                              ("deal", Deal.title, Deal.id)):  # fmt: skip
        ids = sorted({i for k, i in targets if k == kind})
        if ids:
            found.update({(kind, i): name for i, name in session.execute(select(key, column).where(key.in_(ids)))})
    return found
