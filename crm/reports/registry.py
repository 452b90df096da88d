"""All reports in the order in which they are listed. A new one is a module with a ``REPORT``, and its name here."""

from __future__ import annotations

from crm.errors import NotFound
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
    goals,
    pipeline,
    revenue,
    silence,
    sources,
)
from crm.reports.shape import Report

ALL: tuple[Report, ...] = tuple(
    module.REPORT
    for module in (
        pipeline, forecast, backtest, conversion, dwell, silence, revenue, closing, goals, activity, sources, customers,
        economics, engagement, follow_up,
    )
)  # fmt: skip


def by_key(key: str) -> Report:
    """The report of that key. Raises NotFound."""
    found = next((report for report in ALL if report.key == key), None)
    if found is None:
        raise NotFound("There is no such report.")
    return found
