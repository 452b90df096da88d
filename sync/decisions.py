"""What people decide about items, as verbs: attach, create, detach, ignore, choose a deal, snooze, assign, undo.

Every verb writes one ``Decision`` row with an inverse that restores the former state exactly, changes rulings and pins,
and re-evaluates what it can touch in the same transaction. Every verb takes the viewer and refuses items they may not
see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, cleaning, companies, contacts, deals, merges, outbox
from crm.correspondence import thread_key
from crm.errors import NotFound, Refused
from crm.models import Communication, Decision, Participant, ReviewState
from crm.privacy import Viewer, visible
from crm.snapshots import plain
from crm.vault import Vault
from matching.addresses import canonical
from matching.domains import shared_kind
from sync.attach import attach_items
from sync.chunks import chunks
from sync.journal import VERDICTS, Journal, pin, rule, tombstone
from sync.rematch import Scope, Touched, conditions, decide, scope_of
from sync.reread import groups_of
from sync.restoring import restore, still_there


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """``says`` is the sentence of the toast; ``items`` how many items changed their links."""

    decision_id: int
    says: str
    items: int


NEVER_LOG = "never_log"
ELSEWHERE = {"merge": merges.unmerge, "not_duplicate": cleaning.propose_again}
"""Decisions that crm makes, and takes back, itself."""


def _may(session: Session, viewer: Viewer, ids: Sequence[int]) -> list[int]:
    """Only items the viewer may see; raises NotFound when none is left, so that a foreign id tells nothing."""
    found: list[int] = []
    for chunk in chunks(list(ids)):
        found.extend(session.scalars(select(Communication.id).where(Communication.id.in_(chunk), visible(viewer))))
    if not found:
        raise NotFound("item")
    return found


def attach(
    session: Session, viewer: Viewer, ids: Sequence[int], target: tuple[str, int], *, scope: str = "item",
    value: str = "", now: datetime,
) -> DecisionResult:  # fmt: skip
    """Attach items to a contact, company or deal. With scope address or domain (``value``) a ruling keeps it so for the
    future and the past; with thread for the whole conversation; with item these only."""
    ids, target = _may(session, viewer, ids), _live(session, target)
    open_ = _begin(session, viewer, "attach", scope, value, now, {"target": list(target)})
    if scope == "item":
        pin(session, ids, *target, open_.journal, now)
    else:
        verdict = "deal" if target[0] == "deal" else "attach"
        rule(session, viewer, scope, value, verdict, open_.journal, now, target=target)
    return _finish(session, open_, ids, now)


def _live(session: Session, target: tuple[str, int]) -> tuple[str, int]:
    """The record to attach to; of a merged one, what it became. Raises NotFound, Refused for another kind."""
    kind, target_id = target
    by_id: dict[str, Any] = {"contact": contacts.by_id, "company": companies.by_id, "deal": deals.by_id}
    if kind not in by_id:
        raise Refused("Items belong to contacts, companies and deals.")
    return kind, int(by_id[kind](session, target_id).id)


def create_and_attach(
    session: Session, viewer: Viewer, ids: Sequence[int], *, name: str, address: str, company_id: int | None = None,
    company_name: str = "", lifecycle: str = "lead", title: str | None = None, phones: Sequence[str] = (),
    now: datetime,
) -> DecisionResult:  # fmt: skip
    """Make a contact with this address and let matching attach everything that is theirs. The company is the given one,
    or a new one of this name."""
    ids = _may(session, viewer, ids)
    open_ = _begin(session, viewer, "create", "address", canonical(address), now, {})
    if company_id is None and company_name:
        company_id = _company(session, viewer, company_name, address, open_.journal, now)
    contact = contacts.create(
        session, name=name, emails=[address], phones=list(phones), title=title, company_id=company_id,
        lifecycle=lifecycle, owner_id=viewer.user_id, source="review", actor_id=viewer.user_id, now=now,
    )  # fmt: skip
    open_.journal.contacts_made.append(contact.id)
    open_.decision.payload = {"contact": contact.id}
    return _finish(session, open_, ids, now)


def _company(
    session: Session, viewer: Viewer, name: str, address: str, journal: Journal, now: datetime
) -> int:
    domain = canonical(address).rpartition("@")[2]
    domains = [] if not domain or shared_kind(domain) else [domain]
    company = companies.create(session, name=name, domains=domains, actor_id=viewer.user_id, now=now)
    journal.companies_made.append(company.id)
    return company.id


def add_address(
    session: Session, viewer: Viewer, ids: Sequence[int], contact_id: int, address: str, *, now: datetime
) -> DecisionResult:
    """The address is this known contact's from now on: a new address of theirs."""
    ids, contact_id = _may(session, viewer, ids), contacts.by_id(session, contact_id).id
    open_ = _begin(session, viewer, "attach", "address", canonical(address), now, {"contact": contact_id})
    contacts.add_address(session, contact_id, address, actor_id=viewer.user_id, now=now)
    open_.journal.addresses_made.append([contact_id, canonical(address)])
    return _finish(session, open_, ids, now)


def detach(
    session: Session, viewer: Viewer, ids: Sequence[int], target: tuple[str, int], *, scope: str = "item",
    value: str = "", now: datetime,
) -> DecisionResult:  # fmt: skip
    """Take items off a record, for good: a tombstone survives every rematch. With scope address: never for this
    address."""
    ids = _may(session, viewer, ids)
    open_ = _begin(session, viewer, "detach", scope, value, now, {"target": list(target)})
    if scope == "item":
        tombstone(session, ids, target, open_.journal, now)
    else:
        rule(session, viewer, scope, value, "detach", open_.journal, now, target=target)
    return _finish(session, open_, ids, now)


def ignore(
    session: Session, viewer: Viewer, ids: Sequence[int], *, scope: str, value: str, verdict: str = "not_a_contact",
    now: datetime,
) -> DecisionResult:  # fmt: skip
    """No question any more: for this address, this domain, or (scope item) for these items' threads only."""
    if verdict not in VERDICTS:
        raise Refused(f"There is no answer called {verdict}.")
    ids = _may(session, viewer, ids)
    open_ = _begin(session, viewer, verdict, scope, value, now, {})
    if scope in ("item", "thread"):
        for thread in _threads(session, ids):
            rule(session, viewer, "thread", thread, verdict, open_.journal, now)
    else:
        rule(session, viewer, scope, value, verdict, open_.journal, now)
    if verdict == NEVER_LOG:
        _never_log(session, before=[], after=[value], now=now)
    return _finish(session, open_, ids, now)


def _never_log(session: Session, *, before: list[str], after: list[str], now: datetime) -> None:
    """What a person put on the list, or took off it, applies to the past like the workspace's own list."""
    outbox.emit(session, "settings.changed", {"name": NEVER_LOG, "from": before, "to": after}, now=now)


def snooze(
    session: Session, viewer: Viewer, group_key: str, until: datetime | None, *, now: datetime
) -> DecisionResult:
    """Hide a group from the viewer's queue until then (None: show it again)."""
    return _state(session, viewer, group_key, "snoozed_until", until, "snooze", now)


def assign(
    session: Session, viewer: Viewer, group_key: str, assignee_id: int | None, *, now: datetime
) -> DecisionResult:
    """Hand a group to a teammate."""
    return _state(session, viewer, group_key, "assignee_id", assignee_id, "assign", now)


def _state(
    session: Session, viewer: Viewer, group_key: str, field: str, value: Any, kind: str, now: datetime
) -> DecisionResult:
    open_ = _begin(session, viewer, kind, "group", group_key, now, {})
    row = session.scalar(
        select(ReviewState).where(ReviewState.group_key == group_key, ReviewState.user_id == viewer.user_id)
    )
    if row is None:
        row = ReviewState(group_key=group_key, user_id=viewer.user_id)
        session.add(row)
    before = {"group_key": group_key, "user_id": viewer.user_id, "field": field, "value": plain(getattr(row, field))}
    open_.journal.states_before.append(before)
    setattr(row, field, value)
    return _finish(session, open_, [], now)


def _threads(session: Session, ids: Sequence[int]) -> list[str]:
    """The keys of the groups these items are decided in: threads, calendar series, items on their own."""
    found: set[str] = set()
    for chunk in chunks(list(ids)):
        query = select(Communication.thread_id, Communication.ical_uid, Communication.id)
        found.update(thread_key(*row) for row in session.execute(query.where(Communication.id.in_(chunk))))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Open:
    """A decision being made: its row, and what it has changed so far."""

    decision: Decision
    journal: Journal


def _begin(
    session: Session, viewer: Viewer, kind: str, scope: str, value: str, now: datetime, payload: dict[str, Any]
) -> _Open:
    """The row comes first, so that evidence can name who decided."""
    decision = Decision(at=now, actor_id=viewer.user_id, kind=kind, scope=scope, subject=value, payload=payload)
    session.add(decision)
    session.flush()
    return _Open(decision, Journal(decision.id))


def _finish(session: Session, open_: _Open, ids: Sequence[int], now: datetime) -> DecisionResult:
    """Re-evaluate, record, and say what happened."""
    decision, journal = open_.decision, open_.journal
    session.flush()
    changed = _reevaluate(session, decision.scope, decision.subject, ids, journal, now)
    journal.items = list(ids)
    decision.items = changed or len(ids)
    decision.says = _sentence(decision.kind, decision.scope, decision.subject, decision.items)
    decision.inverse = journal.as_json()
    session.flush()
    audit.record(
        session, actor_id=decision.actor_id, action=f"review.{decision.kind}", subject_kind="decision",
        subject_id=decision.id, now=now,
    )  # fmt: skip
    return DecisionResult(decision.id, decision.says, decision.items)


def _reevaluate(
    session: Session, scope: str, value: str, ids: Sequence[int], journal: Journal, now: datetime
) -> int:
    """Decide again what the decision can touch: these items, and all of an address, domain or thread."""
    changed = 0
    for threads, series in scope_of(session, _touched(scope, value, journal)).batches():
        change = decide(session, threads, series, now, dry_run=False)
        changed += change.attached + change.moved + change.detached
    if ids:
        change = attach_items(session, ids, now)
        changed += change.attached + change.moved + change.detached
    return changed


def _touched(scope: str, value: str, journal: Journal) -> Touched:
    """What matching reads that a decision of this scope changed."""
    touched = Touched(contacts=set(journal.contacts_made), companies=set(journal.companies_made))
    touched.contacts.update(int(c) for c, _ in journal.addresses_made)
    if scope == "address" and value:
        touched.addresses.add(value)
    elif scope == "domain" and value:
        touched.domains.add(value)
    elif scope == "thread" and value.startswith("t") and value[1:].isdecimal():  # a series or a lone item is in ``ids``
        touched.threads.add(int(value.removeprefix("t")))
    return touched


def _sentence(kind: str, scope: str, value: str, items: int) -> str:
    what = f"{items} item{'' if items == 1 else 's'}"
    whom = f" of {value}" if scope in ("address", "domain") and value else ""
    return {
        "attach": f"Attached {what}{whom}",
        "create": f"Created the contact and attached {what}",
        "detach": f"Took {what}{whom} off",
        "not_a_contact": f"{value or 'This thread'} is not a contact; {what} settled",
        "ignore": f"Ignoring {value or 'this thread'}; {what} settled",
        "private": f"{what} kept private",
        "never_log": f"{value} is never logged",
        "snooze": "Snoozed",
        "assign": "Assigned",
    }.get(kind, f"Decided {what}")


def preview(
    session: Session, viewer: Viewer, ids: Sequence[int], *, address: str = "", domain: str = ""
) -> dict[str, int]:
    """How many items an answer would reach: these, the address, the domain."""
    counts = {"these": len(ids)}
    for name, touched in (("address", Touched(addresses={address})), ("domain", Touched(domains={domain}))):
        if not (address if name == "address" else domain):
            continue
        found: set[int] = set()
        for condition in conditions(touched):
            query = select(Communication.id).join(Participant, Participant.communication_id == Communication.id)
            found.update(session.scalars(query.where(condition, visible(viewer)).distinct()))
        counts[name] = len(found)
    return counts


def undo(session: Session, viewer: Viewer, decision_id: int, *, vault: Vault, now: datetime) -> DecisionResult:
    """Take a decision back: rulings, pins, contacts and states as they were, and everything decided again."""
    decision = _standing(session, viewer, decision_id)
    if decision.kind in ELSEWHERE:
        ELSEWHERE[decision.kind](session, decision_id, actor_id=viewer.user_id, now=now)
        return DecisionResult(decision_id, f"Taken back: {decision.says}", decision.items)
    items = _put_back(session, viewer, decision, vault, now)
    if decision.kind == NEVER_LOG:
        _never_log(session, before=[decision.subject], after=[], now=now)
    changed = _reevaluate(session, decision.scope, decision.subject, items, _made(decision), now)
    audit.record(
        session, actor_id=viewer.user_id, action="review.undo", subject_kind="decision", subject_id=decision_id, now=now
    )  # fmt: skip
    return DecisionResult(decision_id, f"Taken back: {decision.says}", changed or len(items))


def end_for_trial(session: Session, viewer: Viewer, decision_id: int, *, vault: Vault, now: datetime) -> Scope:
    """Put back what a decision changed without deciding again: for a transaction that is rolled back. Returns the
    groups it touches."""
    decision = _standing(session, viewer, decision_id)
    if decision.kind in ELSEWHERE:
        raise Refused("This can be taken back, but not tried.")
    items = _put_back(session, viewer, decision, vault, now)
    scope = scope_of(session, _touched(decision.scope, decision.subject, _made(decision)))
    threads, series = groups_of(session, items)
    return Scope(scope.threads | threads, scope.series | series)


def _standing(session: Session, viewer: Viewer, decision_id: int) -> Decision:
    """A decision that the viewer may take back. Raises NotFound, Refused."""
    decision = session.get(Decision, decision_id)
    if decision is None or (decision.actor_id != viewer.user_id and viewer.role != "admin"):
        raise NotFound("decision")
    if decision.undone_at is not None:
        raise Refused("This was taken back already.")
    return decision


def _put_back(session: Session, viewer: Viewer, decision: Decision, vault: Vault, now: datetime) -> list[int]:
    """Restore the former rows; returns the items to decide again."""
    restore(session, decision, actor_id=viewer.user_id, vault=vault, now=now)
    decision.undone_at, decision.undone_by = now, viewer.user_id
    session.flush()
    return still_there(session, decision.inverse["items"])


def _made(decision: Decision) -> Journal:
    """The records of the decision, which tell what deciding again must look at."""
    inverse = decision.inverse
    made = Journal(contacts_made=inverse["contacts_made"], companies_made=inverse["companies_made"])
    made.addresses_made = inverse["addresses_made"]
    return made
