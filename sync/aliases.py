"""Own side learns aliases from Sent mail: a From address that an account's Sent folder shows at least three times is
its owner's too, when it is of an internal domain or when mail to it is delivered into this account.

Never an address of a teammate, of another account or of a contact: who may write in another's name is not that person.
Bounded: the few addresses most used; what it learns goes to matching by "identity.changed".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit, outbox, workspace
from crm.addresses import own
from crm.models import Account, AccountAlias, Address, Communication, Contact, Ledger, Participant, Stream
from matching.addresses import Sort, host_of, sort
from matching.domains import parents

TIMES = 3
CANDIDATES = 20


def learn(session: Session, account_id: int, streams: Collection[int], now: datetime) -> list[str]:
    """The aliases newly learned after a pass that stored something in these streams; [] unless one holds Sent mail."""
    query = select(Stream.id).where(Stream.account_id == account_id, Stream.role == "sent")
    sent = set(session.scalars(query))
    account = session.get_one(Account, account_id)
    if not sent & set(streams) or account.kind != "mailbox":
        return []
    used = [a for a in _used(session, account_id, sorted(sent)) if sort(a) is Sort.PERSON]
    fresh = _confirmed(session, account_id, _nobody_elses(session, used))
    if fresh:
        session.add_all(AccountAlias(account_id=account_id, canonical=a, source="sent") for a in fresh)
        session.flush()
        audit.record(
            session, actor_id=None, action="account.alias", subject_kind="account", subject_id=account_id,
            detail={"source": "sent", "count": len(fresh)}, now=now,
        )  # fmt: skip
        outbox.identity_changed(session, addresses=fresh, now=now)
    return fresh


def _used(session: Session, account_id: int, sent: Sequence[int]) -> list[str]:
    """Senders of at least ``TIMES`` mails that lie in Sent folders, the most used first."""
    times = func.count(func.distinct(Ledger.communication_id))
    query = (
        select(Participant.canonical)
        .join(Ledger, Ledger.communication_id == Participant.communication_id)
        .where(Ledger.account_id == account_id, Ledger.stream_id.in_(sent), Ledger.state == "stored")
        .where(Participant.role == "from", Participant.canonical != "")
        .group_by(Participant.canonical)
        .having(times >= TIMES)
        .order_by(times.desc(), Participant.canonical)
        .limit(CANDIDATES)
    )
    return list(session.scalars(query))


def _nobody_elses(session: Session, addresses: Sequence[str]) -> list[str]:
    """Those that are neither known as our own side's already nor a contact's."""
    contacts = (
        select(Address.canonical)
        .join(Contact, Contact.id == Address.contact_id)
        .where(Address.canonical.in_(addresses), Contact.deleted_at.is_(None))
    )
    taken = own(session, addresses) | set(session.scalars(contacts))
    return [address for address in addresses if address not in taken]


def _confirmed(session: Session, account_id: int, addresses: Sequence[str]) -> list[str]:
    """Of an internal domain, or somebody else's mail to it is in this account outside Sent."""
    internal = set(workspace.internal_domains(session, session.info.get("internal_domains", ())))
    inside = {a for a in addresses if internal & set(parents(host_of(a)))}
    delivered = set(session.scalars(_delivered(account_id, [a for a in addresses if a not in inside])))
    return [a for a in addresses if a in inside or a in delivered]


def _delivered(account_id: int, addresses: Sequence[str]) -> Any:
    return (
        select(Participant.canonical)
        .join(Communication, Communication.id == Participant.communication_id)
        .join(Ledger, Ledger.communication_id == Participant.communication_id)
        .join(Stream, Stream.id == Ledger.stream_id)
        .where(Participant.canonical.in_(addresses), Participant.role == "to", Communication.kind == "email")
        .where(Ledger.account_id == account_id, Ledger.state == "stored", Stream.role == "inbox")
        .distinct()
    )
