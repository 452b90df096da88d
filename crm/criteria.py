"""What a segment is narrowed to: read from the strings of an address or a saved row, checked value by value, and said
as SQL conditions on ``Contact``, ``Company`` or ``Deal``.

*Contact within n days* is any touch in the log: a mail either way, a call, a meeting held, as far as it exists for the
viewer; set-based, so that it costs one pass over the days asked for and none over the records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, Float, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, fields
from crm.errors import Refused
from crm.facts import no_crowd
from crm.held import held
from crm.lifecycle import LIFECYCLES
from crm.models import Communication, Company, Contact, Deal, Field, Link, Task
from crm.privacy import Viewer, visible

TABLES: dict[str, Any] = {"contact": Contact, "company": Company, "deal": Deal}
TEXT_MAX = 200
DAYS_MAX = 3_650
FIELDS_MAX = 3
OPERATIONS = {
    "is": "is", "not": "is not", "has": "contains", "least": "is at least", "most": "is at most", "set": "is filled",
    "empty": "is empty",
}  # fmt: skip
STATUSES = ("open", "won", "lost")
TOUCHES = ("email", "call", "meeting")


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A test of one custom field: its name, an operation of ``OPERATIONS``, a value."""

    name: str
    operation: str
    value: str


@dataclass(frozen=True, slots=True)
class Criteria:
    """Checked and typed. ``owner`` is an id, "me", "nobody" or "". ``older`` and ``newer`` are days since the last
    touch: n days or more ago (or never), and within n days."""

    noun: str
    text: str = ""
    owner: str = ""
    lifecycle: str = ""
    source: str = ""
    industry: str = ""
    company: str = ""
    stage_id: int | None = None
    status: str = ""
    least: Decimal | None = None
    most: Decimal | None = None
    older: int | None = None
    newer: int | None = None
    no_task: bool = False
    tests: tuple[FieldTest, ...] = field(default_factory=tuple)


def read(noun: str, given: Mapping[str, str]) -> Criteria:
    """The criteria of these strings. Raises Refused with the name of the one that can't be taken. Empty and unknown
    names are left out."""
    if noun not in TABLES:
        raise Refused("A segment is of contacts, companies or deals.", "noun")
    owner = given.get("owner", "").strip()
    if owner and owner not in ("me", "nobody") and not owner.isdecimal():
        raise Refused("Choose an owner of the list.", "owner")
    found = Criteria(
        noun, text=_text(given, "q"), owner=owner, source=_text(given, "source"), company=_text(given, "company"),
        lifecycle=_one_of(given, "lifecycle", LIFECYCLES) if noun == "contact" else "",
        industry=_text(given, "industry") if noun == "company" else "",
        stage_id=_whole(given, "stage") if noun == "deal" else None,
        status=_one_of(given, "status", STATUSES) if noun == "deal" else "",
        least=_amount(given, "least") if noun == "deal" else None,
        most=_amount(given, "most") if noun == "deal" else None,
        older=_whole(given, "older", DAYS_MAX), newer=_whole(given, "newer", DAYS_MAX),
        no_task=given.get("no_task", "") not in ("", "0"), tests=_tests(given),
    )  # fmt: skip
    if found.least is not None and found.most is not None and found.least > found.most:
        raise Refused("The least value is more than the most.", "most")
    if found.older is not None and found.newer is not None and found.newer <= found.older:
        raise Refused("Nobody is both: take one of the two, or make the second the longer time.", "newer")
    return found


NAMES = frozenset({
    "q", "owner", "source", "company", "lifecycle", "industry", "stage", "status", "least", "most", "older", "newer",
    "no_task", *(f"{part}{n}" for part in ("field", "op", "value") for n in range(1, FIELDS_MAX + 1)),
})  # fmt: skip
"""The names ``read`` knows, and a segment keeps."""


def kept(given: Mapping[str, str]) -> dict[str, str]:
    """Of strings from outside those that narrow, as they are saved."""
    return {n: v.strip()[:TEXT_MAX] for n, v in given.items() if n in NAMES and v.strip() and n + v != "no_task0"}


def conditions(session: Session, viewer: Viewer, chosen: Criteria, *, now: datetime) -> list[ColumnElement[bool]]:
    """The criteria as SQL conditions on the noun's table; deleted and merged records are never in."""
    table = TABLES[chosen.noun]
    found = _own(chosen)
    if chosen.owner:
        wanted = {"me": viewer.user_id, "nobody": None}.get(chosen.owner, chosen.owner)
        found.append(table.owner_id.is_(None) if wanted is None else table.owner_id == int(wanted))
    if chosen.source:
        found.append(func.lower(table.source) == chosen.source.lower())
    if chosen.company and chosen.noun != "company":
        word = chosen.company.lower()
        named = select(Company.id).where(func.lower(Company.name).contains(word, autoescape=True))
        found.append(table.company_id.in_(named.where(Company.deleted_at.is_(None))))
    if chosen.older is not None:
        found.append(~_touched(viewer, chosen.noun, now - timedelta(days=chosen.older), now))
    if chosen.newer is not None:
        found.append(_touched(viewer, chosen.noun, now - timedelta(days=chosen.newer), now))
    if chosen.no_task:
        found.append(~_with_task(chosen.noun))
    if chosen.tests:
        known = {f.name: f for f in fields.of(session, chosen.noun)}
        found += [_test(table, test, known.get(test.name)) for test in chosen.tests]
    return found


def _own(chosen: Criteria) -> list[ColumnElement[bool]]:
    """What the lists of the noun know themselves."""
    if chosen.noun == "contact":
        return contacts.conditions(contacts.Filter(text=chosen.text, lifecycle=chosen.lifecycle))
    if chosen.noun == "company":
        return companies.conditions(companies.Filter(text=chosen.text, industry=chosen.industry))
    found = deals.conditions(deals.Filter(text=chosen.text, stage_id=chosen.stage_id, status=chosen.status))
    if chosen.least is not None:
        found.append(Deal.value >= chosen.least)
    if chosen.most is not None:
        found.append(Deal.value <= chosen.most)
    return found


def touches(viewer: Viewer, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions on ``Communication``: a touch by ``now`` that exists for the viewer."""
    counts = or_(Communication.kind.in_(("email", "call")), held(now))
    return [
        visible(viewer), Communication.status == "linked", Communication.kind.in_(TOUCHES), counts,
        Communication.cancelled.is_(False), Communication.occurred_at <= now, no_crowd(),
    ]  # fmt: skip


def _touched(viewer: Viewer, noun: str, after: datetime, now: datetime) -> ColumnElement[bool]:
    """There was a touch after that moment. A company is touched through its people too."""

    def linked(kind: str) -> Any:
        query = select(Link.target_id).join(Communication, Communication.id == Link.communication_id)
        live = Link.target_kind == kind, Link.tombstoned.is_(False)
        return query.where(*live, Communication.occurred_at > after, *touches(viewer, now)).distinct()

    if noun != "company":
        return TABLES[noun].id.in_(linked(noun))  # type: ignore[no-any-return]
    people = select(Contact.company_id).where(Contact.id.in_(linked("contact")), Contact.company_id.is_not(None))
    return or_(Company.id.in_(linked("company")), Company.id.in_(people))


def _with_task(noun: str) -> ColumnElement[bool]:
    open_ = and_(Task.done_at.is_(None), Task.deleted_at.is_(None))
    if noun == "contact":
        return exists().where(Task.contact_id == Contact.id, open_)
    if noun == "deal":
        return exists().where(Task.deal_id == Deal.id, open_)
    theirs = select(Contact.id).where(Contact.company_id == Company.id).correlate(Company)
    return exists().where(or_(Task.company_id == Company.id, Task.contact_id.in_(theirs)), open_)


def _test(table: Any, test: FieldTest, known: Field | None) -> ColumnElement[bool]:
    held_ = func.coalesce(table.custom[test.name].as_string(), "")
    value = test.value
    if known is not None and test.operation in ("is", "not") and value:
        value = fields.value_of(known, value)
    plain: dict[str, ColumnElement[bool]] = {
        "set": held_ != "", "empty": held_ == "", "is": func.lower(held_) == value.lower(),
        "not": func.lower(held_) != value.lower(), "has": func.lower(held_).contains(value.lower(), autoescape=True),
    }  # fmt: skip
    if test.operation in plain:
        return plain[test.operation]
    if known is not None and known.type == "number":
        number = case((held_.regexp_match(r"^-?[0-9]+(\.[0-9]+)?$"), cast(held_, Float)), else_=None)
        wanted = float(fields.value_of(known, value) or 0)
        return number >= wanted if test.operation == "least" else number <= wanted
    return and_(held_ != "", held_ >= value if test.operation == "least" else held_ <= value)


def _tests(given: Mapping[str, str]) -> tuple[FieldTest, ...]:
    found = []
    for n in range(1, FIELDS_MAX + 1):
        name, operation = given.get(f"field{n}", "").strip()[:TEXT_MAX], given.get(f"op{n}", "is")
        if not name:
            continue
        if operation not in OPERATIONS:
            raise Refused("Choose how the field is compared.", f"op{n}")
        value = _text(given, f"value{n}")
        if not value and operation not in ("set", "empty"):
            raise Refused("Say which value the field is compared with.", f"value{n}")
        found.append(FieldTest(name, operation, value))
    return tuple(found)


def _text(given: Mapping[str, str], name: str) -> str:
    return " ".join(given.get(name, "").split())[:TEXT_MAX]


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    word = given.get(name, "").strip()
    if word and word not in allowed:
        raise Refused(f"{word[:40]!r} is not one of {', '.join(allowed)}.", name)
    return word


def _whole(given: Mapping[str, str], name: str, most: int = 2**53) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= most:
        raise Refused(f"{text[:20]!r} is not a whole number from 1 to {most:,}.", name)
    return int(text)


def _amount(given: Mapping[str, str], name: str) -> Decimal | None:
    text = given.get(name, "").replace(",", "").strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise Refused(f"{text[:20]!r} is not an amount such as 5000.", name)
    return value
