"""Somebody leaves: what is theirs goes to others in one step, access ends, mailboxes stop, the log stays; and one undo
brings all of it back as it was. What was private to them stays private."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit, notices, steps, users
from crm.errors import NotFound, Refused
from crm.models import Account, Company, Contact, Deal, Decision, ReviewState, Task, User
from crm.steps import Step, Undone

NOUNS = ("contacts", "companies", "deals", "tasks")
LABELS = {"contacts": ("contact", "contacts"), "companies": ("company", "companies"),
          "deals": ("open deal", "open deals"), "tasks": ("open task", "open tasks")}  # fmt: skip
WHAT = "user.leave"


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is somebody's, counted."""

    contacts: int
    companies: int
    deals: int
    tasks: int
    mailboxes: int


def of(session: Session, user_id: int) -> Belongings:
    """Count before anything moves: live contacts and companies, open deals and tasks, mailboxes that run."""
    counted = {noun: _count(session, model, *where) for noun, (model, where) in _owned(user_id).items()}
    return Belongings(**counted, mailboxes=_count(session, Account, *_running(user_id)))


def leave(
    session: Session, user_id: int, to: Mapping[str, int | None], *, now: datetime, actor_id: int | None
) -> Decision:
    """End access and hand over: ``to`` names for each of ``NOUNS`` who gets them (None: nobody, they stay unowned).
    Mailboxes are paused, their questions in review go with the contacts. Raises Refused for the last admin, somebody
    who left already or a successor who can't be one."""
    user = users.by_id(session, user_id)
    if not user.active:
        raise Refused("They have left already.", "to")
    users.check_may_leave(session, user)
    for noun in NOUNS:
        _check(session, user_id, noun, to.get(noun))
    step = Step()
    counts = {noun: _hand_over(session, step, user_id, noun, to.get(noun)) for noun in NOUNS}
    _questions(session, step, user_id, to.get("contacts"))
    paused = _pause(session, step, user_id)
    step.touch(user, "active", "deactivated_at")
    user.active, user.deactivated_at = False, now
    user.session_epoch += 1
    _tell(session, user, to, counts, now)
    detail: dict[str, Any] = {"to": {noun: to.get(noun) for noun in NOUNS}, **counts, "accounts_paused": paused}
    audit.record(session, actor_id=actor_id, action="user.deactivate", subject_id=user_id, detail=detail, now=now)
    return steps.finish(session, step, says=f"{user.name} has left", what=WHAT, actor_id=actor_id, now=now)


def come_back(session: Session, decision_id: int, *, actor_id: int | None, now: datetime) -> Undone:
    """Undo a leaving: access, mailboxes and belongings as they were; what was changed or given on since stays with who
    has it. Raises NotFound, Refused."""
    decision = session.get(Decision, decision_id)
    if decision is None or decision.kind != steps.KIND or decision.scope != WHAT:
        raise NotFound("There is no such leaving.")
    return steps.undo(session, decision_id, actor_id=actor_id, now=now)


def last(session: Session, user_id: int) -> Decision | None:
    """The leaving of somebody that can still be taken back."""
    query = select(Decision).where(Decision.kind == steps.KIND, Decision.scope == WHAT, Decision.undone_at.is_(None))
    for row in session.scalars(query.order_by(Decision.id.desc()).limit(50)):
        if any(table == "user" and row_id == user_id for table, row_id, _ in row.inverse["changes"]):
            return row
    return None


def _owned(user_id: int) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    return {
        "contacts": (Contact, (Contact.owner_id == user_id, Contact.deleted_at.is_(None))),
        "companies": (Company, (Company.owner_id == user_id, Company.deleted_at.is_(None))),
        "deals": (Deal, (Deal.owner_id == user_id, Deal.status == "open", Deal.deleted_at.is_(None))),
        "tasks": (Task, (Task.owner_id == user_id, Task.done_at.is_(None), Task.deleted_at.is_(None))),
    }


def _running(user_id: int) -> tuple[Any, ...]:
    return Account.owner_id == user_id, Account.removed_at.is_(None), Account.stage.not_in(("removed", "paused"))


def _hand_over(session: Session, step: Step, user_id: int, noun: str, to: int | None) -> int:
    model, where = _owned(user_id)[noun]
    rows = session.scalars(select(model).where(*where).order_by(model.id)).all()
    for row in rows:
        step.touch(row, "owner_id")
        row.owner_id = to
    session.flush()
    return len(rows)


def _tell(session: Session, user: User, to: Mapping[str, int | None], counts: Mapping[str, int], now: datetime) -> None:
    """Tell each successor what came to them."""
    for person in sorted({successor for successor in to.values() if successor is not None}):
        came = [noun for noun in NOUNS if to.get(noun) == person and counts[noun]]
        parts = [f"{counts[noun]} {LABELS[noun][counts[noun] != 1]}" for noun in came]
        if parts:
            notices.tell(
                session, person, key=f"left:{user.id}:{now:%Y%m%dT%H%M%S%f}", kind="given",
                text=f"{user.name} has left; yours now: {', '.join(parts)}.", href="/tasks", now=now,
            )  # fmt: skip


def _questions(session: Session, step: Step, user_id: int, to: int | None) -> None:
    for row in session.scalars(select(ReviewState).where(ReviewState.assignee_id == user_id)):
        step.touch(row, "assignee_id")
        row.assignee_id = to


def _pause(session: Session, step: Step, user_id: int) -> int:
    rows = session.scalars(select(Account).where(*_running(user_id))).all()
    for row in rows:
        step.touch(row, "stage")
        row.stage = "paused"
    return len(rows)


def _check(session: Session, user_id: int, noun: str, to: int | None) -> None:
    user = session.get(User, to) if to is not None else None
    if to is not None and (user is None or not user.active or to == user_id):
        raise Refused("Hand over to another, active user.", noun)


def _count(session: Session, model: Any, *where: Any) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*where)) or 0
