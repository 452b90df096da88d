"""One blueprint per noun. ``ALL`` is what the app factory registers; ``UPLOADS`` the endpoints that take more than a form."""

from __future__ import annotations

from flask import Blueprint

from web.views import audit, auth, help, home, me, ops, people, search, settings

ALL: tuple[Blueprint, ...] = (
    auth.blueprint, home.blueprint, people.blueprint, settings.blueprint, audit.blueprint, me.blueprint, help.blueprint,
    ops.blueprint, search.blueprint,
)  # fmt: skip

UPLOADS: dict[str, int] = {}
