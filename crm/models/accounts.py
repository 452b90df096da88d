"""Accounts, their streams, and the ledger: one row for every remote item, with its state and reason.

The ledger is the promise: written in the transaction that moves the stream's cursor, never deleted while the account
exists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class Account(Base):
    """A connected mailbox, calendar or archive.

    ``stage`` is for workers (new, backfill, level, paused, removed); ``health`` for people (ok, behind, deferred,
    needs_person, failed). ``secret`` is vault ciphertext. ``sharing`` is the tier teammates get. ``config`` never
    holds a secret. ``memory`` keeps what the connector learned of the server.
    """

    __tablename__ = "account"
    id: Mapped[PrimaryId]
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    provider: Mapped[str]
    address: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(default="mailbox")
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    memory: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secret: Mapped[str | None]
    secret_version: Mapped[int] = mapped_column(default=0)
    sharing: Mapped[str] = mapped_column(default="subject")
    creation_policy: Mapped[str | None]
    include_folders: Mapped[list[str]] = mapped_column(default=list)
    exclude_folders: Mapped[list[str]] = mapped_column(default=list)
    include_labels: Mapped[list[str]] = mapped_column(default=list)
    exclude_labels: Mapped[list[str]] = mapped_column(default=list)
    since: Mapped[datetime | None]
    keep_private: Mapped[bool] = mapped_column(default=False)
    stage: Mapped[str] = mapped_column(default="new", index=True)
    health: Mapped[str] = mapped_column(default="ok")
    error: Mapped[str | None]
    error_code: Mapped[str | None]
    error_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class AccountAlias(Base):
    """An address that is the owner's too: given, learned from Sent mail, or told by the provider. ``canonical`` as in
    matching."""

    __tablename__ = "account_alias"
    __table_args__ = (UniqueConstraint("account_id", "canonical"),)
    id: Mapped[PrimaryId]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    canonical: Mapped[str] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(default="given")


class Stream(Base):
    """A folder, label set or calendar of an account; the unit that has a cursor and a lease.

    ``generation`` counts listings from scratch (mark and sweep). ``lease_token`` fences: a worker whose token is not
    the row's any more may not write. ``remote_count`` is what the server said last; ``listed`` how many ids we saw in
    the running listing."""

    __tablename__ = "stream"
    __table_args__ = (UniqueConstraint("account_id", "part", "remote_id"),)
    id: Mapped[PrimaryId]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    part: Mapped[str] = mapped_column(default="main")
    remote_id: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="mail")
    role: Mapped[str] = mapped_column(default="other")
    default_on: Mapped[bool] = mapped_column(default=True)
    selected: Mapped[bool | None]
    sharing: Mapped[str | None]
    cursor: Mapped[str | None]
    generation: Mapped[int] = mapped_column(default=1)
    listing: Mapped[bool] = mapped_column(default=True)
    remote_count: Mapped[int | None]
    listed: Mapped[int] = mapped_column(default=0)
    sweep_after: Mapped[datetime | None]
    resets: Mapped[int] = mapped_column(default=0)
    resets_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    error_code: Mapped[str | None]
    parked_until: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_audit_at: Mapped[datetime | None]
    coverage: Mapped[float | None]
    lease_token: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]


class Ledger(Base):
    """One remote item: where it is (account, stream, remote id), what became of it, and why.

    ``state`` is stored, skipped, quarantined, pending or removed. ``key_hash`` is a keyed hash of the Message-ID or
    UID: it finds an item whose content may not be kept. ``missing_since`` starts the two-phase removal."""

    __tablename__ = "ledger"
    __table_args__ = (
        UniqueConstraint("stream_id", "remote_id"),
        Index("ix_ledger_stream_id_state_reason", "stream_id", "state", "reason"),
        Index("ix_ledger_key_hash", "key_hash"),
    )
    id: Mapped[PrimaryId]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("stream.id", ondelete="CASCADE"))
    remote_id: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    message_id: Mapped[str | None]
    ical_uid: Mapped[str | None]
    key_hash: Mapped[str | None]
    content_id: Mapped[str | None] = mapped_column(index=True)
    communication_id: Mapped[int | None] = mapped_column(
        ForeignKey("communication.id", ondelete="SET NULL"), index=True
    )
    flags: Mapped[list[str]] = mapped_column(default=list)
    labels: Mapped[list[str]] = mapped_column(default=list)
    size: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(default=1)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    retry_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    seen_at: Mapped[datetime]
