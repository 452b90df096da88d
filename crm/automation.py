"""Automation rules: when something happens and conditions hold, something is done, once a subject. Kept as rows, edited
without code; what has happened is found by ``crm.automation_events``, what is done by ``crm.automation_actions``.

A rule that is switched on counts from then; the past is applied to only when asked, after a count. ``AutomationRun``
makes each firing unique by (rule, key), in the transaction of what it does, so that replaying, several workers or a
crash between change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit
from crm.automation_actions import Done, Plan, Turn, loaded, perform, plan
from crm.automation_events import EVENTS, Subject
from crm.errors import NotFound, Refused
from crm.models import AutomationRule, AutomationRun, Stage, User
from crm.once import insert_once
from crm.tasks import AWAITS, TYPES

SLACK = timedelta(days=14)
"""How far a sweep looks back: what is stored or linked late still counts, and what is older is past."""
PAST = timedelta(days=90)
"""How far "apply to the past" reaches."""
AT_ONCE = 200
ACTIONS = {"task": "create a task", "notify": "tell somebody", "assign": "give the lead to the next in turn"}
OWNER = "owner"
DAYS_MAX = 365


@dataclass(frozen=True, slots=True)
class Offer:
    """A rule that is offered; it is off until somebody switches it on."""

    key: str
    name: str
    event: str
    conditions: dict[str, Any] = field(default_factory=dict)
    action: dict[str, Any] = field(default_factory=dict)


def _task(title: str, days: int, kind: str = "follow_up") -> dict[str, Any]:
    return {"do": "task", "title": title, "due_days": days, "type": kind, "to": OWNER}


OFFERS = (
    Offer("no_reply", "No reply in 5 days", "no_reply", {"days": 5}, _task("Follow up with {contact}", 0)),
    Offer("meeting_held", "After a meeting", "meeting_held", {}, _task("Send {contact} what was agreed", 1, "email")),
    Offer("new_lead", "A new lead is called", "contact_created", {"lifecycle": "lead"},
          _task("Call {contact}", 0, "call")),
    Offer("silent", "A deal goes silent", "deal_silent", {}, _task("Get {deal} moving", 0)),
    Offer("won", "A deal is won", "stage_changed", {"kind": "won"}, _task("Thank {contact} and hand over {deal}", 2)),
    Offer("turn", "New leads in turn", "contact_created", {"lifecycle": "lead"}, {"do": "assign", "people": []}),
)  # fmt: skip


def all_(session: Session) -> list[AutomationRule]:
    """Rules in order."""
    query = select(AutomationRule).where(AutomationRule.deleted_at.is_(None))
    return list(session.scalars(query.order_by(AutomationRule.position, AutomationRule.id)))


def by_id(session: Session, rule_id: int) -> AutomationRule:
    """The rule. Raises NotFound."""
    rule = session.get(AutomationRule, rule_id)
    if rule is None or rule.deleted_at is not None:
        raise NotFound("There is no such rule.")
    return rule


def save(
    session: Session, rule_id: int | None, *, name: str, event: str, conditions: Mapping[str, Any],
    action: Mapping[str, Any], actor_id: int | None, now: datetime,
) -> AutomationRule:  # fmt: skip
    """Add a rule, off, or change one; changing keeps it on or off, and counts from now. Raises Refused, NotFound."""
    title = " ".join(name.split())[:200]
    if not title:
        raise Refused("A rule needs a name.", "name")
    clean = _conditions(session, event, conditions), _action(session, event, action)
    if rule_id is None:
        rule = AutomationRule(enabled=False, created_by=actor_id, created_at=now, position=len(all_(session)))
        session.add(rule)
    else:
        rule = by_id(session, rule_id)
    if rule.since is not None and (rule.event, rule.conditions) != (event, clean[0]):
        rule.since = now
    rule.name, rule.event, rule.conditions, rule.action = title, event, *clean
    session.flush()
    verb = "rule.create" if rule_id is None else "rule.update"
    audit.record(session, actor_id=actor_id, action=verb, subject_id=rule.id, now=now)
    return rule


def switch(session: Session, rule_id: int, on: bool, *, actor_id: int | None, now: datetime) -> AutomationRule:
    """On: what happens from now on counts. Off: nothing does."""
    rule = by_id(session, rule_id)
    if on and rule.action["do"] == "assign" and not rule.action["people"]:
        raise Refused("Choose whose turn it is first.", "people")
    rule.enabled, rule.since = on, now if on else None
    session.flush()
    action = "rule.on" if on else "rule.off"
    audit.record(session, actor_id=actor_id, action=action, subject_id=rule_id, now=now)
    return rule


def delete(session: Session, rule_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Put a rule away, switched off; what it did stays."""
    rule = by_id(session, rule_id)
    rule.deleted_at, rule.enabled = now, False
    session.flush()
    audit.record(session, actor_id=actor_id, action="rule.delete", subject_id=rule_id, now=now)


def restore(session: Session, rule_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Bring a deleted rule back, off. Raises NotFound."""
    rule = session.get(AutomationRule, rule_id)
    if rule is None or rule.deleted_at is None:
        raise NotFound("There is no such deleted rule.")
    rule.deleted_at = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="rule.restore", subject_id=rule_id, now=now)


def pending(session: Session, rule: AutomationRule, *, now: datetime, past: bool = False) -> list[Subject]:
    """What the rule would fire for: since it was switched on, or with ``past`` the last 90 days as well. Bounded."""
    begin = now - PAST if past else max(rule.since or now - SLACK, now - SLACK)
    found = EVENTS[rule.event].find(session, rule.conditions, begin, now)
    done = _fired(session, rule, [subject.key for subject in found])
    return [subject for subject in found if subject.key not in done]


def dry_run(
    session: Session, rule: AutomationRule, *, now: datetime, past: bool = False, limit: int = AT_ONCE
) -> tuple[list[Plan], int]:
    """What it would do, the first in sentences, and for how many in all; nothing is written."""
    subjects = pending(session, rule, now=now, past=past)
    shown = subjects[:limit]
    kept, turn = loaded(session, shown), Turn(session, rule)
    plans = [plan(session, rule, subject, turn, now) for subject in shown]
    del kept  # held until here: the session forgets what nobody holds
    return plans, len(subjects)


def enabled(session: Session, events: Sequence[str] | None = None) -> list[AutomationRule]:
    """The rules that are on, of these events or all."""
    query = select(AutomationRule).where(AutomationRule.enabled, AutomationRule.deleted_at.is_(None))
    if events is not None:
        query = query.where(AutomationRule.event.in_(events))
    return list(session.scalars(query.order_by(AutomationRule.position, AutomationRule.id)))


def sweep(session: Session, *, now: datetime, events: Sequence[str] | None = None) -> int:
    """Fire all rules that are on, for what has happened. Returns how many times."""
    return sum(fire(session, rule, pending(session, rule, now=now), now=now) for rule in enabled(session, events))


def fire(session: Session, rule: AutomationRule, subjects: Sequence[Subject], *, now: datetime) -> int:
    """Do the rule's action for subjects that it was not done for yet. Returns for how many."""
    fired, turn = 0, Turn(session, rule)
    for subject in subjects[:AT_ONCE]:
        values = {"rule": str(rule.id), "key": subject.key, "at": now, "result": {}}
        run = insert_once(session, AutomationRun, values)
        if run is None:
            continue
        result = perform(session, rule, subject, turn, now)
        session.get_one(AutomationRun, run).result = result.as_json()
        fired += 1
    session.flush()
    return fired


def runs(session: Session, rule_id: int, *, before: int | None = None, limit: int = 50) -> list[AutomationRun]:
    """The run log, newest first."""
    query = select(AutomationRun).where(AutomationRun.rule == str(rule_id)).order_by(AutomationRun.id.desc())
    return list(session.scalars((query.where(AutomationRun.id < before) if before else query).limit(limit)))


def run_counts(session: Session) -> dict[int, int]:
    """How often each rule has fired."""
    query = select(AutomationRun.rule, func.count()).group_by(AutomationRun.rule)
    return {int(rule): count for rule, count in session.execute(query) if rule.isdecimal()}


def _fired(session: Session, rule: AutomationRule, keys: Sequence[str]) -> set[str]:
    done: set[str] = set()
    for start in range(0, len(keys), 500):
        chunk = keys[start : start + 500]
        query = select(AutomationRun.key).where(AutomationRun.rule == str(rule.id), AutomationRun.key.in_(chunk))
        done.update(session.scalars(query))
    return done


def _conditions(session: Session, event: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if event not in EVENTS:
        raise Refused("Choose when it happens.", "event")
    kept = {name: given[name] for name in EVENTS[event].conditions if given.get(name) not in (None, "")}
    if "days" in kept and not (isinstance(kept["days"], int) and 1 <= kept["days"] <= DAYS_MAX):
        raise Refused(f"Days are a number from 1 to {DAYS_MAX}.", "days")
    if event == "no_reply" and "days" not in kept:
        raise Refused("After how many days without a reply?", "days")
    if "stage" in kept and session.get(Stage, kept["stage"]) is None:
        raise Refused("There is no such stage.", "stage")
    return kept


def _action(session: Session, event: str, given: Mapping[str, Any]) -> dict[str, Any]:
    do = given.get("do")
    if do not in ACTIONS:
        raise Refused("Choose what is to be done.", "do")
    if do == "assign":
        if event != "contact_created":
            raise Refused("Only new contacts and leads are given out in turn.", "do")
        return {"do": do, "people": [_person(session, p) for p in given.get("people") or ()]}
    title = " ".join(str(given.get("title") or "").split())[:300]
    if not title:
        raise Refused("Write what it says.", "title")
    to = given.get("to") or OWNER
    action = {"do": do, "title": title, "to": to if to == OWNER else _person(session, to)}
    if do == "task":
        days, kind, awaits = given.get("due_days"), given.get("type") or "follow_up", given.get("awaits") or None
        if not (isinstance(days, int) and 0 <= days <= DAYS_MAX):
            raise Refused(f"Due in 0 to {DAYS_MAX} days.", "due_days")
        if kind not in TYPES or (awaits and awaits not in AWAITS):
            raise Refused("Choose a kind of task.", "type")
        action |= {"due_days": days, "type": kind, "awaits": awaits}
    return action


def _person(session: Session, value: Any) -> int:
    user = session.get(User, int(value)) if str(value).isdecimal() else None
    if user is None or not user.active:
        raise Refused("Choose somebody who is still here.", "to")
    return user.id


__all__ = [
    "ACTIONS", "OFFERS", "OWNER", "Done", "Offer", "Plan", "all_", "by_id", "delete", "dry_run", "enabled", "fire",
    "pending", "restore", "run_counts", "runs", "save", "sweep", "switch",
]  # fmt: skip
