"""Forms on a website that make leads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from crm.models.declarative import Base, PrimaryId


class LeadForm(Base):
    """A form of ours on a website. ``key`` is its public address. ``people`` are the user ids whose turn it is one
    after the other, ``turn`` how many leads have been given out. With ``task_title`` each new lead gets a task, due
    ``task_days`` days later."""

    __tablename__ = "lead_form"
    id: Mapped[PrimaryId]
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    source: Mapped[str] = mapped_column(default="website")
    people: Mapped[list[Any]] = mapped_column(default=list)
    turn: Mapped[int] = mapped_column(default=0)
    task_title: Mapped[str] = mapped_column(default="")
    task_days: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
