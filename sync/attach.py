"""match, and what follows from it: reads whole threads back as Items, decides them, and reconciles links, suggestions
and questions with the answer. Used by apply for what arrived and by rematch for what changed.

Links are a reconciled set: automatic ones are made equal to the decision, rows a person pinned or tombstoned are
never touched, and rows that are right already are not written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from crm.correspondence import thread_key
from crm.directory import load
from crm.models import (
    Account,
    Communication,
    CommunicationBody,
    Link,
    Participant,
    Question,
    Sighting,
    Suggestion,
)
from matching.addresses import canonical
from matching.decide import decide_thread
from matching.memory import InMemoryDirectory
from matching.types import Candidate, Decision, Item, Mark, Party, Status
from sync import reasons
from sync.items import list_host
from sync.policy import rules as rules_in_force

CHUNK = 400
BODY_LIMIT = 20_000
MOVES_KEPT = 400
Targets = list[tuple[str, int]]


@dataclass(slots=True)
class Change:
    """What a reconciliation did: counts for "attaches 37, moves 2, detaches 0", each item's ignored reason, and the
    groups that each unknown address was seen in."""

    reasons: dict[int, str | None] = field(default_factory=dict)
    attached: int = 0
    detached: int = 0
    moved: int = 0
    items: int = 0
    strangers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    moves: dict[int, tuple[Targets, Targets]] = field(default_factory=dict)
    """What the first items that changed gained and lost, for a preview's table."""

    def add(self, other: Change) -> None:
        """Sum in place."""
        self.reasons.update(other.reasons)
        self.attached += other.attached
        self.detached += other.detached
        self.moved += other.moved
        self.items += other.items
        for item, move in other.moves.items():
            self.note(item, *move)

    def note(self, item: int, gained: Targets, lost: Targets) -> None:
        """Keep an item's move while there are few."""
        if (gained or lost) and len(self.moves) < MOVES_KEPT:
            self.moves[item] = gained, lost


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


def groups_of(session: Session, communications: Collection[int]) -> tuple[set[int], set[str]]:
    """The threads and the calendar series that these items are decided with."""
    threads: set[int] = set()
    series: set[str] = set()
    for chunk in chunks(sorted(communications)):
        query = select(Communication.thread_id, Communication.ical_uid).where(Communication.id.in_(chunk))
        for thread, uid in session.execute(query).tuples():
            if thread is not None:
                threads.add(thread)
            elif uid is not None:
                series.add(uid)
    return threads, series


def chunks(values: Sequence[Any], size: int = CHUNK) -> Iterable[Sequence[Any]]:
    """Slices that fit one IN list."""
    return (values[i : i + size] for i in range(0, len(values), size))


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
        for address, thread, uid, communication in session.execute(query).tuples():
            silent[address].add((thread_key(thread, uid, communication), thread, uid))
    found = {
        group
        for address, groups in silent.items()
        if len({key for key, _, _ in groups} | strangers[address]) > 1
        for group in groups
    }
    return {t for _, t, _ in found if t is not None}, {u for _, t, u in found if t is None and u is not None}


_COLUMNS = (
    Communication.id,
    Communication.kind,
    Communication.occurred_at,
    Communication.subject,
    Communication.thread_id,
    Communication.message_id,
    Communication.ical_uid,
    Communication.marks,
    Communication.cancelled,
    Communication.status,
    Communication.reason,
    Communication.direction,
    CommunicationBody.text,
    CommunicationBody.signature,
    CommunicationBody.headers,
)


@dataclass(slots=True)
class Loaded:
    """Items in their groups, with the stored columns a reconciliation compares against."""

    groups: dict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[int, Any] = field(default_factory=dict)
    own: dict[int, bool] = field(default_factory=dict)
    addresses: dict[int, tuple[int, str]] = field(default_factory=dict)


def items_of_threads(session: Session, threads: Collection[int]) -> Loaded:
    """All items of these threads."""
    return _load(session, Communication.thread_id, sorted(threads))


def items_of_series(session: Session, uids: Collection[str]) -> Loaded:
    """All instances of these calendar series."""
    return _load(session, Communication.ical_uid, sorted(uids))


def _load(session: Session, column: Any, values: Sequence[Any]) -> Loaded:
    loaded = Loaded()
    for chunk in chunks(values):
        query = (
            select(*_COLUMNS)
            .outerjoin(CommunicationBody, CommunicationBody.communication_id == Communication.id)
            .where(column.in_(chunk))
        )
        rows = {row.id: row for row in session.execute(query)}
        parties, mailboxes = _parties(session, list(rows), loaded), _mailboxes(session, list(rows))
        for row in rows.values():
            item = _item(row, parties.get(row.id, []), mailboxes.get(row.id, ()))
            loaded.groups[item.thread].append(item)
            loaded.stored[row.id] = row
    return loaded


def _item(row: Any, parties: Sequence[Party], mailboxes: Iterable[str]) -> Item:
    """An Item as it was when it arrived; the counterpart of ``sync.store.participants``."""
    marks = frozenset(Mark(mark) for mark in row.marks)
    headers = row.headers or {}
    return Item(
        id=row.id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        parties=tuple(parties),
        subject=row.subject,
        thread=thread_key(row.thread_id, row.ical_uid, row.id),
        message_id=row.message_id or "",
        parents=tuple(headers.get("parents", ())),
        ical_uid=row.ical_uid or "",
        marks=marks | {Mark.CANCELLED} if row.cancelled else marks,
        mailboxes=tuple(sorted(mailboxes)),
        body=(row.text or "")[:BODY_LIMIT],
        signature=row.signature or "",
        list_host=list_host(headers),
    )


def _parties(session: Session, ids: Sequence[int], loaded: Loaded) -> dict[int, list[Party]]:
    found: dict[int, list[Party]] = defaultdict(list)
    for chunk in chunks(ids):
        query = (
            select(
                Participant.id,
                Participant.communication_id,
                Participant.role,
                Participant.canonical,
                Participant.name,
                Participant.is_person,
                Participant.own,
            )
            .where(Participant.communication_id.in_(chunk))
            .order_by(Participant.communication_id, Participant.position)
        )
        for row in session.execute(query):
            found[row.communication_id].append(Party(row.role, row.canonical, row.name, row.is_person))
            loaded.own[row.id] = row.own
            loaded.addresses[row.id] = (row.communication_id, row.canonical)
    return found


def _mailboxes(session: Session, ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for chunk in chunks(ids):
        query = (
            select(Sighting.communication_id, Account.address)
            .join(Account, Account.id == Sighting.account_id)
            .where(Sighting.communication_id.in_(chunk))
        )
        for communication, address in session.execute(query).tuples():
            found[communication].add(canonical(address))
    return found


def items_with(session: Session, communications: Collection[int]) -> Loaded:
    """These items and all that is decided together with them: their threads, and series that are in none."""
    threads, series = groups_of(session, communications)
    loaded = items_of_threads(session, threads)
    apart = items_of_series(session, series)
    loaded.groups.update(apart.groups)
    for name in ("stored", "own", "addresses"):
        getattr(loaded, name).update(getattr(apart, name))
    return loaded


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
    change = _reconcile(session, loaded, decisions, now, dry_run=dry_run)
    _note_strangers(items, directory, change)
    if not dry_run:
        _own_side(session, loaded, directory.is_own)
    return change


def _note_strangers(items: Sequence[Item], directory: InMemoryDirectory, change: Change) -> None:
    """Who is on these items that nobody knows."""
    for item in items:
        if change.reasons.get(item.id) is None:
            for party in item.parties:
                if party.address and not directory.entries(party.address) and not directory.is_own(party.address):
                    change.strangers[party.address].add(item.thread)


def _reconcile(
    session: Session, loaded: Loaded, decisions: Sequence[Decision], now: datetime, *, dry_run: bool
) -> Change:
    change = Change(items=len(decisions))
    ids = [d.item for d in decisions]
    links = _by_communication(session, Link, ids)
    suggestions = _by_communication(session, Suggestion, ids)
    questions = _by_communication(session, Question, ids)
    work = _Work()
    for decision in decisions:
        _links(decision, links.get(decision.item, []), now, work, change)
        _suggestions(decision, suggestions.get(decision.item, []), work)
        _questions(decision, questions.get(decision.item, []), work)
        _status(decision, loaded.stored[decision.item], now, work)
        change.reasons[decision.item] = decision.reason if decision.status is Status.IGNORED else None
    if not dry_run:
        work.write(session)
        reasons.tell(session, {i: r for i, r in change.reasons.items() if r != _set_aside(loaded.stored[i])})
    return change


def _set_aside(row: Any) -> str | None:
    return row.reason if row.status == Status.IGNORED else None


def _by_communication(session: Session, model: Any, ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    columns = list(model.__table__.columns)
    for chunk in chunks(ids):
        for row in session.execute(select(*columns).where(model.communication_id.in_(chunk)).order_by(model.id)):
            found[row.communication_id].append(row)
    return found


@dataclass(slots=True)
class _Work:
    """Rows to write, gathered so that each table is written once."""

    fresh: dict[Any, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    gone: dict[Any, list[int]] = field(default_factory=lambda: defaultdict(list))
    changed: dict[Any, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def write(self, session: Session) -> None:
        """Delete, update, insert: three statements a table at most (deletes in chunks)."""
        for model, ids in self.gone.items():
            for chunk in chunks(ids):
                session.execute(delete(model).where(model.id.in_(chunk)))
        for model, rows in self.changed.items():
            session.execute(update(model), rows)
        for model, rows in self.fresh.items():
            if rows:
                session.execute(insert(model.__table__), rows)


def evidence(candidate: Candidate) -> list[dict[str, Any]]:
    """Evidence as it is stored."""
    return [{"signal": e.signal, "weight": round(e.weight, 4), "says": e.says} for e in candidate.evidence]


def _links(decision: Decision, stored: Sequence[Any], now: datetime, work: _Work, change: Change) -> None:
    wanted = {(c.target.kind, c.target.id): c for c in decision.links}
    before, after = len(stored), 0
    fixed = {(row.target_kind, row.target_id) for row in stored if row.pinned or row.tombstoned}
    gains: Targets = []
    losses: Targets = []
    for row in stored:
        target = (row.target_kind, row.target_id)
        if target in fixed:
            continue
        candidate = wanted.get(target)
        if candidate is None:
            work.gone[Link].append(row.id)
            losses.append(target)
            continue
        values = {"method": candidate.method, "score": round(candidate.score, 4), "evidence": evidence(candidate)}
        if any(getattr(row, name) != value for name, value in values.items()):
            work.changed[Link].append({"id": row.id} | values)
    have = {(row.target_kind, row.target_id) for row in stored}
    for (kind, target_id), candidate in wanted.items():
        if (kind, target_id) in have:
            continue
        gains.append((kind, target_id))
        work.fresh[Link].append(
            {
                "communication_id": decision.item,
                "target_kind": kind,
                "target_id": target_id,
                "method": candidate.method,
                "score": round(candidate.score, 4),
                "evidence": evidence(candidate),
                "pinned": False,
                "tombstoned": False,
                "created_at": now,
            }
        )
    change.note(decision.item, gains, losses)
    gained, lost = len(gains), len(losses)
    after = before + gained - lost
    if gained and lost:
        change.moved += 1
    elif gained and not before:
        change.attached += 1
    elif lost and not after:
        change.detached += 1
    elif gained or lost:
        change.moved += 1


def _suggestions(decision: Decision, stored: Sequence[Any], work: _Work) -> None:
    wanted = [
        {
            "communication_id": decision.item,
            "target_kind": c.target.kind,
            "target_id": c.target.id,
            "score": round(c.score, 4),
            "evidence": evidence(c),
            "lost": lost,
            "against": c.against,
        }
        for lost, group in ((False, decision.suggestions), (True, decision.lost))
        for c in group
    ]
    _replace(Suggestion, stored, wanted, work)


def _questions(decision: Decision, stored: Sequence[Any], work: _Work) -> None:
    wanted = [
        {
            "communication_id": decision.item,
            "kind": q.kind,
            "group_key": q.key,
            "reason": q.reason,
            "candidates": [
                {"kind": c.target.kind, "id": c.target.id, "score": round(c.score, 4), "evidence": evidence(c)}
                for c in q.candidates
            ],
        }
        for q in decision.questions
    ]
    _replace(Question, stored, wanted, work)


def _replace(model: Any, stored: Sequence[Any], wanted: Sequence[dict[str, Any]], work: _Work) -> None:
    """Leave an equal set alone, else write it anew."""
    if len(stored) == len(wanted) and all(
        getattr(row, name) == value
        for row, values in zip(stored, wanted, strict=True)
        for name, value in values.items()
    ):
        return
    work.gone[model].extend(row.id for row in stored)
    work.fresh[model].extend(wanted)


def _status(decision: Decision, row: Any, now: datetime, work: _Work) -> None:
    values = {
        "status": str(decision.status),
        "reason": decision.reason or None,
        "direction": decision.direction or None,
    }
    if any(getattr(row, name) != value for name, value in values.items()):
        work.changed[Communication].append({"id": row.id, "updated_at": now} | values)


def _own_side(session: Session, loaded: Loaded, is_own: Any) -> None:
    """Keep the ``own`` marker of participants true, so that queries need no rules."""
    memo: dict[str, bool] = {}
    flips: Mapping[bool, list[int]] = {True: [], False: []}
    for participant, (_, address) in loaded.addresses.items():
        own = memo.setdefault(address, bool(address) and is_own(address))
        if own != loaded.own[participant]:
            flips[own].append(participant)
    for own, ids in flips.items():
        for chunk in chunks(ids):
            session.execute(update(Participant).where(Participant.id.in_(chunk)).values(own=own))
