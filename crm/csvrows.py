"""What the importers of all kinds share while a file is read: who and what is known already, warnings, and the
journal of changes.

Lookups are made once per file (users) or once per chunk of rows (addresses, domains, names), never per row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import fields, workspace
from crm.companies import name_key
from crm.csvvalues import BadCell, line
from crm.errors import Refused
from crm.models import Address, Company, CompanyDomain, Contact, Field, User
from matching.addresses import canonical, one_domain
from matching.domains import shared_kind

NOTES_MAX = 1_000
CUSTOM = "custom."


@dataclass(frozen=True, slots=True)
class Note:
    """A warning or an error: the line of the file (the header is line 1) and a sentence."""

    line: int
    text: str


class Importer(Protocol):
    """One kind of file. ``prepare`` loads what a chunk of rows refers to, ``take`` takes one row and returns created,
    updated or unchanged (BadCell, Refused: the row is refused, nothing was changed), ``finish`` writes what needs the
    chunk's new ids."""

    columns: tuple[str, ...]
    noun: str

    def missing(self, columns: Collection[str]) -> str: ...
    def prepare(self, rows: list[dict[str, str]]) -> None: ...
    def take(self, at: int, row: dict[str, str]) -> str: ...


@dataclass
class Context:
    """The state of one import. ``created`` and ``changed`` are the journal: new ids by noun, and old values by
    (noun, id)."""

    session: Session
    now: datetime
    actor_id: int | None
    warnings: list[Note] = field(default_factory=list)
    created: dict[str, list[int]] = field(default_factory=dict)
    changed: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    touched: dict[str, set[Any]] = field(default_factory=dict)
    later: list[Callable[[], None]] = field(default_factory=list)
    fresh: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = workspace.all_(self.session)
        self.zone: str = values["time_zone"]
        self.currency: str = values["currency"]
        self.region: str = values["phone_region"]
        self.users = {u.email: u.id for u in self.session.scalars(select(User))}
        self.fields = {(field.noun, field.name): field for field in self.session.scalars(select(Field))}
        self.known = Companies(self)

    def warn(self, at: int, text: str) -> None:
        """Keep a warning, up to a thousand."""
        if len(self.warnings) < NOTES_MAX:
            self.warnings.append(Note(at, text))

    def touch(self, key: str, *values: Any) -> None:
        """Note what matching must look at again: addresses, domains, contacts, companies or deals."""
        self.touched.setdefault(key, set()).update(values)

    def add(self, noun: str, row: Any) -> None:
        """A new row; its id is journalled at the end of the chunk, or at once by ``settle``."""
        self.session.add(row)
        self.later.append(lambda: self.created.setdefault(noun, []).append(row.id))

    def settle(self) -> None:
        """Write what is pending, so that new rows have ids."""
        self.session.flush()
        while self.later:
            pending, self.later = self.later, []
            for step in pending:
                step()
            self.session.flush()

    def change(self, noun: str, row: Any, values: dict[str, Any]) -> bool:
        """Set fields that are given and differ, keeping the old values in the journal. Returns whether anything
        changed."""
        differing = {name: v for name, v in values.items() if v is not None and getattr(row, name) != v}
        if not differing:
            return False
        if row.id is not None and row.id not in self._new(noun):
            before = self.changed.setdefault((noun, row.id), {})
            for name in differing:
                before.setdefault(name, getattr(row, name))
        for name, value in differing.items():
            setattr(row, name, value)
        return True

    def _new(self, noun: str) -> set[int]:
        created = self.created.get(noun, [])
        if len(self.fresh.setdefault(noun, set())) != len(created):
            self.fresh[noun] = set(created)
        return self.fresh[noun]

    def owner(self, at: int, text: str) -> int | None:
        """The user with this address; unknown: a warning, and nobody."""
        if not text:
            return None
        found = self.users.get(canonical(text))
        if found is None:
            self.warn(at, f"there is no user {text[:80]!r}; left without an owner")
        return found

    def custom(self, noun: str, row: dict[str, str], before: dict[str, Any], at: int) -> dict[str, Any] | None:
        """Mapped extra columns merged into custom fields, defining those that are new. None when there are none.
        Raises BadCell for a value that the field does not take."""
        given = {name.removeprefix(CUSTOM): line(v, 2_000) for name, v in row.items() if name.startswith(CUSTOM) and v}
        merged = dict(before)
        for name, value in given.items():
            field_ = self._field(noun, name)
            try:
                merged[field_.name] = fields.value_of(field_, value or "")
            except Refused as error:
                raise BadCell(f"column {name[:40]!r}: {error}") from None
        return merged if merged != before else None

    def _field(self, noun: str, name: str) -> Field:
        """The field of a column: known by its label or key, else a new one of type text."""
        key = name.lower().replace(" ", "_")
        known = self.fields.get((noun, key)) or self._labelled(noun, name)
        if known is None:
            known = Field(noun=noun, name=key, label=name[: fields.LABEL_MAX], type="text", options=[])
            known.position = len(self.fields) + 1
            self.fields[noun, key] = known
            self.add("field", known)
        return known

    def _labelled(self, noun: str, label: str) -> Field | None:
        same = label.casefold()
        return next((f for f in self.fields.values() if f.noun == noun and f.label.casefold() == same), None)


class Companies:
    """Companies by domain and by name, as known before the chunk and created in it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.by_domain: dict[str, list[Company]] = {}
        self.by_name: dict[str, list[Company]] = {}
        self._seen: set[int] = set()
        self._names_loaded = False

    def load(self, domains: Iterable[str]) -> None:
        """Make the companies of these domains known; all names once per file (a legal form does not count, so SQL
        can't compare)."""
        session, wanted = self._context.session, {d for d in domains if d} - set(self.by_domain)
        live = Company.deleted_at.is_(None), Company.merged_into.is_(None)
        if not self._names_loaded:
            self._names_loaded = True
            for company in session.scalars(select(Company).where(*live).order_by(Company.id)):
                self.by_name.setdefault(name_key(company.name), []).append(company)
        query = (
            select(CompanyDomain.domain, Company)
            .join(Company, Company.id == CompanyDomain.company_id)
            .where(CompanyDomain.domain.in_(wanted), CompanyDomain.kind != "excluded", *live)
            .order_by(Company.id)
        )
        for domain in wanted:
            self.by_domain[domain] = []
        for domain, company in session.execute(query):
            self.by_domain[domain].append(company)

    def find(self, at: int, name: str, domain: str) -> Company | None:
        """The company a contact's or deal's row means: by domain, by name among several of that domain, else by
        name."""
        listed = self.by_domain.get(domain, []) if domain else []
        named = self.by_name.get(name_key(name), []) if name else []
        if len(listed) > 1:
            both = [c for c in listed if c in named]
            if len(both) == 1:
                return both[0]
            self._context.warn(at, f"{domain} belongs to {len(listed)} companies, the name decides none: left open")
            return None
        if listed:
            return listed[0]
        if len(named) > 1:
            self._context.warn(at, f"there are {len(named)} companies {name[:80]!r}; the oldest was taken")
        return named[0] if named else None

    def find_or_create(self, at: int, name: str, raw_domain: str) -> Company | None:
        """``find``, else a new company. A new domain of a company found by its name is added to it."""
        domain = self.domain(at, raw_domain)
        name = line(name, 200) or ""
        if not name and not domain:
            return None
        found = self.find(at, name, domain)
        if found is None:
            if len(self.by_domain.get(domain, [])) > 1:
                return None
            return self.create(name or domain, [domain] if domain else [], source="import")
        if domain and found not in self.by_domain.get(domain, []):
            self._context.warn(at, f"{domain} was added to the domains of {found.name!r}")
            self.add_domain(found, domain)
        return found

    def domain(self, at: int, raw: str) -> str:
        """The canonical domain; freemail and rented hosts are ignored with a warning, nonsense is refused."""
        if not raw:
            return ""
        domain = one_domain(raw.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/"))
        if "." not in domain or any(c in domain for c in " /@:") or len(domain) > 253:
            raise Refused(f"{raw[:80]!r} is not a domain", "company_domain")
        kind = shared_kind(domain)
        if kind in ("freemail", "hosted"):
            self._context.warn(at, f"{domain} is shared by many ({kind}); ignored as a company's domain")
            return ""
        if kind:
            self._context.warn(at, f"{domain} is shared by many ({kind}); mails are not attached by it")
        return domain

    def create(self, name: str, domains: list[str], **values: Any) -> Company:
        """A new company, with an id."""
        context = self._context
        company = Company(name=name, created_at=context.now, **{"custom": {}, **values})
        context.add("company", company)
        context.settle()
        self.by_name.setdefault(name_key(name), []).append(company)
        for domain in domains:
            self.add_domain(company, domain)
        context.touch("companies", company.id)
        return company

    def add_domain(self, company: Company, domain: str) -> None:
        """List a domain; the first is the primary one."""
        context = self._context
        listed = func.count(CompanyDomain.id)
        has = context.session.scalar(select(listed).where(CompanyDomain.company_id == company.id))
        row = CompanyDomain(company_id=company.id, domain=domain, kind="alias" if has else "primary")
        context.add("company_domain", row)
        context.session.flush()
        self.by_domain.setdefault(domain, []).append(company)
        context.touch("domains", domain)
        context.touch("companies", company.id)


def address_book(session: Session, addresses: Collection[str]) -> dict[str, list[tuple[Contact, bool]]]:
    """Live contacts by canonical address, each with whether it is their primary one."""
    rows = session.execute(
        select(Address.canonical, Address.position, Contact)
        .join(Contact, Contact.id == Address.contact_id)
        .where(Address.canonical.in_(addresses), Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        .order_by(Contact.id)
    )
    found: dict[str, list[tuple[Contact, bool]]] = {}
    for address, position, contact in rows:
        found.setdefault(address, []).append((contact, position == 0))
    return found
