"""A directory held in memory, built from plain records: for evaluation, tests, and a batch's share of the database.

Never asks anything of anyone; building it is linear in the records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeVar

from matching import names
from matching.addresses import canonical, family, host_of
from matching.directory import (
    NOTHING,
    AddressEntry,
    CompanyRecord,
    ContactRecord,
    Correspondence,
    DealRecord,
    DomainEntry,
    Pin,
    RulingRecord,
)
from matching.domains import is_within, parents, shared_kind
from matching.signature import phone_key
from matching.types import Target

MAX_COLLEAGUES = 300
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class OwnSide:
    """Who we are. ``accounts`` maps each address and alias of a personal mailbox to its account's name; ``shared``
    are team mailboxes and users without a mailbox; ``dropbox`` logging addresses; ``domains`` internal ones (freemail
    among them is ignored)."""

    accounts: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    dropbox: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the log says of addresses: totals, and the part of them that lies in given threads (by ``(address,
    thread)``)."""

    total: Mapping[str, Correspondence] = field(default_factory=dict)
    in_thread: Mapping[tuple[str, str], Correspondence] = field(default_factory=dict)


class InMemoryDirectory:
    """``matching.directory.Directory`` over records. Immutable once built; safe to share."""

    def __init__(
        self,
        own: OwnSide,
        contacts: Iterable[ContactRecord] = (),
        companies: Iterable[CompanyRecord] = (),
        deals: Iterable[DealRecord] = (),
        rulings: Iterable[RulingRecord] = (),
        pins: Iterable[Pin] = (),
        facts: Facts | None = None,
    ) -> None:
        self._own = own
        self._own_keys = {canonical(a) for a in (*own.accounts, *own.shared, *own.dropbox)}
        self._own_keys |= {family(address) for address in self._own_keys}
        self._domains = frozenset(d for d in own.domains if shared_kind(d) not in ("freemail", "isp"))
        self._accounts = {family(canonical(address)): account for address, account in own.accounts.items()}
        self._dropbox = frozenset(family(canonical(address)) for address in own.dropbox)
        self._facts = facts or Facts()
        self._companies = {company.id: company for company in sorted(companies, key=lambda c: c.id)}
        self._contacts = {contact.id: self._sound(contact) for contact in sorted(contacts, key=lambda c: c.id)}
        self._deals = {deal.id: deal for deal in sorted(deals, key=lambda d: d.id)}
        self._index_domains()
        self._index_contacts()
        self._index_deals()
        self._rulings = _grouped(((r.scope, r.value), r) for r in rulings if r.target is None or self._has(r.target))
        self._pins = _grouped((pin.item, pin) for pin in pins if self._has(pin.target))

    def knowing(self, facts: Facts) -> InMemoryDirectory:
        """The same directory with other facts about strangers; the indexes are shared."""
        other = copy(self)
        other._facts = facts
        return other

    def _sound(self, contact: ContactRecord) -> ContactRecord:
        """The contact without companies that are gone."""
        jobs = tuple(job for job in contact.jobs if job.company in self._companies)
        company = contact.company if contact.company in self._companies else None
        if jobs == contact.jobs and company == contact.company:
            return contact
        return replace(contact, jobs=jobs, company=company)

    def _has(self, target: Target) -> bool:
        """True when the record exists; what people decided about deleted ones is not followed."""
        known: dict[str, Mapping[int, object]] = {
            "contact": self._contacts,
            "company": self._companies,
            "deal": self._deals,
        }
        return target.id in known.get(target.kind, {})

    def _index_domains(self) -> None:
        self._listed = _grouped(
            (entry.domain, (company.id, entry)) for company in self._companies.values() for entry in company.domains
        )

    def _index_contacts(self) -> None:
        entries = [entry for contact in self._contacts.values() for entry in contact.addresses if entry.address]
        self._entries = _grouped((entry.address, entry) for entry in entries)
        self._relatives = _grouped((family(entry.address), entry) for entry in entries)
        self._phones = _grouped(
            (key, contact.id)
            for contact in self._contacts.values()
            for key in sorted({phone_key(phone) for phone in contact.phones} - {""})
        )
        self._named: dict[tuple[int, str], list[int]] = defaultdict(list)
        self._colleagues: dict[int, list[int]] = defaultdict(list)
        for contact in self._contacts.values():
            key = names.key(contact.name)
            for company in self._workplaces(contact):
                self._named[company, key].append(contact.id)
                if len(self._colleagues[company]) < MAX_COLLEAGUES:
                    self._colleagues[company].append(contact.id)

    def _workplaces(self, contact: ContactRecord) -> list[int]:
        """Companies a contact is or was at: the present one, dated jobs, and those of the domains of their
        addresses."""
        found = {job.company for job in contact.jobs} | ({contact.company} if contact.company else set())
        for entry in contact.addresses:
            for parent in parents(host_of(entry.address)):
                if parent in self._listed:
                    found |= {company for company, _ in self._listed[parent]}
                    break
        return sorted(found)

    def _index_deals(self) -> None:
        self._by_contact = _grouped((contact, deal) for deal in self._deals.values() for contact in deal.contacts)
        self._by_company = _grouped((deal.company, deal) for deal in self._deals.values() if deal.company is not None)

    def is_own(self, address: str) -> bool:
        """Own by address, by family (aliases with a plus-tag) or by internal domain."""
        if address in self._own_keys or family(address) in self._own_keys:
            return True
        return bool(self._domains) and is_within(host_of(address), self._domains)

    def account_of(self, address: str) -> str:
        return self._accounts.get(family(address), "")

    def is_dropbox(self, address: str) -> bool:
        return family(address) in self._dropbox

    def entries(self, address: str) -> Sequence[AddressEntry]:
        return self._entries.get(address, ()) if address else ()

    def relatives(self, family: str) -> Sequence[AddressEntry]:
        return self._relatives.get(family, ()) if family else ()

    def contact(self, contact: int) -> ContactRecord:
        return self._contacts[contact]

    def company(self, company: int) -> CompanyRecord:
        return self._companies[company]

    def deal(self, deal: int) -> DealRecord:
        return self._deals[deal]

    def listed(self, domain: str) -> Sequence[tuple[int, DomainEntry]]:
        return self._listed.get(domain, ())

    def named(self, company: int, name_key: str) -> Sequence[int]:
        return self._named.get((company, name_key), ()) if name_key else ()

    def colleagues(self, company: int) -> Sequence[int]:
        return self._colleagues.get(company, ())

    def phoned(self, phone: str) -> Sequence[int]:
        return self._phones.get(phone, ())

    def deals_of_contact(self, contact: int) -> Sequence[DealRecord]:
        return self._by_contact.get(contact, ())

    def deals_of_company(self, company: int) -> Sequence[DealRecord]:
        return self._by_company.get(company, ())

    def rulings(self, scope: str, value: str) -> Sequence[RulingRecord]:
        return self._rulings.get((scope, value), ())

    def pins(self, item: int) -> Sequence[Pin]:
        return self._pins.get(item, ())

    def correspondence(self, address: str, thread: str) -> Correspondence:
        total = self._facts.total.get(address, NOTHING)
        here = self._facts.in_thread.get((address, thread), NOTHING)
        return Correspondence(
            max(0, total.inbound - here.inbound),
            max(0, total.outbound - here.outbound),
            max(0, total.meetings - here.meetings),
        )


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    found: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}
