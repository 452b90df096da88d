"""One step of a person over several rows, with one undo that restores exactly: what each row was before and after is
kept in a ``Decision``. A value that somebody changed since stays as they made it, and is counted.

Used for tasks in bulk and for the hand-over of a leaver; knows no table by name but by the list below."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.models import Account, Company, Contact, Deal, Decision, ReviewState, Task, User
from crm.snapshots import plain, typed

TABLES: dict[str, Any] = {
    "task": Task, "contact": Contact, "company": Company, "deal": Deal, "user": User, "account": Account,
    "review_state": ReviewState,
}  # fmt: skip
KIND = "step"


@dataclass(slots=True)
class Step:
    """What is being done. Give each row to ``touch`` before it is changed, and each new one to ``made``."""

    before: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    rows: dict[tuple[str, int], Any] = field(default_factory=dict)
    new: list[tuple[str, int]] = field(default_factory=list)

    def touch(self, row: Any, *fields: str) -> None:
        """Remember these columns of a row as they are now, once."""
        key = (row.__tablename__, row.id)
        kept = self.before.setdefault(key, {})
        self.rows[key] = row
        for name in fields:
            kept.setdefault(name, plain(getattr(row, name)))

    def made(self, row: Any) -> None:
        """Remember a row that this step made; undo puts it away."""
        self.new.append((row.__tablename__, row.id))

    def _changes(self) -> list[list[Any]]:
        changes = []
        for (table, row_id), kept in self.before.items():
            row = self.rows[table, row_id]
            fields = {name: [old, plain(getattr(row, name))] for name, old in kept.items()}
            if changed := {name: pair for name, pair in fields.items() if pair[0] != pair[1]}:
                changes.append([table, row_id, changed])
        return changes


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did: rows put back, and values that stayed because somebody changed them since."""

    says: str
    rows: int
    kept: int


def finish(session: Session, step: Step, *, says: str, what: str, actor_id: int | None, now: datetime) -> Decision:
    """Write the step down. ``says`` is the sentence of the toast, ``what`` names the sort of step."""
    session.flush()
    changes = step._changes()
    row = Decision(
        at=now, actor_id=actor_id, kind=KIND, scope=what, says=says, items=len(changes),
        inverse={"changes": changes, "made": [list(key) for key in step.new]},
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def undo(session: Session, decision_id: int, *, actor_id: int | None, now: datetime) -> Undone:
    """Put everything back as it was. Raises NotFound, Refused when it was taken back already."""
    decision = session.get(Decision, decision_id)
    if decision is None or decision.kind != KIND:
        raise NotFound("There is no such step.")
    if decision.undone_at is not None:
        raise Refused("This was taken back already.")
    rows = kept = 0
    for table, row_id, fields in decision.inverse["changes"]:
        row = session.get(TABLES[table], row_id)
        stayed = len(fields) if row is None else _put_back(row, fields)
        rows, kept = rows + (stayed < len(fields)), kept + stayed
    for table, row_id in decision.inverse["made"]:
        row = session.get(TABLES[table], row_id)
        if row is not None and row.deleted_at is None and getattr(row, "done_at", None) is None:
            row.deleted_at = now
    decision.undone_at, decision.undone_by = now, actor_id
    session.flush()
    audit.record(
        session, actor_id=actor_id, action="step.undo", subject_kind="decision", subject_id=decision_id, now=now
    )
    return Undone(decision.says, rows, kept)


def own(session: Session, decision_id: int, user_id: int) -> Decision:
    """A step of one's own. Raises NotFound for anybody else's."""
    decision = session.get(Decision, decision_id)
    if decision is None or decision.kind != KIND or decision.actor_id != user_id:
        raise NotFound("There is no such step of yours.")
    return decision


def _put_back(row: Any, fields: dict[str, list[Any]]) -> int:
    """Returns how many values somebody changed since."""
    stayed = 0
    for name, (old, new) in fields.items():
        if plain(getattr(row, name)) != new:
            stayed += 1
            continue
        setattr(row, name, typed(type(row), name, old))
    return stayed
