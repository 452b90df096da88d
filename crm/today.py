"""What Today shows beside tasks and replies: deals silent too long, meetings ahead with their briefs, the pipeline in
one sentence a stage, and which steps of a new workspace are done. Everything as far as it exists for the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm import briefs, log_rows, silence, steps, timeline
from crm.briefs import Brief
from crm.currencies import Sum
from crm.held import planned
from crm.models import Company, Contact, Deal, Decision, Setting, Stage
from crm.privacy import Viewer, member
from crm.reports import pipeline
from crm.reports.shape import Scope
from crm.silence import Silence
from crm.timeline import LogFilter


@dataclass(frozen=True, slots=True)
class StageLine:
    """One open stage: "12 deals in Proposal worth £90,000"."""

    stage_id: str
    name: str
    deals: int
    value: Sum


@dataclass(frozen=True, slots=True)
class SilentDeal:
    """A deal over its stage's limit, and how it stands."""

    id: int
    title: str
    company: str
    stage: str
    stood: Silence


def stages(session: Session, viewer: Viewer, *, now: datetime, zone: ZoneInfo) -> list[StageLine]:
    """The open stages that have deals, in order; the same figures as the report's (``crm.reports.pipeline``)."""
    today = now.astimezone(zone).date()
    table = pipeline.table(session, viewer, Scope(today, today, zone), now)
    lines = []
    for line in table.lines:
        deals, value = line.cells["deals"], line.cells["value"]
        if isinstance(deals, int) and isinstance(value, Sum):
            lines.append(StageLine(line.key, line.label, deals, value))
    return lines


def silent_deals(session: Session, viewer: Viewer, *, now: datetime) -> list[SilentDeal]:
    """The viewer's open deals (for those who lead the team: all) over the limit of their stage, the longest silent
    first."""
    member(viewer)
    where = [Deal.status == "open", Deal.deleted_at.is_(None)]
    where += [] if viewer.leads else [Deal.owner_id == viewer.user_id]
    wanted: Any = select(Deal.id).where(*where)
    stood = {i: s for i, s in silence.of_deals(session, viewer, wanted, now=now).items() if s.too_long}
    query = (
        select(Deal.id, Deal.title, Company.name.label("company"), Stage.name.label("stage"))
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .where(*where)
    )
    rows = [
        SilentDeal(row.id, row.title, row.company or "", row.stage, stood[row.id])
        for row in session.execute(query)
        if row.id in stood
    ]
    return sorted(rows, key=lambda row: (row.stood.since, row.id))


def ahead(session: Session, viewer: Viewer, *, now: datetime, limit: int = 4) -> list[Brief]:
    """The viewer's next meetings, the next one of each series, with what to know before them. Their rows and those of
    the touches before are built together."""
    mine = LogFilter(kinds=frozenset({"meeting"}), status="linked", user_id=viewer.user_id)
    where = [*timeline.conditions(session, viewer, mine), planned(now)]
    meetings = timeline.soonest(session, where, limit)
    touched = briefs.touches(session, viewer, [item.id for item in meetings], now=now)
    items = {item.id: item for item in (*meetings, *(item for item, _ in touched))}
    built = log_rows.build(session, viewer, list(items.values()), counts=dict.fromkeys(items, 1))
    by_id = {row.id: row for row in built}
    return briefs.prepared(session, [by_id[item.id] for item in meetings if item.id in by_id], touched, by_id)


@dataclass(frozen=True, slots=True)
class SetUp:
    """Which steps of a new workspace are done."""

    people: bool
    settled: bool
    domains: bool


def set_up(session: Session, viewer: Viewer) -> SetUp:
    """In one statement."""
    people = exists().where(Contact.deleted_at.is_(None), Contact.merged_into.is_(None))
    settled = exists().where(Decision.actor_id == viewer.user_id, Decision.kind != steps.KIND)
    domains = exists().where(Setting.name == "internal_domains")
    return SetUp(*session.execute(select(people, settled, domains)).one())


