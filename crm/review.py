"""The review queue: open questions of the viewer's own items, grouped so that one answer settles all of a group.

Reads only; the verbs are ``sync.decisions``. A rep sees the groups of the items they own, and those a teammate
assigned to them
where they may see the items; managers see how many wait per person, never what. A constant number of statements per
page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from crm.models import Communication, Decision, Participant, Question, ReviewState, Sighting, User
from crm.privacy import Viewer, owned, subject_visible, visible
from crm.review_company import NOBODY, Known, known_companies
from crm.steps import KIND as STEP

PEOPLE, DEALS, CONFLICTS, SNOOZED = "people", "deals", "conflicts", "snoozed"
TABS = (PEOPLE, DEALS, CONFLICTS, SNOOZED)
CONFLICTING = ("shared_address", "several_companies")
PAGE_MAX = 200
PAUSE_SECONDS = 300

CHIPS: dict[str, tuple[str, str]] = {
    "unknown_at_company": ("unknown person at known company", "warn"),
    "shared_address": ("several contacts share this address", "bad"),
    "several_open_deals": ("several open deals", "warn"),
    "several_companies": ("domain of several companies", "bad"),
    "name_only_guest": ("guest known by name only", ""),
    "forwarded_by_colleague": ("forwarded by a colleague", ""),
    "new_domain": ("new domain", ""),
    "low_confidence_thread": ("not sure yet", "warn"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """One row of the queue. ``key`` is the question's group key; ``kind`` person, company or deal. ``name`` and
    ``address`` are the
    sender's (address "" for a guest by name or a thread). ``chips`` are (words, level) pairs; ``teammates`` names of
    other owners. Times are UTC."""

    key: str
    kind: str
    name: str
    address: str
    subject: str
    mails: int
    meetings: int
    first_at: datetime
    last_at: datetime
    newest_id: int
    chips: tuple[tuple[str, str], ...] = ()
    teammates: tuple[str, ...] = ()
    company: str = ""
    company_people: int = 0
    company_id: int | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TeamLoad:
    """How many groups wait for one person; a manager sees this and no more."""

    user_id: int
    name: str
    groups: int
    oldest_at: datetime | None


@dataclass(slots=True)
class _Extra:
    """What is looked up for a page of groups in one go each."""

    newest: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    people: dict[int, list[Any]] = field(default_factory=dict)
    teammates: dict[str, list[str]] = field(default_factory=dict)
    companies: dict[str, Known] = field(default_factory=dict)


def counts(session: Session, viewer: Viewer, *, now: datetime) -> dict[str, int]:
    """Groups per tab."""
    rows = _grouped(viewer).subquery()
    snoozed = rows.c.snoozed_until > now
    query = select(
        *(
            func.coalesce(
                func.sum(case((and_(rows.c.tab == tab, or_(rows.c.snoozed_until.is_(None), ~snoozed)), 1), else_=0)), 0
            )
            for tab in (PEOPLE, DEALS, CONFLICTS)
        ),
        func.coalesce(func.sum(case((snoozed, 1), else_=0)), 0),
    )
    return dict(zip(TABS, (int(n) for n in session.execute(query).one()), strict=True))


def waiting(session: Session, viewer: Viewer, *, now: datetime) -> int:
    """Groups that wait for the viewer, snoozed ones apart: the number in the menu."""
    return session.scalar(waiting_query(viewer, now)) or 0


def waiting_query(viewer: Viewer, now: datetime) -> Select[Any]:
    """The same as a query of one number."""
    rows = _grouped(viewer).subquery()
    open_ = or_(rows.c.snoozed_until.is_(None), rows.c.snoozed_until <= now)
    return select(func.count()).select_from(rows).where(open_)


def groups(
    session: Session, viewer: Viewer, tab: str, *, now: datetime, before: tuple[datetime, str] | None = None,
    limit: int = 50,
    key: str | None = None,
) -> list[Group]:  # fmt: skip
    """The groups of a tab, the latest first. ``before`` is the (last_at, key) the page before ended with; ``key``
    asks for one
    group whatever its tab."""
    rows = _grouped(viewer).subquery()
    query = select(rows).order_by(rows.c.last_at.desc(), rows.c.group_key).limit(min(limit, PAGE_MAX))
    if key is not None:
        query = query.where(rows.c.group_key == key)
    elif tab == SNOOZED:
        query = query.where(rows.c.snoozed_until > now)
    else:
        query = query.where(rows.c.tab == tab, or_(rows.c.snoozed_until.is_(None), rows.c.snoozed_until <= now))
    if before is not None:
        at, last = before
        query = query.where(or_(rows.c.last_at < at, and_(rows.c.last_at == at, rows.c.group_key > last)))
    found = session.execute(query).all()
    extra = _look_up(session, viewer, [row.group_key for row in found])
    return [_group(row, extra) for row in found]


def of_domain(session: Session, viewer: Viewer, domain: str, *, now: datetime, limit: int = PAGE_MAX) -> list[Group]:
    """The open groups of everybody at this domain, and of the domain itself, the latest first; snoozed ones apart."""
    rows = _grouped(viewer).subquery()
    query = select(rows).where(_at(rows, domain, now)).order_by(rows.c.last_at.desc(), rows.c.group_key)
    found = session.execute(query.limit(min(limit, PAGE_MAX))).all()
    extra = _look_up(session, viewer, [row.group_key for row in found])
    return [_group(row, extra) for row in found]


def count_of_domain(session: Session, viewer: Viewer, domain: str, *, now: datetime) -> int:
    """How many groups ``of_domain`` would find without a limit."""
    rows = _grouped(viewer).subquery()
    return session.scalar(select(func.count()).select_from(rows).where(_at(rows, domain, now))) or 0


def _at(rows: Any, domain: str, now: datetime) -> ColumnElement[bool]:
    awake = or_(rows.c.snoozed_until.is_(None), rows.c.snoozed_until <= now)
    theirs = and_(rows.c.group_key.startswith("address:"), rows.c.group_key.endswith("@" + domain, autoescape=True))
    return and_(awake, or_(theirs, rows.c.group_key == f"domain:{domain}"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the viewer got since a moment: decisions that stand, seconds one takes (None before there are three;
    the median, pauses left
    out), and the newest that one key takes back."""

    settled: int
    pace: float | None
    last_id: int | None


def progress(session: Session, viewer: Viewer, since: datetime) -> Progress:
    """What the viewer decided since then."""
    query = select(Decision.id, Decision.at, Decision.undone_at).where(
        Decision.actor_id == viewer.user_id, Decision.at >= since, Decision.kind != STEP
    )
    rows = session.execute(query.order_by(Decision.id)).all()
    gaps = [s for a, b in pairwise(row.at for row in rows) if 0 < (s := (b - a).total_seconds()) < PAUSE_SECONDS]
    stand = [row.id for row in rows if row.undone_at is None]
    return Progress(len(stand), median(gaps) if len(gaps) >= 2 else None, stand[-1] if stand else None)


def decided(session: Session, viewer: Viewer, *, before: int | None = None, limit: int = 50) -> list[Decision]:
    """What the viewer decided, newest first; an admin sees everybody's."""
    query = select(Decision).where(Decision.kind != STEP).order_by(Decision.id.desc()).limit(min(limit, PAGE_MAX))
    if not viewer.is_admin:
        query = query.where(Decision.actor_id == viewer.user_id)
    if before is not None:
        query = query.where(Decision.id < before)
    return list(session.scalars(query))


def skipped(session: Session, viewer: Viewer) -> list[tuple[str, int]]:
    """How many of the viewer's own items were kept out of review, by reason, the most first. Each opens a list of the
    log."""
    query = (
        select(Communication.reason, func.count())
        .where(Communication.status == "ignored", owned(viewer))
        .group_by(Communication.reason)
        .order_by(func.count().desc())
    )
    return [(reason or "ignored", count) for reason, count in session.execute(query)]


def attached_since(session: Session, viewer: Viewer, since: datetime) -> tuple[int, int]:
    """Of the viewer's own items since then: how many are linked, and how many of those without a person's hand."""
    by_hand = exists().where(
        Question.communication_id == Communication.id
    )  # a question that is still open was not settled on its own
    query = select(func.count(), func.coalesce(func.sum(case((by_hand, 0), else_=1)), 0)).where(
        Communication.status == "linked", Communication.occurred_at >= since, owned(viewer)
    )
    total, alone = session.execute(query).one()
    return int(total), int(alone)


def team(session: Session, viewer: Viewer) -> list[TeamLoad]:
    """How much waits for whom; empty for those who don't lead."""
    if not viewer.leads:
        return []
    query = (
        select(User.id, User.name, func.count(func.distinct(Question.group_key)), func.min(Communication.occurred_at))
        .join(Sighting, Sighting.owner_id == User.id)
        .join(Communication, Communication.id == Sighting.communication_id)
        .join(Question, Question.communication_id == Communication.id)
        .where(Communication.status.in_(("review", "linked")), User.active)
        .group_by(User.id, User.name)
        .order_by(func.count(func.distinct(Question.group_key)).desc(), User.name)
    )
    return [TeamLoad(*row) for row in session.execute(query)]


# --- the grouping


def mine(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on Question joined to Communication: it is the viewer's to answer."""
    assigned = exists().where(ReviewState.group_key == Question.group_key, ReviewState.assignee_id == viewer.user_id)
    handed = exists().where(
        ReviewState.group_key == Question.group_key, ReviewState.user_id == viewer.user_id,
        ReviewState.assignee_id.is_not(None), ReviewState.assignee_id != viewer.user_id,
    )  # fmt: skip
    return or_(and_(owned(viewer), ~handed), and_(assigned, visible(viewer)))


def shown_subject(viewer: Viewer) -> ColumnElement[str]:
    """The subject where the viewer may read it, else empty: a group assigned by a teammate may hold items shared as
    metadata only."""
    return case((subject_visible(viewer), Communication.subject), else_="")


def _grouped(viewer: Viewer) -> Select[Any]:
    """One row a group: tab, counts, times, and the viewer's snooze."""
    conflict = func.max(case((Question.reason.in_(CONFLICTING), 1), else_=0))
    deal = func.max(case((Question.kind == "deal", 1), else_=0))
    snoozed = (
        select(func.max(ReviewState.snoozed_until))
        .where(ReviewState.group_key == Question.group_key, ReviewState.user_id == viewer.user_id)
        .scalar_subquery()
    )
    return (
        select(
            Question.group_key,
            case((deal == 1, DEALS), (conflict == 1, CONFLICTS), else_=PEOPLE).label("tab"),
            func.min(Question.kind).label("kind"),
            func.count(func.distinct(case((Communication.kind == "email", Communication.id)))).label("mails"),
            func.count(func.distinct(case((Communication.kind == "meeting", Communication.id)))).label("meetings"),
            func.min(Communication.occurred_at).label("first_at"),
            func.max(Communication.occurred_at).label("last_at"),
            snoozed.label("snoozed_until"),
        )
        .join(Communication, Communication.id == Question.communication_id)
        .where(Communication.status.in_(("review", "linked")), mine(viewer))
        .group_by(Question.group_key)
    )


def _look_up(session: Session, viewer: Viewer, keys: list[str]) -> _Extra:
    extra = _Extra()
    if not keys:
        return extra
    rank = func.row_number().over(
        partition_by=Question.group_key, order_by=(Communication.occurred_at.desc(), Communication.id.desc())
    )
    ranked = (
        select(Question.group_key, Communication.id, shown_subject(viewer).label("subject"), rank.label("rank"))
        .join(Communication, Communication.id == Question.communication_id)
        .where(Question.group_key.in_(keys), mine(viewer))
        .subquery()
    )
    for row in session.execute(select(ranked).where(ranked.c.rank == 1)):
        extra.newest[row.group_key] = row
    _reasons(session, keys, extra)
    _people(session, extra)
    _teammates(session, viewer, keys, extra)
    domains = [k.partition(":")[2].rpartition("@")[2] for k in keys if k.startswith(("address:", "domain:"))]
    extra.companies = known_companies(session, domains)
    return extra


def _reasons(session: Session, keys: list[str], extra: _Extra) -> None:
    query = select(Question.group_key, Question.reason).where(Question.group_key.in_(keys)).distinct()
    for key, reason in session.execute(query.order_by(Question.reason)):
        extra.reasons.setdefault(key, []).append(reason)


def _people(session: Session, extra: _Extra) -> None:
    ids = [row.id for row in extra.newest.values()]
    query = select(
        Participant.communication_id, Participant.canonical, Participant.name, Participant.role, Participant.own
    )
    for row in session.execute(query.where(Participant.communication_id.in_(ids)).order_by(Participant.position)):
        extra.people.setdefault(row.communication_id, []).append(row)


def _teammates(session: Session, viewer: Viewer, keys: list[str], extra: _Extra) -> None:
    """Who else saw items of these groups: only of items the viewer owns or may see."""
    seen = aliased(Sighting)
    query = (
        select(Question.group_key, User.name)
        .join(Communication, Communication.id == Question.communication_id)
        .join(seen, seen.communication_id == Communication.id)
        .join(User, User.id == seen.owner_id)
        .where(Question.group_key.in_(keys), mine(viewer), seen.owner_id != viewer.user_id, seen.tier != "private")
        .distinct()
    )
    for key, name in session.execute(query.order_by(User.name)):
        extra.teammates.setdefault(key, []).append(name)


def _group(row: Any, extra: _Extra) -> Group:
    newest = extra.newest[row.group_key]
    address = row.group_key.removeprefix("address:") if row.group_key.startswith("address:") else ""
    reasons = extra.reasons.get(row.group_key, [])
    company = extra.companies.get(address.rpartition("@")[2], NOBODY)
    return Group(
        key=row.group_key, kind=row.kind, name=_name(row.group_key, address, newest, extra), address=address,
        subject=newest.subject, mails=row.mails, meetings=row.meetings, first_at=row.first_at, last_at=row.last_at,
        newest_id=newest.id, chips=tuple(CHIPS.get(reason, (reason.replace("_", " "), "")) for reason in reasons),
        teammates=tuple(extra.teammates.get(row.group_key, ())), company=company.name, company_people=company.people,
        company_id=company.id,
        snoozed_until=row.snoozed_until,
    )  # fmt: skip


def _name(key: str, address: str, newest: Any, extra: _Extra) -> str:
    """What heads the row: the display name of the address, the guest's name, the domain, or the thread's subject."""
    kind, _, value = key.partition(":")
    if kind == "address":
        named = (p.name for p in extra.people.get(newest.id, ()) if p.canonical == address and p.name)
        return next(named, "") or address
    return newest.subject or "no subject" if kind == "thread" else value
