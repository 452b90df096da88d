"""The log quality page: figures by week with their definition, a drawing beside the table, the items behind each
figure, and CSV."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

from flask import Blueprint, Response, render_template, request

from crm.errors import NotFound
from crm.reports.log_quality import MEASURES, REPORT, WEEKS, Week
from web import door

blueprint = Blueprint("quality", __name__, url_prefix="/reports/log-quality")
HEAD = ("week", "items", "filed", "automatic", "by_person", "corrected", "clicks", "automatic_share", "clicks_per_100",
        "precision")  # fmt: skip


@blueprint.get("")
def page() -> str:
    """The last twelve weeks."""
    with door.reading() as session:
        found = REPORT.figures(session, door.viewer(), now=door.now())
    return render_template("quality/page.html", report=REPORT, found=found, weeks=WEEKS)


@blueprint.get("/rows")
def rows() -> str:
    """The items behind one figure of one week."""
    measure = request.args.get("measure", "")
    try:
        since = datetime.fromisoformat(request.args.get("week", "")).replace(tzinfo=door.now().tzinfo)
    except ValueError:
        raise NotFound("There is no such week.") from None
    if measure not in MEASURES:
        raise NotFound("There is no such figure.")
    with door.reading() as session:
        until = since + timedelta(weeks=1)
        found = REPORT.rows(session, door.viewer(), measure, since=since, until=until, limit=200)
    return render_template("quality/rows.html", report=REPORT, rows=found, measure=measure, since=since)


@blueprint.get("/log-quality.csv")
def download() -> Response:
    """The same figures as CSV."""
    with door.reading() as session:
        found = REPORT.figures(session, door.viewer(), now=door.now())
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    writer.writerows(_line(week) for week in found.weeks)
    headers = {"Content-Disposition": "attachment; filename=log-quality.csv"}
    return Response(out.getvalue(), mimetype="text/csv", headers=headers)


def _line(week: Week) -> list[object]:
    shares = (week.share, week.per_hundred, week.precision)
    counts = (week.items, week.filed, week.automatic, week.by_person, week.corrected, week.clicks)
    return [week.start.date().isoformat(), *counts, *("" if s is None else round(s, 4) for s in shares)]
