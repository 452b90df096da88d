"""What one look at one counterparty stands on: the item, the party, the directory, the rules, and the thread so far.

Holds and remembers answers for one run; decides nothing. Caches are keyed by values that do not change within a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from matching.addresses import host_of
from matching.cast import Cast
from matching.directory import ContactRecord, Directory, Job, Pin
from matching.domains import parents, registrable, shared_kind
from matching.rules import Rules
from matching.types import Item, Party

MAX_ANCESTORS = 60


def group_of(item: Item) -> str:
    """The name of the group an item is decided in: its thread, else itself."""
    return item.thread or f"item:{item.id}"


@dataclass(frozen=True, slots=True)
class Place:
    """What a host says: the listed domain that fits best, and the companies that list it. Empty for shared and
    unknown domains."""

    domain: str = ""
    companies: tuple[int, ...] = ()


NOWHERE = Place()


@dataclass(slots=True)
class Ground:
    """The directory and the rules of one run, with what was already worked out about hosts."""

    directory: Directory
    rules: Rules
    _places: dict[str, Place] = field(default_factory=dict)

    def place(self, host: str) -> Place:
        """The companies of a host: the longest listed domain wins, shared domains never count."""
        known = self._places.get(host)
        if known is None:
            known = self._places[host] = self._find(host)
        return known

    def is_work(self, host: str) -> bool:
        """True for a domain that belongs to one organisation."""
        return bool(host) and not shared_kind(host) and not self.rules.is_shared(host)

    def _find(self, host: str) -> Place:
        if not self.is_work(host):
            return NOWHERE
        excluded: set[int] = set()
        for parent in parents(host):
            listed = self.directory.listed(parent)
            excluded |= {company for company, entry in listed if entry.excluded}
            fitting = {c for c, e in listed if not e.excluded and (e.subdomains or parent == host)} - excluded
            if fitting:
                return Place(parent, tuple(sorted(fitting)))
            if parent == registrable(host):
                return NOWHERE
        return NOWHERE

    def employers(self, contact: ContactRecord, day: date, host: str) -> tuple[int, ...]:
        """The companies a contact was at on a day when using an address of ``host``: one when known, several when it
        must be asked.

        The address's own domain decides; a private address follows the dated jobs, else the present company.
        """
        place = self.place(host)
        present = self._present(contact, day)
        if len(place.companies) == 1:
            return place.companies
        if place.companies:
            return tuple(c for c in present if c in place.companies)[:1] or place.companies
        return present

    def _present(self, contact: ContactRecord, day: date) -> tuple[int, ...]:
        held = tuple(dict.fromkeys(job.company for job in contact.jobs if job.dated and job.is_valid(day)))
        if held:
            return (contact.company,) if contact.company in held else held
        if contact.company is not None and not self._denied(contact, contact.company, day):
            return (contact.company,)
        undated = tuple(dict.fromkeys(job.company for job in contact.jobs if not job.dated))
        return undated if contact.company is None else ()

    @staticmethod
    def _denied(contact: ContactRecord, company: int, day: date) -> bool:
        """True when dated jobs at the company exist and none covers the day."""
        jobs: list[Job] = [job for job in contact.jobs if job.company == company and job.dated]
        return bool(jobs) and not any(job.is_valid(day) for job in jobs)

    def relations(self, contact: ContactRecord) -> frozenset[int]:
        """Every company a contact is or was at, by jobs or by the domains of their addresses."""
        found = {job.company for job in contact.jobs}
        for entry in contact.addresses:
            companies = self.place(host_of(entry.address)).companies
            found.update(companies if len(companies) == 1 else ())
        return frozenset(found | ({contact.company} if contact.company is not None else set()))


@dataclass(frozen=True, slots=True)
class Settled:
    """An item of the thread that was judged: who was on it, which contacts and companies it is certainly about, and
    by which work domains."""

    item: Item
    addresses: frozenset[str]
    contacts: frozenset[int] = frozenset()
    hosts: dict[int, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class ThreadSoFar:
    """What the thread holds before the item at hand, in time order. Items kept out of review are not in it."""

    settled: list[Settled] = field(default_factory=list)
    _by_message: dict[str, Settled] = field(default_factory=dict)

    def add(self, settled: Settled) -> None:
        """Append one item; items come in time order."""
        self.settled.append(settled)
        if settled.item.message_id:
            self._by_message.setdefault(settled.item.message_id, settled)

    def ancestors(self, item: Item) -> list[Settled]:
        """What the item replies to, newest last: by References and In-Reply-To, else the whole thread so far. At most
        ``MAX_ANCESTORS``."""
        direct = [self._by_message[parent] for parent in item.parents[-MAX_ANCESTORS:] if parent in self._by_message]
        return direct or self.settled[-MAX_ANCESTORS:]


@dataclass(frozen=True, slots=True)
class Look:
    """One counterparty of one item, with all that may be asked about them. ``day`` is the item's date (UTC);
    ``present`` the contacts and ``companies`` the companies that the other counterparties' addresses make certain.
    ``said`` is the contact that a person attached and that must be this one."""

    item: Item
    party: Party
    cast: Cast
    ground: Ground
    thread: ThreadSoFar
    present: frozenset[int] = frozenset()
    companies: tuple[int, ...] = ()
    said: Pin | None = None

    @property
    def day(self) -> date:
        return self.item.occurred_at.date()

    @property
    def directory(self) -> Directory:
        return self.ground.directory

    @property
    def host(self) -> str:
        return host_of(self.party.address)

    @property
    def place(self) -> Place:
        return self.ground.place(self.host)

    @property
    def is_sender(self) -> bool:
        """True when this party wrote the item."""
        original = self.cast.logged_for_us and self.party.role in ("forwarded", "resent_from")
        return self.party.role == "from" or original
