"""Reports over small worlds counted by hand, on both engines, and within privacy."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from crm import companies, contacts, costs, currencies, deals, goals, notes, pipelines, tasks
from crm.currencies import Sum
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import Deal
from crm.privacy import Viewer
from crm.reports import (
    activity,
    backtest,
    closing,
    conversion,
    customers,
    dwell,
    economics,
    engagement,
    follow_up,
    forecast,
    pipeline,
    registry,
    revenue,
    silence,
    sources,
)
from crm.reports import goals as goal_report
from crm.reports.shape import Line, Report, Scope, months, weeks
from tests.crm.world import World

LONDON = ZoneInfo("Europe/London")
SYSTEM = Viewer.system()
YEAR = Scope(date(2025, 4, 1), date(2026, 3, 4), ZoneInfo("UTC"))


def test_one_mail_in_three_mailboxes_is_one_in_the_week_and_one_for_each_person(
    session: Session, world: World, now: datetime
) -> None:
    everyone = [(world.anna, "full"), (world.ben, "full")]
    world.item(*everyone, at=now - timedelta(hours=1), direction="inbound")
    world.item((world.anna, "full"), at=now - timedelta(hours=2), direction="outbound")
    world.item(*everyone, kind="meeting", at=now - timedelta(hours=3))
    world.item((world.ben, "full"), kind="meeting", at=now + timedelta(hours=3))
    contact = contacts.create(session, name="Jane", emails=[], now=now, actor_id=None)
    notes.add(session, world.viewer(world.ben), kind="call", text="Hi.", target=("contact", contact.id), now=now)
    table = activity.table(session, world.viewer(world.anna), YEAR, now)
    week = [line for line in table.lines if line.key.startswith("2026-03-02")]
    assert [(line.label, *counts(line)) for line in week] == [
        ("2 Mar – 8 Mar 2026", 1, 1, 1, 1, 0, 4), ("Anna", 1, 1, 1, 0, 0, 3), ("Ben", 0, 1, 1, 1, 0, 3),
    ]  # fmt: skip
    assert table.total is not None
    assert counts(table.total) == (1, 1, 1, 1, 0, 4)


def test_activity_tells_nobody_what_a_colleague_keeps_private(session: Session, world: World, now: datetime) -> None:
    world.item((world.ben, "private"), at=now - timedelta(hours=1), subject="Hush")
    world.item((world.ben, "private"), (world.anna, "full"), at=now - timedelta(hours=2))
    key = "2026-03-02"
    for user, whole, ben in ((world.anna, 1, None), (world.ben, 2, 2), (world.mia, 1, None), (world.ada, 1, None)):
        lines = {line.key: line for line in activity.table(session, world.viewer(user), YEAR, now).lines}
        assert lines[key].cells["all"] == whole
        found = lines.get(f"{key}.{world.ben.id}")
        assert (found.cells["all"] if found else None) == ben, user.name
        rows = activity.rows(session, world.viewer(user), YEAR, key, "all", now)
        assert len(rows.lines) == whole


def test_drilled_subjects_are_left_out_where_they_may_not_be_read(
    session: Session, world: World, now: datetime
) -> None:
    world.item((world.ben, "metadata"), at=now - timedelta(hours=1), subject="Hush")
    for user, shown in ((world.anna, "no subject shown"), (world.ben, "Hush")):
        rows = activity.rows(session, world.viewer(user), YEAR, "total", "all", now)
        assert [line.label for line in rows.lines] == [shown]


def test_pipeline_value_is_the_sum_of_open_deals_and_weighted_by_probability(session: Session, now: datetime) -> None:
    put(session, now, "a", "Proposal", 1000)
    put(session, now, "b", "Proposal", 500, probability=10)
    put(session, now, "c", "Lead", None)
    put(session, now, "d", "Won", 900)
    table = pipeline.table(session, SYSTEM, YEAR, now)
    found = [(line.label, line.cells["deals"], total(line, "value"), total(line, "weighted")) for line in table.lines]
    assert found == [("Lead", 1, 0, 0), ("Proposal", 2, 1500, 550)]


def test_pipeline_as_of_a_day_takes_stage_and_value_of_that_day(session: Session, now: datetime) -> None:
    born = now - timedelta(days=30)
    made = deals.create(session, title="x", value=Decimal(100), created_at=born, now=born, actor_id=None)
    deals.update(session, made.id, {"value": Decimal(700)}, actor_id=None, now=now - timedelta(days=10))
    deals.move(session, made.id, stage(session, "Proposal"), actor_id=None, now=now - timedelta(days=5))
    deals.move(session, made.id, stage(session, "Won"), actor_id=None, now=now - timedelta(days=2))

    def stood(days: int) -> list[tuple[str, Decimal]]:
        scope = Scope(YEAR.since, YEAR.until, YEAR.zone, as_of=(now - timedelta(days=days)).date())
        return [(line.label, total(line, "value")) for line in pipeline.table(session, SYSTEM, scope, now).lines]

    assert stood(31) == []
    assert stood(20) == [("Lead", 100)]
    assert stood(8) == [("Lead", 700)]
    assert stood(4) == [("Proposal", 700)]
    assert stood(1) == []


def test_forecast_by_month_keeps_passed_and_undated_apart(session: Session, now: datetime) -> None:
    for title, closes in (
        ("p", "2026-03-01"),
        ("m", "2026-03-30"),
        ("a", "2026-04-02"),
        ("l", "2027-04-02"),
        ("n", ""),
    ):
        made = put(session, now, title, "Proposal", 100)
        made.expected_close = date.fromisoformat(closes) if closes else None
    session.flush()
    table = forecast.table(session, SYSTEM, YEAR, now)
    assert {line.label: total(line, "weighted") for line in table.lines if line.cells["deals"]} == {
        "Date has passed": 50, "Mar 2026": 50, "Apr 2026": 50, "Later": 50, "No date": 50,
    }  # fmt: skip
    for line in table.lines:
        assert len(forecast.rows(session, SYSTEM, YEAR, line.key, "deals", now).lines) == line.cells["deals"]


def test_the_forecast_is_held_against_what_was_won_of_the_same_deals(session: Session, now: datetime) -> None:
    ends = ("Won", "Lost", None)
    for n, end in enumerate(ends):
        made = deals.create(session, title=f"d{n}", value=Decimal(100), created_at=now - timedelta(days=60), now=now,
                            actor_id=None)  # fmt: skip
        deals.move(session, made.id, stage(session, "Proposal"), actor_id=None, now=now - timedelta(days=50))
        if end:
            deals.move(
                session, made.id, stage(session, end), lost_reason="x", actor_id=None, now=now - timedelta(days=9)
            )
    lines = {line.label: line for line in backtest.table(session, SYSTEM, YEAR, now).lines}
    assert list(lines) == ["Feb 2026", "Mar 2026"]
    assert [lines["Feb 2026"].cells[key] for key in ("deals", "open")] == [3, 1]
    assert (total(lines["Feb 2026"], "weighted"), total(lines["Feb 2026"], "won")) == (150, 100)
    assert (lines["Mar 2026"].cells["deals"], total(lines["Mar 2026"], "weighted")) == (1, 50)
    for key, count in (("deals", 3), ("won", 1), ("open", 1)):
        assert len(backtest.rows(session, SYSTEM, YEAR, "2026-02-01", key, now).lines) == count


def test_revenue_converts_each_month_at_its_own_rate_and_names_what_has_none(session: Session, now: datetime) -> None:
    currencies.put(session, "EUR", Decimal("0.80"), valid_from=date(2026, 1, 1), actor_id=None, now=now)
    currencies.put(session, "EUR", Decimal("0.90"), valid_from=date(2026, 2, 20), actor_id=None, now=now)
    for day, value, currency in ((5, 100, "EUR"), (40, 100, "EUR"), (5, 50, "GBP"), (5, 10, "USD")):
        won(session, now, now - timedelta(days=day), value, currency)
    table = revenue.table(session, SYSTEM, YEAR, now)
    lines = {line.label: line for line in table.lines}
    assert total(lines["Jan 2026"], "value") == 80
    assert total(lines["Feb 2026"], "value") == 140
    assert total(lines["Mar 2026"], "value") == 0
    assert "US$10 left out, no rate for USD" in str(lines["Feb 2026"].cells["value"].note)  # type: ignore[union-attr]
    assert table.total is not None
    assert total(table.total, "value") == 220
    rows = revenue.rows(session, SYSTEM, YEAR, "total", "value", now)
    assert rows.total is not None
    assert (len(rows.lines), total(rows.total, "value")) == (4, 220)


def test_months_begin_where_the_workspace_is(session: Session, now: datetime) -> None:
    """31 May, 23:30 UTC, is 1 June in London."""
    won(session, now, datetime(2025, 5, 31, 23, 30, tzinfo=UTC), 10)
    scope = Scope(YEAR.since, YEAR.until, LONDON)
    assert [line.label for line in revenue.table(session, SYSTEM, scope, now).lines if line.cells["deals"]] == [
        "Jun 2025"
    ]
    assert [line.label for line in revenue.table(session, SYSTEM, YEAR, now).lines if line.cells["deals"]] == [
        "May 2025"
    ]


def test_time_to_close_is_median_and_mean_of_days(session: Session, now: datetime) -> None:
    for days in (10, 20, 60):
        won(session, now, now - timedelta(days=1), 10, took=timedelta(days=days))
    table = closing.table(session, SYSTEM, YEAR, now)
    assert table.total is not None
    assert (table.total.cells["median"], table.total.cells["mean"]) == (20, 30)


def test_dwell_counts_ended_and_lasting_stays_and_points_the_slowest_stage_out(session: Session, now: datetime) -> None:
    made = deals.create(session, title="x", created_at=now - timedelta(days=30), now=now, actor_id=None)
    deals.move(session, made.id, stage(session, "Qualified"), actor_id=None, now=now - timedelta(days=20))
    deals.move(session, made.id, stage(session, "Proposal"), actor_id=None, now=now - timedelta(days=18))
    lines = {line.label: line for line in dwell.table(session, SYSTEM, YEAR, now).lines}
    assert (lines["Lead"].cells["median"], lines["Qualified"].cells["median"]) == (10, 2)
    assert (lines["Proposal"].cells["median"], lines["Proposal"].cells["here"]) == (None, 1)
    assert lines["Proposal"].cells["oldest"] == 18
    assert [line.label for line in lines.values() if line.marked] == ["Lead"]


def test_conversion_counts_a_later_stage_or_a_win_and_not_a_step_back_or_a_loss(
    session: Session, now: datetime
) -> None:
    def walk(*names: str) -> None:
        made = deals.create(session, title="x", created_at=now - timedelta(days=30), now=now, actor_id=None)
        for n, name in enumerate(names):
            deals.move(session, made.id, stage(session, name), lost_reason="x", actor_id=None,
                       now=now - timedelta(days=20 - n))  # fmt: skip

    walk("Proposal", "Won")
    walk("Proposal", "Lost")
    walk("Proposal", "Lead")
    walk()
    lines = {line.label: line.cells for line in conversion.table(session, SYSTEM, YEAR, now).lines}
    assert [lines["Lead"][key] for key in ("entered", "further", "won", "lost")] == [4, 3, 1, 1]
    assert [lines["Proposal"][key] for key in ("entered", "further", "won", "lost")] == [3, 1, 1, 1]
    assert lines["Lead"]["rate"] == 0.75


def test_sources_count_people_and_a_deal_once_for_its_first_person(session: Session, now: datetime) -> None:
    people = [
        contacts.create(session, name=f"p{n}", emails=[], source=source, now=now, actor_id=None).id
        for n, source in enumerate(("fair", "fair", "website", None))
    ]
    made = won(session, now, now, 500)
    for person in (people[0], people[2]):
        deals.add_contact(session, made.id, person, actor_id=None, now=now)
    lines = {line.label: line for line in sources.table(session, SYSTEM, YEAR, now).lines}
    found = {label: (*(line.cells[k] for k in ("leads", "won", "deals")), total(line, "value"))
             for label, line in lines.items()}  # fmt: skip
    assert found == {"fair": (2, 1, 1, 500), "website": (1, 1, 0, 0), "unknown": (1, 0, 0, 0)}
    assert len(sources.rows(session, SYSTEM, YEAR, "website", "won", now).lines) == 1


def test_goals_are_set_by_those_who_lead_and_compared_with_what_was_won(
    session: Session, world: World, now: datetime
) -> None:
    anna, mia = world.viewer(world.anna), world.viewer(world.mia)
    with pytest.raises(NotAllowed):
        goals.put(session, anna, world.anna.id, now.date(), Decimal(1), now=now)
    with pytest.raises(NotFound):
        goals.put(session, mia, 10**9, now.date(), Decimal(1), now=now)
    with pytest.raises(Refused):
        goals.put(session, mia, world.anna.id, now.date(), Decimal(-1), now=now)
    goals.put(session, mia, world.anna.id, now.date(), Decimal(1000), now=now)
    goals.put(session, mia, world.anna.id, date(2026, 2, 7), Decimal(1000), now=now)
    for who, value in ((world.anna, 1500), (world.ben, 300)):
        won(session, now, now - timedelta(days=1), value).owner_id = who.id
    session.flush()
    lines = {line.label: line for line in goal_report.table(session, anna, YEAR, now).lines}
    assert (total(lines["Anna"], "goal"), total(lines["Anna"], "value"), lines["Anna"].cells["share"]) == (
        2000,
        1500,
        0.75,
    )
    assert (lines["Ben"].cells["goal"], lines["Ben"].cells["share"]) == (None, None)
    goals.put(session, mia, world.anna.id, now.date(), None, now=now)
    assert goals.of(session, anna, [now.date()]) == {}


def test_best_customers_are_sorted_by_value_or_number(session: Session, now: datetime) -> None:
    for name, values in (("Often", (10, 10, 10)), ("Much", (100,))):
        firm = companies.create(session, name=name, now=now, actor_id=None)
        for n, value in enumerate(values):
            won(session, now, now - timedelta(days=10 * (n + 1)), value).company_id = firm.id
    session.flush()
    assert [line.label for line in customers.table(session, SYSTEM, YEAR, now).lines] == ["Much", "Often"]
    often = customers.table(session, SYSTEM, Scope(YEAR.since, YEAR.until, YEAR.zone, sort="deals"), now).lines[0]
    assert (often.label, often.cells["every"], often.cells["deals"]) == ("Often", 10, 3)
    assert len(customers.rows(session, SYSTEM, YEAR, often.key, "deals", now).lines) == 3


def test_what_a_customer_costs_and_brings_is_counted_by_the_source_of_their_first_deal(
    session: Session, world: World, now: datetime
) -> None:
    firms = [companies.create(session, name=f"f{n}", now=now, actor_id=None).id for n in range(3)]
    bought = ((0, "fair", 20, 100), (0, "website", 5, 50), (1, "fair", 500, 400), (1, "fair", 10, 60), (2, None, 3, 30))
    for firm, source, days, value in bought:
        made = won(session, now, now - timedelta(days=days), value)
        made.company_id, made.source = firms[firm], source
    session.flush()
    viewer = world.viewer(world.mia)
    assert "No cost is entered" in economics.table(session, viewer, YEAR, now).says[0]
    costs.put(session, viewer, date(2026, 2, 9), "fair", Decimal(80), now=now)
    costs.put(session, viewer, date(2025, 1, 1), "website", Decimal(999), now=now)
    lines = {line.label: line for line in economics.table(session, viewer, YEAR, now).lines}
    fair = lines["fair"]
    found = [total(fair, key) for key in ("spend", "cac", "revenue", "left", "ltv")]
    assert (fair.cells["customers"], found) == (1, [80, 80, 160, 80, 305])
    assert [lines["website"].cells[key] for key in ("spend", "cac", "left", "customers")] == [None, None, None, 0]
    assert total(lines["no source"], "ltv") == 30
    assert len(economics.rows(session, viewer, YEAR, "fair", "revenue", now).lines) == 2
    assert len(economics.rows(session, viewer, YEAR, "fair", "customers", now).lines) == 1
    assert len(economics.rows(session, viewer, YEAR, "no source", "customers", now).lines) == 1
    with pytest.raises(NotAllowed):
        costs.put(session, world.viewer(world.anna), now.date(), "fair", Decimal(1), now=now)


def test_who_goes_quiet_is_told_within_privacy(session: Session, world: World, now: datetime) -> None:
    people = [
        contacts.create(session, name=n, emails=[], now=now, actor_id=None).id for n in ("Quiet", "Steady", "Hush")
    ]
    for n in range(6):
        for person, tier in ((0, "full"), (1, "full"), (2, "private")):
            world.item((world.ben, tier), at=now - timedelta(days=35 + 10 * n), to=[("contact", people[person])])
    for n in range(2):
        world.item((world.ben, "full"), at=now - timedelta(days=3 + n), to=[("contact", people[1])])
    for user, names in ((world.anna, {"Quiet"}), (world.ben, {"Quiet", "Hush"}), (world.ada, {"Quiet"})):
        table = engagement.table(session, world.viewer(user), YEAR, now)
        assert {line.label for line in table.lines} == names
        quiet = next(line for line in table.lines if line.label == "Quiet")
        assert (quiet.cells["now"], quiet.cells["usual"], quiet.cells["fell"]) == (0, 2.0, 1.0)
    assert len(engagement.rows(session, world.viewer(world.anna), YEAR, str(people[0]), "usual", now).lines) == 6


def test_silence_spans_add_up_to_the_open_deals(session: Session, world: World, now: datetime) -> None:
    for days in (1, 9, 20, 70):
        made = put(session, now, f"d{days}", "Lead", 10)
        made.created_at = now - timedelta(days=days)
    session.flush()
    table = silence.table(session, world.viewer(world.anna), YEAR, now)
    assert [line.cells["deals"] for line in table.lines] == [1, 1, 1, 0, 1]
    assert [line.cells["late"] for line in table.lines] == [0, 1, 1, 0, 1]
    assert [r.label for r in silence.rows(session, world.viewer(world.anna), YEAR, "8", "late", now).lines] == ["d9"]


def test_follow_up_counts_by_owner(session: Session, world: World, now: datetime) -> None:
    for name, owner in (("a", world.anna.id), ("b", world.anna.id), ("c", None)):
        made = contacts.create(session, name=name, emails=[], owner_id=owner, now=now, actor_id=None)
        made.created_at = now - timedelta(days=9)
    task = tasks.create(session, title="Call", contact_id=made.id, now=now, actor_id=None)
    session.flush()
    table = follow_up.table(session, world.viewer(world.ben), YEAR, now)
    assert [(line.label, *line.cells.values()) for line in table.lines] == [("Anna", 2, 2, 0), ("nobody", 1, 0, 0)]
    assert [r.label for r in follow_up.rows(session, world.viewer(world.ben), YEAR, "0", "stale", now).lines] == ["c"]
    assert task.id


def test_without_data_a_report_says_nothing_rather_than_0(session: Session, world: World, now: datetime) -> None:
    for report in registry.ALL:
        table = report.table(session, world.viewer(world.anna), YEAR, now)
        assert table.empty, report.key
        assert table.total is None or report.key == "pipeline"


@pytest.mark.parametrize("report", registry.ALL, ids=lambda r: r.key)
def test_a_line_or_column_there_is_not_is_not_found_or_empty(
    session: Session, world: World, now: datetime, report: Report
) -> None:
    viewer = world.viewer(world.anna)
    for line, column in (("nonsense", "deals"), ("9" * 30, "leads"), ("2026-99-99", "all"), ("1.x", "all")):
        try:
            table = report.rows(session, viewer, YEAR, line, column, now)
        except NotFound:
            continue
        assert table.empty


def test_weeks_and_months_of_a_scope_are_bounded_and_whole() -> None:
    long = Scope(date(2000, 1, 1), date(2026, 3, 4), LONDON)
    assert (len(months(long)), len(weeks(long))) == (120, 120)
    assert [b.key for b in months(Scope(date(2026, 1, 15), date(2026, 3, 4), LONDON))] == [
        "2026-01-15", "2026-02-01", "2026-03-01",
    ]  # fmt: skip
    assert [b.key for b in weeks(Scope(date(2026, 2, 25), date(2026, 3, 4), LONDON))] == ["2026-02-23", "2026-03-02"]


def counts(line: Line) -> tuple[object, ...]:
    return tuple(line.cells[key] for key in (*activity.SORTS, "all"))


def total(line: Line, key: str) -> Decimal:
    found = line.cells[key]
    assert isinstance(found, Sum)
    return found.total


def stage(session: Session, name: str) -> int:
    return next(s.id for s in pipelines.stages(session, pipelines.ensure_default(session).id) if s.name == name)


def put(session: Session, now: datetime, title: str, where: str, value: int | None, **more: object) -> Deal:
    """A deal in a stage."""
    amount = None if value is None else Decimal(value)
    pipelines.ensure_default(session)
    return deals.create(
        session, title=title, stage_id=stage(session, where), value=amount, now=now, actor_id=None, **more
    )  # type: ignore[arg-type]


def won(
    session: Session,
    now: datetime,
    at: datetime,
    value: int,
    currency: str = "GBP",
    took: timedelta = timedelta(days=5),
) -> Deal:
    """A deal won at a moment."""
    return deals.create(
        session, title=f"w{value}", stage_id=stage(session, "Won"), value=Decimal(value), currency=currency,
        created_at=at - took, closed_at=at, now=now, actor_id=None,
    )  # fmt: skip
