"""The board of one pipeline: its open deals by stage with sums, what comes next on each, and how silent it is.

All open deals are read lightly, since chips and sums count them all; cards are bounded by ``shown`` a column and the
rest is a number. A constant number of statements for any number of deals. Deals are the team's; silence is what the
log says to the viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from crm import currencies, deal_steps, pipelines, silence, workspace
from crm.currencies import Rates, Sum
from crm.deal_lists import PERIODS, in_period, period
from crm.deal_steps import NextStep
from crm.forecast import weighted
from crm.models import Company, Deal, Pipeline, Stage, User
from crm.privacy import Viewer, member
from crm.silence import Silence

__all__ = ["PERIODS", "SHOWS", "Board", "Card", "Chosen", "Closed", "Column", "Strip", "read"]
SHOWN = 25
CLOSED_DAYS = 30
SHOWS = ("attention", "overdue", "today", "none", "silent", "rotting", "passed")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the board is narrowed to. ``period`` (of ``PERIODS``) is about the expected close, ``show`` (of ``SHOWS``)
    about what a deal needs; "" is all."""

    pipeline_id: int | None = None
    owner_id: int | None = None
    period: str = ""
    show: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One open deal. ``late``: its closing date is past. ``over``: silent for longer than the workspace's days."""

    id: int
    title: str
    company_id: int | None
    company: str
    owner: str
    stage_id: int
    value: Decimal | None
    currency: str
    probability: int
    expected_close: date | None
    version: int
    late: bool
    step: NextStep
    silence: Silence
    over: bool

    def needs(self, show: str) -> bool:
        """Whether the card belongs to a chip; "" is every card's. Attention is what any other chip asks for, and a
        reply that waits."""
        if show == "attention":
            return self.silence.unanswered or any(self.needs(each) for each in SHOWS if each != "attention")
        flags: dict[str, bool] = {"silent": self.over, "rotting": self.silence.too_long, "passed": self.late, "": True}
        return flags.get(show, self.step.state == show)


@dataclass(frozen=True, slots=True)
class Column:
    """One open stage: how many deals, what they are worth, and the first cards; ``more`` are not shown."""

    stage: Stage
    count: int
    total: Sum
    weighted: Sum
    cards: tuple[Card, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A won or lost stage: what came to it in the last ``CLOSED_DAYS`` days."""

    stage: Stage
    count: int
    total: Sum


@dataclass(frozen=True, slots=True)
class Strip:
    """The figures above the board, over its owner and period and whatever chip is chosen."""

    open: Sum
    weighted: Sum
    closing: Sum
    silent: int
    stepless: int


@dataclass(frozen=True, slots=True)
class Board:
    """All of it. ``chips`` counts cards by what they need. ``ids``: the deals that are left by the filter."""

    pipeline: Pipeline
    pipelines: tuple[Pipeline, ...]
    columns: tuple[Column, ...]
    closed: tuple[Closed, ...]
    strip: Strip
    chips: dict[str, int]
    count: int
    silent_days: int
    ids: tuple[int, ...]


def read(
    session: Session, viewer: Viewer, chosen: Chosen, *, now: datetime, zone: ZoneInfo, shown: int = SHOWN
) -> Board:
    """The board; ``zone`` says what today is. An unknown pipeline raises NotFound; the first is the default."""
    member(viewer)
    everything = tuple(pipelines.all_(session))
    pipeline = pipelines.chosen(session, chosen.pipeline_id, everything)
    stages, today = pipelines.stages(session, pipeline.id), now.astimezone(zone).date()
    rates, silent_days = currencies.rates(session, on=today), int(workspace.get(session, "silent_days"))
    held = _cards(session, viewer, _conditions(pipeline.id, chosen, today), now, zone, silent_days)
    cards = [card for card in held if card.needs(chosen.show)]
    open_ = [stage for stage in stages if stage.kind == "open"]
    return Board(
        pipeline, everything, tuple(_column(stage, cards, rates, shown) for stage in open_),
        _closed(session, [stage for stage in stages if stage.kind != "open"], chosen.owner_id, rates, now),
        _strip(held, rates, today), {show: sum(card.needs(show) for card in held) for show in SHOWS}, len(held),
        silent_days, tuple(card.id for card in cards),
    )  # fmt: skip


def _conditions(pipeline_id: int, chosen: Chosen, today: date) -> list[ColumnElement[bool]]:
    found = [Deal.deleted_at.is_(None), Deal.status == "open", Deal.pipeline_id == pipeline_id]
    found += [Deal.owner_id == chosen.owner_id] if chosen.owner_id is not None else []
    return found + in_period(chosen.period, today)


def _cards(
    session: Session, viewer: Viewer, where: list[ColumnElement[bool]], now: datetime, zone: ZoneInfo, silent_days: int
) -> list[Card]:
    """The open deals, in the order they are shown in: by next step, then by its time, then the longest silent."""
    wanted: Select[int] = select(Deal.id).where(*where)
    silences = silence.of_deals(session, viewer, wanted, now=now, silent_days=silent_days)
    steps = deal_steps.of_deals(session, wanted, silences, now=now, zone=zone)
    query = (
        select(
            Deal.id, Deal.title, Deal.company_id, Company.name.label("company"), User.name.label("owner"),
            Deal.stage_id, Deal.value, Deal.currency, Deal.expected_close, Deal.version,
            func.coalesce(Deal.probability, Stage.probability).label("chance"),
        )
        .join(Stage, Stage.id == Deal.stage_id)
        .outerjoin(Company, Company.id == Deal.company_id)
        .outerjoin(User, User.id == Deal.owner_id)
        .where(*where)
    )  # fmt: skip
    today, days = now.astimezone(zone).date(), timedelta(days=silent_days)
    cards = [
        _card(row, steps[row.id], silences[row.id], today, now - silences[row.id].since > days)
        for row in session.execute(query)
        if row.id in silences
    ]
    return sorted(cards, key=_order)


def _card(row: Any, step: NextStep, quiet: Silence, today: date, over: bool) -> Card:
    late = row.expected_close is not None and row.expected_close < today
    return Card(
        row.id, row.title, row.company_id, row.company or "", row.owner or "", row.stage_id, row.value, row.currency,
        row.chance, row.expected_close, row.version, late, step, quiet, over,
    )  # fmt: skip


def _order(card: Card) -> tuple[Any, ...]:
    when = card.step.at.timestamp() if card.step.at else 0.0
    return card.step.rank, when, card.silence.since, card.id


def _column(stage: Stage, cards: Sequence[Card], rates: Rates, shown: int) -> Column:
    mine = [card for card in cards if card.stage_id == stage.id]
    return Column(
        stage, len(mine), _total(mine, rates), _weighted(mine, rates), tuple(mine[:shown]), max(0, len(mine) - shown)
    )


def _total(cards: Sequence[Card], rates: Rates, only: Callable[[Card], bool] | None = None) -> Sum:
    return rates.sum((card.currency, card.value) for card in cards if only is None or only(card))


def _weighted(cards: Sequence[Card], rates: Rates) -> Sum:
    return rates.sum(
        (card.currency, weighted(card.value, card.probability)) for card in cards if card.value is not None
    )


def _strip(cards: Sequence[Card], rates: Rates, today: date) -> Strip:
    first, last = period("month", today)

    def closing(card: Card) -> bool:
        return card.expected_close is not None and (first or today) <= card.expected_close <= (last or today)

    return Strip(
        _total(cards, rates), _weighted(cards, rates), _total(cards, rates, closing),
        sum(card.silence.too_long for card in cards), sum(card.step.state == "none" for card in cards),
    )  # fmt: skip


def _closed(
    session: Session, stages: Sequence[Stage], owner_id: int | None, rates: Rates, now: datetime
) -> tuple[Closed, ...]:
    since = now - timedelta(days=CLOSED_DAYS)
    query = select(Deal.stage_id, Deal.currency, func.count().label("n"), func.sum(Deal.value).label("value")).where(
        Deal.stage_id.in_([stage.id for stage in stages]), Deal.deleted_at.is_(None), Deal.closed_at >= since,
        *([Deal.owner_id == owner_id] if owner_id is not None else []),
    )  # fmt: skip
    rows = session.execute(query.group_by(Deal.stage_id, Deal.currency)).all()
    return tuple(
        Closed(
            stage, sum(row.n for row in rows if row.stage_id == stage.id),
            rates.sum((row.currency, row.value) for row in rows if row.stage_id == stage.id),
        )
        for stage in stages
    )  # fmt: skip
