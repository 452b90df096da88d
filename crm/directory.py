"""Matching's Directory out of the database: for a batch of items, the records they can touch, one query per kind (in
chunks), handed to ``InMemoryDirectory``. Reads only; never a query per address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from crm import workspace
from crm.correspondence import facts_of
from crm.models import (
    Account,
    AccountAlias,
    Address,
    Company,
    CompanyDomain,
    Contact,
    ContactPhone,
    Deal,
    DealContact,
    Decision,
    Job,
    Link,
    Ruling,
    User,
)
from matching import directory as records
from matching import signature
from matching.addresses import canonical, family, host_of
from matching.domains import parents
from matching.memory import InMemoryDirectory, OwnSide
from matching.types import Item, Target

CHUNK = 400


def load(session: Session, items: Sequence[Item]) -> InMemoryDirectory:
    """Everything that deciding these items may ask, and nothing else."""
    own = own_side(session)
    addresses = {party.address for item in items for party in item.parties if party.address}
    reached = _Reached(addresses=addresses)
    pins, rulings = _pins(session, items), _rulings(session, items, addresses)
    known = _people_of_addresses(session, items, reached)
    ours = InMemoryDirectory(own)
    strangers = {address for address in addresses - known if not ours.is_own(address)}
    reached.contacts |= {p.target.id for p in pins if p.target.kind == "contact"}
    reached.companies |= _companies_of_hosts(session, {host_of(a) for a in strangers})
    reached.companies |= _companies_with_guests(session, items)
    reached.contacts |= _colleagues(session, reached.companies)
    for target in [*(p.target for p in pins), *(r.target for r in rulings if r.target)]:
        reached.add(target)
    contacts = _contacts(session, reached)
    hosts = reached.hosts | {host_of(address) for address in reached.addresses}
    reached.companies |= _companies_of_hosts(session, hosts)  # before their deals: whatever else is in the batch
    deals = _deals(session, reached)
    facts = facts_of(session, strangers)
    return InMemoryDirectory(own, contacts, _companies(session, reached), deals, rulings, pins, facts)


@dataclass(slots=True)
class _Reached:
    """The ids gathered so far."""

    addresses: set[str] = field(default_factory=set)
    contacts: set[int] = field(default_factory=set)
    companies: set[int] = field(default_factory=set)
    deals: set[int] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)

    def add(self, target: Target) -> None:
        """Note a record that somebody pointed at."""
        {"contact": self.contacts, "company": self.companies, "deal": self.deals}[target.kind].add(target.id)


def _in(session: Session, query: Any, column: Any, values: Iterable[Any]) -> list[Any]:
    """Rows of ``query`` whose ``column`` is one of ``values``, asked in chunks."""
    wanted = sorted(set(values))
    found: list[Any] = []
    for start in range(0, len(wanted), CHUNK):
        found.extend(session.execute(query.where(column.in_(wanted[start : start + CHUNK]))))
    return found


def own_side(session: Session) -> OwnSide:
    """Users, connected accounts with their aliases, and internal domains."""
    configured = session.info.get("internal_domains", ())
    accounts = session.execute(select(Account.id, Account.owner_id, Account.address, Account.kind)).all()
    kinds = {row.id: (row.kind, f"user:{row.owner_id}") for row in accounts}
    aliases = session.execute(select(AccountAlias.account_id, AccountAlias.canonical))
    named = [*((row.id, row.address) for row in accounts), *aliases]
    personal = {canonical(a): kinds[i][1] for i, a in named if kinds[i][0] not in ("shared", "dropbox")}
    users = {canonical(email): f"user:{i}" for i, email in session.execute(select(User.id, User.email))}
    return OwnSide(
        users | personal,
        frozenset(canonical(a) for i, a in named if kinds[i][0] == "shared"),
        frozenset(canonical(a) for i, a in named if kinds[i][0] == "dropbox"),
        frozenset(workspace.internal_domains(session, configured)),
    )


def _people_of_addresses(session: Session, items: Sequence[Item], reached: _Reached) -> set[str]:
    """Contacts by address family, and by what signatures of unknown senders hold. Returns the addresses that are
    known."""
    query = select(Address.contact_id, Address.canonical, Address.family)
    query = query.join(Contact, Contact.id == Address.contact_id).where(Contact.deleted_at.is_(None))
    rows = _in(session, query, Address.family, {family(a) for a in reached.addresses})
    families = {row.family for row in rows}
    reached.contacts |= {row.contact_id for row in rows}
    known = {address for address in reached.addresses if family(address) in families}
    blocks = [(item.signature, _region(item)) for item in items if item.signature and not _senders(item) & known]
    written = {family(address) for text, _ in blocks for address in signature.addresses(text)}
    reached.contacts |= {row.contact_id for row in _in(session, query, Address.family, written)}
    phones = {phone for text, region in blocks for phone in signature.e164s(text, region)}
    by_phone = _in(session, select(ContactPhone.contact_id, ContactPhone.e164), ContactPhone.e164, phones)
    reached.contacts |= {row.contact_id for row in by_phone}
    return known


def _senders(item: Item) -> set[str]:
    return {party.address for party in item.parties if party.role in ("from", "original_from")}


def _region(item: Item) -> str:
    return next((signature.region_of(host_of(address)) for address in sorted(_senders(item))), "")


def _companies_of_hosts(session: Session, hosts: Collection[str]) -> set[int]:
    wanted = {parent for host in hosts if host for parent in parents(host)}
    query = select(CompanyDomain.company_id, CompanyDomain.domain)
    return {row.company_id for row in _in(session, query, CompanyDomain.domain, wanted)}


def _companies_with_guests(session: Session, items: Sequence[Item]) -> set[int]:
    """Companies present on items with a guest who is known by name only: that name may be one of their people's."""
    tables = [item for item in items if any(not party.address and party.name for party in item.parties)]
    present = {party.address for item in tables for party in item.parties if party.address}
    query = select(Contact.company_id).join(Address, Address.contact_id == Contact.id)
    rows = _in(session, query.where(Contact.company_id.is_not(None)), Address.family, {family(a) for a in present})
    return _companies_of_hosts(session, {host_of(a) for a in present}) | {row.company_id for row in rows}


def _colleagues(session: Session, companies: Collection[int]) -> set[int]:
    """People of the companies that strangers write from: their names may be the strangers'."""
    query = select(Contact.id).where(Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
    found = {row.id for row in _in(session, query, Contact.company_id, companies)}
    return found | {row.contact_id for row in _in(session, select(Job.contact_id), Job.company_id, companies)}


def _contacts(session: Session, reached: _Reached) -> list[records.ContactRecord]:
    """The contacts with all their addresses and jobs; notes their companies and hosts."""
    query = select(Contact.id, Contact.name, Contact.company_id)
    live = query.where(Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
    rows = _in(session, live, Contact.id, reached.contacts)
    ids = [row.id for row in rows]
    addresses, jobs, phones = _addresses(session, ids), _jobs(session, ids), _phones(session, ids)
    found = [
        records.ContactRecord(
            row.id, row.name, tuple(addresses[row.id]), row.company_id, tuple(jobs[row.id]), tuple(phones[row.id])
        )
        for row in rows
    ]
    reached.hosts |= {host_of(entry.address) for contact in found for entry in contact.addresses}
    reached.companies |= {contact.company for contact in found if contact.company is not None}
    reached.companies |= {job.company for contact in found for job in contact.jobs}
    reached.contacts = set(ids)
    return found


def _addresses(session: Session, contacts: Sequence[int]) -> dict[int, list[records.AddressEntry]]:
    query = select(Address.contact_id, Address.canonical, Address.valid_from, Address.valid_to).order_by(
        Address.contact_id, Address.position, Address.id
    )
    found: dict[int, list[records.AddressEntry]] = defaultdict(list)
    for contact, address, start, end in _in(session, query, Address.contact_id, contacts):
        found[contact].append(records.AddressEntry(contact, address, start, end))
    return found


def _jobs(session: Session, contacts: Sequence[int]) -> dict[int, list[records.Job]]:
    query = select(Job.contact_id, Job.company_id, Job.valid_from, Job.valid_to).order_by(Job.contact_id, Job.id)
    found: dict[int, list[records.Job]] = defaultdict(list)
    for contact, company, start, end in _in(session, query, Job.contact_id, contacts):
        found[contact].append(records.Job(company, start, end))
    return found


def _phones(session: Session, contacts: Sequence[int]) -> dict[int, list[str]]:
    query = select(ContactPhone.contact_id, ContactPhone.raw, ContactPhone.e164).order_by(ContactPhone.id)
    found: dict[int, list[str]] = defaultdict(list)
    for contact, raw, e164 in _in(session, query, ContactPhone.contact_id, contacts):
        found[contact].append(e164 or raw)
    return found


def _companies(session: Session, reached: _Reached) -> list[records.CompanyRecord]:
    """The companies, among them whoever else lists a domain of anybody reached: two companies of one domain are a
    question."""
    ids = reached.companies
    live = select(Company.id, Company.name).where(Company.deleted_at.is_(None), Company.merged_into.is_(None))
    domains: dict[int, list[records.DomainEntry]] = defaultdict(list)
    columns = (CompanyDomain.company_id, CompanyDomain.domain, CompanyDomain.match_subdomains, CompanyDomain.kind)
    ordered = select(*columns).order_by(CompanyDomain.company_id, CompanyDomain.kind.desc(), CompanyDomain.id)
    for company, domain, subdomains, kind in _in(session, ordered, CompanyDomain.company_id, ids):
        domains[company].append(records.DomainEntry(domain, subdomains, kind == "excluded"))
    rows = _in(session, live, Company.id, ids)
    return [records.CompanyRecord(row.id, row.name, tuple(domains[row.id])) for row in rows]


def _deals(session: Session, reached: _Reached) -> list[records.DealRecord]:
    """Deals of the contacts and companies, with all their people."""
    by_contact = _in(session, select(DealContact.deal_id), DealContact.contact_id, reached.contacts)
    by_company = _in(session, select(Deal.id), Deal.company_id, reached.companies)
    ids = {row[0] for row in (*by_contact, *by_company)} | reached.deals
    people: dict[int, set[int]] = defaultdict(set)
    for deal, contact in _in(session, select(DealContact.deal_id, DealContact.contact_id), DealContact.deal_id, ids):
        people[deal].add(contact)
    columns = (
        Deal.id,
        Deal.title,
        Deal.number,
        Deal.product,
        Deal.company_id,
        Deal.created_at,
        Deal.closed_at,
        Deal.status,
    )
    rows = _in(session, select(*columns).where(Deal.deleted_at.is_(None)), Deal.id, ids)
    reached.companies |= {row.company_id for row in rows if row.company_id is not None}
    return [
        records.DealRecord(
            row.id, row.title, row.number or "", row.product or "", row.company_id, frozenset(people[row.id]),
            row.created_at, row.closed_at, row.status != "open",
        )
        for row in rows
    ]  # fmt: skip


def _pins(session: Session, items: Sequence[Item]) -> list[records.Pin]:
    """What people attached to these items, or took off."""
    query = (
        select(Link.communication_id, Link.target_kind, Link.target_id, Link.tombstoned, User.name, Decision.at)
        .outerjoin(Decision, Decision.id == Link.decision_id)
        .outerjoin(User, User.id == Decision.actor_id)
        .where(or_(Link.pinned.is_(True), Link.tombstoned.is_(True)))
    )
    rows = _in(session, query, Link.communication_id, [item.id for item in items if item.id])
    return [
        records.Pin(item, Target(kind, key), not gone, by or "", at.date() if at else None)
        for item, kind, key, gone, by, at in rows
    ]


def _rulings(session: Session, items: Sequence[Item], addresses: Collection[str]) -> list[records.RulingRecord]:
    """Standing decisions for the threads, addresses and domains of these items."""
    hosts = {parent for address in addresses for parent in parents(host_of(address)) if parent}
    values = {*addresses, *hosts, *(item.thread for item in items if item.thread)}
    query = (
        select(
            Ruling.scope, Ruling.value, Ruling.verdict, Ruling.target_kind, Ruling.target_id, Ruling.user_id,
            Ruling.created_at, User.name,
        )
        .outerjoin(Decision, Decision.id == Ruling.decision_id)
        .outerjoin(User, User.id == Decision.actor_id)
        .where(Ruling.active.is_(True), Ruling.scope.in_(("thread", "address", "domain")))
        .order_by(Ruling.id)
    )  # fmt: skip
    rows = _in(session, query, Ruling.value, values)
    boxes = _mailboxes(session, {row.user_id for row in rows if row.user_id is not None})
    return [
        records.RulingRecord(
            row.scope, row.value, row.verdict, Target(row.target_kind, row.target_id) if row.target_id else None,
            row.name or "", _day(row.created_at), boxes.get(row.user_id, frozenset()),
        )
        for row in rows
    ]  # fmt: skip


def _day(at: Any) -> date | None:
    return at.date() if at else None


def _mailboxes(session: Session, users: Collection[int]) -> dict[int, frozenset[str]]:
    """The mailboxes of each user; one without any still limits their rulings to nothing."""
    found: dict[int, set[str]] = {user: {""} for user in users}
    for owner, address in _in(session, select(Account.owner_id, Account.address), Account.owner_id, users):
        found[owner].add(canonical(address))
    return {user: frozenset(addresses) for user, addresses in found.items()}
