"""The template's view of ``words``: the same functions with the viewer's zone and the request's moment filled in."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, g, url_for
from markupsafe import Markup

from web import door, words

plural = words.count


def zone() -> ZoneInfo:
    """The viewer's zone, UTC before anyone is signed in."""
    return words.zone(g.person.zone) if g.get("person") else words.zone("UTC")


def day(moment: datetime | None) -> Markup:
    """A moment as a person says it, in a ``<time>``."""
    return words.stamp(moment, words.day(moment, door.now(), zone()), zone()) if moment else Markup("")


def when(moment: datetime | None) -> Markup:
    """A moment in full."""
    return words.stamp(moment, words.full(moment, zone()), zone()) if moment else Markup("")


def ago_stamp(moment: datetime | None) -> Markup:
    """The distance to now: "2 h", or "in 2 h" for what lies ahead."""
    if moment is None:
        return Markup("")
    ahead = "in " if moment > door.now() else ""
    return words.stamp(moment, ahead + words.ago(moment, door.now()), zone())


def since(moment: datetime | None) -> Markup:
    """How long ago, in words of a person: "2 h ago", "yesterday 10:14", "3 Mar"."""
    if moment is None:
        return Markup("")
    recent = door.now() - moment < timedelta(hours=12) and moment <= door.now()
    text = f"{words.ago(moment, door.now())} ago" if recent else words.day(moment, door.now(), zone())
    return words.stamp(moment, text, zone())


def date_(value: date | datetime | None) -> str:
    """A calendar day: "4 Mar"."""
    if value is None:
        return ""
    day_ = value.astimezone(zone()).date() if isinstance(value, datetime) else value
    return words.short_date(day_, today())


def utcdate(moment: datetime | None) -> str:
    """The date of an all-day moment, which is kept at midnight UTC and means that day everywhere."""
    return words.short_date(moment.date(), today()) if moment else ""


def month(moment: datetime) -> str:
    """ "March 2026"."""
    return words.month(moment, zone())


def today() -> date:
    """The viewer's day."""
    return door.now().astimezone(zone()).date()


def target_url(kind: str, record_id: int) -> str:
    """The page of a contact, company or deal."""
    noun = {"contact": "contacts", "company": "companies", "deal": "deals"}[kind]
    values: dict[str, Any] = {f"{kind}_id": record_id}
    return url_for(f"{noun}.page", **values)


def on_pair(target: Any) -> str:
    """A record as ``on=contact:3`` names it."""
    return f"{target.kind}:{target.id}"


def install(app: Flask) -> None:
    """Register all filters."""
    app.jinja_env.filters.update(
        day=day, since=since, when=when, ago_stamp=ago_stamp, date=date_, utcdate=utcdate, month=month,
        number=words.number, money=words.money,
        on_pair=on_pair, size=words.size, span=words.span, percent=words.percent,
    )  # fmt: skip
    app.jinja_env.globals.update(today=today, now=door.now, target_url=target_url)
