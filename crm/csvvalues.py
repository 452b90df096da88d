"""Turns the text of a CSV cell into a value, or says in half a sentence why not. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import regex
from babel.core import Locale

TRUE = frozenset({"1", "true", "yes", "y", "x"})
_PLAIN = regex.compile(r"^\d+(?:\.\d+)?$")
_ENGLISH = regex.compile(r"^\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
_CONTINENTAL = regex.compile(r"^\d{1,3}(?:[.'’]\d{3})+(?:,\d+)?$|^\d+,\d{1,2}$")
_SYMBOLS = {"£": "GBP", "€": "EUR", "$": "USD", "¥": "JPY"}
YEARS = range(1900, 2200)


class BadCell(Exception):
    """``str()`` completes "row 7 ...": names the column and what is wrong."""


def many(text: str) -> list[str]:
    """Values separated by semicolons, in order, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))


def day(column: str, text: str) -> date | None:
    """An ISO date; a time behind it is dropped. Raises BadCell."""
    found = moment(column, text, "UTC")
    return found.date() if found else None


def moment(column: str, text: str, zone: str) -> datetime | None:
    """An ISO date or date and time, in UTC; without an offset it is in ``zone``; a date alone is its midnight UTC.
    Raises BadCell."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadCell(f"{column} {text[:40]!r} is not a date; write 2026-03-04 or 2026-03-04T09:30") from None
    if found.year not in YEARS:
        raise BadCell(f"{column} {text[:40]!r} is out of range")
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC if is_day(text) else ZoneInfo(zone))
    return found.astimezone(UTC)


def is_day(text: str) -> bool:
    """Whether the text is a date without a time."""
    return len(text) <= 10


def money(column: str, text: str) -> tuple[Decimal | None, str | None]:
    """An amount, English or continental notation, and the currency its symbol or code says. Raises BadCell."""
    if not text:
        return None, None
    code = next((c for symbol, c in _SYMBOLS.items() if symbol in text), None)
    bare = "".join(ch for ch in text if ch not in "£€$¥ \u00a0\u202f")
    if (tail := regex.fullmatch(r"([A-Z]{3})?(.*?)([A-Z]{3})?", bare)) and (tail[1] or tail[3]):
        code, bare = tail[1] or tail[3], tail[2]
    if _CONTINENTAL.match(bare):
        bare = regex.sub(r"[.'’]", "", bare).replace(",", ".")
    elif _ENGLISH.match(bare):
        bare = bare.replace(",", "")
    if not _PLAIN.match(bare):
        raise BadCell(f"{column} {text[:40]!r} is not an amount")
    try:
        amount = Decimal(bare).quantize(Decimal("0.01"))
    except InvalidOperation:
        raise BadCell(f"{column} {text[:40]!r} is not an amount") from None
    if amount >= Decimal(10) ** 15:
        raise BadCell(f"{column} {text[:40]!r} is too large")
    return amount, code


def currency(column: str, text: str) -> str | None:
    """A currency code of ISO 4217. Raises BadCell."""
    code = text.strip().upper()
    if code and code not in Locale("en").currencies:
        raise BadCell(f"{column} {text[:20]!r} is not a currency code such as GBP")
    return code or None


def percent(column: str, text: str) -> int | None:
    """0 to 100, with or without a percent sign. Raises BadCell."""
    if not text:
        return None
    try:
        number = float(text.replace("%", "").strip())
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise BadCell(f"{column} {text[:20]!r} is not a percentage from 0 to 100")
    return round(number)


def flag(text: str) -> bool:
    """Whether the text says yes."""
    return text.strip().lower() in TRUE


def line(text: str, limit: int = 300) -> str | None:
    """The text in one line, cut at ``limit``; None for nothing."""
    return " ".join(text.split())[:limit] or None
