"""The report pages: definition, filters in the address, drawing, rows behind numbers, CSV, and entering goals."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from crm import deals, pipelines
from crm.models import Company, Goal
from crm.reports import registry
from crm.reports.shape import Report
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded
from web import charts, periods
from web.charts import Frame, Series


@pytest.mark.parametrize("report", registry.ALL, ids=lambda r: r.key)
def test_every_report_has_its_definition_filters_and_csv_and_nothing_inline(
    priya: Person, mailed: Seeded, report: Report
) -> None:
    page = priya.get(f"/reports/{report.key}")
    assert report.definition.replace("'", "&#39;") in page
    assert report.definition.count(". ") == 0
    assert " style=" not in page
    assert f"/reports/{report.key}/table.csv" in page
    priya.get(f"/reports/{report.key}/table.csv")
    assert report.title in priya.get("/reports")


def test_log_quality_keeps_its_address_and_is_on_the_list(priya: Person, team: Team) -> None:
    assert "/reports/log-quality" in priya.get("/reports")
    assert "Automatic share" in priya.get("/reports/log-quality")


def test_filters_narrow_a_report_stay_in_the_address_and_go_along_to_rows_and_csv(
    priya: Person, mailed: Seeded, won: Callable[..., int], team: Team
) -> None:
    won("Mine", 100, team.priya)
    won("His", 700, team.jonas)
    page = priya.get(f"/reports/revenue?owner={team.jonas}&period=year")
    assert "£700" in page
    assert "£100" not in page
    href = re.search(r'href="(/reports/revenue/rows\?[^"]+column=value[^"]*)"', page)
    assert href
    assert f"owner={team.jonas}" in href[1]
    rows = priya.get(href[1].replace("&amp;", "&"))
    assert "His" in rows
    assert "Mine" not in rows
    lines = table(priya.get(f"/reports/revenue/table.csv?owner={team.jonas}&period=year"))
    assert lines[-1]["Won value"] == "700.00"


def test_a_period_by_days_that_can_not_be_is_said_and_the_usual_one_shown(priya: Person, mailed: Seeded) -> None:
    assert "The first day comes before the last" in priya.get(
        "/reports/revenue?period=days&since=2026-03-01&until=2026-01-01"
    )
    assert "Write both days as" in priya.get("/reports/revenue?period=days&since=tomorrow")
    assert "There is no such period" in priya.get("/reports/revenue?period=fortnight")
    assert "Write the day as" in priya.get("/reports/pipeline?as_of=31.12.")
    for wrong in (
        "owner=x",
        "owner=99999999999999999999",
        "pipeline=-1",
        "sort=nonsense",
        "period=",
        "as_of=2030-01-01",
    ):
        priya.get(f"/reports/customers?{wrong}")
        priya.get(f"/reports/pipeline?{wrong}")


def test_unknown_reports_lines_and_columns_are_not_there(priya: Person, mailed: Seeded) -> None:
    priya.get("/reports/nonsense", 404)
    priya.get("/reports/nonsense/table.csv", 404)
    priya.get("/reports/activity/rows?line=total&column=nonsense", 404)
    priya.get("/reports/activity/rows?column=all", 404)
    priya.get("/reports/pipeline/rows?line=abc&column=deals", 404)


def test_without_data_it_says_so(priya: Person, team: Team) -> None:
    page = priya.get("/reports/revenue")
    assert "No data" in page
    assert "it is not zero" in page
    assert "£0" not in page


def test_text_that_a_spreadsheet_would_run_is_quoted_in_csv(
    priya: Person, service: Service, mailed: Seeded, won: Callable[..., int], team: Team
) -> None:
    won('=HYPERLINK("http://x.example")', 10, team.priya)
    text = priya.get("/reports/revenue/rows.csv?line=total&column=deals")
    assert "'=HYPERLINK" in text
    with service.db.transaction() as session:
        session.get_one(Company, mailed.nordhavn).name = "@firm"
    assert "'@firm" in priya.get("/reports/customers/table.csv")


def test_the_csv_of_activity_names_week_and_person_on_each_line(priya: Person, mailed: Seeded) -> None:
    lines = table(priya.get("/reports/activity/table.csv"))
    own = [line for line in lines if line["Person"] == "Priya Raman"]
    assert own
    assert {line["Week"] for line in own} <= {line["Week"] for line in lines if not line["Person"]}
    assert "The newest 120 weeks of the period." in priya.get("/reports/activity?period=all")


def test_a_drawing_has_a_title_a_description_and_no_style(priya: Person, mailed: Seeded) -> None:
    page = priya.get("/reports/pipeline")
    svg = page.partition("<svg")[2].partition("</svg>")[0]
    assert 'role="img"' in svg
    assert "<title>Pipeline value</title>" in svg
    assert "Value: the most is £27,500 (Lead)." in svg
    assert "style=" not in svg
    assert "fill=" not in svg


def test_goals_are_entered_by_a_manager_and_seen_in_the_report(mina: Person, priya: Person, team: Team) -> None:
    priya.get("/goals", 404)
    priya.post("/goals", 404, month="2026-03-01")
    assert "Set goals" not in priya.get("/reports/goals")
    mina.post("/goals", month="2026-03-01", **{f"a.{team.priya}": "9,000", f"a.{team.jonas}": ""})
    page = priya.get("/reports/goals")
    assert "£9,000" in page
    assert "no data" in page or "0 %" in page
    assert 'value="9000.00"' in mina.get("/goals?month=2026-03-01")


def test_an_amount_that_can_not_be_read_is_said_at_its_field_and_nothing_is_saved(
    mina: Person, service: Service, team: Team
) -> None:
    fields = {f"a.{team.priya}": "lots", f"a.{team.jonas}": "500"}
    page = mina.post("/goals", 422, month="2026-03-01", **fields)
    assert "That is not an amount" in page
    assert 'value="lots"' in page
    assert 'value="500"' in page
    with service.db.reading() as session:
        assert session.scalars(select(Goal)).all() == []


def test_goals_and_costs_are_taken_back_with_one_press(mina: Person, priya: Person, team: Team, mailed: Seeded) -> None:
    priya.get("/costs", 404)
    mina.post("/costs", month="2026-03-01", **{"a.": "500"})
    page = mina.post("/costs", month="2026-03-01", follow=True, **{"a.": "700"})
    assert 'value="700.00"' in page
    undo = re.search(r'action="(/costs\?[^"]+)"', page)
    assert undo
    mina.post(undo[1].replace("&amp;", "&"))
    assert 'value="500.00"' in mina.get("/costs?month=2026-03-01")
    assert "£500" in priya.get("/reports/economics")
    mina.get("/costs?month=soon", 404)


def test_periods_by_name_begin_on_the_first_of_a_month() -> None:
    today = date(2026, 3, 31)
    assert periods.days_of("3m", today) == (date(2026, 1, 1), today)
    assert periods.days_of("12m", today) == (date(2025, 4, 1), today)
    assert periods.days_of("last-month", today) == (date(2026, 2, 1), date(2026, 2, 28))
    assert {name for name, _ in periods.NAMES} - {"days"} <= {
        name for name, _ in periods.NAMES if name == "days" or periods.days_of(name, today)
    }


def test_bars_are_as_high_as_their_values_and_stacks_as_their_sums() -> None:
    frame = Frame("t", ["a", "b"], [Series("x", [10, 20]), Series("y", [10, None])], str)
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"', charts.draw("bars", frame))]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert len(heights) == 3
    stacked = charts.draw("stacked", frame)
    tops = [float(y) for y in re.findall(r'<rect[^>]* y="([\d.]+)"', stacked)]
    assert tops[1] == pytest.approx(tops[2], abs=0.2)


def test_a_line_breaks_where_nothing_is_known_and_text_is_escaped() -> None:
    drawn = charts.draw("line", Frame("<t>", ["a", "b", "c", "<d>"], [Series("x", [1, None, 3, 4])], str))
    assert drawn.count("<polyline") == 2
    assert "<d>" not in drawn
    assert "<t>" not in drawn
    assert charts.draw("line", Frame("t", ["a"], [Series("x", [None])], str)) == ""


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail, synced once a process and copied."""
    return mail_template[1]


@pytest.fixture
def won(service: Service, mailed: Seeded) -> Callable[..., int]:
    """A deal of Nordhavn, won today."""

    def make(title: str, value: int, owner: int) -> int:
        with service.db.transaction() as session:
            stages = pipelines.stages(session, pipelines.ensure_default(session).id)
            return deals.create(
                session, title=title, value=Decimal(value), company_id=mailed.nordhavn, owner_id=owner,
                stage_id=next(s.id for s in stages if s.kind == "won"), now=NOW, actor_id=owner,
            ).id  # fmt: skip

    return make
