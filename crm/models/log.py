"""The communication log: one row per real-world message, meeting, call or note, who took part, which mailboxes saw it,
and which records it is attached to. Content lives in ``communication_body`` so that lists never read it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class Thread(Base):
    """A conversation, joined across mailboxes by References and In-Reply-To. ``merged_into`` is set when two turned out
    to be one; rows pointing at the loser were moved."""

    __tablename__ = "thread"
    id: Mapped[PrimaryId]
    subject: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class MessageRef(Base):
    """Every Message-ID ever seen, as its own or as a reference, and the thread it is in: a reply that arrives before
    its parent joins all the same."""

    __tablename__ = "message_ref"
    message_id: Mapped[str] = mapped_column(primary_key=True)
    thread_id: Mapped[int] = mapped_column(ForeignKey("thread.id", ondelete="CASCADE"), index=True)


class Communication(Base):
    """One message, meeting instance, call or note.

    ``key`` is its identity: ``m:<message-id>``, ``f:fingerprint``, ``e:uid|recurrence-id`` or ``n:uuid``. ``status``
    is linked, review, unmatched or ignored, ``reason`` why it is ignored or unmatched. ``direction`` is inbound,
    outbound, internal, or None. ``occurred_at`` is UTC; ``zone`` how the sender or organiser wrote it. ``series`` is
    the iCalendar UID that folds instances. ``visibility_cap`` is the tier that sensitivity or class allows at most.
    ``marks`` are the parser's classifying facts."""

    __tablename__ = "communication"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_communication_occurred_at_id", "occurred_at", "id"),
        Index("ix_communication_status_occurred_at", "status", "occurred_at"),
        Index("ix_communication_ical_uid", "ical_uid"),
    )
    id: Mapped[PrimaryId]
    key: Mapped[str]
    kind: Mapped[str]
    message_id: Mapped[str | None] = mapped_column(index=True)
    fingerprint: Mapped[str | None] = mapped_column(index=True)
    ical_uid: Mapped[str | None]
    recurrence_id: Mapped[str | None]
    thread_id: Mapped[int | None] = mapped_column(ForeignKey("thread.id"), index=True)
    direction: Mapped[str | None]
    occurred_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    all_day: Mapped[bool] = mapped_column(default=False)
    zone: Mapped[str | None]
    subject: Mapped[str] = mapped_column(default="")
    snippet: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(default="unmatched")
    reason: Mapped[str | None]
    cancelled: Mapped[bool] = mapped_column(default=False)
    outcome: Mapped[str | None]
    marks: Mapped[list[str]] = mapped_column(default=list)
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    visibility_cap: Mapped[str | None]
    sharing: Mapped[str | None]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    pinned_at: Mapped[datetime | None]
    size: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CommunicationBody(Base):
    """The content: new text, what was quoted, the signature, and the raw HTML (sanitised on demand, never stored as
    safe)."""

    __tablename__ = "communication_body"
    communication_id: Mapped[int] = mapped_column(
        ForeignKey("communication.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    text: Mapped[str] = mapped_column(default="")
    quoted: Mapped[str] = mapped_column(default="")
    signature: Mapped[str] = mapped_column(default="")
    html: Mapped[str] = mapped_column(default="")
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Sighting(Base):
    """A communication as seen in one account. Its owner owns the item. ``removed_at``: gone from every folder there;
    the log outlives the mailbox. ``sharing`` overrides the account's tier; ``opened_by`` is set when the owner opened
    it."""

    __tablename__ = "sighting"
    __table_args__ = (UniqueConstraint("communication_id", "account_id"),)
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    sharing: Mapped[str | None]
    tier: Mapped[str] = mapped_column(default="subject")
    seen: Mapped[bool] = mapped_column(default=False)
    provider_thread: Mapped[str | None]
    first_seen_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Participant(Base):
    """A person on an item. ``role``: from, sender, reply_to, to, cc, bcc, organizer, attendee, original_from,
    resent_from, resent_to, forwarded. ``canonical`` is "" for a guest known by name only. ``own`` says own side."""

    __tablename__ = "participant"
    __table_args__ = (Index("ix_participant_canonical_communication_id", "canonical", "communication_id"),)
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(default=0)
    role: Mapped[str]
    raw: Mapped[str] = mapped_column(default="")
    canonical: Mapped[str] = mapped_column(default="")
    family: Mapped[str] = mapped_column(default="", index=True)
    domain: Mapped[str] = mapped_column(default="", index=True)
    name: Mapped[str] = mapped_column(default="")
    response: Mapped[str | None]
    is_person: Mapped[bool] = mapped_column(default=True)
    own: Mapped[bool] = mapped_column(default=False)


class Link(Base):
    """An item attached to a record. A reconciled set: automatic links are a pure function of the item and the
    directory; ``pinned`` ones were made by a person and stay; ``tombstoned`` ones were taken off by a person and stay
    off."""

    __tablename__ = "link"
    __table_args__ = (
        UniqueConstraint("communication_id", "target_kind", "target_id"),
        Index("ix_link_target_kind_target_id_communication_id", "target_kind", "target_id", "communication_id"),
    )
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"))
    target_kind: Mapped[str]
    target_id: Mapped[int]
    method: Mapped[str]
    score: Mapped[float]
    evidence: Mapped[list[Any]] = mapped_column(default=list)
    pinned: Mapped[bool] = mapped_column(default=False)
    tombstoned: Mapped[bool] = mapped_column(default=False)
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    created_at: Mapped[datetime]


class Suggestion(Base):
    """A candidate that is not certain, or (``lost``) one that was considered and rejected, with the reason in
    ``against``."""

    __tablename__ = "suggestion"
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), index=True)
    target_kind: Mapped[str]
    target_id: Mapped[int]
    score: Mapped[float]
    evidence: Mapped[list[Any]] = mapped_column(default=list)
    lost: Mapped[bool] = mapped_column(default=False)
    against: Mapped[str] = mapped_column(default="")


class Question(Base):
    """An open question of an item: person, company or deal. ``group_key`` puts equal questions together; one answer
    settles them all."""

    __tablename__ = "question"
    __table_args__ = (Index("ix_question_group_key", "group_key"),)
    id: Mapped[PrimaryId]
    communication_id: Mapped[int] = mapped_column(ForeignKey("communication.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    group_key: Mapped[str]
    reason: Mapped[str]
    candidates: Mapped[list[Any]] = mapped_column(default=list)


class EventVersion(Base):
    """One version of one calendar component as one source told it (a calendar object, or an iMIP mail). The state of a
    meeting is a pure, order-independent fold over these."""

    __tablename__ = "event_version"
    __table_args__ = (
        UniqueConstraint("source", "uid", "recurrence_id"),
        Index("ix_event_version_uid", "uid"),
    )
    id: Mapped[PrimaryId]
    uid: Mapped[str]
    recurrence_id: Mapped[str] = mapped_column(default="")
    source: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[int | None] = mapped_column(ForeignKey("stream.id", ondelete="CASCADE"), index=True)
    remote_id: Mapped[str]
    via: Mapped[str] = mapped_column(default="calendar")
    sender: Mapped[str] = mapped_column(default="")
    message_id: Mapped[str | None]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    received_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class NoReplyNeeded(Base):
    """Somebody of ours said that a mail needs no answer; taken back by deleting the row."""

    __tablename__ = "no_reply_needed"
    communication_id: Mapped[int] = mapped_column(
        ForeignKey("communication.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]
