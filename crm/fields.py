"""Custom fields of contacts, companies and deals, defined by people without code: text, number, date, choice, checkbox,
link. Values lie in the record's ``custom`` by the field's ``name`` and are kept as text, the way an import brings them;
``value_of`` is the one place that says which text is a value of which type.

Removing a field hides it; its values stay, so that bringing it back loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import regex
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import audit
from crm.errors import NotFound, Refused
from crm.lifecycle import LIFECYCLES
from crm.models import Field

NOUNS = ("contact", "company", "deal")
TYPES = {
    "text": "Text", "number": "Number", "date": "Date", "choice": "Choice", "checkbox": "Yes or no", "url": "Link",
}  # fmt: skip
PER_NOUN_MAX = 50
LABEL_MAX = 60
OPTIONS_MAX = 50
VALUE_MAX = 2_000
YES = "yes"
_TRUE = frozenset({"1", "true", "yes", "y", "x", "on"})
_FALSE = frozenset({"", "0", "false", "no", "n", "off"})


def of(session: Session, noun: str) -> list[Field]:
    """The fields of a noun, in their order; removed ones are left out."""
    return [field for field in all_(session) if field.noun == noun]


def all_(session: Session) -> list[Field]:
    """The fields of all nouns, in their order."""
    query = select(Field).where(Field.removed_at.is_(None)).order_by(Field.noun, Field.position, Field.id)
    return list(session.scalars(query))


def asked(fields: Iterable[Field], lifecycle: str, custom: Mapping[str, Any]) -> list[Field]:
    """Those a record is asked for: of every lifecycle, of its own, or with a value already."""
    return [f for f in fields if f.lifecycle in (None, lifecycle) or custom.get(f.name)]


def add(
    session: Session, *, noun: str, label: str, type: str, options: Iterable[str] = (), lifecycle: str | None = None,
    actor_id: int | None, now: datetime,
) -> Field:  # fmt: skip
    """Define a field, last in the order. Raises Refused."""
    if noun not in NOUNS:
        raise Refused("Fields belong to contacts, companies or deals.", "noun")
    if type not in TYPES:
        raise Refused(f"{type!r} is not one of {', '.join(TYPES)}.", "type")
    shown = _label(session, noun, label)
    if (session.scalar(select(func.count(Field.id)).where(Field.noun == noun)) or 0) >= PER_NOUN_MAX:
        raise Refused(f"At most {PER_NOUN_MAX} fields; remove one first.", "label")
    place = (session.scalar(select(func.max(Field.position)).where(Field.noun == noun)) or 0) + 1
    field = Field(
        noun=noun, name=_name(session, noun, shown), label=shown, type=type, options=_options(type, options),
        lifecycle=_lifecycle(noun, lifecycle), position=place,
    )  # fmt: skip
    session.add(field)
    session.flush()
    audit.record(session, actor_id=actor_id, action="field.add", subject_id=field.id, now=now)
    return field


def change(
    session: Session, field_id: int, *, label: str, options: Iterable[str] = (), lifecycle: str | None = None,
    actor_id: int | None, now: datetime,
) -> Field:  # fmt: skip
    """Rename it, and change what can be chosen and whom it is asked of; the values stay. Raises NotFound, Refused."""
    field = by_id(session, field_id)
    field.label = _label(session, field.noun, label, but=field.id)
    field.options = _options(field.type, options)
    field.lifecycle = _lifecycle(field.noun, lifecycle)
    session.flush()
    audit.record(session, actor_id=actor_id, action="field.change", subject_id=field_id, now=now)
    return field


def move(session: Session, field_id: int, step: int, *, actor_id: int | None, now: datetime) -> None:
    """Up (-1) or down (1) in the order of its noun. Raises NotFound."""
    field = by_id(session, field_id)
    rows = of(session, field.noun)
    at = rows.index(field)
    to = min(max(at + step, 0), len(rows) - 1)
    rows.insert(to, rows.pop(at))
    for position, row in enumerate(rows):
        row.position = position
    session.flush()
    audit.record(session, actor_id=actor_id, action="field.move", subject_id=field_id, now=now)


def remove(session: Session, field_id: int, *, actor_id: int | None, now: datetime) -> Field:
    """Hide a field (``restore`` brings it back, with its values). Raises NotFound."""
    field = by_id(session, field_id)
    field.removed_at = now
    session.flush()
    audit.record(session, actor_id=actor_id, action="field.remove", subject_id=field_id, now=now)
    return field


def restore(session: Session, field_id: int, *, actor_id: int | None, now: datetime) -> Field:
    """Bring a removed field back. Raises NotFound."""
    field = session.get(Field, field_id)
    if field is None or field.removed_at is None:
        raise NotFound("There is no such removed field.")
    field.removed_at = None
    session.flush()
    audit.record(session, actor_id=actor_id, action="field.restore", subject_id=field_id, now=now)
    return field


def by_id(session: Session, field_id: int) -> Field:
    """The field. Raises NotFound."""
    field = session.get(Field, field_id)
    if field is None or field.removed_at is not None:
        raise NotFound("There is no such field.")
    return field


def value_of(field: Field, raw: str) -> str:
    """The text to keep for what was typed, "" for none. Raises Refused with a sentence."""
    text = " ".join(raw.split())[:VALUE_MAX] if field.type != "text" else raw.strip()[:VALUE_MAX]
    return _READ[field.type](field, text) if text or field.type == "checkbox" else ""


def merged(
    fields: Iterable[Field], typed: Mapping[str, str], before: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The record's ``custom`` with what was typed in, and a sentence by name for each value that can't be taken.
    Values of other fields stay as they were."""
    values, errors = dict(before), dict[str, str]()
    for field in fields:
        try:
            value = value_of(field, typed.get(field.name, ""))
        except Refused as error:
            errors[field.name] = str(error)
            continue
        if value:
            values[field.name] = value
        else:
            values.pop(field.name, None)
    return values, errors


def _number(field: Field, text: str) -> str:
    plain = text.replace("\u00a0", "").replace(" ", "")
    if regex.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise Refused(f"{field.label} is a number such as 1250 or 0.5.", field.name) from None
    if not value.is_finite() or abs(value) >= Decimal(10) ** 15:
        raise Refused(f"{field.label} is a number such as 1250 or 0.5.", field.name)
    return f"{value:f}"


def _date(field: Field, text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Refused(f"{field.label} is a date such as 2026-03-04.", field.name) from None


def _choice(field: Field, text: str) -> str:
    for option in field.options:
        if option.casefold() == text.casefold():
            return option
    raise Refused(f"{field.label} is one of {', '.join(field.options)}.", field.name)


def _checkbox(field: Field, text: str) -> str:
    if text.lower() in _TRUE:
        return YES
    if text.lower() in _FALSE:
        return ""
    raise Refused(f"{field.label} is yes or no.", field.name)


def _url(field: Field, text: str) -> str:
    whole = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(whole)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or "." not in host or " " in whole:
        raise Refused(f"{field.label} is an address such as https://example.com.", field.name)
    return whole


def _text(_field: Field, text: str) -> str:
    return text


_READ = {
    "text": _text, "number": _number, "date": _date, "choice": _choice, "checkbox": _checkbox, "url": _url,
}  # fmt: skip


def _label(session: Session, noun: str, raw: str, but: int = 0) -> str:
    label = " ".join("".join(c for c in raw if c.isprintable()).split())
    if not 0 < len(label) <= LABEL_MAX:
        raise Refused(f"A field needs a name of at most {LABEL_MAX} characters.", "label")
    same = [f for f in of(session, noun) if f.label.casefold() == label.casefold() and f.id != but]
    if same:
        raise Refused(f"There is a field called {label} already.", "label")
    return label


def _name(session: Session, noun: str, label: str) -> str:
    """The key of the values: as an import makes it of a column's header, numbered where it is taken."""
    key = label.lower().replace(" ", "_")
    taken = set(session.scalars(select(Field.name).where(Field.noun == noun)))
    return next(k for k in (key, *(f"{key}_{n}" for n in range(2, 1_000))) if k not in taken)


def _options(type_: str, given: Iterable[str]) -> list[str]:
    options = list(dict.fromkeys(" ".join(o.split())[:LABEL_MAX] for o in given if o.strip()))
    if type_ != "choice":
        return []
    if not 1 < len(options) <= OPTIONS_MAX:
        raise Refused(f"A choice needs from 2 to {OPTIONS_MAX} options, one a line.", "options")
    return options


def _lifecycle(noun: str, word: str | None) -> str | None:
    if not word:
        return None
    if noun != "contact" or word not in LIFECYCLES:
        raise Refused("Only fields of contacts are for leads, clients or past clients alone.", "lifecycle")
    return word
