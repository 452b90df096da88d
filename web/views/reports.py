"""Reports: the list of them, and for each its definition, filters, drawing, table, the rows behind every number, and
both as CSV. Knows no single report: all come from ``crm.reports.registry``."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request, url_for

from crm import pipelines, users, workspace
from crm.currencies import Sum
from crm.errors import NotFound
from crm.reports import log_quality, registry
from crm.reports.shape import Line, Report, Scope, Table, Value
from web import charts, door, periods, words
from web.charts import Series

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("reports", __name__, url_prefix="/reports")
FILTERS = ("period", "since", "until", "owner", "pipeline", "as_of", "sort")
DRAWN, DRAWN_RECORDS = 24, 12
SHOWN = 200
GROUPS = ("Pipeline", "Won business", "Team", "Relations")


@blueprint.get("")
def listing() -> str:
    """All reports with their definitions."""
    groups = [(name, [report for report in registry.ALL if report.group == name]) for name in GROUPS]
    return render_template("reports/listing.html", groups=groups, quality=log_quality.REPORT)


@blueprint.get("/<key>")
def page(key: str) -> str:
    """One report."""
    report = registry.by_key(key)
    with door.reading() as session:
        scope, problem = _scope(session, report)
        table = report.table(session, door.viewer(), scope, door.now())
        around = _around(session, report)
    return render_template(
        "reports/page.html", report=report, table=table, scope=scope, problem=problem, chart=_chart(report, table),
        chosen=_chosen(), leads=door.viewer().leads, **around,
    )  # fmt: skip


@blueprint.get("/<key>/rows")
def rows(key: str) -> str:
    """The rows behind one number."""
    report = registry.by_key(key)
    with door.reading() as session:
        scope, _ = _scope(session, report)
        line, column = request.args.get("line", ""), request.args.get("column", "")
        if not line:
            raise NotFound("There is no such line in this report.")
        table = report.rows(session, door.viewer(), scope, line, column, door.now())
    return render_template(
        "reports/rows.html", report=report, table=replace(table, lines=table.lines[:SHOWN]), count=len(table.lines),
        chosen=_chosen(), line=line, column=column,
        name=request.args.get("name", "")[:100],
    )  # fmt: skip


@blueprint.get("/<key>/table.csv")
def download(key: str) -> Response:
    """The table as CSV."""
    report = registry.by_key(key)
    with door.reading() as session:
        scope, _ = _scope(session, report)
        table = report.table(session, door.viewer(), scope, door.now())
    return _csv(table, f"{report.key}.csv")


@blueprint.get("/<key>/rows.csv")
def download_rows(key: str) -> Response:
    """The rows behind one number as CSV."""
    report = registry.by_key(key)
    with door.reading() as session:
        scope, _ = _scope(session, report)
        line, column = request.args.get("line", "total"), request.args.get("column", "")
        table = report.rows(session, door.viewer(), scope, line, column, door.now())
    return _csv(table, f"{report.key}-rows.csv")


def _scope(session: Session, report: Report) -> tuple[Scope, str]:
    """The scope that the address asks for, and a sentence about what of it can't be read, "" for nothing."""
    zone = words.zone(str(workspace.get(session, "time_zone")))
    today = door.now().astimezone(zone).date()
    since, until, problem = _days(report, today)
    as_of, wrong = _day("as_of", today) if "as_of" in report.filters else (None, "")
    sort = request.args.get("sort", "")
    scope = Scope(
        since, until, zone, _id("owner") if "owner" in report.filters else None,
        _id("pipeline") if "pipeline" in report.filters else None, as_of,
        sort if sort in dict(report.sorts) else report.sorts[0][0] if report.sorts else "",
    )  # fmt: skip
    return scope, problem or wrong


def _days(report: Report, today: date) -> tuple[date, date, str]:
    name = request.args.get("period") or report.period
    if "period" not in report.filters:
        return (*periods.days_of("12m", today), "")
    if name != "days":
        try:
            return (*periods.days_of(name, today), "")
        except KeyError:
            return (*periods.days_of(report.period, today), "There is no such period.")
    found = periods.between(request.args.get("since", ""), request.args.get("until", ""), today)
    return (*periods.days_of(report.period, today), found) if isinstance(found, str) else (*found, "")


def _day(name: str, today: date) -> tuple[date | None, str]:
    """A day in the address; today and later is the present."""
    text = request.args.get(name, "")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        return None, "Write the day as 2026-03-04."
    return (day if day and day < today else None), ""


def _id(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 18 else None


def _chosen() -> dict[str, str]:
    """The filters as they stand in the address, to be carried along."""
    return {name: value[:40] for name in FILTERS if (value := request.args.get(name, ""))}


def _around(session: Session, report: Report) -> dict[str, Any]:
    """What the filters offer."""
    people = [(str(u.id), u.name) for u in users.all_(session)] if "owner" in report.filters else None
    lines = [(str(p.id), p.name) for p in pipelines.all_(session)] if "pipeline" in report.filters else None
    return {"people": people, "lines_of_work": lines, "periods": periods.NAMES}


def _chart(report: Report, table: Table) -> Any:
    """The drawing of the lines of level 0, the oldest on the left."""
    if table.chart is None:
        return ""
    lines = [line for line in table.lines if line.level == 0]
    lines = lines[: DRAWN_RECORDS if any(line.target for line in lines) else DRAWN]
    lines = lines[::-1] if report.key == "activity" else lines
    columns = [next(c for c in table.columns if c.key == key) for key in table.chart.columns]
    series = [Series(c.label, [_plain(line.cells.get(c.key)) for line in lines]) for c in columns]
    currency = next((s.currency for line in lines if isinstance(s := line.cells.get(columns[0].key), Sum)), "")

    def says(value: float) -> str:
        if columns[0].kind == "share":
            return words.percent(value)
        if columns[0].kind == "days":
            return f"{value:.0f} d"
        return words.money(round(value), currency) if currency else words.number(round(value, 1))

    return charts.draw(table.chart.kind, charts.Frame(report.title, [_short(line) for line in lines], series, says))


def _short(line: Line) -> str:
    """What stands under the axis: of a week its first day."""
    return line.label.partition(" – ")[0]


def _plain(value: Value) -> float | None:
    if isinstance(value, Sum):
        return float(value.total)
    return None if value is None or isinstance(value, str | date) else float(value)


def _csv(table: Table, name: str) -> Response:
    """Amounts as plain numbers in the workspace currency, with what was converted or left out in a last column."""
    out = io.StringIO()
    writer = csv.writer(out)
    money = any(c.kind == "money" for c in table.columns)
    below = [table.below] if table.below else []
    writer.writerow([table.head, *below, *(c.label for c in table.columns), *(("Currency", "Of it") if money else ())])
    above = ""
    for line in [*table.lines, *([table.total] if table.total else [])]:
        above = above if line.level else line.label
        names = [above, line.label if line.level else ""] if below else [line.label]
        cells = (_cell(line.cells.get(c.key)) for c in table.columns)
        writer.writerow([*map(_cell, names), *cells, *_sums(line, money)])
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response("\ufeff" + out.getvalue(), mimetype="text/csv", headers=headers)


def _sums(line: Line, money: bool) -> list[str]:
    if not money:
        return []
    sums = [value for value in line.cells.values() if isinstance(value, Sum)]
    return [sums[0].currency if sums else "", "; ".join(dict.fromkeys(s.note for s in sums if s.note))]


def _cell(value: Value) -> str:
    """A value for a spreadsheet; text that would be taken for a formula is quoted (OWASP, "CSV injection")."""
    if isinstance(value, Sum):
        return f"{value.total:.2f}"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    text = "" if value is None else value.isoformat() if isinstance(value, date) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def cell_url(report: Report, line: Line, column: str) -> str:
    """Where a number leads."""
    more: dict[str, Any] = {**_chosen(), **({"name": line.label} if line.key != "total" else {})}
    return url_for("reports.rows", key=report.key, line=line.key, column=column, **more)


@blueprint.app_context_processor
def _words() -> dict[str, Any]:
    return {"report_cell_url": cell_url}
