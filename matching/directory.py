"""What is known, as matching asks for it: prepared, keyed look-ups that cost no query each.

Two implementations: ``matching.memory.InMemoryDirectory`` over plain records, and ``crm.directory`` which loads the
records a batch can touch with one query per kind and hands them to the former. All addresses are canonical, all hosts
in their one form (``matching.addresses``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from matching.types import Target


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """An address of a contact, valid between two days, both included; None is open."""

    contact: int
    address: str
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """True when the address was the contact's on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Job:
    """An employment between two days, both included; None is open. Without dates it is the present one."""

    company: int
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """True when the job was held on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    @property
    def dated(self) -> bool:
        """True when at least one end is known."""
        return self.valid_from is not None or self.valid_to is not None


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A person outside. ``addresses`` in the order of preference, primary first. ``company`` is the present one."""

    id: int
    name: str
    addresses: tuple[AddressEntry, ...] = ()
    company: int | None = None
    jobs: tuple[Job, ...] = ()
    phones: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How a sentence names the contact."""
        return self.name or (self.addresses[0].address if self.addresses else f"contact {self.id}")


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """A domain of a company. ``excluded`` says that this host is not the company's, though a parent is."""

    domain: str
    subdomains: bool = True
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class CompanyRecord:
    """A company with its domains, primary first."""

    id: int
    name: str
    domains: tuple[DomainEntry, ...] = ()

    @property
    def label(self) -> str:
        """How a sentence names the company."""
        return self.name or (self.domains[0].domain if self.domains else f"company {self.id}")


@dataclass(frozen=True, slots=True)
class DealRecord:
    """A deal. ``closed`` with ``closed_at`` None is closed at an unknown time, and never open for an item."""

    id: int
    title: str
    number: str = ""
    product: str = ""
    company: int | None = None
    contacts: frozenset[int] = frozenset()
    created_at: datetime | None = None
    closed_at: datetime | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class RulingRecord:
    """A standing decision by a person. ``scope`` is thread, address or domain, ``value`` its key; ``verdict`` is
    attach, detach, deal, no_deal, ignore, not_a_contact, private or never_log. ``mailboxes`` limits it to one
    person's mail when not empty."""

    scope: str
    value: str
    verdict: str
    target: Target | None = None
    by: str = ""
    at: date | None = None
    mailboxes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pin:
    """A link of one item that a person made (``attached``) or took off."""

    item: int
    target: Target
    attached: bool = True
    by: str = ""
    at: date | None = None


@dataclass(frozen=True, slots=True)
class Correspondence:
    """What else passed between us and an address, outside the thread at hand. Crowds, bulk and automatic mail don't
    count."""

    inbound: int = 0
    outbound: int = 0
    meetings: int = 0


NOTHING = Correspondence()


class Directory(Protocol):
    """Look-ups by key. Every method answers at once and gives an empty result for what is not known."""

    def is_own(self, address: str) -> bool:
        """True for users, connected accounts with their aliases, and internal domains."""
        ...

    def account_of(self, address: str) -> str:
        """The personal account an own address belongs to, so that aliases of one mailbox are told; "" for none,
        shared or dropbox."""
        ...

    def is_dropbox(self, address: str) -> bool:
        """True for an account that is the logging address."""
        ...

    def entries(self, address: str) -> Sequence[AddressEntry]:
        """Contacts that have or had exactly this address."""
        ...

    def relatives(self, family: str) -> Sequence[AddressEntry]:
        """Contacts with an address of this family key."""
        ...

    def contact(self, contact: int) -> ContactRecord:
        """A contact by id. Raises KeyError."""
        ...

    def company(self, company: int) -> CompanyRecord:
        """A company by id. Raises KeyError."""
        ...

    def deal(self, deal: int) -> DealRecord:
        """A deal by id. Raises KeyError."""
        ...

    def listed(self, domain: str) -> Sequence[tuple[int, DomainEntry]]:
        """Companies that list exactly this domain."""
        ...

    def named(self, company: int, name_key: str) -> Sequence[int]:
        """Contacts of a company (present, past, or by an address at its domains) with this name key."""
        ...

    def colleagues(self, company: int) -> Sequence[int]:
        """Contacts of a company, at most a few hundred, in a fixed order."""
        ...

    def phoned(self, phone: str) -> Sequence[int]:
        """Contacts with this phone key (``matching.signature.phone_key``)."""
        ...

    def deals_of_contact(self, contact: int) -> Sequence[DealRecord]:
        """Deals the contact is on, in the order of ids."""
        ...

    def deals_of_company(self, company: int) -> Sequence[DealRecord]:
        """Deals of the company, in the order of ids."""
        ...

    def rulings(self, scope: str, value: str) -> Sequence[RulingRecord]:
        """Standing decisions for a thread, address or domain."""
        ...

    def pins(self, item: int) -> Sequence[Pin]:
        """What people attached to, or took off, one item."""
        ...

    def correspondence(self, address: str, thread: str) -> Correspondence:
        """What passed between us and an address in all other threads."""
        ...
