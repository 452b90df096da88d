"""Standing rulings as the rules page shows them: what each says, how many items it reaches, when last, and how often
people corrected it. Reads only; a constant number of statements a page, whatever the number of rulings.

Hits are counted from the log when asked for, so that no counter can drift from what the ruling decides today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from crm.models import Communication, Company, Contact, Deal, Decision, Link, Participant, Ruling, User
from crm.privacy import Viewer, member, visible
from matching.domains import parents

PAGE_MAX = 50
MATCHED = ("attach", "detach", "deal", "ignore", "not_a_contact", "private", "never_log")
ORDER = ("pins and removals of one item", "answers for a thread", "answers for an address", "answers for a domain")
"""Which answer wins: the nearer scope."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One ruling. ``hits`` are the items the viewer may see that it reaches, ``last_at`` the newest of them (UTC);
    ``corrected`` those of them on which a person said otherwise later, ``precision`` the rest's share (None without
    hits)."""

    id: int
    scope: str
    value: str
    verdict: str
    target: str
    by: str
    decision_id: int | None
    created_at: datetime
    hits: int
    last_at: datetime | None
    corrected: int

    @property
    def precision(self) -> float | None:
        """Share of its hits that nobody corrected."""
        return 1 - self.corrected / self.hits if self.hits else None


def standing(session: Session, viewer: Viewer, *, before: int | None = None, limit: int = 25) -> list[Standing]:
    """The rulings in force, newest first: a rep's own, for admins all but what is others' private. Pages by id."""
    member(viewer)
    query = (
        select(Ruling, User.name)
        .outerjoin(Decision, Decision.id == Ruling.decision_id)
        .outerjoin(User, User.id == Decision.actor_id)
        .where(Ruling.active.is_(True), Ruling.verdict.in_(MATCHED), _may_see(viewer))
        .order_by(Ruling.id.desc())
        .limit(min(limit, PAGE_MAX))
    )
    if before is not None:
        query = query.where(Ruling.id < before)
    found = [(ruling, by) for ruling, by in session.execute(query)]
    rules = [ruling for ruling, _ in found]
    names, reached = _names(session, rules), _reach(session, viewer, rules)
    return [
        Standing(
            r.id, r.scope, r.value, r.verdict, names.get((r.target_kind, r.target_id), ""), by or "", r.decision_id,
            r.created_at, *reached.get(r.id, (0, None, 0)),
        )
        for r, by in found
    ]  # fmt: skip


def _may_see(viewer: Viewer) -> ColumnElement[bool]:
    """A ruling tells who writes to whom: others' answers are for admins, private ones for nobody else."""
    mine = or_(Ruling.user_id == viewer.user_id, Decision.actor_id == viewer.user_id)
    return or_(mine, Ruling.user_id.is_(None)) if viewer.is_admin else mine


def _names(session: Session, rules: Sequence[Ruling]) -> dict[tuple[str | None, int | None], str]:
    found: dict[tuple[str | None, int | None], str] = {}
    for kind, column, model in (("contact", Contact.name, Contact), ("company", Company.name, Company),
                                ("deal", Deal.title, Deal)):  # fmt: skip
        ids = {r.target_id for r in rules if r.target_kind == kind and r.target_id is not None}
        if ids:
            for row_id, name in session.execute(select(model.id, column).where(model.id.in_(sorted(ids)))):
                found[kind, row_id] = name
    return found


def _reach(session: Session, viewer: Viewer, rules: Sequence[Ruling]) -> dict[int, tuple[int, datetime | None, int]]:
    """Hits, the last of them and corrections, by ruling: one statement for all of the page."""
    if not rules:
        return {}
    hosts = _hosts(session, [r.value for r in rules if r.scope == "domain"])
    parts = []
    for ruling in rules:
        wrong = Link.communication_id == Communication.id, Link.created_at > ruling.created_at, _contradicts(ruling)
        corrected = func.count(Communication.id).filter(select(Link.id).where(*wrong).exists())
        parts.append(
            select(literal(ruling.id).label("id"), func.count(Communication.id).label("hits"),
                   func.max(Communication.occurred_at).label("last_at"), corrected.label("corrected"))
            .where(_items(ruling, hosts), visible(viewer))
        )  # fmt: skip
    return {row.id: (row.hits, row.last_at, row.corrected) for row in session.execute(union_all(*parts))}


def _hosts(session: Session, domains: Sequence[str]) -> dict[str, list[str]]:
    """The hosts in the log that are one of these domains or below one."""
    if not domains:
        return {}
    below = [Participant.domain.endswith("." + domain, autoescape=True) for domain in domains]
    found: dict[str, list[str]] = {}
    query = select(Participant.domain).where(or_(Participant.domain.in_(domains), *below)).distinct()
    for host in session.scalars(query):
        for domain in parents(host):
            found.setdefault(domain, []).append(host)
    return found


def _items(ruling: Ruling, hosts: dict[str, list[str]]) -> ColumnElement[bool]:
    """Condition on Communication: the ruling is about it."""
    if ruling.scope in ("address", "domain"):
        column: Any = Participant.canonical if ruling.scope == "address" else Participant.domain
        values = [ruling.value] if ruling.scope == "address" else hosts.get(ruling.value, [])
        return Communication.id.in_(select(Participant.communication_id).where(column.in_(values)))
    number = ruling.value[1:]
    if ruling.value.startswith("e:"):
        return and_(Communication.ical_uid == ruling.value[2:], Communication.thread_id.is_(None))
    if not number.isdecimal():
        return false()
    return (Communication.thread_id if ruling.value.startswith("t") else Communication.id) == int(number)


def _contradicts(ruling: Ruling) -> ColumnElement[bool]:
    """Condition on Link: a person's answer for one item that the ruling would have answered otherwise."""
    if ruling.target_id is None:
        return Link.pinned.is_(True)
    same = and_(Link.target_kind == ruling.target_kind, Link.target_id == ruling.target_id)
    if ruling.verdict == "detach":
        return and_(Link.pinned.is_(True), same)
    other = and_(Link.target_kind == ruling.target_kind, Link.target_id != ruling.target_id)
    return or_(and_(Link.tombstoned.is_(True), same), and_(Link.pinned.is_(True), other))
