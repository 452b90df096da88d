"""Users, contacts and companies, with the addresses, domains and dated jobs that matching looks up."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class User(Base):
    """Someone who signs in. ``role`` is admin, manager or rep. ``session_epoch`` invalidates sessions when raised."""

    __tablename__ = "user"
    id: Mapped[PrimaryId]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str | None]
    time_zone: Mapped[str] = mapped_column(default="UTC")
    active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]


class Company(Base):
    """A company; named by its primary domain in exports. ``merged_into`` and ``deleted_at`` keep undo possible."""

    __tablename__ = "company"
    id: Mapped[PrimaryId]
    name: Mapped[str] = mapped_column(index=True)
    industry: Mapped[str | None]
    size: Mapped[str | None]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    source: Mapped[str | None]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("company.id"))


class CompanyDomain(Base):
    """A domain a company is known by. ``kind`` is primary, alias or excluded. A domain may be listed by two companies
    (an agency, parent and subsidiary): then matching asks."""

    __tablename__ = "company_domain"
    __table_args__ = (UniqueConstraint("domain", "company_id"),)
    id: Mapped[PrimaryId]
    company_id: Mapped[int] = mapped_column(ForeignKey("company.id", ondelete="CASCADE"), index=True)
    domain: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(default="primary")
    match_subdomains: Mapped[bool] = mapped_column(default=True)


class Contact(Base):
    """A person outside. ``lifecycle`` is lead, client or past_client; conversion keeps the id and the history."""

    __tablename__ = "contact"
    id: Mapped[PrimaryId]
    name: Mapped[str] = mapped_column(index=True)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    title: Mapped[str | None]
    company_id: Mapped[int | None] = mapped_column(ForeignKey("company.id"), index=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    lifecycle: Mapped[str] = mapped_column(default="lead")
    source: Mapped[str | None]
    opt_out: Mapped[bool] = mapped_column(default=False)
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("import_batch.id"))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("contact.id"))


class ContactPhone(Base):
    """A phone number: as written, and in E.164 where it could be read."""

    __tablename__ = "contact_phone"
    id: Mapped[PrimaryId]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    raw: Mapped[str]
    e164: Mapped[str | None] = mapped_column(index=True)


class Address(Base):
    """An email address of a contact, N:1, valid between two dates (either open). ``canonical`` and ``family`` as in
    matching; never empty. One address on two contacts is a shared address: two rows."""

    __tablename__ = "address"
    __table_args__ = (UniqueConstraint("canonical", "contact_id"),)
    id: Mapped[PrimaryId]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    raw: Mapped[str]
    canonical: Mapped[str] = mapped_column(index=True)
    family: Mapped[str] = mapped_column(index=True)
    position: Mapped[int] = mapped_column(default=0)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    source: Mapped[str] = mapped_column(default="person")


class Job(Base):
    """A dated employment, so that an old mail goes to the company of its time."""

    __tablename__ = "job"
    id: Mapped[PrimaryId]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("company.id", ondelete="CASCADE"), index=True)
    title: Mapped[str | None]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class LifecycleChange(Base):
    """A conversion of a contact: from (None at creation), to, who and when."""

    __tablename__ = "lifecycle_change"
    id: Mapped[PrimaryId]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id", ondelete="CASCADE"), index=True)
    from_lifecycle: Mapped[str | None]
    to_lifecycle: Mapped[str]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    at: Mapped[datetime]


class NameGram(Base):
    """A key by which a record is found though its name is mistyped (``crm.names``). ``noun`` is contact, company or
    deal."""

    __tablename__ = "name_gram"
    __table_args__ = (Index("ix_name_gram_record_id_noun", "record_id", "noun"),)
    gram: Mapped[str] = mapped_column(primary_key=True)
    noun: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
