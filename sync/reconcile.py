"""Makes stored links, suggestions and questions equal to a decision. Rows that are right already are not written;
rows a person pinned or tombstoned are never touched. Decides nothing. """

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from crm.models import Communication, Link, Participant, Question, Suggestion
from matching.types import Candidate, Decision, Status
from sync import reasons
from sync.chunks import chunks
from sync.reread import Loaded

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


def reconcile(
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


def mark_own_side(session: Session, loaded: Loaded, is_own: Any) -> None:
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
