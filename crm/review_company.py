"""Which companies stand behind the domains of a page of review groups, and how many of their people are known. One
statement each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import Company, CompanyDomain, Contact
from matching.domains import parents


@dataclass(frozen=True, slots=True)
class Known:
    """A company behind a domain, and how many of its people are known."""

    id: int | None
    name: str
    people: int


NOBODY = Known(None, "", 0)


def known_companies(session: Session, hosts: Iterable[str]) -> dict[str, Known]:
    """For each host the one company that lists it (the longest listed domain wins).
    Hosts of no company, or of several, are left out."""
    wanted = {host: list(parents(host)) for host in set(hosts) if host}
    names = {name for chain in wanted.values() for name in chain}
    if not names:
        return {}
    listed: dict[str, set[int]] = {}
    labels: dict[int, str] = {}
    query = (
        select(CompanyDomain.domain, Company.id, Company.name)
        .join(Company, Company.id == CompanyDomain.company_id)
        .where(
            CompanyDomain.domain.in_(names), CompanyDomain.kind != "excluded", Company.deleted_at.is_(None),
            Company.merged_into.is_(None),
        )
    )  # fmt: skip
    for domain, company_id, name in session.execute(query):
        listed.setdefault(domain, set()).add(company_id)
        labels[company_id] = name
    people = _people(session, labels)
    found: dict[str, Known] = {}
    for host, chain in wanted.items():
        owners = next((listed[domain] for domain in chain if domain in listed), set())
        if len(owners) == 1:
            company_id = next(iter(owners))
            found[host] = Known(company_id, labels[company_id], people.get(company_id, 0))
    return found


def _people(session: Session, companies: Iterable[int]) -> dict[int, int]:
    query = (
        select(Contact.company_id, func.count())
        .where(Contact.company_id.in_(list(companies)), Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
        .group_by(Contact.company_id)
    )
    return {company: count for company, count in session.execute(query) if company is not None}
