"""The short lists beside a record: addresses and numbers of a contact, domains of a company, files, conversions. One
statement for all of them, because a record's page has many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, cast, literal, null, select, union_all
from sqlalchemy.orm import Session

from crm.files import FileRow
from crm.models import Address, CompanyDomain, ContactPhone, LifecycleChange, RecordFile, User


@dataclass(frozen=True, slots=True)
class Conversion:
    """A contact became something else; ``before`` is "" for how they began."""

    id: int
    before: str
    after: str
    actor: str
    at: datetime


@dataclass(slots=True)
class Lists:
    """What was found. ``addresses`` and ``phones`` as written, in their order; ``domains`` the primary one first;
    ``files`` the newest first; ``conversions`` the oldest first."""

    addresses: list[str] = field(default_factory=list)
    canonicals: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    files: list[FileRow] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)


def of_contact(session: Session, contact_id: int) -> Lists:
    """Addresses, numbers, files and conversions of a contact."""
    addresses = _part("address", Address, Address.raw, Address.canonical, number=Address.position)
    phones = _part("phone", ContactPhone, ContactPhone.raw, None, number=ContactPhone.id)
    changes = _part(
        "conversion", LifecycleChange, LifecycleChange.from_lifecycle, LifecycleChange.to_lifecycle,
        number=LifecycleChange.id, at=LifecycleChange.at, who=User.name,
    ).outerjoin(User, User.id == LifecycleChange.actor_id)  # fmt: skip
    return _read(
        session,
        addresses.where(Address.contact_id == contact_id),
        phones.where(ContactPhone.contact_id == contact_id),
        changes.where(LifecycleChange.contact_id == contact_id),
        _files("contact", contact_id),
    )


def of_company(session: Session, company_id: int) -> Lists:
    """Domains and files of a company."""
    domains = _part("domain", CompanyDomain, CompanyDomain.domain, CompanyDomain.kind, number=CompanyDomain.id)
    return _read(session, domains.where(CompanyDomain.company_id == company_id), _files("company", company_id))


def of_deal(session: Session, deal_id: int) -> Lists:
    """Files of a deal."""
    return _read(session, _files("deal", deal_id))


def _part(what: str, table: Any, a: Any, b: Any, *, number: Any, at: Any = None, who: Any = None) -> Select[Any]:
    """Rows of one list in the shape of all."""
    text = Address.raw.type
    columns = (
        literal(what).label("what"), table.id.label("id"), a.label("a"), _or_null(b, text).label("b"),
        number.label("number"), _or_null(at, LifecycleChange.at.type).label("at"), _or_null(who, text).label("who"),
    )  # fmt: skip
    return select(*columns)


def _or_null(column: Any, type_: Any) -> Any:
    return cast(null(), type_) if column is None else column


def _files(noun: str, record_id: int) -> Select[Any]:
    part = _part(
        "file", RecordFile, RecordFile.name, RecordFile.type, number=RecordFile.size, at=RecordFile.created_at,
        who=User.name,
    ).outerjoin(User, User.id == RecordFile.author_id)  # fmt: skip
    return part.where(RecordFile.noun == noun, RecordFile.record_id == record_id, RecordFile.deleted_at.is_(None))


def _read(session: Session, *parts: Select[Any]) -> Lists:
    found = Lists()
    rows = session.execute(union_all(*parts) if len(parts) > 1 else parts[0]).all()
    for row in sorted(rows, key=lambda r: (r.number, r.id)):
        if row.what == "address":
            found.addresses.append(row.a)
            found.canonicals.append(row.b)
        elif row.what == "phone":
            found.phones.append(row.a)
        elif row.what == "domain" and row.b != "excluded":
            found.domains.insert(0 if row.b == "primary" else len(found.domains), row.a)
        elif row.what == "file":
            found.files.append(FileRow(row.id, row.a, row.b, row.number, row.who or "", row.at))
        elif row.what == "conversion":
            found.conversions.append(Conversion(row.id, row.a or "", row.b, row.who or "", row.at))
    found.files.sort(key=lambda f: (f.created_at, f.id), reverse=True)
    found.conversions.sort(key=lambda c: (c.at, c.id))
    return found
