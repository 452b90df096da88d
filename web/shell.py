"""What stands around every page: the menu with its counts, and the sync's health in the corner. A constant number of
statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import g, request, url_for

from crm import badges
from sync import health
from sync.health import Corner
from web import door


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the menu."""

    label: str
    href: str
    here: bool
    key: str = ""
    count: int = 0
    hot: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The menu and the corner."""

    items: list[Item]
    corner: Corner


MENU = (
    ("Today", "home.page", "home", "g h"),
    ("Log", "log.page", "log", "g l"),
    ("Review", "review.page", "review", "g r"),
    ("Pipeline", "pipeline.page", "pipeline", "g p"),
    ("Tasks", "tasks.listing", "tasks", "g t"),
    ("Notices", "notices.listing", "notices", "g n"),
    ("Contacts", "contacts.listing", "contacts", "g c"),
    ("Companies", "companies.listing", "companies", "g o"),
    ("Reports", "reports.listing", "reports", "g e"),
    ("Accounts", "accounts.listing", "accounts", "g a"),
)
PARTS = {"pipeline": ("deals", "stages", "currencies"), "tasks": ("automation",), "contacts": ("segments",)}
"""Blueprints whose pages belong to another one's entry."""
ADMIN = (
    ("People", "people.listing", "people", ""),
    ("Fields", "fields.page", "fields", ""),
    ("Website forms", "lead_forms.listing", "lead_forms", ""),
    ("Settings", "settings.page", "settings", "g s"),
    ("Audit", "audit.page", "audit", ""),
)


def facts() -> Facts:
    """Read the counts and build the menu for who is signed in, once a request."""
    if "shell" not in g:
        g.shell = _read()
    return cast(Facts, g.shell)


def _read() -> Facts:
    with door.reading() as session:
        found = badges.of(session, door.viewer(), now=door.now(), zone=door.me().zone)
        corner = health.corner(session, door.viewer(), door.now())
    counts = {"review": (found.review, False), "tasks": (found.tasks, True), "notices": (found.notices, True)}
    entries = (*MENU, *(ADMIN if door.me().admin else ()))
    items = [
        Item(label, url_for(endpoint), _here(noun), key, *counts.get(noun, (0, False)))
        for label, endpoint, noun, key in entries
    ]
    return Facts(items, corner)


def _here(noun: str) -> bool:
    """Whether the page belongs to that entry."""
    return request.blueprint in (noun, *PARTS.get(noun, ()))
