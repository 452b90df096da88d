"""Who sees what: the one place that compares users. Every query that lists, counts, searches, exports, suggests or
notifies goes through here with its viewer. Decides over stored facts only (``crm.sharing`` keeps those facts up to
date).

The same rule exists twice, on purpose and tested against each other over every combination: as SQL conditions
(``visible``, ``subject_visible``, ``content_visible``) for queries, and as the pure function ``judge`` behind
``tiers`` for pages.

The rule, for someone who is no owner of the item:
- a sighting shows its ``tier``, at most the item's ``visibility_cap``; an owner's grant shows all of that owner's
  sighting;
- cap ``private`` means "its participants only": a participant who is a user is not bound by it;
- the item exists when its loosest sighting is metadata or better, and its content is as the strictest sighting says;
- an item that is not linked yet exists for its owners, for those it was granted to, and for participants of a capped
  one only. Calls and notes have an author instead of sightings; theirs counts as one sighting with tier ``sharing``,
  full by default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from crm.errors import NotAllowed, NotFound
from crm.models import (
    Account,
    AccountAlias,
    Audit,
    Communication,
    Grant,
    Ledger,
    Notification,
    Participant,
    Setting,
    Sighting,
    User,
)
from crm.viewing import ItemFacts, SeenBy, Tier, Viewer, judge, sighting_tier, tier_of, visibility_cap

__all__ = [
    "ItemFacts", "SeenBy", "Tier", "Viewer", "can_open_ledger", "content_visible", "judge", "ledger_visible", "member",
    "open_as_admin", "owned", "owners", "sighting_tier", "subject_visible", "tier", "tier_of", "tiers", "tiers_of",
    "visibility_cap", "visible",
]  # fmt: skip
CHUNK = 500
VIEWERS = 256
"""For how many the conditions are kept: they are values that depend on the viewer alone, and take long to build."""


# --- the rule as SQL; aliases of its own and explicit correlation, so that a caller may join the same tables

_seen, _party, _grant = aliased(Sighting), aliased(Participant), aliased(Grant)


def _any(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    """There is a row, looked for beside the item of the query around. A scalar with LIMIT rather than EXISTS:
    PostgreSQL would read the whole table into a hash for an EXISTS inside OR, whatever the page's size."""
    return select(literal(1)).where(*where).limit(1).correlate(Communication, _seen).scalar_subquery().is_not(None)


@lru_cache(maxsize=VIEWERS)
def visible(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on ``Communication``: it exists for the viewer (metadata or better)."""
    if viewer.is_system:
        return ~_withheld()
    by_cap = or_(_open_cap(Tier.METADATA), _takes_part(viewer))
    shared = and_(by_cap, _some_sighting(_seen.tier != "private", "private"))
    reachable = or_(
        Communication.status == "linked",
        and_(Communication.status == "ignored", Communication.visibility_cap == "private", _takes_part(viewer)),
    )
    return or_(owned(viewer), _granted(viewer), and_(reachable, shared), _opened(viewer))


@lru_cache(maxsize=VIEWERS)
def subject_visible(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on ``Communication``: the viewer may read its subject."""
    return _readable(viewer, Tier.SUBJECT, ("subject", "full"))


@lru_cache(maxsize=VIEWERS)
def content_visible(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on ``Communication``: the viewer may read all of it."""
    return _readable(viewer, Tier.FULL, ("full",))


@lru_cache(maxsize=VIEWERS)
def owned(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on ``Communication``: the viewer is one of its owners."""
    # + 0 keeps SQLite off the index on owner_id, which it would walk for every item where it has no statistics
    mine = _any(_seen.communication_id == Communication.id, _seen.owner_id + 0 == viewer.user_id)
    return or_(mine, and_(Communication.author_id == viewer.user_id, ~_sighted()))


def _readable(viewer: Viewer, least: Tier, words: tuple[str, ...]) -> ColumnElement[bool]:
    if viewer.is_system:
        return _system_readable()
    by_cap = or_(_open_cap(least), _takes_part(viewer))
    closed = _any(
        _seen.communication_id == Communication.id,
        ~and_(_seen.tier.in_(words), by_cap),
        ~_granted_by(viewer, _seen.owner_id),
    )
    said = and_(func.coalesce(Communication.sharing, "full").in_(words), by_cap)
    authored = or_(said, _granted_by(viewer, Communication.author_id))
    return or_(owned(viewer), and_(visible(viewer), ~closed, or_(_sighted(), authored)), _opened(viewer))


def _system_readable() -> ColumnElement[bool]:
    """Nobody shut it: no private sighting, no private cap."""
    shut = _any(_seen.communication_id == Communication.id, _seen.tier == "private")
    authored = and_(Communication.author_id.is_not(None), func.coalesce(Communication.sharing, "full") != "private")
    return and_(func.coalesce(Communication.visibility_cap, "full") != "private", ~shut, or_(_sighted(), authored))


def _withheld() -> ColumnElement[bool]:
    """Label rules took it out of every account that saw it: it waits for its label to come back, and exists for
    nobody."""
    left_out = _any(Ledger.communication_id == Communication.id, Ledger.reason == "label_off")
    return and_(Communication.author_id.is_(None), ~_sighted(), left_out)


def _sighted() -> ColumnElement[bool]:
    return _any(_seen.communication_id == Communication.id)


def _some_sighting(condition: ColumnElement[bool], shut: str) -> ColumnElement[bool]:
    """A sighting as said, or an author's own item that is not ``shut``."""
    return or_(
        _any(_seen.communication_id == Communication.id, condition),
        and_(
            Communication.author_id.is_not(None), func.coalesce(Communication.sharing, "full") != shut, ~_sighted()
        ),
    )  # fmt: skip


def _open_cap(least: Tier) -> ColumnElement[bool]:
    """The cap lets ``least`` through."""
    words = [t.word for t in Tier if t >= least]
    return or_(Communication.visibility_cap.is_(None), Communication.visibility_cap.in_(words))


def _takes_part(viewer: Viewer) -> ColumnElement[bool]:
    """The cap is "participants only" and the viewer is one."""
    return and_(
        Communication.visibility_cap == "private",
        _any(_party.communication_id == Communication.id, _party.canonical.in_(_addresses_of(viewer.user_id))),
    )


def _addresses_of(user_id: int) -> Select[tuple[str]]:
    """All own addresses of a user, as a subquery."""
    parts = union(
        select(func.lower(User.email).label("address")).where(User.id == user_id),
        select(func.lower(Account.address)).where(Account.owner_id == user_id),
        select(AccountAlias.canonical)
        .join(Account, Account.id == AccountAlias.account_id)
        .where(Account.owner_id == user_id),
    ).subquery()
    return select(parts.c.address)


def _granted(viewer: Viewer) -> ColumnElement[bool]:
    """Some owner opened the item to the viewer."""
    by_owner = _any(_seen.communication_id == Communication.id, _granted_by(viewer, _seen.owner_id))
    return or_(by_owner, and_(~_sighted(), _granted_by(viewer, Communication.author_id)))


def _granted_by(viewer: Viewer, owner: object) -> ColumnElement[bool]:
    live = and_(
        _grant.owner_id == owner,
        _grant.revoked_at.is_(None),
        or_(_grant.user_id.is_(None), _grant.user_id == viewer.user_id),
    )
    return or_(
        _any(_grant.communication_id == Communication.id, live),
        _any(_grant.thread_id == Communication.thread_id, live),
    )


def _opened(viewer: Viewer) -> ColumnElement[bool]:
    return Communication.id.in_(viewer.opened) if viewer.opened else false()


# --- the same over rows


def tiers(session: Session, viewer: Viewer, communication_ids: Iterable[int]) -> dict[int, Tier]:
    """The tier of each item, in a constant number of statements per 500 ids. Unknown ids are PRIVATE, like items that
    don't exist for the viewer."""
    wanted = list(dict.fromkeys(communication_ids))
    found = dict.fromkeys(wanted, Tier.PRIVATE)
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        for item_id, facts in _facts(session, viewer, chunk).items():
            found[item_id] = Tier.FULL if item_id in viewer.opened else judge(viewer, facts)
    return found


def tier(session: Session, viewer: Viewer, communication_id: int) -> Tier:
    """The tier of one item. Raises NotFound where it doesn't exist for the viewer."""
    found = tiers(session, viewer, [communication_id])[communication_id]
    if found == Tier.PRIVATE:
        raise NotFound("There is no such item.")
    return found


def tiers_of(session: Session, viewer: Viewer, items: Iterable[Communication]) -> dict[int, tuple[Tier, int]]:
    """The tier of each item at hand, and in how many mailboxes the viewer may know that it was seen: that a private
    mailbox of somebody else saw it is not told. One statement per 500 items."""
    rows, found = list(items), dict[int, tuple[Tier, int]]()
    for start in range(0, len(rows), CHUNK):
        facts_of, seen_in = _judged(session, viewer, rows[start : start + CHUNK])
        for item_id, facts in facts_of.items():
            told = [w for o, w in seen_in.get(item_id, []) if viewer.is_system or w != "private" or o == viewer.user_id]
            found[item_id] = Tier.FULL if item_id in viewer.opened else judge(viewer, facts), len(told)
    return found


def _facts(session: Session, viewer: Viewer, ids: list[int]) -> dict[int, ItemFacts]:
    columns = (
        Communication.id, Communication.status, Communication.visibility_cap, Communication.sharing,
        Communication.author_id, Communication.thread_id,
    )  # fmt: skip
    return _judged(session, viewer, session.execute(select(*columns).where(Communication.id.in_(ids))).all())[0]


def _judged(
    session: Session, viewer: Viewer, rows: Sequence[Any]
) -> tuple[dict[int, ItemFacts], dict[int, list[tuple[int, str]]]]:
    """What the rule reads of items at hand (rows or objects with the columns of ``_facts``), and their sightings as
    (owner, tier)."""
    ids = [row.id for row in rows]
    grants, part, sightings = _known_of(session, viewer, ids, [row.thread_id for row in rows if row.thread_id])
    facts: dict[int, ItemFacts] = {}
    for row in rows:
        seen = sightings.get(row.id) or ([(row.author_id, row.sharing or "full")] if row.author_id else [])
        open_ = grants.get(("item", row.id), set()) | grants.get(("thread", row.thread_id), set())
        facts[row.id] = ItemFacts(
            row.status,
            tier_of(row.visibility_cap or "full"),
            tuple(SeenBy(owner, tier_of(word), owner in open_) for owner, word in seen),
            row.id in part,
        )
    return facts, sightings


def _known_of(
    session: Session, viewer: Viewer, ids: Collection[int], threads: Collection[int]
) -> tuple[dict[tuple[str, int | None], set[int]], set[int], dict[int, list[tuple[int, str]]]]:
    """In one statement: owners who opened an item or a thread to the viewer, the capped items the viewer takes part
    in, and the sightings."""
    number, word = cast(null(), Grant.owner_id.type), cast(null(), Sighting.tier.type)
    seen_in = select(Sighting.communication_id, number, Sighting.owner_id, Sighting.tier)
    opened = select(Grant.communication_id, Grant.thread_id, Grant.owner_id, word).where(
        or_(Grant.communication_id.in_(ids), Grant.thread_id.in_(threads)),
        Grant.revoked_at.is_(None),
        or_(Grant.user_id.is_(None), Grant.user_id == viewer.user_id),
    )
    parts: list[Any] = [seen_in.where(Sighting.communication_id.in_(ids)), opened]
    if not viewer.is_system:
        takes_part = Communication.id.in_(ids), _takes_part(viewer)
        parts.append(select(Communication.id, number, number, word).where(*takes_part))
    grants: dict[tuple[str, int | None], set[int]] = {}
    taking_part: set[int] = set()
    sightings: dict[int, list[tuple[int, str]]] = {}
    for item_id, thread_id, owner_id, tier_ in session.execute(union_all(*parts)):
        if tier_ is not None:
            sightings.setdefault(item_id, []).append((owner_id, tier_))
        elif owner_id is None:
            taking_part.add(item_id)
        else:
            key = ("item", item_id) if item_id is not None else ("thread", thread_id)
            grants.setdefault(key, set()).add(owner_id)
    return grants, taking_part, sightings


# --- who may do what


def member(viewer: Viewer) -> Viewer:
    """Raises NotAllowed unless the viewer is of the team: contacts, companies, deals and tasks are the team's own."""
    if viewer.role not in ("admin", "manager", "rep", "system"):
        raise NotAllowed("Sign in to see this.")
    return viewer


def owners(session: Session, communication_id: int) -> set[int]:
    """Users who own the item."""
    found = set(session.scalars(select(Sighting.owner_id).where(Sighting.communication_id == communication_id)))
    if found:
        return found
    author = session.scalar(select(Communication.author_id).where(Communication.id == communication_id))
    return {author} if author is not None else set()


def can_open_ledger(session: Session, viewer: Viewer, account_id: int) -> bool:
    """Owners see their accounts' ledger; admins too, as ids, states and reasons, for repair."""
    return viewer.is_admin or session.get_one(Account, account_id).owner_id == viewer.user_id


def ledger_visible(viewer: Viewer) -> ColumnElement[bool]:
    """Condition on ``Account``: the viewer may see its ledger and health."""
    return true() if viewer.is_admin else Account.owner_id == viewer.user_id


def open_as_admin(session: Session, viewer: Viewer, communication_id: int, *, now: datetime) -> Viewer:
    """An admin reads one item's content: audited, its owners are told. Returns the viewer to read it with.

    Raises NotAllowed for other roles, and while the workspace setting ``admin_content_access`` is off (the
    default)."""
    allowed = session.scalar(select(Setting.value).where(Setting.name == "admin_content_access"))
    if viewer.role != "admin" or allowed is not True:
        raise NotAllowed("Administrators can't open content here: the setting admin_content_access is off.")
    if session.get(Communication, communication_id) is None:
        raise NotFound("There is no such item.")
    audit = Audit(
        at=now, actor_id=viewer.user_id, action="content.admin_open", subject_kind="communication",
        subject_id=communication_id, detail={},
    )  # fmt: skip
    session.add(audit)
    session.flush()
    for owner_id in owners(session, communication_id) - {viewer.user_id}:
        text = "An administrator opened the content of one of your items."
        session.add(
            Notification(
                user_id=owner_id, key=f"admin-open:{audit.id}", kind="privacy", text=text,
                href=f"/log/{communication_id}", created_at=now,
            )
        )  # fmt: skip
    return replace(viewer, opened=viewer.opened | {communication_id})
