"""One blueprint per noun. ``ALL`` is what the app factory registers; ``UPLOADS`` the endpoints that take more than a
form."""

from __future__ import annotations

from flask import Blueprint

from web.api import routes as api
from web.views import (
    accounts,
    audit,
    auth,
    automation,
    capture,
    cleaning,
    companies,
    connecting,
    contacts,
    currencies,
    deal_people,
    deals,
    deciding,
    feed,
    fields,
    files,
    goals,
    google,
    help,
    home,
    hooks,
    importing,
    items,
    lead_forms,
    log,
    mailing,
    me,
    microsoft,
    moves,
    notices,
    offers,
    ops,
    people,
    pins,
    pipeline,
    quality,
    records,
    reports,
    review,
    rules,
    search,
    segments,
    settings,
    stages,
    task_bulk,
    task_work,
    tasks,
    writing,
)

MODULES = (
    auth, home, log, items, review, deciding, contacts, companies, deals, pipeline, stages, currencies,
    tasks, automation, capture, lead_forms, notices, mailing, writing, importing, accounts,
    connecting, google, microsoft, hooks, people,
    files, fields, pins, offers, segments,
    rules, quality, reports, goals, cleaning, settings, audit, me, feed, help, search, api, ops,
)  # fmt: skip

ALL: tuple[Blueprint, ...] = tuple(module.blueprint for module in MODULES)
PAGES = records, moves, deal_people, task_bulk, task_work
"""Add the record pages to the blueprints of contacts, companies and deals, and what is done to deals."""

UPLOADS: dict[str, int] = {"importing.preview": 10_000_000, "importing.run": 20_000_000, "hooks.microsoft": 1_000_000,
                           "files.new": 11_000_000}
