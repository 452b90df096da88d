"""Imports contacts and companies. Rows are one person only when their primary addresses are equal; another shared
address makes a shared address with a warning, never a merge. Companies are one when their names are (the legal form
doesn't count), or when a row has no name and its domain is one company's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from crm.addresses import own
from crm.contacts import LIFECYCLES, full_name
from crm.csvrows import Context, address_book
from crm.csvvalues import BadCell, line, many, moment
from crm.lifecycle import conversion, note
from crm.models import Address, Company, Contact, ContactPhone
from crm.phones import RAW_MAX, e164
from matching.addresses import canonical, family, host_of, one_domain


class Contacts:
    """The importer of contacts."""

    columns: tuple[str, ...] = (
        "email", "other_emails", "first_name", "last_name", "name", "phone", "title", "company", "company_domain",
        "owner", "lifecycle", "source", "created_at",
    )  # fmt: skip
    noun: str = "contact"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._book: dict[str, list[tuple[Contact, bool]]] = {}
        self._own: set[str] = set()
        self._theirs: dict[int, set[str]] = {}

    def missing(self, columns: Collection[str]) -> str:
        """What the header lacks, or ""."""
        needed = {"email", "name", "first_name", "last_name"}
        return "" if needed & set(columns) else "a column email, name, first_name or last_name"

    def prepare(self, rows: list[dict[str, str]]) -> None:
        """Load contacts of the chunk's addresses and companies of its domains."""
        written = [a for row in rows for a in [row.get("email", ""), *many(row.get("other_emails", ""))]]
        found = {canonical(a) for a in written} - {""}
        self._book = address_book(self._context.session, found)
        self._own = own(self._context.session, found)
        ids = {contact.id for held in self._book.values() for contact, _ in held}
        self._theirs = {}
        query = select(Address.contact_id, Address.canonical).where(Address.contact_id.in_(ids))
        for contact_id, address in self._context.session.execute(query):
            self._theirs.setdefault(contact_id, set()).add(address)
        self._context.known.load(one_domain(row.get("company_domain", "")) for row in rows)

    def take(self, at: int, row: dict[str, str]) -> str:
        """One contact: a new one, or more about the one whose primary address it is."""
        emails = self._emails(row)
        values = self._values(at, row)
        born = moment("created_at", row.get("created_at", ""), self._context.zone)
        if not values["name"] and not emails:
            raise BadCell("has neither a name nor an email")
        company = self._context.known.find_or_create(at, row.get("company", ""), row.get("company_domain", ""))
        values["company_id"] = company.id if company else None
        same = next((c for c, primary in self._book.get(emails[0], ()) if primary), None) if emails else None
        if same is None:
            self._create(at, row, emails, {**values, "name": values["name"] or emails[0]}, born)
            return "created"
        return "updated" if self._merge(at, row, same, emails, values) else "unchanged"

    def _emails(self, row: dict[str, str]) -> list[str]:
        found: list[str] = []
        for raw in [row.get("email", ""), *many(row.get("other_emails", ""))]:
            if not raw:
                continue
            address = canonical(raw)
            if "." not in host_of(address) or len(address) > 320:
                raise BadCell(f"email {raw[:80]!r} is not an e-mail address")
            if address in self._own:
                raise BadCell(f"email {address} is an address of our own side")
            found.append(address)
        return list(dict.fromkeys(found))

    def _values(self, at: int, row: dict[str, str]) -> dict[str, Any]:
        lifecycle = row.get("lifecycle", "").lower().replace(" ", "_").replace("-", "_") or None
        if lifecycle and lifecycle not in LIFECYCLES:
            raise BadCell(f"lifecycle {lifecycle[:40]!r} is not one of {', '.join(LIFECYCLES)}")
        first, last = line(row.get("first_name", "")), line(row.get("last_name", ""))
        return {
            "name": full_name(row.get("name", ""), first, last) or None, "first_name": first, "last_name": last,
            "title": line(row.get("title", "")), "source": line(row.get("source", "")), "lifecycle": lifecycle,
            "owner_id": self._context.owner(at, row.get("owner", "")),
        }  # fmt: skip

    def _create(self, at: int, row: dict[str, str], emails: list[str], values: dict[str, Any], born: Any) -> None:
        context = self._context
        custom = context.custom(self.noun, row, {}, at) or {}
        values["lifecycle"] = values["lifecycle"] or "lead"
        contact = Contact(created_at=born or context.now, custom=custom, **values)
        context.add("contact", contact)
        for position, address in enumerate(emails):
            self._share(at, address)
            self._book.setdefault(address, []).append((contact, position == 0))
        phones = many(row.get("phone", ""))
        context.later.append(lambda: self._born(contact))
        context.later.append(lambda: self._attach(contact, emails, phones))

    def _born(self, contact: Contact) -> None:
        note(self._context.session, contact, None, actor_id=self._context.actor_id, at=contact.created_at)

    def _attach(self, contact: Contact, emails: list[str], phones: list[str], position: int = 0) -> None:
        """Addresses and phones of a contact that has its id now."""
        held = self._theirs.setdefault(contact.id, set())
        for address in emails:
            if address not in held:
                held.add(address)
                row = Address(contact_id=contact.id, raw=address, canonical=address, family=family(address))
                row.source, row.position, position = "import", position, position + 1
                self._context.add("address", row)
        for raw in phones:
            number = ContactPhone(contact_id=contact.id, raw=raw[:RAW_MAX], e164=e164(raw, self._context.region))
            self._context.add("phone", number)
        self._context.touch("contacts", contact.id)
        self._context.touch("addresses", *emails)

    def _merge(self, at: int, row: dict[str, str], same: Contact, emails: list[str], values: dict[str, Any]) -> bool:
        """Values given replace those kept; addresses and phones are added, never taken off."""
        context = self._context
        context.settle()
        held = self._theirs.setdefault(same.id, set())
        values["custom"] = context.custom(self.noun, row, same.custom, at)
        before = same.lifecycle
        changed = context.change("contact", same, values)
        if same.lifecycle != before:
            context.add("lifecycle", conversion(same, before, actor_id=context.actor_id, at=context.now))
        fresh = [a for a in emails if a not in held]
        known = select(ContactPhone.raw, ContactPhone.e164).where(ContactPhone.contact_id == same.id)
        numbers = {n for pair in context.session.execute(known) for n in pair if n}
        phones = [p for p in many(row.get("phone", "")) if not {p[:RAW_MAX], e164(p, context.region)} & numbers]
        for address in fresh:
            self._share(at, address)
            self._book.setdefault(address, []).append((same, False))
        if changed or fresh or phones:
            self._attach(same, fresh, phones, position=len(held) + 1)
            context.touch("addresses", *emails)
        return bool(changed or fresh or phones)

    def _share(self, at: int, address: str) -> None:
        if holders := self._book.get(address):
            names = ", ".join(sorted({c.name for c, _ in holders}))[:120]
            self._context.warn(at, f"{address} is also an address of {names}: kept as a shared address")


class CompaniesFile:
    """The importer of companies."""

    columns: tuple[str, ...] = ("name", "domains", "industry", "size", "owner")
    noun: str = "company"

    def __init__(self, context: Context) -> None:
        self._context = context

    def missing(self, columns: Collection[str]) -> str:
        """What the header lacks, or ""."""
        return "" if {"name", "domains"} & set(columns) else "a column name or domains"

    def prepare(self, rows: list[dict[str, str]]) -> None:
        """Load companies of the chunk's domains."""
        self._context.known.load(one_domain(d) for row in rows for d in many(row.get("domains", "")))

    def take(self, at: int, row: dict[str, str]) -> str:
        """One company: a new one, or more about a known one."""
        context, known = self._context, self._context.known
        domains = [d for raw in many(row.get("domains", "")) if (d := known.domain(at, raw))]
        name = line(row.get("name", ""), 200) or ""
        if not name and not domains:
            raise BadCell("has neither a name nor a domain that is a company's")
        values = {
            "industry": line(row.get("industry", "")), "size": line(row.get("size", "")),
            "owner_id": context.owner(at, row.get("owner", "")),
        }  # fmt: skip
        same = self._same(at, name, domains)
        if same is None:
            custom = context.custom(self.noun, row, {}, at) or {}
            known.create(name or domains[0], domains, source="import", custom=custom, **values)
            return "created"
        values["custom"] = context.custom(self.noun, row, same.custom, at)  # type: ignore[assignment]
        changed = context.change("company", same, values)
        fresh = [d for d in domains if same not in known.by_domain.get(d, [])]
        for domain in fresh:
            known.add_domain(same, domain)
        return "updated" if changed or fresh else "unchanged"

    def _same(self, at: int, name: str, domains: list[str]) -> Company | None:
        known = self._context.known
        if name:
            named = known.find(at, name, "")
            for domain in domains:
                for other in known.by_domain.get(domain, []):
                    if other is not named:
                        self._context.warn(at, f"{domain} is also a domain of {other.name!r}: mails at it will ask")
            return named
        listed = {id(c): c for d in domains for c in known.by_domain.get(d, [])}
        if len(listed) > 1:
            raise BadCell("has no name, and its domains belong to several companies")
        return next(iter(listed.values()), None)
