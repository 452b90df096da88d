"""Simpler ways to match, as common products do it, to measure ours against: exact address with the first row winning,
address plus domain, and the five most recent open deals. Never used by the sync flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matching.addresses import host_of
from matching.domains import registrable, shared_kind
from matching.memory import InMemoryDirectory
from matching.types import Item

Found = Mapping[str, set[int]]
Way = Callable[[Item, InMemoryDirectory], Found]
ROLES = frozenset({"from", "to", "cc", "bcc", "organizer", "attendee"})
RECENT = 5


def _outside(item: Item, directory: InMemoryDirectory) -> list[str]:
    found = [p.address for p in item.parties if p.role in ROLES and p.address]
    return [address for address in dict.fromkeys(found) if not directory.is_own(address)]


def first_row(item: Item, directory: InMemoryDirectory) -> Found:
    """The first contact that has the address, and the company of their record."""
    rows = [directory.entries(address) for address in _outside(item, directory)]
    contacts = {entries[0].contact for entries in rows if entries}
    companies = {directory.contact(contact).company for contact in contacts}
    return {"contact": contacts, "company": {company for company in companies if company is not None}}


def address_and_domain(item: Item, directory: InMemoryDirectory) -> Found:
    """The first row, and every company that lists the registrable domain, freemail apart."""
    found = first_row(item, directory)
    hosts = {host_of(address) for address in _outside(item, directory)}
    domains = {registrable(host) for host in hosts if shared_kind(host) != "freemail"}
    listed = {company for domain in domains for company, _ in directory.listed(domain)}
    return {"contact": found["contact"], "company": found["company"] | listed}


def recent_deals(item: Item, directory: InMemoryDirectory) -> Found:
    """Address and domain, and the five most recently made deals of those contacts and companies that are open now."""
    found = address_and_domain(item, directory)
    reached = [deal for contact in found["contact"] for deal in directory.deals_of_contact(contact)]
    reached += [deal for company in found["company"] for deal in directory.deals_of_company(company)]
    open_ = {deal.id: deal for deal in reached if not deal.closed}
    newest = sorted(
        open_.values(), key=lambda d: (d.created_at.timestamp() if d.created_at else 0.0, d.id), reverse=True
    )
    return {**found, "deal": {deal.id for deal in newest[:RECENT]}}


WAYS: Mapping[str, Way] = {
    "exact address, first row wins": first_row,
    "address plus domain": address_and_domain,
    "five most recent open deals": recent_deals,
}
