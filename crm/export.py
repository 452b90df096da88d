"""The log and the ledger as lines of JSON, in the shape of the contract (docs/schemas/*.json). Streams in chunks
with set-based loads.

Without a viewer the export is an administrator's of the data: everything exists, and content that is private to its
owners is left out. With one it is what they may see. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from crm.log_rows import links, participants, people_of, subject_of
from crm.models import (
    Account,
    Address,
    Communication,
    CommunicationBody,
    Company,
    CompanyDomain,
    Contact,
    Deal,
    Ledger,
    Link,
    Participant,
    Question,
    Sighting,
    Stream,
    Suggestion,
)
from crm.privacy import Tier, Viewer, tiers, visible
from crm.reasons import readable

CHUNK = 500


def log_lines(
    session: Session, *, as_user: Viewer | None = None, since: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """The log as the contract says, ordered by occurred_at then id. ``since`` is included."""
    viewer = as_user or Viewer.system()
    query = select(Communication).where(visible(viewer)).order_by(Communication.occurred_at, Communication.id)
    if since is not None:
        query = query.where(Communication.occurred_at >= since)
    last: tuple[datetime, int] | None = None
    while items := list(session.scalars(_after(query, last).limit(CHUNK))):
        yield from _lines(session, viewer, items)
        last = (items[-1].occurred_at, items[-1].id)
        for item in items:
            session.expunge(item)


def lines_of(session: Session, viewer: Viewer, ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Lines of these items, in the order of the ids, those the viewer may not know of left out."""
    for at in range(0, len(ids), CHUNK):
        chunk = list(ids[at : at + CHUNK])
        query = select(Communication).where(Communication.id.in_(chunk), visible(viewer)).order_by(Communication.id)
        yield from _lines(session, viewer, list(session.scalars(query)))


def ledger_lines(session: Session, *, account_ids: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """Every remote item with its state and reason, by account, stream and row."""
    query = (
        select(Account.address, Stream.name, Ledger.remote_id, Ledger.message_id, Ledger.ical_uid, Ledger.state,
               Ledger.reason, Ledger.attempts)
        .join(Account, Account.id == Ledger.account_id)
        .join(Stream, Stream.id == Ledger.stream_id)
        .order_by(Ledger.account_id, Ledger.stream_id, Ledger.id)
    )  # fmt: skip
    if account_ids is not None:
        query = query.where(Ledger.account_id.in_(account_ids))
    for row in session.execute(query.execution_options(yield_per=2_000)):
        yield {
            "account": row.address, "stream": row.name, "remote_id": row.remote_id, "message_id": row.message_id,
            "ical_uid": row.ical_uid, "state": row.state, "reason": row.reason, "attempts": row.attempts,
        }  # fmt: skip


def moment(value: datetime | None) -> str | None:
    """A time as ``2026-03-04T09:12:00Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def _after(query: Any, last: tuple[datetime, int] | None) -> Any:
    if last is None:
        return query
    at, item_id = last
    same = and_(Communication.occurred_at == at, Communication.id > item_id)
    return query.where(Communication.occurred_at >= at, or_(Communication.occurred_at > at, same))


def _lines(session: Session, viewer: Viewer, items: list[Communication]) -> Iterator[dict[str, Any]]:
    ids = [item.id for item in items]
    seen = tiers(session, viewer, ids)
    readable_ = [i for i in ids if seen[i] == Tier.FULL]
    query = select(CommunicationBody.communication_id, CommunicationBody.text)
    texts = dict(session.execute(query.where(CommunicationBody.communication_id.in_(readable_))).all())
    people, attached = participants(session, ids), links(session, ids)
    offers = _suggestions(session, ids)
    asked = _questions(session, ids)
    accounts = _accounts(session, viewer, ids)
    everything: list[Any] = [row for rows in attached.values() for row in rows]
    everything += [row for rows in offers.values() for row in rows]
    named = target_names(session, everything)
    for item in items:
        tier = seen[item.id]
        parties = [p for p in people.get(item.id, []) if tier == Tier.FULL or p.role != "bcc"]
        yield {
            **_head(item, viewer, tier, parties),
            "text": texts.get(item.id, ""),
            "attachments": _attachments(item) if tier == Tier.FULL else [],
            "accounts": accounts.get(item.id, []),
            "participants": [_party(p) for p in parties],
            **_targets(attached.get(item.id, []), named, tier),
            "suggestions": _offers(offers.get(item.id, []), named) if tier == Tier.FULL else [],
            "questions": asked.get(item.id, []),
            "visibility": "private" if viewer.is_system and tier < Tier.FULL else tier.word,
        }


def _head(item: Communication, viewer: Viewer, tier: Tier, parties: list[Participant]) -> dict[str, Any]:
    hidden = "" if viewer.is_system else subject_of(item, tier, people_of(parties, tier))
    return {
        "id": item.id, "kind": item.kind, "message_id": item.message_id, "ical_uid": item.ical_uid,
        "recurrence_id": item.recurrence_id, "thread": f"t{item.thread_id}" if item.thread_id is not None else None,
        "direction": item.direction or None, "occurred_at": moment(item.occurred_at), "ends_at": moment(item.ends_at),
        "subject": item.subject if tier >= Tier.SUBJECT else hidden, "status": item.status, "cancelled": item.cancelled,
    }  # fmt: skip


def _party(p: Participant) -> dict[str, Any]:
    return {"role": p.role, "address": p.canonical, "name": p.name, "response": p.response}


def _attachments(item: Communication) -> list[dict[str, Any]]:
    return [{"name": a.get("name", ""), "type": a.get("type", ""), "size": a.get("size", 0)} for a in item.attachments]


def _targets(attached: list[Link], named: dict[tuple[str, int], str], tier: Tier) -> dict[str, Any]:
    live = [link for link in attached if (link.target_kind, link.target_id) in named]
    found: dict[str, Any] = {
        plural: sorted({named[kind, link.target_id] for link in live if link.target_kind == kind})
        for kind, plural in (("contact", "contacts"), ("company", "companies"), ("deal", "deals"))
    }
    live.sort(key=lambda link: (link.target_kind, named[link.target_kind, link.target_id]))
    found["evidence"] = [_reason(link, named, tier) for link in live]
    return found


def _reason(link: Link, named: dict[tuple[str, int], str], tier: Tier) -> dict[str, Any]:
    shown = readable(link.evidence, tier)
    return {
        "target": f"{link.target_kind}:{named[link.target_kind, link.target_id]}", "method": link.method,
        "score": link.score, "says": "; ".join(str(e["says"]) for e in shown) or link.method,
    }  # fmt: skip


def _offers(offers: list[Suggestion], named: dict[tuple[str, int], str]) -> list[dict[str, Any]]:
    return [
        {
            "target": f"{o.target_kind}:{named[o.target_kind, o.target_id]}", "score": o.score,
            "says": "; ".join(str(e.get("says", "")) for e in o.evidence),
        }
        for o in offers
        if (o.target_kind, o.target_id) in named
    ]  # fmt: skip


def _suggestions(session: Session, ids: list[int]) -> dict[int, list[Suggestion]]:
    query = select(Suggestion).where(Suggestion.communication_id.in_(ids), Suggestion.lost.is_(False))
    found: dict[int, list[Suggestion]] = {}
    best = (Suggestion.score.desc(), Suggestion.target_kind, Suggestion.target_id)
    for offer in session.scalars(query.order_by(*best)):
        found.setdefault(offer.communication_id, []).append(offer)
    return found


def _questions(session: Session, ids: list[int]) -> dict[int, list[str]]:
    query = select(Question.communication_id, Question.kind).where(Question.communication_id.in_(ids)).distinct()
    found: dict[int, list[str]] = {}
    for item_id, kind in session.execute(query.order_by(Question.communication_id, Question.kind)):
        found.setdefault(item_id, []).append(kind)
    return found


def _accounts(session: Session, viewer: Viewer, ids: list[int]) -> dict[int, list[str]]:
    """Mailboxes by item. That a private mailbox saw it too is its owner's business, and the administrator's of the
    data."""
    query = select(Sighting.communication_id, Account.address).join(Account, Account.id == Sighting.account_id)
    if not viewer.is_system:
        query = query.where(or_(Sighting.tier != "private", Sighting.owner_id == viewer.user_id))
    found: dict[int, list[str]] = {}
    for item_id, address in session.execute(query.where(Sighting.communication_id.in_(ids)).order_by(Account.address)):
        found.setdefault(item_id, []).append(address)
    return found


def target_names(session: Session, targets: Sequence[Any]) -> dict[tuple[str, int], str]:
    """How the contract names live records: a contact by primary address, else ``name:Full Name``; a company by
    primary domain, else ``name:Name``; a deal by title."""
    ids: dict[str, set[int]] = {"contact": set(), "company": set(), "deal": set()}
    for target in targets:
        ids[target.target_kind].add(target.target_id)
    found: dict[tuple[str, int], str] = {}
    for row_id, name in session.execute(_live(Contact, Contact.name, ids["contact"])):
        found["contact", row_id] = f"name:{name}"
    first = select(Address.contact_id, Address.canonical).where(Address.contact_id.in_(ids["contact"]))
    for row_id, address in session.execute(first.order_by(Address.position.desc(), Address.id.desc())):
        if ("contact", row_id) in found:
            found["contact", row_id] = address
    for row_id, name in session.execute(_live(Company, Company.name, ids["company"])):
        found["company", row_id] = f"name:{name}"
    listed = select(CompanyDomain.company_id, CompanyDomain.domain).where(
        CompanyDomain.company_id.in_(ids["company"]), CompanyDomain.kind != "excluded"
    )
    for row_id, domain in session.execute(listed.order_by(CompanyDomain.kind == "primary", CompanyDomain.id.desc())):
        if ("company", row_id) in found:
            found["company", row_id] = domain
    for row_id, title in session.execute(_live(Deal, Deal.title, ids["deal"])):
        found["deal", row_id] = title
    return found


def _live(table: Any, name: Any, ids: set[int]) -> Any:
    return select(table.id, name).where(table.id.in_(ids), table.deleted_at.is_(None))


def count(session: Session, viewer: Viewer) -> int:
    """How many lines ``log_lines`` would give, for a progress bar."""
    return session.scalar(select(func.count()).select_from(Communication).where(visible(viewer))) or 0
