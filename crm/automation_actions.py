"""What automation rules do: create a task, tell somebody, give a new lead to the next in turn. Planning says it in a
sentence and writes nothing; performing does it. Both read the same resolution, so that a dry run tells the truth.

Titles are templates with {contact}, {company}, {deal} and {days}; nothing of a mail's content can get into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, due, notices, tasks
from crm.automation_events import Subject
from crm.models import AutomationRule, AutomationRun, Company, Contact, Deal, Task, User

ORIGIN = "rule: "
AWAITED = {"no_reply": "reply", "deal_silent": "any"}
"""What closes a task of these rules by itself, unless the rule says otherwise."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule would do for one subject. ``to_id`` None: nobody."""

    subject: Subject
    says: str
    title: str
    to_id: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """What a rule did, for the run log."""

    says: str
    ids: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For ``AutomationRun.result``."""
        return {"says": self.says, **self.ids}


class Turn:
    """Whose turn it is, for rules that give leads out: who comes after the last one given to, those who left
    skipped."""

    def __init__(self, session: Session, rule: AutomationRule) -> None:
        people = [int(p) for p in rule.action.get("people", ())]
        if not people:
            self._order: list[int] = []
            return
        here = set(session.scalars(select(User.id).where(User.id.in_(people), User.active)))
        query = select(AutomationRun.result).where(AutomationRun.rule == str(rule.id)).order_by(AutomationRun.id.desc())
        last = next((r["assigned"] for r in session.scalars(query.limit(50)) if r.get("assigned")), None)
        at = people.index(last) + 1 if last in people else 0
        self._order = [p for p in people[at:] + people[:at] if p in here]

    def next(self) -> int | None:
        """The next one, who goes to the end of the queue."""
        if not self._order:
            return None
        self._order.append(self._order.pop(0))
        return self._order[-1]


def plan(session: Session, rule: AutomationRule, subject: Subject, turn: Turn, now: datetime) -> Plan:
    """What would be done, without doing it."""
    action = rule.action
    if action["do"] == "assign":
        return _plan_assignment(session, subject, turn)
    to_id = _assignee(session, rule, subject)
    name = _user(session, to_id)
    title = _title(session, str(action.get("title") or ""), subject, rule)
    if action["do"] == "notify":
        return Plan(subject, f"Tell {name or 'nobody'}: {title}", title, to_id)
    day = due.today(now, _zone(session, to_id)) + timedelta(days=action["due_days"])
    return Plan(subject, f"Task “{title}” for {name or 'nobody'}, due {day.day} {day:%b} ({subject.why})", title, to_id)


def _plan_assignment(session: Session, subject: Subject, turn: Turn) -> Plan:
    contact = session.get(Contact, subject.contact_id or 0)
    if contact is None or contact.owner_id is not None:
        return Plan(subject, f"{_about(session, subject)}: keeps its owner", "", None)
    to_id = turn.next()
    who = f"to {_user(session, to_id)}" if to_id else "to nobody: all in turn have left"
    return Plan(subject, f"{_about(session, subject)}: {who}", "", to_id)


def loaded(session: Session, subjects: Sequence[Subject]) -> list[Any]:
    """Load what subjects are about, a statement a table; keep the list while planning, so that nothing is asked for
    one by one."""
    wanted: tuple[tuple[Any, set[int | None]], ...] = (
        (Contact, {s.contact_id for s in subjects}), (Company, {s.company_id for s in subjects}),
        (Deal, {s.deal_id for s in subjects}), (User, {s.owner_id for s in subjects}),
    )  # fmt: skip
    rows: list[Any] = []
    for model, ids in wanted:
        known = sorted(i for i in ids if i is not None)
        for at in range(0, len(known), 500):
            rows += session.scalars(select(model).where(model.id.in_(known[at : at + 500]))).all()
    return rows


def perform(session: Session, rule: AutomationRule, subject: Subject, turn: Turn, now: datetime) -> Done:
    """Do it, once: the caller holds the run that makes it unique."""
    wanted = plan(session, rule, subject, turn, now)
    do = rule.action["do"]
    if do == "assign":
        return _assign(session, rule, wanted, now)
    if do == "notify":
        if wanted.to_id is not None:
            key = f"rule:{rule.id}:{subject.key}"
            notices.tell(
                session, wanted.to_id, key=key, kind="rule", text=f"{wanted.title} ({subject.why})",
                href=_href(subject), now=now,
            )  # fmt: skip
        return Done(wanted.says, {"told": wanted.to_id})
    return _create(session, rule, wanted, now)


def _create(session: Session, rule: AutomationRule, wanted: Plan, now: datetime) -> Done:
    subject, action = wanted.subject, rule.action
    awaits = action.get("awaits") or AWAITED.get(rule.event)
    day = due.today(now, _zone(session, wanted.to_id)) + timedelta(days=action["due_days"])
    made: Task = tasks.create(
        session, title=wanted.title, type=action["type"], owner_id=wanted.to_id, due_at=due.all_day(day),
        contact_id=_live(session, Contact, subject.contact_id), company_id=_live(session, Company, subject.company_id),
        deal_id=_live(session, Deal, subject.deal_id), communication_id=subject.communication_id,
        origin=f"{ORIGIN}{subject.why}", awaits=awaits if _about(session, subject) else None, now=now, actor_id=None,
    )  # fmt: skip
    return Done(wanted.says, {"task": made.id})


def _assign(session: Session, rule: AutomationRule, wanted: Plan, now: datetime) -> Done:
    """Give the contact to the next in turn; one that has an owner keeps it."""
    contact = session.get(Contact, wanted.subject.contact_id or 0)
    if contact is None or wanted.to_id is None:
        return Done(wanted.says)
    contact.owner_id = wanted.to_id
    detail = {"fields": ["owner_id"], "from": None, "to": wanted.to_id, "rule": rule.id}
    audit.record(session, actor_id=None, action="contact.update", subject_id=contact.id, detail=detail, now=now)
    notices.tell(
        session, wanted.to_id, key=f"rule:{rule.id}:{wanted.subject.key}", kind="rule",
        text=f"{contact.name} is yours: {wanted.subject.why}.", href=f"/contacts/{contact.id}", now=now,
    )  # fmt: skip
    return Done(wanted.says, {"contact": contact.id, "assigned": wanted.to_id})


def _assignee(session: Session, rule: AutomationRule, subject: Subject) -> int | None:
    """Who it goes to; somebody who left gets nothing."""
    wanted = rule.action["to"]
    user = session.get(User, (subject.owner_id if wanted == "owner" else int(wanted)) or 0)
    return user.id if user is not None and user.active else None


def _title(session: Session, template: str, subject: Subject, rule: AutomationRule) -> str:
    names = {
        "contact": _name(session, Contact, subject.contact_id), "company": _name(session, Company, subject.company_id),
        "deal": _name(session, Deal, subject.deal_id), "days": str(rule.conditions.get("days") or ""),
    }  # fmt: skip
    for word, name in names.items():
        template = template.replace("{" + word + "}", name or f"the {word}")
    return template[:300]


def _about(session: Session, subject: Subject) -> str:
    """What the subject is called."""
    for model, row_id in ((Contact, subject.contact_id), (Deal, subject.deal_id), (Company, subject.company_id)):
        if name := _name(session, model, row_id):
            return name
    return ""


def _name(session: Session, model: Any, row_id: int | None) -> str:
    row = session.get(model, row_id) if row_id else None
    return "" if row is None else str(row.title if model is Deal else row.name)


def _live(session: Session, model: Any, row_id: int | None) -> int | None:
    row = session.get(model, row_id) if row_id else None
    return row_id if row is not None and row.deleted_at is None else None


def _user(session: Session, user_id: int | None) -> str:
    user = session.get(User, user_id) if user_id else None
    return user.name if user else ""


def _zone(session: Session, user_id: int | None) -> Any:
    return tasks.zone_of(session, user_id)


def _href(subject: Subject) -> str:
    if subject.deal_id:
        return f"/deals/{subject.deal_id}"
    return f"/contacts/{subject.contact_id}" if subject.contact_id else f"/companies/{subject.company_id}"
