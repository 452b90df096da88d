"""What people decided: triage decisions with their inverse, the standing rulings that follow from them, imports,
grants and the markers that keep erased or deleted things from coming back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class Decision(Base):
    """One answer by a person: who, what, on which scope, and how to take it back. ``inverse`` is enough to restore
    the former state exactly."""

    __tablename__ = "decision"
    id: Mapped[PrimaryId]
    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    kind: Mapped[str]
    scope: Mapped[str] = mapped_column(default="item")
    subject: Mapped[str] = mapped_column(default="")
    says: Mapped[str] = mapped_column(default="")
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    inverse: Mapped[dict[str, Any]] = mapped_column(default=dict)
    items: Mapped[int] = mapped_column(default=0)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Ruling(Base):
    """A standing decision that matching reads. ``scope`` is item, thread, address or domain and ``value`` its key;
    ``verdict`` is attach, detach, ignore, not_a_contact, private, never_log or deal. ``target_kind``/``target_id``
    name what to attach to. ``user_id`` limits it to one person's own mail."""

    __tablename__ = "ruling"
    __table_args__ = (Index("ix_ruling_scope_value", "scope", "value"),)
    id: Mapped[PrimaryId]
    scope: Mapped[str]
    value: Mapped[str]
    verdict: Mapped[str]
    target_kind: Mapped[str | None]
    target_id: Mapped[int | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class ReviewState(Base):
    """Snooze or assignment of one group of questions, for one person's queue. ``until`` None with an assignee means
    assigned."""

    __tablename__ = "review_state"
    __table_args__ = (UniqueConstraint("group_key", "user_id"),)
    id: Mapped[PrimaryId]
    group_key: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    snoozed_until: Mapped[datetime | None]
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class ImportBatch(Base):
    """One CSV import: counts, and what it created or changed, so that the whole of it can be undone."""

    __tablename__ = "import_batch"
    id: Mapped[PrimaryId]
    kind: Mapped[str]
    filename: Mapped[str]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    journal: Mapped[list[Any]] = mapped_column(default=list)
    undone_at: Mapped[datetime | None]


class Grant(Base):
    """An owner opened an item or thread to a person (``user_id``) or, with None, to everyone."""

    __tablename__ = "grant"
    id: Mapped[PrimaryId]
    communication_id: Mapped[int | None] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), index=True)
    thread_id: Mapped[int | None] = mapped_column(ForeignKey("thread.id", ondelete="CASCADE"), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AccessRequest(Base):
    """Someone asked to see an item; any of its owners answers."""

    __tablename__ = "access_request"
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    granted: Mapped[bool | None]


class Marker(Base):
    """A keyed hash that keeps something away: ``do_not_recreate`` (an address) or ``erased`` (an address or
    Message-ID)."""

    __tablename__ = "marker"
    __table_args__ = (UniqueConstraint("kind", "hash"),)
    id: Mapped[PrimaryId]
    kind: Mapped[str]
    hash: Mapped[str]
    created_at: Mapped[datetime]
