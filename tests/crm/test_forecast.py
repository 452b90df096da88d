"""The weighted forecast by month, against figures worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from crm import currencies, deals, forecast, pipelines
from tests.crm.world import World

TODAY = date(2026, 3, 4)


def stage(world: World, name: str) -> int:
    pipeline = pipelines.ensure_default(world.session)
    return next(s.id for s in pipelines.stages(world.session, pipeline.id) if s.name == name)


@pytest.fixture
def hand(world: World) -> World:
    """Lead 10 %, Proposal 50 %, Negotiation 75 %."""
    rows = (
        ("A", "Proposal", "18000", date(2026, 3, 31), None, "GBP"),
        ("B", "Negotiation", "10000.50", date(2026, 3, 4), None, "GBP"),
        ("C", "Lead", "5000", date(2026, 4, 1), 80, "GBP"),
        ("D", "Proposal", "10000", date(2026, 4, 30), None, "EUR"),
        ("E", "Proposal", "700", date(2026, 3, 3), None, "GBP"),
        ("F", "Proposal", "300", None, None, "GBP"),
        ("G", "Proposal", None, date(2026, 3, 20), None, "GBP"),
        ("H", "Proposal", "400", date(2027, 12, 1), None, "GBP"),
        ("W", "Won", "99999", date(2026, 3, 20), None, "GBP"),
    )
    for title, name, value, close, chance, code in rows:
        deals.create(
            world.session, title=title, stage_id=stage(world, name), value=Decimal(value) if value else None,
            expected_close=close, probability=chance, currency=code, now=world.now, actor_id=None,
            owner_id=world.anna.id if title == "A" else None,
        )  # fmt: skip
    currencies.put(world.session, "EUR", Decimal("0.86"), valid_from=date(2026, 1, 1), actor_id=None, now=world.now)
    return world


def test_each_month_is_value_times_probability_as_by_hand(hand: World) -> None:
    found = forecast.by_month(hand.session, hand.viewer(hand.anna), today=TODAY, months=2)
    march, april = found.months
    assert (march.first, march.last, march.count) == (TODAY, date(2026, 3, 31), 3)
    assert march.open.total == Decimal("28000.50")
    assert march.weighted.total == Decimal("16500.375")  # 18000 x 50 % + 10000.50 x 75 %
    assert april.weighted.total == Decimal("8300")  # 5000 x 80 % + 10000 EUR x 50 % x 0.86
    assert april.weighted.says == "£8,300, of it €5,000 at 0.86"
    assert (found.passed.count, found.passed.weighted.total) == (1, Decimal(350))
    assert (found.undated.count, found.later.count, found.total.count) == (1, 1, 8)


def test_an_owners_forecast_is_their_deals_only(hand: World) -> None:
    found = forecast.by_month(hand.session, hand.viewer(hand.ben), today=TODAY, owner_id=hand.anna.id)
    assert (found.total.count, found.total.weighted.total) == (1, Decimal(9000))


def test_a_currency_without_a_rate_is_named_and_not_taken_for_nothing(hand: World) -> None:
    deals.create(
        hand.session, title="J", stage_id=stage(hand, "Proposal"), value=Decimal(1000), currency="JPY",
        expected_close=date(2026, 4, 2), now=hand.now, actor_id=None,
    )  # fmt: skip
    april = forecast.by_month(hand.session, hand.viewer(hand.anna), today=TODAY).months[1]
    assert april.weighted.total == Decimal(8300)
    assert april.weighted.says == "£8,300, of it €5,000 at 0.86; JP¥500 left out, no rate for JPY"
