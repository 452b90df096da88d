"""Pipelines, stages, deals and their history, goals, and tasks."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class Pipeline(Base):
    """An ordered set of stages."""

    __tablename__ = "pipeline"
    id: Mapped[PrimaryId]
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(default=0)


class Stage(Base):
    """``probability`` in percent; ``rotting_days`` without two-way contact until a deal counts as silent (None: the
    workspace's, 0: never); ``kind`` is open, won or lost."""

    __tablename__ = "stage"
    __table_args__ = (UniqueConstraint("pipeline_id", "name"),)
    id: Mapped[PrimaryId]
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipeline.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    probability: Mapped[int] = mapped_column(default=0)
    rotting_days: Mapped[int | None]
    kind: Mapped[str] = mapped_column(default="open")
    archived_at: Mapped[datetime | None]


class Deal(Base):
    """An opportunity. ``status`` is open, won or lost. ``value`` in units of ``currency`` (ISO 4217). ``version``
    guards concurrent edits."""

    __tablename__ = "deal"
    id: Mapped[PrimaryId]
    title: Mapped[str] = mapped_column(index=True)
    number: Mapped[str | None] = mapped_column(index=True)
    product: Mapped[str | None]
    company_id: Mapped[int | None] = mapped_column(ForeignKey("company.id"), index=True)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipeline.id"))
    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"), index=True)
    status: Mapped[str] = mapped_column(default="open", index=True)
    value: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    currency: Mapped[str] = mapped_column(default="GBP")
    probability: Mapped[int | None]
    expected_close: Mapped[date | None]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    source: Mapped[str | None]
    lost_reason: Mapped[str | None]
    won_reason: Mapped[str | None]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class DealContact(Base):
    """A person on a deal, with their role in it."""

    __tablename__ = "deal_contact"
    __table_args__ = (UniqueConstraint("deal_id", "contact_id"),)
    id: Mapped[PrimaryId]
    deal_id: Mapped[int] = mapped_column(ForeignKey("deal.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    role: Mapped[str | None]


class DealStageChange(Base):
    """The stage history: from (None at creation), to, who and when."""

    __tablename__ = "deal_stage_change"
    id: Mapped[PrimaryId]
    deal_id: Mapped[int] = mapped_column(ForeignKey("deal.id", ondelete="CASCADE"), index=True)
    from_stage_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id"))
    to_stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]


class DealValueChange(Base):
    """What a deal was worth from ``at`` on: one row at creation, one for each change of value or currency."""

    __tablename__ = "deal_value_change"
    id: Mapped[PrimaryId]
    deal_id: Mapped[int] = mapped_column(ForeignKey("deal.id", ondelete="CASCADE"), index=True)
    value: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    currency: Mapped[str]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]


class Goal(Base):
    """What a person is to win in a month, in the workspace currency. ``month`` is its first day."""

    __tablename__ = "goal"
    __table_args__ = (UniqueConstraint("user_id", "month"),)
    id: Mapped[PrimaryId]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    month: Mapped[date]
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))


class Cost(Base):
    """What was spent in a month to win customers from a source of leads ("" for what no source is told of), in the
    workspace currency. ``month`` is its first day."""

    __tablename__ = "cost"
    __table_args__ = (UniqueConstraint("month", "source"),)
    id: Mapped[PrimaryId]
    month: Mapped[date]
    source: Mapped[str] = mapped_column(default="")
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))


class CurrencyRate(Base):
    """What one unit of ``currency`` is worth in ``base``, entered by an admin, from a day on. ``base`` is the workspace
    currency of that time: after it is changed, rates in the former one don't count."""

    __tablename__ = "currency_rate"
    __table_args__ = (UniqueConstraint("currency", "valid_from"),)
    id: Mapped[PrimaryId]
    currency: Mapped[str]
    rate: Mapped[Decimal] = mapped_column(Numeric(18, 8))
    valid_from: Mapped[date]
    base: Mapped[str]


class Task(Base):
    """Something to do. ``due_at`` is UTC; ``due_all_day`` says that only its date (in the assignee's zone) counts.
    ``origin`` tells what made an automatic one; ``closed_by`` what closed it (person, or the message or meeting that
    was awaited). ``recurrence`` is an RRULE (RFC 5545) without its name; the occurrence that follows a done one has
    the origin ``repeats:<id>``. ``awaits`` (reply, meeting or any) is what closes it by itself, when it comes after
    ``awaits_since``."""

    __tablename__ = "task"
    id: Mapped[PrimaryId]
    title: Mapped[str]
    type: Mapped[str] = mapped_column(default="todo")
    notes: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    creator_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    due_all_day: Mapped[bool] = mapped_column(default=True)
    recurrence: Mapped[str | None]
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id"), index=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("company.id"), index=True)
    deal_id: Mapped[int | None] = mapped_column(ForeignKey("deal.id"), index=True)
    communication_id: Mapped[int | None] = mapped_column(ForeignKey("communication.id", ondelete="SET NULL"))
    origin: Mapped[str | None]
    awaits: Mapped[str | None]
    awaits_since: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
