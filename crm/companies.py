"""Companies and the domains they are known by: creating, changing, deleting with a way back, finding.

A domain may be listed by two companies (an agency, parent and subsidiary): then matching asks. Shared domains
(freemail, ISPs, schools) are never a company's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import regex
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from crm import audit, outbox
from crm.errors import NotFound, Refused
from crm.models import Company, CompanyDomain, Contact, User
from crm.privacy import Viewer, member
from matching.addresses import one_domain
from matching.domains import shared_kind

FIELDS = frozenset({"name", "industry", "size", "owner_id", "source", "custom"})
KINDS = ("primary", "alias", "excluded")
PAGE_MAX = 500
_LEGAL = regex.compile(
    r"[\s,]+(?:ltd|limited|inc|incorporated|llc|llp|plc|corp|corporation|co|company|gmbh|ag|kg|ug|se|sa|sas|sarl|srl|spa|"
    r"bv|nv|ab|as|aps|oy|oyj|pty|kft|sro|spzoo|s\.?a\.?|s\.?r\.?l\.?|b\.?v\.?|n\.?v\.?)\.?$",
    regex.IGNORECASE,
)


def name_key(name: str) -> str:
    """The form in which two names are one: case, blanks, dots and the legal form at the end don't count."""
    key = " ".join(name.casefold().split()).strip(" .,")
    while (cut := _LEGAL.sub("", key).strip(" .,&")) not in (key, ""):
        key = cut
    return key


def checked_domain(raw: str) -> str:
    """The canonical domain. Raises Refused for what is none, and for freemail and rented hosts. Domains of schools and
    access providers are kept as a company's name in exports, though matching never goes by them."""
    domain = one_domain(raw.strip().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/"))
    if "." not in domain or any(c in domain for c in " /@:") or len(domain) > 253:
        raise Refused(f"{raw.strip()[:80]!r} is not a domain.", "domains")
    if (kind := shared_kind(domain)) in ("freemail", "hosted"):
        raise Refused(f"{domain} is shared by many ({kind}); it can't stand for a company.", "domains")
    return domain


def create(
    session: Session,
    *,
    name: str,
    domains: Iterable[str] = (),
    industry: str | None = None,
    size: str | None = None,
    owner_id: int | None = None,
    source: str | None = None,
    custom: Mapping[str, Any] | None = None,
    now: datetime,
    actor_id: int | None,
) -> Company:
    """Add a company; the first domain is the primary one. Raises Refused for a bad domain, or neither name nor
    domain."""
    found = list(dict.fromkeys(checked_domain(d) for d in domains))
    shown = " ".join(name.split())[:200] or (found[0] if found else "")
    if not shown:
        raise Refused("A company needs a name or a domain.", "name")
    company = Company(
        name=shown, industry=industry, size=size, owner_id=owner_id, source=source, custom=dict(custom or {}),
        created_at=now,
    )  # fmt: skip
    session.add(company)
    session.flush()
    for position, domain in enumerate(found):
        session.add(CompanyDomain(company_id=company.id, domain=domain, kind="alias" if position else "primary"))
    session.flush()
    audit.record(session, actor_id=actor_id, action="company.create", subject_id=company.id, now=now)
    outbox.identity_changed(session, domains=found, companies=[company.id], now=now)
    return company


def by_domain_or_create(
    session: Session, domain: str, *, name: str = "", now: datetime, actor_id: int | None
) -> Company:
    """The first company that lists the domain, else a new one named ``name`` or after the domain. Serialised by the
    writer lock on SQLite and an advisory lock on PostgreSQL, so that two workers make one."""
    checked = checked_domain(domain)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"company:{checked}"))))
    found = listing(session, checked)
    if found:
        return found[0]
    return create(session, name=name, domains=[checked], source="domain", now=now, actor_id=actor_id)


def update(
    session: Session, company_id: int, changes: Mapping[str, Any], *, actor_id: int | None, now: datetime
) -> Company:
    """Change fields (``FIELDS``). Raises NotFound, Refused."""
    company = by_id(session, company_id)
    if unknown := set(changes) - FIELDS:
        raise Refused(f"A company has no field {min(unknown)}.", min(unknown))
    if "name" in changes and not str(changes["name"]).strip():
        raise Refused("A company needs a name.", "name")
    changed = {field: value for field, value in changes.items() if getattr(company, field) != value}
    detail = audit.changes(company, changed)
    for field, value in changed.items():
        setattr(company, field, value)
    if changed:
        session.flush()
        audit.record(session, actor_id=actor_id, action="company.update", subject_id=company_id, detail=detail, now=now)
    return company


def add_domain(
    session: Session,
    company_id: int,
    raw: str,
    *,
    kind: str = "alias",
    match_subdomains: bool = True,
    actor_id: int | None,
    now: datetime,
) -> CompanyDomain:
    """List a domain; ``excluded`` keeps a subdomain of a listed one out. Raises Refused for a shared one or a
    repetition."""
    if kind not in KINDS:
        raise Refused(f"{kind!r} is not one of {', '.join(KINDS)}.", "kind")
    domain = checked_domain(raw)
    rows = domains(session, company_id)
    if any(row.domain == domain for row in rows):
        raise Refused(f"{domain} is listed already.", "domains")
    if kind != "excluded" and not any(row.kind == "primary" for row in rows):
        kind = "primary"
    row = CompanyDomain(company_id=company_id, domain=domain, kind=kind, match_subdomains=match_subdomains)
    session.add(row)
    session.flush()
    _changed(session, "company.domain_add", company_id, domain, actor_id, now)
    return row


def remove_domain(session: Session, company_id: int, raw: str, *, actor_id: int | None, now: datetime) -> None:
    """Take a domain off; the next one becomes the primary. Raises NotFound."""
    domain = one_domain(raw)
    rows = domains(session, company_id)
    row = next((r for r in rows if r.domain == domain), None)
    if row is None:
        raise NotFound("The company has no such domain.")
    session.delete(row)
    rest = [r for r in rows if r is not row and r.kind != "excluded"]
    if row.kind == "primary" and rest:
        rest[0].kind = "primary"
    session.flush()
    _changed(session, "company.domain_remove", company_id, domain, actor_id, now)


def domains(session: Session, company_id: int) -> list[CompanyDomain]:
    """A company's domains, the primary one first."""
    query = select(CompanyDomain).where(CompanyDomain.company_id == company_id).order_by(CompanyDomain.id)
    return sorted(session.scalars(query), key=lambda row: row.kind != "primary")


def listing(session: Session, raw: str) -> list[Company]:
    """Live companies that list exactly this domain."""
    query = (
        select(Company)
        .join(CompanyDomain, CompanyDomain.company_id == Company.id)
        .where(
            CompanyDomain.domain == one_domain(raw), CompanyDomain.kind != "excluded", Company.deleted_at.is_(None),
            Company.merged_into.is_(None),
        )
        .order_by(Company.id)
    )  # fmt: skip
    return list(session.scalars(query))


def delete(session: Session, company_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Put a company away (``restore`` brings it back); its contacts and deals stay and keep pointing at it."""
    company = by_id(session, company_id)
    company.deleted_at = now
    session.flush()
    audit.record(session, actor_id=actor_id, action="company.delete", subject_id=company_id, now=now)
    _tell(session, company_id, now)


def restore(session: Session, company_id: int, *, actor_id: int | None, now: datetime) -> None:
    """Bring a deleted company back."""
    company = session.get(Company, company_id)
    if company is None or company.deleted_at is None or company.merged_into is not None:
        raise NotFound("There is no such deleted company.")
    company.deleted_at = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="company.restore", subject_id=company_id, now=now)
    _tell(session, company_id, now)


def by_id(session: Session, company_id: int) -> Company:
    """The company, also when merged away (then the one it became). Raises NotFound for a deleted or unknown one."""
    company = session.get(Company, company_id)
    for _ in range(20):
        if company is None or company.merged_into is None:
            break
        company = session.get(Company, company.merged_into)
    if company is None or company.deleted_at is not None:
        raise NotFound("There is no such company.")
    return company


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of companies is narrowed to. ``text`` looks in names and domains."""

    text: str = ""
    owner_id: int | None = None
    industry: str = ""


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """One line of the list. ``contacts`` counts live contacts."""

    id: int
    name: str
    domain: str
    industry: str
    size: str
    owner: str
    contacts: int


def page(
    session: Session,
    viewer: Viewer,
    filters: Filter | None = None,
    *,
    after: tuple[str, int] | None = None,
    limit: int = 50,
) -> list[CompanyRow]:
    """Companies by name, for everybody of the team. ``after`` is the (name, id) the page before ended with."""
    member(viewer)
    query = (
        select(Company, _primary_domain(), User.name, _contacts())
        .outerjoin(User, User.id == Company.owner_id)
        .where(*conditions(filters or Filter()))
        .order_by(Company.name, Company.id)
        .limit(min(limit, PAGE_MAX))
    )
    if after is not None:
        query = query.where(or_(Company.name > after[0], and_(Company.name == after[0], Company.id > after[1])))
    return [
        CompanyRow(c.id, c.name, domain or "", c.industry or "", c.size or "", owner or "", n)
        for c, domain, owner, n in session.execute(query)
    ]


def count(session: Session, viewer: Viewer, filters: Filter | None = None) -> int:
    """How many companies the filter leaves."""
    member(viewer)
    return session.scalar(select(func.count()).select_from(Company).where(*conditions(filters or Filter()))) or 0


def conditions(filters: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Company.deleted_at.is_(None), Company.merged_into.is_(None)]
    if filters.text.strip():
        word = filters.text.strip().lower()
        listed = select(CompanyDomain.company_id).where(CompanyDomain.domain.contains(word, autoescape=True))
        found.append(or_(func.lower(Company.name).contains(word, autoescape=True), Company.id.in_(listed)))
    if filters.owner_id is not None:
        found.append(Company.owner_id == filters.owner_id)
    if filters.industry:
        found.append(Company.industry == filters.industry)
    return found


def _primary_domain() -> Any:
    own = CompanyDomain.company_id == Company.id
    query = select(CompanyDomain.domain).where(own, CompanyDomain.kind == "primary").order_by(CompanyDomain.id).limit(1)
    return query.correlate(Company).scalar_subquery()


def _contacts() -> Any:
    live = Contact.company_id == Company.id, Contact.deleted_at.is_(None), Contact.merged_into.is_(None)
    return select(func.count()).select_from(Contact).where(*live).correlate(Company).scalar_subquery()


def _changed(session: Session, action: str, company_id: int, domain: str, actor_id: int | None, now: datetime) -> None:
    audit.record(session, actor_id=actor_id, action=action, subject_id=company_id, detail={"domain": domain}, now=now)
    outbox.identity_changed(session, domains=[domain], companies=[company_id], now=now)


def _tell(session: Session, company_id: int, now: datetime) -> None:
    names = [row.domain for row in domains(session, company_id)]
    outbox.identity_changed(session, domains=names, companies=[company_id], now=now)
