"""One box over people, companies and deals: by name, mistyped too (``crm.names``), by any address, phone number, domain
or deal number, each hit with why it is one. Contacts, companies and deals are the team's, so nothing is left out here;
the log is searched by ``crm.search`` within what the viewer may see.

A constant number of statements, whatever is typed and however much there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session

from crm import names
from crm.models import Address, Company, CompanyDomain, Contact, ContactPhone, Deal, Stage
from crm.names import Near
from crm.privacy import Viewer, member
from matching.addresses import canonical

LONGEST = 200
PART_LEAST = 3
DIGITS_LEAST = 5
WHOLE_NUMBER = 7
PART_MAX = 60
EXACT, PART = 120.0, 90.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A record found. ``reason`` is what matched: "name", "a name like it", or the address, number or domain itself.
    ``detail`` says who it is."""

    noun: str
    id: int
    name: str
    detail: str
    reason: str
    score: float


def records(session: Session, viewer: Viewer, text: str, *, limit: int = 6) -> dict[str, list[Hit]]:
    """Hits by noun (contact, company, deal), the best first, at most ``limit`` each. Empty lists for no words."""
    member(viewer)
    typed = " ".join(text.split())[:LONGEST]
    found: dict[tuple[str, int], tuple[float, str]] = {}
    if typed:
        _keep(found, ((n.noun, n.id, n.score, _by_name(n)) for n in names.near(session, typed)))
        _keep(found, _by_part(session, typed))
    best: dict[str, list[tuple[int, float, str]]] = {"contact": [], "company": [], "deal": []}
    for (noun, record_id), (score, reason) in sorted(found.items(), key=lambda f: (-f[1][0], f[0])):
        best[noun].append((record_id, score, reason))
    shown = {noun: ids[: limit * 2] for noun, ids in best.items()}
    told = _told(session, {noun: [i for i, *_ in ids] for noun, ids in shown.items()})
    return {
        noun: [Hit(noun, i, *told[noun, i], why, score) for i, score, why in ids if (noun, i) in told][:limit]
        for noun, ids in shown.items()
    }


def _by_name(near: Near) -> str:
    return "name" if near.score >= 98 else "a name like it"


def _keep(
    found: dict[tuple[str, int], tuple[float, str]], hits: Iterable[tuple[str, int, float, str]]
) -> None:
    """Of several reasons for one record the strongest."""
    for noun, record_id, score, reason in hits:
        if score > found.get((noun, record_id), (0.0, ""))[0]:
            found[noun, record_id] = score, reason


def _by_part(session: Session, typed: str) -> Iterable[tuple[str, int, float, str]]:
    """Addresses, phone numbers, domains and deal numbers that hold what was typed."""
    word, digits = canonical(typed).lower() if "@" in typed else typed.lower(), _digits(typed)
    host = word.rpartition("@")[2]
    parts: list[Any] = []
    if len(word) >= PART_LEAST and " " not in word:
        parts.append(_part("contact", Address.contact_id, Address.canonical, word))
    if len(host) >= PART_LEAST and " " not in host:
        listed = CompanyDomain.kind != "excluded"
        parts.append(_part("company", CompanyDomain.company_id, CompanyDomain.domain, host, listed))
    if len(word) >= PART_LEAST:
        parts += [_part("deal", Deal.id, column, word) for column in (Deal.number, Deal.product)]
        named = (("contact", Contact.id, Contact.name), ("company", Company.id, Company.name))
        parts += [_named(noun, key, column, word) for noun, key, column in (*named, ("deal", Deal.id, Deal.title))]
    if len(digits) >= DIGITS_LEAST:
        parts.append(_phones(digits))
    if not parts:
        return []
    rows = session.execute(union_all(*parts))
    return [(noun, record_id, _worth(text, word, digits), text) for noun, record_id, text in rows]


def _worth(text: str, word: str, digits: str) -> float:
    """A whole address, domain or number beats a name; a part of one comes after it."""
    whole = text.lower() == word or (len(digits) >= WHOLE_NUMBER and _digits(text).endswith(digits))
    return EXACT if whole else PART


def _part(noun: str, key: Any, shown: Any, word: str, *more: ColumnElement[bool]) -> Any:
    query = select(literal(noun).label("noun"), key.label("id"), shown.label("text"))
    inner = query.where(func.lower(shown).contains(word, autoescape=True), *more)
    return select(inner.order_by(func.length(shown), key).limit(PART_MAX).subquery())


def _named(noun: str, key: Any, name: Any, word: str) -> Any:
    """Names that hold the word inside, where ``crm.names`` looks at the beginnings of their words."""
    columns = (literal(noun).label("noun"), key.label("id"), literal("name").label("text"))
    inner = select(*columns).where(func.lower(name).contains(word, autoescape=True))
    return select(inner.order_by(func.length(name), key).limit(PART_MAX).subquery())


def _phones(digits: str) -> Any:
    """Numbers by their last digits, with or without the country; those that could not be read by what was written."""
    plain: Any = ContactPhone.raw
    for sign in " -()./":
        plain = func.replace(plain, sign, "")
    unread = and_(ContactPhone.e164.is_(None), plain.like(f"%{digits}%"))
    text = ContactPhone.raw.label("text")
    query = select(literal("contact").label("noun"), ContactPhone.contact_id.label("id"), text)
    held = query.where(or_(ContactPhone.e164.like(f"%{digits}%"), unread))
    return select(held.order_by(ContactPhone.id).limit(PART_MAX).subquery())


def _digits(text: str) -> str:
    """The digits of a number, without the zeros of a trunk or international prefix; "" for what is no number."""
    kept = "".join(c for c in text if c.isdecimal())
    if any(c.isalpha() or c == "@" for c in text):
        return ""
    return kept.lstrip("0")


def _told(session: Session, wanted: Mapping[str, list[int]]) -> dict[tuple[str, int], tuple[str, str]]:
    """Name and detail of live records, in one statement."""
    first = select(Address.canonical).where(Address.contact_id == Contact.id).order_by(Address.position, Address.id)
    email: Any = first.limit(1).correlate(Contact).scalar_subquery()
    domain: Any = (
        select(CompanyDomain.domain)
        .where(CompanyDomain.company_id == Company.id, CompanyDomain.kind == "primary")
        .order_by(CompanyDomain.id)
        .limit(1)
        .correlate(Company)
        .scalar_subquery()
    )
    people = select(literal("contact"), Contact.id, Contact.name, Company.name, email)
    people = people.outerjoin(Company, Company.id == Contact.company_id)
    firms = select(literal("company"), Company.id, Company.name, Company.industry, domain)
    offers = select(literal("deal"), Deal.id, Deal.title, Company.name, Stage.name)
    offers = offers.join(Stage, Stage.id == Deal.stage_id).outerjoin(Company, Company.id == Deal.company_id)
    live: dict[str, tuple[Any, Any, ColumnElement[bool]]] = {
        "contact": (people, Contact, Contact.merged_into.is_(None)), "deal": (offers, Deal, true()),
        "company": (firms, Company, Company.merged_into.is_(None)),
    }  # fmt: skip
    parts = [
        query.where(table.id.in_(wanted[noun]), table.deleted_at.is_(None), more)
        for noun, (query, table, more) in live.items()
        if wanted[noun]
    ]
    if not parts:
        return {}
    return {
        (noun, record_id): (name, " · ".join(part for part in (a, b) if part))
        for noun, record_id, name, a, b in session.execute(union_all(*parts))
    }
