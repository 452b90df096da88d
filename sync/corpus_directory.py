"""The directory of a labelled corpus: contacts, companies and deals from CSV files in contract.md's columns, held in
memory. Reads files only.

As the importer does it: a freemail or rented domain in a company's row is ignored, one of an ISP or school is kept
and never counts; rows are one person only when their primary addresses are equal.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from crm.companies import name_key
from matching.addresses import canonical, one_domain
from matching.directory import AddressEntry, CompanyRecord, ContactRecord, DealRecord, DomainEntry, Job
from matching.domains import shared_kind

MAX_FIELD = 100_000
CLOSED = frozenset({"won", "lost", "closed", "closed won", "closed lost", "closed-won", "closed-lost"})
Row = Mapping[str, str]


@dataclass(slots=True)
class Records:
    """The records, and how truth names each: contacts by primary address (else ``name:N``), companies by primary
    domain (else ``name:N``), deals by title."""

    contacts: list[ContactRecord] = field(default_factory=list)
    companies: list[CompanyRecord] = field(default_factory=list)
    deals: list[DealRecord] = field(default_factory=list)
    labels: dict[tuple[str, int], str] = field(default_factory=dict)


def read_records(folder: Path) -> Records:
    """All records of ``folder/*.csv``. A missing file is an empty one. Raises ValueError for a date that is none."""
    reader = _Reader()
    for row in _rows(folder, "companies"):
        reader.company(row)
    for row in _rows(folder, "contacts"):
        reader.contact(row)
    for row in _rows(folder, "deals"):
        reader.deal(row)
    return reader.finished()


def _rows(folder: Path, kind: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_FIELD)
    for path in sorted(folder.glob(f"{kind}*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                yield {(name or "").strip().lower(): (value or "").strip() for name, value in row.items() if name}


def _many(row: Row, name: str) -> list[str]:
    return [part.strip() for part in row.get(name, "").split(";") if part.strip()]


@dataclass(slots=True)
class _Person:
    """A contact being gathered from one or more rows."""

    name: str
    addresses: dict[str, None] = field(default_factory=dict)
    companies: dict[int, None] = field(default_factory=dict)
    phones: dict[str, None] = field(default_factory=dict)


class _Reader:
    """Gathers rows into records with ids; companies are made once, by domain, else by name."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._domains: list[dict[str, None]] = []
        self._by_domain: dict[str, list[int]] = {}
        self._by_name: dict[str, int] = {}
        self._people: list[_Person] = []
        self._by_primary: dict[str, int] = {}
        self._by_any: dict[str, int] = {}
        self._deals: list[DealRecord] = []

    def company(self, row: Row) -> None:
        """A row of companies.csv: always a company of its own."""
        company = self._new_company(row.get("name", ""))
        for domain in map(one_domain, _many(row, "domains")):
            self._add_domain(company, domain)

    def _new_company(self, name: str) -> int:
        self._names.append(name)
        self._domains.append({})
        company = len(self._names) - 1
        if key := name_key(name):
            self._by_name.setdefault(key, company)
        return company

    def _add_domain(self, company: int, domain: str) -> None:
        """As the importer does: a freemail or rented domain in a company's row is ignored."""
        if domain and shared_kind(domain) not in ("freemail", "hosted"):
            self._domains[company][domain] = None
            holders = self._by_domain.setdefault(domain, [])
            holders.extend([company] if company not in holders else [])

    def _find_company(self, row: Row) -> int | None:
        """The company a contact or deal names, as the importer finds it: by domain, by name among several of that
        domain, else by name; made when there is none."""
        name, domain = row.get("company", ""), one_domain(row.get("company_domain", ""))
        named = self._by_name.get(name_key(name)) if name else None
        listed = self._by_domain.get(domain, [])
        if len(listed) > 1:
            return named if named in listed else None
        if listed:
            return listed[0]
        if named is None and not name and not domain:
            return None
        company = named if named is not None else self._new_company(name or domain)
        self._add_domain(company, domain)
        return company

    def contact(self, row: Row) -> None:
        """A row of contacts.csv; a second row with the same primary address adds to the first."""
        primary = canonical(row.get("email", ""))
        name = row.get("name") or " ".join(filter(None, [row.get("first_name", ""), row.get("last_name", "")]))
        known = self._by_primary.get(primary) if primary else None
        if known is None:
            self._people.append(_Person(name))
            known = len(self._people) - 1
        person = self._people[known]
        for address in filter(None, [primary, *map(canonical, _many(row, "other_emails"))]):
            person.addresses[address] = None
            self._by_any.setdefault(address, known)
        if primary:
            self._by_primary.setdefault(primary, known)
        person.phones.update(dict.fromkeys(_many(row, "phone")))
        if (company := self._find_company(row)) is not None:
            person.companies[company] = None

    def deal(self, row: Row) -> None:
        """A row of deals.csv; its people are found by primary address, else by any."""
        people = {self._by_primary.get(a, self._by_any.get(a)) for a in map(canonical, _many(row, "contacts"))}
        closed = moment(row.get("closed_at", ""))
        stage = row.get("stage", "").casefold()
        self._deals.append(
            DealRecord(
                len(self._deals) + 1,
                row.get("title", ""),
                row.get("number", ""),
                row.get("product", ""),
                _id(self._find_company(row)),
                frozenset(person + 1 for person in people if person is not None),
                moment(row.get("created_at", "")),
                closed,
                closed is not None or stage in CLOSED,
            )
        )

    def finished(self) -> Records:
        """The records; ids count from 1 in the order of rows."""
        found = Records(deals=self._deals)
        for at, (name, domains) in enumerate(zip(self._names, self._domains, strict=True), 1):
            found.companies.append(CompanyRecord(at, name, tuple(DomainEntry(domain) for domain in domains)))
            found.labels["company", at] = next(iter(domains), f"name:{name}")
        for at, person in enumerate(self._people, 1):
            found.contacts.append(_contact(at, person))
            found.labels["contact", at] = next(iter(person.addresses), f"name:{person.name}")
        found.labels.update({("deal", deal.id): deal.title for deal in self._deals})
        return found


def _id(index: int | None) -> int | None:
    return None if index is None else index + 1


def _contact(at: int, person: _Person) -> ContactRecord:
    companies = [company + 1 for company in person.companies]
    return ContactRecord(
        at,
        person.name,
        tuple(AddressEntry(at, address) for address in person.addresses),
        companies[0] if companies else None,
        tuple(Job(company) for company in companies[1:]),
        tuple(person.phones),
    )


def moment(text: str) -> datetime | None:
    """A date or time as CSV has it, in UTC; None when empty. Raises ValueError."""
    if not text:
        return None
    if len(text) == 10:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
