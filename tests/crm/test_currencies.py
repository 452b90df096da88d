"""Amounts as typed, rates in force on a day, sums over several currencies."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from crm import currencies, workspace
from crm.errors import NotFound, Refused

MARCH = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("18000", "18000"), ("1,234.50", "1234.50"), ("1.234,50", "1234.50"), ("1 234,5", "1234.50"),
        ("£18,000", "18000"), ("EUR 500", "500"), ("1,234", "1234"), ("1.234.567", "1234567"),
        ("0", "0"), ("0.5", "0.50"), (" 7 ", "7"), ("999999999999999", "999999999999999"),
    ],
)  # fmt: skip
def test_an_amount_is_read_in_english_and_in_continental_writing(typed: str, value: str) -> None:
    assert currencies.amount(typed) == Decimal(value)


@pytest.mark.parametrize(
    "typed",
    [
        "1e9", "-5", "−5", "NaN", "Infinity", "1.234", "12.345", "0.125", "1.2345", "1.234,567", "1,23,456", "--", "£",
        "1000000000000000", "9" * 400, "12 apples", "1_000", "0x10",
    ],
)  # fmt: skip
def test_what_is_no_amount_or_two_amounts_is_refused_at_its_field(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        currencies.amount(typed, "price")
    assert refused.value.field == "price"
    assert str(refused.value).endswith(".")


def test_nothing_typed_is_no_amount() -> None:
    assert currencies.amount("  ") is None


def test_the_newest_rate_of_the_day_or_before_counts(session: Session, now) -> None:
    by = {"actor_id": None, "now": now}
    for day, rate in ((1, "0.80"), (5, "0.90"), (3, "0.85")):
        currencies.put(session, "EUR", Decimal(rate), valid_from=date(2026, 3, day), **by)
    found = [currencies.rates(session, on=date(2026, 3, day)).rate("EUR") for day in (1, 2, 3, 4, 5, 30)]
    assert found == [Decimal(r) for r in ("0.80", "0.80", "0.85", "0.85", "0.90", "0.90")]
    assert currencies.rates(session, on=date(2026, 2, 28)).rate("EUR") is None
    replaced = currencies.put(session, "EUR", Decimal("0.95"), valid_from=date(2026, 3, 5), **by)
    assert currencies.rates(session, on=date(2026, 3, 9)).rate("EUR") == Decimal("0.95")
    currencies.remove(session, replaced.id, **by)
    assert currencies.rates(session, on=date(2026, 3, 9)).rate("EUR") == Decimal("0.85")
    with pytest.raises(NotFound):
        currencies.remove(session, replaced.id, **by)


def test_a_sum_says_what_was_converted_and_what_was_left_out(session: Session, now) -> None:
    currencies.put(session, "EUR", Decimal("0.86"), valid_from=MARCH, actor_id=None, now=now)
    rates = currencies.rates(session, on=MARCH)
    total = rates.sum([("EUR", Decimal(10_000)), ("GBP", Decimal("81400.10")), ("GBP", None), ("USD", Decimal(3))])
    assert total.total == Decimal("90000.10")
    assert total.says == "£90,000.10, of it €10,000 at 0.86; US$3 left out, no rate for USD"
    assert [part.currency for part in total.missing] == ["USD"]
    assert rates.sum([]).says == "£0"


def test_a_changed_workspace_currency_makes_no_wrong_sum(session: Session, now) -> None:
    currencies.put(session, "EUR", Decimal("0.86"), valid_from=MARCH, actor_id=None, now=now)
    workspace.put(session, "currency", "USD", actor_id=None, now=now)
    rates = currencies.rates(session, on=MARCH)
    assert (rates.to_workspace(Decimal(5), "EUR"), rates.to_workspace(Decimal(5), "USD")) == (None, Decimal(5))
    assert currencies.entered(session) == []


@pytest.mark.parametrize(
    ("code", "rate"),
    [("GBP", "1"), ("XXQ", "1"), ("EUR", "0"), ("EUR", "-1"), ("EUR", "NaN"), ("EUR", "1000000001")],
)
def test_a_rate_that_can_not_be_is_refused(session: Session, now, code: str, rate: str) -> None:
    with pytest.raises(Refused):
        currencies.put(session, code, Decimal(rate), valid_from=MARCH, actor_id=None, now=now)
