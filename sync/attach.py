"""match, and what follows from it: whole threads are read back, decided, and the stored links made equal to the
answer. Used by apply for what arrived and by rematch for what changed. The steps lie in ``sync.reread``,
``matching.decide`` and ``sync.reconcile``. """

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.correspondence import thread_key
from crm.directory import load
from crm.models import (
    Communication,
    Participant,
)
from matching.decide import decide_thread
from matching.memory import InMemoryDirectory
from matching.types import Decision, Item
from sync.chunks import chunks
from sync.policy import rules as rules_in_force
from sync.reconcile import Change, mark_own_side, reconcile
from sync.reread import Loaded, items_of_series, items_of_threads, items_with


def attach_threads(session: Session, threads: Collection[int], now: datetime) -> dict[int, str | None]:
    """Decide these threads and what waits for them. Returns the ignored reason (or None) of each item decided."""
    return settle(session, items_of_threads(session, threads), now).reasons


def settle(session: Session, loaded: Loaded, now: datetime) -> Change:
    """Decide what arrived, then the items that were left alone until another sign of life of a stranger on them: their
    second mail, our answer or a meeting makes them a question."""
    change = decide_and_reconcile(session, loaded, now)
    threads, series = _waiting(session, change.strangers)
    if threads:
        change.add(decide_and_reconcile(session, items_of_threads(session, threads), now))
    if series:
        change.add(decide_and_reconcile(session, items_of_series(session, series), now))
    return change


def attach_items(session: Session, communications: Collection[int], now: datetime) -> Change:
    """Decide items and everything decided together with them: their threads, their series."""
    return decide_and_reconcile(session, items_with(session, communications), now)


def _waiting(session: Session, strangers: Mapping[str, set[str]]) -> tuple[set[int], set[str]]:
    """Threads and series left unmatched whose stranger is in more than one of them. ``strangers``: the groups each was
    just seen in, by address."""
    silent: dict[str, set[tuple[str, int | None, str | None]]] = defaultdict(set)
    for addresses in chunks(sorted(strangers)):
        query = (
            select(Participant.canonical, Communication.thread_id, Communication.ical_uid, Communication.id)
            .join(Communication, Communication.id == Participant.communication_id)
            .where(Participant.canonical.in_(addresses), Communication.status == "unmatched")
        )
        for address, thread, uid, communication in session.execute(query):
            silent[address].add((thread_key(thread, uid, communication), thread, uid))
    found = {
        group
        for address, groups in silent.items()
        if len({key for key, _, _ in groups} | strangers[address]) > 1
        for group in groups
    }
    return {t for _, t, _ in found if t is not None}, {u for _, t, u in found if t is None and u is not None}


def decide_and_reconcile(session: Session, loaded: Loaded, now: datetime, *, dry_run: bool = False) -> Change:
    """Decide each group and make the stored links equal to the answer. ``dry_run`` only counts."""
    items = [item for group in loaded.groups.values() for item in group]
    if not items:
        return Change()
    rules = rules_in_force(session)
    directory = load(session, items)
    decisions: list[Decision] = []
    for group in loaded.groups.values():
        decisions.extend(decide_thread(group, directory, rules))
    change = reconcile(session, loaded, decisions, now, dry_run=dry_run)
    _note_strangers(items, directory, change)
    if not dry_run:
        mark_own_side(session, loaded, directory.is_own)
    return change


def _note_strangers(items: Sequence[Item], directory: InMemoryDirectory, change: Change) -> None:
    """Who is on these items that nobody knows."""
    for item in items:
        if change.reasons.get(item.id) is None:
            for party in item.parties:
                if party.address and not directory.entries(party.address) and not directory.is_own(party.address):
                    change.strangers[party.address].add(item.thread)
