"""Money: codes, amounts as typed, how they are written, and the rates an admin enters to add several currencies up.

A rate says what one unit of a currency is worth in the workspace currency, from a day on; the newest of a day or before
counts. Nothing is guessed: what has no rate is left out of a sum and named in it, never taken for 0. Rates are not
fetched from anywhere. Codes and formats are those of babel (ISO 4217, CLDR).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from babel.core import Locale
from babel.numbers import UnknownCurrencyError, format_currency, format_decimal, list_currencies
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import audit, csvvalues, workspace
from crm.errors import NotFound, Refused
from crm.models import CurrencyRate, Deal

LOCALE = "en_GB"
VALUE_MAX = Decimal(10) ** 15
RATE_LEAST, RATE_MOST = Decimal("0.00000001"), Decimal(10) ** 9
RATES_MAX = 5_000
NOT_AN_AMOUNT = "That is not an amount; write 1234.50 or 1,234.50."
TOO_LARGE = "That is more than fits: at most 999,999,999,999,999."
_AMBIGUOUS = re.compile(r"^\D?[1-9]\d{0,2}\.\d{3}$")


@dataclass(frozen=True, slots=True)
class Part:
    """The share of a sum that is in one currency. ``rate`` and ``converted`` are None where no rate is known."""

    currency: str
    amount: Decimal
    rate: Decimal | None
    converted: Decimal | None


@dataclass(frozen=True, slots=True)
class Sum:
    """Several amounts added up: ``total`` in ``currency`` over all parts that have a rate."""

    currency: str
    total: Decimal
    parts: tuple[Part, ...]

    @property
    def missing(self) -> tuple[Part, ...]:
        """Parts that could not be added."""
        return tuple(part for part in self.parts if part.converted is None)

    @property
    def text(self) -> str:
        """The total alone: "£90,000"."""
        return money(self.total, self.currency)

    @property
    def note(self) -> str:
        """What was converted and what is left out: "of it €10,000 at 0.86; $500 left out, no rate for USD"."""
        foreign = [p for p in self.parts if p.converted is not None and p.currency != self.currency]
        held = [f"of it {money(p.amount, p.currency)} at {plain(p.rate)}" for p in foreign]
        out = [f"{money(p.amount, p.currency)} left out, no rate for {p.currency}" for p in self.missing]
        return "; ".join([*held, *out])

    @property
    def says(self) -> str:
        """Total and note in one line: "£90,000, of it €10,000 at 0.86"."""
        return f"{self.text}, {self.note}" if self.note else self.text


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates in force on one day. ``base`` is the workspace currency."""

    base: str
    on: date
    values: Mapping[str, Decimal]

    def rate(self, currency: str) -> Decimal | None:
        """What one unit is worth in ``base``; 1 for it itself, None where nobody entered a rate."""
        return Decimal(1) if currency == self.base else self.values.get(currency)

    def to_workspace(self, amount: Decimal, currency: str) -> Decimal | None:
        """The amount in the workspace currency, not rounded; None where the rate is missing."""
        rate = self.rate(currency)
        return None if rate is None else amount * rate

    def sum(self, amounts: Iterable[tuple[str, Decimal | None]]) -> Sum:
        """Add (currency, amount) pairs up; None is no amount. Parts: the workspace currency first, then by code."""
        held: dict[str, Decimal] = {}
        for currency, amount in amounts:
            if amount is not None:
                held[currency] = held.get(currency, Decimal(0)) + amount
        codes = sorted(held, key=lambda code: (code != self.base, code))
        parts = tuple(Part(c, held[c], self.rate(c), self.to_workspace(held[c], c)) for c in codes)
        return Sum(self.base, sum((p.converted for p in parts if p.converted is not None), Decimal(0)), parts)


def base(session: Session) -> str:
    """The workspace currency."""
    return str(workspace.get(session, "currency"))


def missing(session: Session, *, on: date) -> list[str]:
    """Currencies of deals that have no rate on that day, by code."""
    used = session.scalars(select(Deal.currency).where(Deal.deleted_at.is_(None)).distinct().order_by(Deal.currency))
    held = rates(session, on=on)
    return [each for each in used if held.rate(each) is None]


def rates(session: Session, *, on: date) -> Rates:
    """The rates in force on a day: of each currency the newest that is valid from that day or before."""
    base = str(workspace.get(session, "currency"))
    query = select(CurrencyRate).where(CurrencyRate.base == base, CurrencyRate.valid_from <= on)
    rows = session.scalars(query.order_by(CurrencyRate.valid_from, CurrencyRate.id).limit(RATES_MAX))
    return Rates(base, on, {row.currency: row.rate for row in rows})


def entered(session: Session) -> list[CurrencyRate]:
    """All rates in the present workspace currency, by code, the newest of each first."""
    base = str(workspace.get(session, "currency"))
    query = select(CurrencyRate).where(CurrencyRate.base == base)
    newest = (CurrencyRate.currency, CurrencyRate.valid_from.desc())
    return list(session.scalars(query.order_by(*newest).limit(RATES_MAX)))


def put(
    session: Session, currency: str, rate: Decimal, *, valid_from: date, actor_id: int | None, now: datetime
) -> CurrencyRate:
    """Enter what one unit of ``currency`` is worth in the workspace currency from a day on; the same day again
    replaces it. Raises Refused."""
    base, shown = str(workspace.get(session, "currency")), code(currency)
    if shown == base:
        raise Refused(f"{base} is the workspace's own currency; it needs no rate.", "currency")
    if not (rate.is_finite() and RATE_LEAST <= rate <= RATE_MOST):
        raise Refused("A rate is a number above 0, such as 0.86.", "rate")
    same = CurrencyRate.currency == shown, CurrencyRate.valid_from == valid_from
    row = session.scalar(select(CurrencyRate).where(*same))
    if row is None:
        row = CurrencyRate(currency=shown, valid_from=valid_from, rate=rate, base=base)
        session.add(row)
    row.rate, row.base = rate.quantize(RATE_LEAST), base
    session.flush()
    detail = {"currency": shown, "rate": plain(row.rate), "from": valid_from.isoformat(), "base": base}
    audit.record(session, actor_id=actor_id, action="currency.rate", subject_id=row.id, detail=detail, now=now)
    return row


def remove(session: Session, rate_id: int, *, actor_id: int | None, now: datetime) -> CurrencyRate:
    """Take a rate away; returns what it was, for the way back. Raises NotFound."""
    row = session.get(CurrencyRate, rate_id)
    if row is None:
        raise NotFound("There is no such rate.")
    session.delete(row)
    session.flush()
    detail = {"currency": row.currency, "from": row.valid_from.isoformat()}
    audit.record(session, actor_id=actor_id, action="currency.remove", subject_id=rate_id, detail=detail, now=now)
    return row


def code(typed: str) -> str:
    """An ISO 4217 code in capitals. Raises Refused for one there is not."""
    found = typed.strip().upper()
    if found not in list_currencies():
        raise Refused(f"{typed.strip()[:10]!r} is not a currency code such as GBP.", "currency")
    return found


def names() -> list[tuple[str, str]]:
    """Codes with their English names, by code, for a list to choose from."""
    known = Locale("en").currencies
    return [(each, known.get(each, each)) for each in sorted(list_currencies())]


def amount(typed: str, field: str = "value") -> Decimal | None:
    """An amount as typed, English ("1,234.50") or continental ("1.234,50"); None for nothing. Raises Refused with the
    sentence for ``field``: for powers of ten, signs, more than two decimals, and more digits than money has."""
    text = typed.strip()
    if text.startswith(("-", "−")):
        raise Refused("A value is 0 or more.", field)
    if len(text) > 40:
        raise Refused("That has too many digits.", field)
    try:
        found, _ = csvvalues.money("value", text)
    except csvvalues.BadCell as error:
        raise Refused(TOO_LARGE if "too large" in str(error) else NOT_AN_AMOUNT, field) from None
    if _AMBIGUOUS.match(text):
        whole, comma = text.replace(".", ""), text.replace(".", ",")
        raise Refused(f"{text} can be read two ways; write {whole} or {comma}.00.", field)
    if found is not None and _decimals(text) > 2:
        raise Refused("An amount has at most two decimals.", field)
    return found


def rate(typed: str) -> Decimal:
    """A rate as typed. Raises Refused."""
    text = typed.strip().replace(",", ".")
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(0)
    if "e" in text.lower() or not (found.is_finite() and RATE_LEAST <= found <= RATE_MOST):
        raise Refused("A rate is a number above 0, such as 0.86.", "rate")
    return found


def money(value: Decimal | float | int | None, currency: str) -> str:
    """ "£18,000", pence only where there are any."""
    if value is None:
        return "no value"
    exact = value.quantize(Decimal("0.01")) if isinstance(value, Decimal) and value.is_finite() else value
    whole = exact == int(exact)
    try:
        return format_currency(
            exact, currency, format="¤#,##0" if whole else None, locale=LOCALE, currency_digits=not whole
        )
    except (UnknownCurrencyError, ValueError):
        return f"{currency} {format_decimal(exact, locale=LOCALE)}"


def plain(rate: Decimal | None) -> str:
    """A rate without zeros at its end: "0.86"; "" for none."""
    return "" if rate is None else f"{rate.normalize():f}"


def _decimals(text: str) -> int:
    """Digits behind the last point or comma, 0 where that separates thousands."""
    bare = text.rstrip("£€$¥ \u00a0\u202fABCDEFGHIJKLMNOPQRSTUVWXYZ")
    at = max(bare.rfind("."), bare.rfind(","))
    tail = len(bare) - at - 1 if at >= 0 else 0
    groups = tail == 3 and not ("." in bare and "," in bare) and not bare.startswith("0.")
    return 0 if groups else tail
