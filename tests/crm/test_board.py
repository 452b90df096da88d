"""The board: figures against hand-worked ones and plain SQL, chips, order, bounds, what each viewer sees."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from crm import board, currencies, deals, pipelines, tasks
from crm.board import Board, Chosen
from crm.errors import NotFound
from tests.crm.world import World

UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)
PROPOSAL = [18_000, 12_000, 9_000, 7_500, 7_000, 6_500, 6_000, 6_000, 5_500, 5_000, 4_500, 3_000]


def stage(session: Session, name: str) -> int:
    return next(
        s.id for s in pipelines.stages(session, pipelines.ensure_default(session).id) if s.name == name
    )  # fmt: skip


def deal(world: World, title: str, name: str = "Lead", value: object = 100, **more: object) -> int:
    given = {"now": world.now, "actor_id": None, "value": None if value is None else Decimal(str(value)), **more}
    return deals.create(world.session, title=title, stage_id=stage(world.session, name), **given).id


def read(world: World, **chosen: object) -> Board:
    shown = chosen.pop("shown", board.SHOWN)
    viewer = world.viewer(chosen.pop("viewer", world.mia))
    return board.read(world.session, viewer, Chosen(**chosen), now=world.now, zone=UTC, shown=shown)


def titles(found: Board) -> list[str]:
    return [card.title for column in found.columns for card in column.cards]


def test_row_15_a_stage_says_twelve_and_ninety_thousand(world: World) -> None:
    for number, value in enumerate(PROPOSAL):
        deal(world, f"P{number}", "Proposal", value)
    column = next(c for c in read(world).columns if c.stage.name == "Proposal")
    assert (column.count, column.total.text, column.weighted.text) == (12, "£90,000", "£45,000")


def test_row_14_the_boards_figures_are_those_of_plain_sql(world: World) -> None:
    for number in range(30):
        name = ("Lead", "Qualified", "Proposal", "Negotiation", "Won", "Lost")[number % 6]
        deal(world, f"D{number}", name, number * 100 + 0.25, probability=33 if number % 7 == 0 else None)
    deals.delete(world.session, deal(world, "gone"), actor_id=None, now=world.now)
    sql = text(
        "SELECT s.name, count(*), sum(d.value), sum(d.value * coalesce(d.probability, s.probability) / 100.0) "
        "FROM deal d JOIN stage s ON s.id = d.stage_id "
        "WHERE d.deleted_at IS NULL AND s.kind = 'open' GROUP BY s.name"
    )
    rows = world.session.execute(sql)
    expected = {name: (n, round(float(total), 4), round(float(likely), 4)) for name, n, total, likely in rows}
    found = {
        c.stage.name: (c.count, round(float(c.total.total), 4), round(float(c.weighted.total), 4))
        for c in read(world).columns
    }
    assert found == expected
    strip = read(world).strip
    assert float(strip.open.total) == pytest.approx(sum(total for _, total, _ in expected.values()))
    assert float(strip.weighted.total) == pytest.approx(sum(w for *_, w in expected.values()))


def test_cards_come_overdue_then_today_then_without_a_step_then_planned(world: World) -> None:
    midnight = world.now.replace(hour=0)
    for title, due, whole in (
        ("planned", midnight + 5 * DAY, True), ("nothing", None, True), ("today", midnight, True),
        ("late", midnight - DAY, True), ("an hour late", world.now - timedelta(hours=1), False),
        ("tonight", world.now + timedelta(hours=5), False), ("undated task", None, True),
        ("later", midnight + 9 * DAY, True),
    ):  # fmt: skip
        made = deal(world, title)
        if title != "nothing":
            tasks.create(
                world.session, title="T", deal_id=made, due_at=due, due_all_day=whole, now=world.now, actor_id=None
            )
    assert titles(read(world)) == [
        "late", "an hour late", "today", "tonight", "nothing", "undated task", "planned", "later"
    ]  # fmt: skip


def test_a_done_task_is_no_step_and_one_put_off_waits_for_its_day(world: World) -> None:
    closed, snoozed = deal(world, "closed"), deal(world, "snoozed")
    done = tasks.create(world.session, title="T", deal_id=closed, due_at=world.now, now=world.now, actor_id=None)
    tasks.done(world.session, done.id, actor_id=None, now=world.now)
    late = tasks.create(world.session, title="T", deal_id=snoozed, due_at=world.now - DAY, now=world.now, actor_id=None)
    tasks.snooze(world.session, late.id, world.now + 3 * DAY, actor_id=None, now=world.now)
    states = {card.title: card.step.state for column in read(world).columns for card in column.cards}
    assert states == {"closed": "none", "snoozed": "future"}


def test_a_meeting_ahead_is_a_next_step_and_today_is_the_viewers(world: World) -> None:
    made = deal(world, "meets")
    world.item((world.anna, "full"), kind="meeting", at=world.now + timedelta(hours=13), to=[("deal", made)])
    card = read(world).columns[0].cards[0]
    assert (card.step.state, card.step.meeting) == ("future", True)
    auckland = board.read(
        world.session, world.viewer(world.mia), Chosen(), now=world.now, zone=ZoneInfo("Pacific/Kiritimati")
    )
    assert auckland.columns[0].cards[0].step.state == "today"


@pytest.fixture
def various(world: World) -> World:
    """One deal of each kind that a chip is about. Opened long ago, all have a reply of today but for the silent."""
    born = world.now - 60 * DAY
    for title in ("overdue", "today", "none", "silent", "quiet eight", "fine", "close passed", "they wait"):
        close = world.now.date() - DAY if title == "close passed" else world.now.date() + 3 * DAY
        made = deal(world, title, created_at=born, expected_close=close)
        age = {"silent": 30, "quiet eight": 8}.get(title, 1)
        world.item((world.anna, "full"), at=world.now - age * DAY, to=[("deal", made)])
        if title != "they wait":
            ours = {"at": world.now - timedelta(hours=2), "direction": "outbound"}
            world.item((world.anna, "full"), to=[("deal", made)], **ours)
        due = {"overdue": -1, "today": 0}.get(title, 4)
        if title != "none":
            tasks.create(
                world.session, title="T", deal_id=made, due_at=world.now.replace(hour=0) + due * DAY, now=world.now,
                actor_id=None,
            )  # fmt: skip
    lead = pipelines.stage(world.session, stage(world.session, "Lead"))
    lead.rotting_days = 14
    world.session.flush()
    return world


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("overdue", {"overdue"}),
        ("today", {"today"}),
        ("none", {"none"}),
        ("silent", {"silent", "quiet eight"}),
        ("rotting", {"silent"}),
        ("passed", {"close passed"}),
        ("attention", {"overdue", "today", "none", "silent", "quiet eight", "close passed", "they wait"}),
    ],
)
def test_each_chip_counts_and_shows_its_deals(various: World, show: str, expected: set[str]) -> None:
    found = read(various, show=show)
    assert set(titles(found)) == expected
    assert found.chips[show] == len(expected)
    assert (found.count, found.strip.silent, found.strip.stepless) == (8, 1, 1)
    assert set(found.ids) == {card.id for column in found.columns for card in column.cards}


def test_owner_and_period_narrow_cards_sums_and_counts(world: World) -> None:
    today = world.now.date()
    deal(world, "mine", owner_id=world.anna.id, expected_close=date(2026, 3, 31))
    deal(world, "theirs", owner_id=world.ben.id, expected_close=date(2026, 4, 1))
    deal(world, "past", expected_close=today - DAY)
    deal(world, "undated")
    for chosen, expected in (
        ({"owner_id": world.anna.id}, ["mine"]), ({"period": "month"}, ["mine", "past"]),
        ({"period": "next"}, ["theirs"]), ({"period": "quarter"}, ["mine", "past"]), ({"period": "passed"}, ["past"]),
        ({"period": "undated"}, ["undated"]),
    ):  # fmt: skip
        found = read(world, **chosen)
        assert sorted(titles(found)) == sorted(expected), chosen
        assert found.strip.open.total == 100 * len(expected)
    assert read(world).strip.closing.total == 200


def test_several_currencies_are_converted_and_said_and_a_missing_rate_is_not_nothing(world: World) -> None:
    currencies.put(world.session, "EUR", Decimal("0.86"), valid_from=date(2026, 3, 1), actor_id=None, now=world.now)
    currencies.put(world.session, "EUR", Decimal("0.5"), valid_from=date(2026, 3, 5), actor_id=None, now=world.now)
    deal(world, "pounds", value=1000)
    deal(world, "euros", value=10_000, currency="EUR")
    deal(world, "dollars", value=500, currency="USD")
    deal(world, "nothing yet", value=None)
    total = read(world).columns[0].total
    assert total.total == Decimal(9600)
    assert total.says == "£9,600, of it €10,000 at 0.86; US$500 left out, no rate for USD"


def test_a_long_column_shows_the_first_and_counts_the_rest(world: World) -> None:
    for number in range(7):
        deal(world, f"D{number}")
    column = read(world, shown=3).columns[0]
    assert (column.count, len(column.cards), column.more, column.total.total) == (7, 3, 4, 700)


def test_closed_stages_tell_the_last_thirty_days(world: World) -> None:
    for days, value in ((3, 100), (29, 50), (31, 999)):
        deal(world, f"W{days}", "Won", value, created_at=world.now - 60 * DAY, closed_at=world.now - days * DAY)
    won, lost = read(world).closed
    assert (won.count, won.total.total, lost.count) == (2, 150, 0)


def test_silence_on_the_board_is_within_what_the_viewer_may_see(world: World) -> None:
    made = deal(world, "D", created_at=world.now - 60 * DAY)
    world.item((world.anna, "private"), at=world.now - DAY, to=[("deal", made)])
    for viewer, silent in ((world.anna, 0), (world.ben, 1), (world.mia, 1)):
        assert read(world, viewer=viewer).chips["silent"] == silent


def test_each_pipeline_has_its_board_and_an_unknown_one_is_not_found(world: World) -> None:
    deal(world, "first")
    other = pipelines.create(world.session, "Renewals", [pipelines.StageSpec("Due", 40)])
    due = pipelines.stages(world.session, other.id)[0]
    deals.create(world.session, title="second", stage_id=due.id, now=world.now, actor_id=None)
    assert titles(read(world)) == ["first"]
    assert titles(read(world, pipeline_id=other.id)) == ["second"]
    with pytest.raises(NotFound):
        read(world, pipeline_id=10_000)


def test_the_board_costs_the_same_statements_with_one_deal_and_with_many(
    world: World, statements: list[str], now: datetime
) -> None:
    counts = []
    for more in (1, 40):
        for number in range(more):
            made = deal(world, f"{more}-{number}", "Proposal", currency="EUR" if number % 3 else "GBP")
            world.item((world.anna, "full"), to=[("deal", made)])
        world.session.expire_all()
        statements.clear()
        read(world)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12
