"""A segment as a table that leaves the house: the columns an import takes (docs/contract), custom fields by their
label, and when each record was last touched. Streams in chunks, four statements each.

People who do not want to be written to are left out: such a table is made to write to people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import regex
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import criteria, fields
from crm.criteria import TABLES, Criteria
from crm.export import moment
from crm.models import Address, Company, CompanyDomain, Contact, ContactPhone, Deal, Pipeline, Stage, User
from crm.privacy import Viewer, member
from crm.segments import last_touched

CHUNK = 500
HEADERS = {
    "contact": ("email", "other_emails", "name", "phone", "title", "company", "owner", "lifecycle", "source",
                "created_at"),
    "company": ("name", "domains", "industry", "size", "owner"),
    "deal": ("title", "number", "product", "company", "pipeline", "stage", "value", "currency", "probability",
             "expected_close", "owner", "source", "created_at", "closed_at", "lost_reason"),
}  # fmt: skip
_NUMBER = regex.compile(r"[+-]?[\d .,;()/+-]+")


def lines(session: Session, viewer: Viewer, chosen: Criteria, *, now: datetime) -> Iterator[list[str]]:
    """All records that fit, a header first. Raises Refused."""
    known = fields.of(session, chosen.noun)
    yield [*HEADERS[chosen.noun], *(field.label for field in known), "last_contact"]
    table, after = TABLES[chosen.noun], 0
    where = criteria.conditions(session, member(viewer), chosen, now=now)
    if chosen.noun == "contact":
        where.append(Contact.opt_out.is_(False))
    query = _QUERIES[chosen.noun]().where(*where).order_by(table.id).limit(CHUNK)
    while rows := session.execute(query.where(table.id > after)).all():
        after, ids = rows[-1][0].id, [row[0].id for row in rows]
        lists = _lists(session, chosen.noun, ids)
        last = last_touched(session, viewer, chosen.noun, ids, now=now)
        for row in rows:
            custom = [str(row[0].custom.get(field.name, "")) for field in known]
            cells = [*_CELLS[chosen.noun](row, lists), *custom, moment(last.get(row[0].id)) or ""]
            yield [safe(cell) for cell in cells]


def safe(text: str) -> str:
    """Text that a spreadsheet would take for a formula is quoted (OWASP, "CSV injection"); a number stays one."""
    formula = text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if formula else text


def _contacts() -> Any:
    query = select(Contact, Company.name, User.email).outerjoin(Company, Company.id == Contact.company_id)
    return query.outerjoin(User, User.id == Contact.owner_id)


def _companies() -> Any:
    return select(Company, User.email).outerjoin(User, User.id == Company.owner_id)


def _deals() -> Any:
    query = select(Deal, Company.name, User.email, Stage.name, Pipeline.name).join(Stage, Stage.id == Deal.stage_id)
    query = query.join(Pipeline, Pipeline.id == Deal.pipeline_id).outerjoin(Company, Company.id == Deal.company_id)
    return query.outerjoin(User, User.id == Deal.owner_id)


_QUERIES = {"contact": _contacts, "company": _companies, "deal": _deals}


def _lists(session: Session, noun: str, ids: Sequence[int]) -> dict[tuple[str, int], list[str]]:
    """Addresses and phones of contacts, domains of companies, in their order."""
    found: dict[tuple[str, int], list[str]] = {}
    queries: list[tuple[str, Any]] = []
    if noun == "contact":
        addresses = select(Address.contact_id, Address.canonical).where(Address.contact_id.in_(ids))
        phones = select(ContactPhone.contact_id, ContactPhone.raw).where(ContactPhone.contact_id.in_(ids))
        queries.append(("address", addresses.order_by(Address.position, Address.id)))
        queries.append(("phone", phones.order_by(ContactPhone.id)))
    elif noun == "company":
        listed = CompanyDomain.company_id.in_(ids), CompanyDomain.kind != "excluded"
        domains = select(CompanyDomain.company_id, CompanyDomain.domain).where(*listed)
        queries.append(("domain", domains.order_by(CompanyDomain.kind != "primary", CompanyDomain.id)))
    for what, query in queries:
        for owner, text in session.execute(query):
            found.setdefault((what, owner), []).append(text)
    return found


def _contact(row: Any, lists: dict[tuple[str, int], list[str]]) -> list[str]:
    contact, company, owner = row
    addresses = lists.get(("address", contact.id), [])
    return [
        addresses[0] if addresses else "", "; ".join(addresses[1:]), contact.name,
        "; ".join(lists.get(("phone", contact.id), [])), contact.title or "", company or "", owner or "",
        contact.lifecycle, contact.source or "", moment(contact.created_at) or "",
    ]  # fmt: skip


def _company(row: Any, lists: dict[tuple[str, int], list[str]]) -> list[str]:
    company, owner = row
    domains = "; ".join(lists.get(("domain", company.id), []))
    return [company.name, domains, company.industry or "", company.size or "", owner or ""]


def _deal(row: Any, _lists: dict[tuple[str, int], list[str]]) -> list[str]:
    deal, company, owner, stage, pipeline = row
    return [
        deal.title, deal.number or "", deal.product or "", company or "", pipeline, stage,
        "" if deal.value is None else f"{deal.value:f}", deal.currency,
        "" if deal.probability is None else str(deal.probability),
        deal.expected_close.isoformat() if deal.expected_close else "", owner or "", deal.source or "",
        moment(deal.created_at) or "", moment(deal.closed_at) or "", deal.lost_reason or "",
    ]  # fmt: skip


_CELLS = {"contact": _contact, "company": _company, "deal": _deal}
