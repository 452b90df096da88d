"""Takes a decision back: what ``sync.journal`` kept is put back, in whatever order decisions are taken back.

Where a later decision that stands has replaced the same thing, that one's journal gets the older state instead, so that
taking it back too ends where everything began. Decides nothing again; that is the caller's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from crm import addresses, companies, contacts
from crm.errors import Refused
from crm.models import Communication, Company, Contact, Decision, Link, ReviewState, Ruling
from crm.snapshots import typed
from crm.vault import Vault
from sync.chunks import chunks
from sync.journal import drop

Key = tuple[int, str, int]


def restore(session: Session, decision: Decision, *, actor_id: int, vault: Vault, now: datetime) -> None:
    """Put back what the decision changed. Raises Refused when a record it is about was merged into another since."""
    journal = dict(decision.inverse)
    _check_unmerged(session, journal)
    for later in _later(session, decision):
        hand_on(session, journal, later)
    session.flush()
    _links(session, journal)
    _rulings(session, journal)
    _records(session, journal, actor_id, vault, now)
    _states(session, journal)
    session.flush()


def still_there(session: Session, ids: Iterable[int]) -> list[int]:
    """Those of these items that have not been erased."""
    found: list[int] = []
    for chunk in chunks(sorted(set(ids))):
        found.extend(session.scalars(select(Communication.id).where(Communication.id.in_(chunk))))
    return found


def _later(session: Session, decision: Decision) -> Iterable[Decision]:
    """Standing decisions made after this one, the oldest first."""
    query = select(Decision).where(Decision.id > decision.id, Decision.undone_at.is_(None))
    return session.scalars(query.where(Decision.kind != "merge").order_by(Decision.id)).all()


def hand_on(session: Session, journal: dict[str, Any], later: Decision) -> None:
    """Give what both changed over to the later decision: taken out of ``journal``, put into its inverse."""
    theirs = {name: list(rows) if isinstance(rows, list) else rows for name, rows in later.inverse.items()}
    if not theirs.get("links_made") and not theirs.get("rulings_ended") and not theirs.get("states_before"):
        return
    links, states = _hand_on_links(journal, theirs), _hand_on_states(journal, theirs)
    if _hand_on_rulings(session, journal, theirs) or links or states:
        later.inverse = theirs
        flag_modified(later, "inverse")


def _key(row: dict[str, Any]) -> Key:
    return row["communication_id"], row["target_kind"], row["target_id"]


def _hand_on_links(journal: dict[str, Any], theirs: dict[str, Any]) -> bool:
    both = {tuple(key) for key in journal["links_made"]} & {tuple(key) for key in theirs["links_made"]}
    if both:
        older = [row for row in journal["links_before"] if _key(row) in both]
        theirs["links_before"] = [row for row in theirs["links_before"] if _key(row) not in both] + older
        journal["links_made"] = [key for key in journal["links_made"] if tuple(key) not in both]
        journal["links_before"] = [row for row in journal["links_before"] if _key(row) not in both]
    return bool(both)


def _hand_on_rulings(session: Session, journal: dict[str, Any], theirs: dict[str, Any]) -> bool:
    both = set(journal["rulings_made"]) & set(theirs["rulings_ended"])
    if not both:
        return False
    query = select(Ruling.id, Ruling.scope, Ruling.value).where(Ruling.id.in_([*both, *journal["rulings_ended"]]))
    about = {row.id: (row.scope, row.value) for row in session.execute(query)}
    older = [r for r in journal["rulings_ended"] if about.get(r) in {about.get(b) for b in both}]
    theirs["rulings_ended"] = [r for r in theirs["rulings_ended"] if r not in both] + older
    journal["rulings_ended"] = [r for r in journal["rulings_ended"] if r not in older]
    return True


def _hand_on_states(journal: dict[str, Any], theirs: dict[str, Any]) -> bool:
    mine = {_state_key(s): s for s in journal["states_before"]}
    both = mine.keys() & {_state_key(s) for s in theirs["states_before"]}
    if both:
        kept = [s for s in theirs["states_before"] if _state_key(s) not in both]
        theirs["states_before"] = kept + [mine[key] for key in sorted(both)]
        journal["states_before"] = [s for key, s in mine.items() if key not in both]
    return bool(both)


def _state_key(state: dict[str, Any]) -> tuple[str, int, str]:
    return state["group_key"], state["user_id"], state["field"]


def _check_unmerged(session: Session, journal: dict[str, Any]) -> None:
    wanted: dict[str, set[int]] = defaultdict(set)
    for _, kind, target_id in journal["links_made"]:
        wanted[kind].add(target_id)
    wanted["contact"].update(journal["contacts_made"], (contact for contact, _ in journal["addresses_made"]))
    wanted["company"].update(journal["companies_made"])
    for model, ids in ((Contact, wanted["contact"]), (Company, wanted["company"])):
        query = select(model.name).where(model.id.in_(sorted(ids)), model.merged_into.is_not(None))
        if (name := session.scalar(query.limit(1))) is not None:
            raise Refused(f"{name} was merged into another record since. Take the merge back first.")


def _links(session: Session, journal: dict[str, Any]) -> None:
    by_target: dict[tuple[str, int], list[int]] = defaultdict(list)
    for communication_id, kind, target_id in journal["links_made"]:
        by_target[kind, target_id].append(communication_id)
    for (kind, target_id), ids in by_target.items():
        drop(session, ids, kind, target_id)
    there = set(still_there(session, (row["communication_id"] for row in journal["links_before"])))
    rows = [
        row | {"created_at": datetime.fromisoformat(row["created_at"])}
        for row in journal["links_before"]
        if row["communication_id"] in there
    ]
    if rows:
        session.execute(insert(Link), rows)


def _rulings(session: Session, journal: dict[str, Any]) -> None:
    for ids, active in ((journal["rulings_made"], False), (journal["rulings_ended"], True)):
        for chunk in chunks(ids):
            session.execute(update(Ruling).where(Ruling.id.in_(chunk)).values(active=active))


def _records(session: Session, journal: dict[str, Any], actor_id: int, vault: Vault, now: datetime) -> None:
    """Addresses, contacts and companies that were made; what a person put away since is left as it is."""
    for contact_id, address in journal["addresses_made"]:
        if any(row.canonical == address for row in addresses.of(session, contact_id)):
            contacts.remove_address(session, contact_id, address, actor_id=actor_id, now=now)
    for contact_id in journal["contacts_made"]:
        if _is_live(session, Contact, contact_id):
            contacts.delete(session, contact_id, vault=vault, actor_id=actor_id, now=now, recreate=True)
    for company_id in journal["companies_made"]:
        if _is_live(session, Company, company_id):
            companies.delete(session, company_id, actor_id=actor_id, now=now)


def _is_live(session: Session, model: type[Contact] | type[Company], row_id: int) -> bool:
    row: Any = session.get(model, row_id)
    return row is not None and row.deleted_at is None


def _states(session: Session, journal: dict[str, Any]) -> None:
    """Snoozes and assignments as they were; a row that says nothing any more goes."""
    for state in journal["states_before"]:
        same = ReviewState.group_key == state["group_key"], ReviewState.user_id == state["user_id"]
        value = typed(ReviewState, state["field"], state["value"])
        session.execute(update(ReviewState).where(*same).values({state["field"]: value}))
        empty = ReviewState.snoozed_until.is_(None), ReviewState.assignee_id.is_(None)
        session.execute(delete(ReviewState).where(*same, *empty))
    session.expire_all()
