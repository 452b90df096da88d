"""Sets and takes back who may see what: tiers chosen by owners, caps, grants, and requests for access.

``crm.privacy`` reads what is kept here. The tier of a sighting and the cap of an item are stored facts; ``refresh``
recomputes them for given items from every setting that bears on them, and is called whenever one of these changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from crm import audit, workspace
from crm.errors import NotAllowed, NotFound, Refused
from crm.grants import must_own
from crm.models import (
    Account,
    Address,
    Communication,
    Ledger,
    Participant,
    Ruling,
    Sighting,
    Stream,
    User,
)
from crm.privacy import Viewer, sighting_tier, tier_of, visibility_cap
from matching.addresses import host_of
from matching.domains import is_within

CHUNK = 500
VERDICT = "sharing"


@dataclass(slots=True)
class _Rules:
    """Choices that bear on many items: per owner, for threads and for addresses of contacts; and who is protected."""

    loosest: str
    everybody: frozenset[str]
    threads: dict[tuple[int, str], str] = field(default_factory=dict)
    addresses: dict[tuple[int, str], str] = field(default_factory=dict)
    protected: dict[int, frozenset[str]] = field(default_factory=dict)


_ITEMS = select(
    Communication.id, Communication.kind, Communication.thread_id, Communication.marks, Communication.reason,
    Communication.visibility_cap,
)  # fmt: skip
_PEOPLE = select(Participant.communication_id, Participant.canonical, Participant.own)
_SIGHTINGS = select(
    Sighting.id, Sighting.communication_id, Sighting.owner_id, Sighting.account_id, Sighting.sharing, Sighting.tier,
    Account.sharing.label("account"),
).join(Account, Account.id == Sighting.account_id)  # fmt: skip


def refresh(session: Session, communication_ids: Iterable[int]) -> int:
    """Recompute sighting tiers and item caps from account, folder, contact, thread and item choices and the
    workspace's rules.

    Set-based, six statements per 500 items. Returns how many rows changed. Items are given by sync after it stored
    them, and here whenever a choice changes."""
    ids = sorted(set(communication_ids))
    if not ids:
        return 0
    rules = _load_rules(session)
    return sum(_refresh_chunk(session, ids[at : at + CHUNK], rules) for at in range(0, len(ids), CHUNK))


def refresh_account(session: Session, account_id: int) -> int:
    """``refresh`` for everything an account has seen."""
    return refresh(session, session.scalars(select(Sighting.communication_id).where(Sighting.account_id == account_id)))


def refresh_all(session: Session) -> int:
    """``refresh`` for the whole log, in chunks by id; for changes of workspace settings (run by a worker)."""
    changed, last, rules = 0, 0, _load_rules(session)
    query = select(Communication.id).order_by(Communication.id).limit(CHUNK)
    while ids := list(session.scalars(query.where(Communication.id > last))):
        changed += _refresh_chunk(session, ids, rules)
        last = ids[-1]
    return changed


def _load_rules(session: Session) -> _Rules:
    values = workspace.all_(session)
    rules = _Rules(values["loosest_sharing"], frozenset(values["protected_recipients"]))
    chosen = select(Ruling.scope, Ruling.value, Ruling.user_id, Ruling.target_kind, Ruling.verdict).where(
        Ruling.active, Ruling.user_id.is_not(None), Ruling.verdict.in_((VERDICT, "private"))
    )
    for scope, value, user_id, word, verdict in session.execute(chosen):
        level = word if verdict == VERDICT and word else "private"
        if user_id and scope == "thread":
            rules.threads[user_id, value] = level
        elif user_id and scope == "address":
            rules.addresses[user_id, value] = level
    for user in session.execute(select(User.id, User.preferences)):
        rules.protected[user.id] = frozenset(user.preferences.get("protected_recipients", ()))
    return rules


def _refresh_chunk(session: Session, ids: list[int], rules: _Rules) -> int:
    items = {row.id: row for row in session.execute(_ITEMS.where(Communication.id.in_(ids)))}
    people: dict[int, list[Any]] = {}
    for party in session.execute(_PEOPLE.where(Participant.communication_id.in_(ids))):
        people.setdefault(party.communication_id, []).append(party)
    sightings = session.execute(_SIGHTINGS.where(Sighting.communication_id.in_(ids))).all()
    streams = _stream_choices(session, ids)
    tiers: list[dict[str, Any]] = []
    protected: dict[int, frozenset[str]] = dict.fromkeys(items, rules.everybody)
    for s in sightings:
        item, parties = items[s.communication_id], people.get(s.communication_id, [])
        word = _tier_of(s, item, parties, streams.get((s.communication_id, s.account_id), ()), rules)
        protected[item.id] |= rules.protected.get(s.owner_id, frozenset())
        if word != s.tier:
            tiers.append({"id": s.id, "tier": word})
    found = {i.id: _cap_of(i, people.get(i.id, []), protected[i.id]) for i in items.values()}
    caps = [{"id": i, "visibility_cap": cap} for i, cap in found.items() if cap != items[i].visibility_cap]
    if tiers:
        session.execute(update(Sighting), tiers)
    if caps:
        session.execute(update(Communication), caps)
    return len(tiers) + len(caps)


def _tier_of(sighting: Any, item: Any, parties: list[Any], streams: Iterable[str], rules: _Rules) -> str:
    """A mail marked private that its owner chose to keep is for the owner alone, unless they said otherwise for this
    one."""
    owner = sighting.owner_id
    alone = "private" if item.kind == "email" and "private" in item.marks else None
    return sighting_tier(
        account=sighting.account,
        streams=streams,
        contacts=[rules.addresses.get((owner, p.canonical)) for p in parties],
        thread=rules.threads.get((owner, str(item.thread_id))),
        item=sighting.sharing or alone,
        loosest=rules.loosest,
    )


def _cap_of(item: Any, parties: list[Any], protected: frozenset[str]) -> str | None:
    everyone_own = bool(parties) and item.kind in ("email", "meeting") and all(p.own for p in parties)
    addresses = [p.canonical for p in parties if p.canonical]
    shielded = any(a in protected or is_within(host_of(a), protected) for a in addresses)
    return visibility_cap(item.marks, internal=item.reason == "internal" or everyone_own, protected=shielded)


def _stream_choices(session: Session, ids: list[int]) -> dict[tuple[int, int], list[str]]:
    """The tiers chosen for the folders an item lies in, by (item, account)."""
    query = (
        select(Ledger.communication_id, Ledger.account_id, Stream.sharing)
        .join(Stream, Stream.id == Ledger.stream_id)
        .where(Ledger.communication_id.in_(ids), Stream.sharing.is_not(None))
        .distinct()
    )
    found: dict[tuple[int, int], list[str]] = {}
    for item_id, account_id, word in session.execute(query):
        if item_id and word:
            found.setdefault((item_id, account_id), []).append(word)
    return found


# --- choices of owners


def set_item(session: Session, viewer: Viewer, communication_id: int, word: str | None, *, now: datetime) -> None:
    """An owner chooses the tier of an item for everybody, as far as their own mailbox goes; None: as its thread or
    account."""
    must_own(session, viewer, communication_id)
    if word is not None:
        _check(session, word)
    mine = update(Sighting).where(Sighting.communication_id == communication_id, Sighting.owner_id == viewer.user_id)
    session.execute(mine.values(sharing=word))
    session.execute(
        update(Communication)
        .where(Communication.id == communication_id, Communication.author_id == viewer.user_id)
        .values(sharing=word)
    )
    refresh(session, [communication_id])
    _note(session, viewer, "sharing.item", communication_id, {"tier": word}, now)


def set_thread(session: Session, viewer: Viewer, thread_id: int, word: str | None, *, now: datetime) -> int:
    """The same for all of the viewer's items in a thread, future ones too. Returns how many rows changed."""
    mine = select(Communication.id).join(Sighting, Sighting.communication_id == Communication.id)
    ids = list(session.scalars(mine.where(Communication.thread_id == thread_id, Sighting.owner_id == viewer.user_id)))
    if not ids:
        raise NotFound("There is no such thread.")
    _put_rule(session, viewer.user_id, "thread", str(thread_id), word, now)
    _note(session, viewer, "sharing.thread", None, {"thread": thread_id, "tier": word}, now)
    return refresh(session, ids)


def set_contact(session: Session, viewer: Viewer, contact_id: int, word: str | None, *, now: datetime) -> int:
    """The same for the viewer's items with a contact, by all their addresses, future items too. Returns how many
    rows changed."""
    addresses = list(session.scalars(select(Address.canonical).where(Address.contact_id == contact_id)))
    for address in addresses:
        _put_rule(session, viewer.user_id, "address", address, word, now)
    query = (
        select(Participant.communication_id)
        .join(Sighting, Sighting.communication_id == Participant.communication_id)
        .where(Participant.canonical.in_(addresses), Sighting.owner_id == viewer.user_id)
    )
    _note(session, viewer, "sharing.contact", None, {"contact": contact_id, "tier": word}, now)
    return refresh(session, session.scalars(query))


def set_account(session: Session, viewer: Viewer, account_id: int, word: str, *, now: datetime) -> int:
    """The owner (or an admin, towards stricter only) chooses the tier of an account. Returns how many rows
    changed."""
    account = session.get(Account, account_id)
    if account is None or (account.owner_id != viewer.user_id and not viewer.is_admin):
        raise NotFound("There is no such account.")
    _check(session, word)
    if account.owner_id != viewer.user_id and tier_of(word) > tier_of(account.sharing):
        raise NotAllowed("Only its owner can share a mailbox more widely.")
    account.sharing = word
    session.flush()
    _note(session, viewer, "sharing.account", None, {"account": account_id, "tier": word}, now)
    return refresh_account(session, account_id)


def _put_rule(session: Session, user_id: int, scope: str, value: str, word: str | None, now: datetime) -> None:
    if word is not None:
        _check(session, word)
    same = {"scope": scope, "value": value, "user_id": user_id, "verdict": VERDICT}
    session.execute(delete(Ruling).filter_by(**same))
    if word is not None:
        session.add(Ruling(**same, target_kind=word, created_at=now))
    session.flush()


def _check(session: Session, word: str) -> None:
    try:
        chosen = tier_of(word)
    except ValueError as error:
        raise Refused(f"{error}.", "sharing") from None
    if chosen > tier_of(loosest := workspace.get(session, "loosest_sharing")):
        raise Refused(f"The loosest tier allowed in this workspace is {loosest}.", "sharing")


def _note(
    session: Session, viewer: Viewer, action: str, item_id: int | None, detail: dict[str, Any], now: datetime
) -> None:
    audit.record(
        session, actor_id=viewer.user_id, action=action, subject_kind="communication", subject_id=item_id,
        detail=detail, now=now,
    )  # fmt: skip
