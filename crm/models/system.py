"""The service's own rows: settings, outbox, audit, API tokens, notifications and mails to the team, saved segments,
automation rules with their runs, and the files of records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, deferred, mapped_column

from crm.models.declarative import Base, JsonColumn, PrimaryId


class Setting(Base):
    """A workspace setting; ``value`` is JSON of the type that ``crm.workspace`` declares for the name."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JsonColumn)
    updated_at: Mapped[datetime]
    updated_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Outbox(Base):
    """What must follow a committed change; handled at least once, then marked. Payloads carry ids only."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_handled_at_id", "handled_at", "id"),)
    id: Mapped[PrimaryId]
    event: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]


class Audit(Base):
    """Who changed what, when and why. ``detail`` carries ids and names of fields, never mail content."""

    __tablename__ = "audit"
    id: Mapped[PrimaryId]
    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    action: Mapped[str]
    subject_kind: Mapped[str] = mapped_column(default="")
    subject_id: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ApiToken(Base):
    """A bearer token, kept as a SHA-256 hash; the text is shown once."""

    __tablename__ = "api_token"
    id: Mapped[PrimaryId]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The answer given to a POST with an Idempotency-Key, replayed for a day."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("user_id", "key"),)
    id: Mapped[PrimaryId]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    key: Mapped[str]
    request_hash: Mapped[str]
    status: Mapped[int]
    body: Mapped[str]
    created_at: Mapped[datetime]


class Notification(Base):
    """A line for one person, exactly once by ``key``."""

    __tablename__ = "notification"
    __table_args__ = (UniqueConstraint("user_id", "key"),)
    id: Mapped[PrimaryId]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    key: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    href: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]


class OutgoingMail(Base):
    """A mail of ours to a person of the team, exactly once by ``key``. ``state``: waiting, sending, sent, failed (given
    up), unsure (cut off while sending; never sent again) or nothing (there was nothing to say). The text is kept only
    until it is out."""

    __tablename__ = "outgoing_mail"
    __table_args__ = (
        UniqueConstraint("user_id", "key"),
        Index("ix_outgoing_mail_state_not_before", "state", "not_before"),
    )
    id: Mapped[PrimaryId]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    key: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    body: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Segment(Base):
    """A filter with a name, over contacts, companies or deals."""

    __tablename__ = "segment"
    id: Mapped[PrimaryId]
    noun: Mapped[str]
    name: Mapped[str]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    shared: Mapped[bool] = mapped_column(default=False)
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Field(Base):
    """A custom field of contact, company or deal, defined without code. With ``lifecycle`` it is asked of contacts in
    that one only. ``removed_at``: not shown any more; the values stay where they are."""

    __tablename__ = "field"
    __table_args__ = (UniqueConstraint("noun", "name"),)
    id: Mapped[PrimaryId]
    noun: Mapped[str]
    name: Mapped[str]
    label: Mapped[str]
    type: Mapped[str] = mapped_column(default="text")
    options: Mapped[list[str]] = mapped_column(default=list)
    lifecycle: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    removed_at: Mapped[datetime | None]


class AutomationRule(Base):
    """When ``event`` happens and ``conditions`` hold, ``action`` is done once a subject. Edited without code. What
    happened before ``since`` doesn't count."""

    __tablename__ = "automation_rule"
    id: Mapped[PrimaryId]
    name: Mapped[str]
    event: Mapped[str]
    conditions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    action: Mapped[dict[str, Any]] = mapped_column(default=dict)
    enabled: Mapped[bool] = mapped_column(default=True)
    since: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class AutomationRun(Base):
    """A rule fired once for one subject; ``key`` makes a replay harmless."""

    __tablename__ = "automation_run"
    __table_args__ = (UniqueConstraint("rule", "key"),)
    id: Mapped[PrimaryId]
    rule: Mapped[str]
    key: Mapped[str]
    at: Mapped[datetime]
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RecordFile(Base):
    """A file that a person put on a contact, company or deal (``noun``). Its bytes are loaded only when asked for."""

    __tablename__ = "record_file"
    __table_args__ = (Index("ix_record_file_noun_record_id", "noun", "record_id"),)
    id: Mapped[PrimaryId]
    noun: Mapped[str]
    record_id: Mapped[int]
    name: Mapped[str]
    type: Mapped[str]
    size: Mapped[int]
    content: Mapped[bytes] = deferred(mapped_column(LargeBinary, nullable=False))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
