"""Writes outbox rows: what must follow a change, committed with it. Handling them is sync's; payloads carry ids and
addresses, never content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from crm.models import Outbox

CHUNK = 500
IDENTITY_KEYS = ("addresses", "domains", "contacts", "companies", "deals", "threads")


def emit(session: Session, event: str, payload: dict[str, Any], *, now: datetime) -> None:
    """Add one event. ``payload`` is JSON."""
    session.add(Outbox(event=event, payload=payload, created_at=now))


def identity_changed(
    session: Session,
    *,
    now: datetime,
    addresses: Iterable[str] = (),
    domains: Iterable[str] = (),
    contacts: Iterable[int] = (),
    companies: Iterable[int] = (),
    deals: Iterable[int] = (),
    threads: Iterable[int] = (),
) -> None:
    """Say that something matching reads has changed. Long lists are cut into several events, so that one event is
    bounded work."""
    given = zip(IDENTITY_KEYS, (addresses, domains, contacts, companies, deals, threads), strict=True)
    touched: dict[str, list[Any]] = {key: sorted({v for v in values if v}) for key, values in given}
    for key, values in touched.items():
        if len(values) > CHUNK:
            for chunk in _chunks(values):
                emit(session, "identity.changed", {**_EMPTY, key: chunk}, now=now)
    small = {key: values for key, values in touched.items() if 0 < len(values) <= CHUNK}
    if small:
        emit(session, "identity.changed", {**_EMPTY, **small}, now=now)


_EMPTY: dict[str, list[Any]] = {key: [] for key in IDENTITY_KEYS}


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
