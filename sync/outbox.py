"""Handles outbox rows: what must follow a committed change. At least once; a row is marked only when its work is
committed.

``HANDLERS`` is the whole table of events. A handler that fails is tried again with the others unharmed, and shown in
health."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update

from crm import outbox, sharing
from crm.models import Outbox
from sync import creation, followups, forget, rematch
from sync.chunks import chunks
from sync.service import Service
from sync.traces import where

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
REST = 2_000
REREAD_ALL = frozenset(
    {"internal_domains", "link_threshold", "suggest_threshold", "review_after", "shared_domains", "dropbox_address"}
)


def drain(service: Service, *, limit: int = 500, seconds: float = 3600.0) -> int:
    """Handle waiting rows, oldest first, within bounds, and do what follows from them (``sync.followups``). Returns how
    many were handled."""
    over = service.deadline(seconds)
    handled = _drain(service, limit, over)
    if handled and not service.stopping.is_set():
        try:
            followups.run(service)
        except Exception as error:  # noqa: BLE001 - the rows are handled; the chores of the minute try this again
            log.error("followups: %s", where(error))
    return handled


def _drain(service: Service, limit: int, over: Callable[[], bool]) -> int:
    handled = 0
    while handled < limit and not over() and not service.stopping.is_set():
        with service.db.reading() as session:
            query = (
                select(Outbox.id, Outbox.event, Outbox.payload)
                .where(hopeful())
                .order_by(Outbox.id)
                .limit(min(100, limit))
            )
            rows = [(i, event, payload) for i, event, payload in session.execute(query)]
        if not rows:
            return handled
        handled += _handle(service, rows, over)
    return handled


def waiting(service: Service) -> int:
    """Rows that will be tried."""
    with service.db.reading() as session:
        return session.scalar(select(func.count()).where(hopeful())) or 0


def hopeful() -> ColumnElement[bool]:
    """Condition on ``Outbox``: not handled, and worth another try. The others wait for a person, who sees them in
    ``doctor``."""
    return and_(Outbox.handled_at.is_(None), Outbox.attempts < MAX_ATTEMPTS)


def _handle(service: Service, rows: list[tuple[int, str, dict[str, Any]]], over: Callable[[], bool]) -> int:
    """Identity changes are joined, so that an import of a thousand rows decides each thread once."""
    identity = [row for row in rows if row[1] == "identity.changed"]
    rest = [row for row in rows if row[1] != "identity.changed"]
    done = 0
    if identity:
        done += _try(service, identity, partial(_identity, service, [payload for _, _, payload in identity], over))
    for row in rest:
        handler = HANDLERS.get(row[1], _nothing)
        done += _try(service, [row], partial(handler, service, row[2], over))
    return done


def _try(service: Service, rows: list[tuple[int, str, dict[str, Any]]], work: Callable[[], bool]) -> int:
    ids = [row[0] for row in rows]
    try:
        if not work():
            return 0
    except Exception as error:  # noqa: BLE001 - one bad event never stops the others; it is logged and shown
        log.error("outbox rows %s: %s", ids, where(error))
        with service.db.transaction() as session:
            values = {"attempts": Outbox.attempts + 1, "error": f"{type(error).__name__}"}
            session.execute(update(Outbox).where(Outbox.id.in_(ids)).values(values))
        return 0
    with service.db.transaction() as session:
        session.execute(update(Outbox).where(Outbox.id.in_(ids)).values(handled_at=service.now()))
    return len(ids)


def _identity(service: Service, payloads: list[dict[str, Any]], over: Callable[[], bool]) -> bool:
    """Rematch what a change of identity can touch."""
    with service.db.transaction() as session:
        scope = rematch.scope_of(session, rematch.Touched.of(payloads))
    return _decide(service, scope, over)


def _decide(service: Service, scope: rematch.Scope, over: Callable[[], bool]) -> bool:
    """Decide these groups again. What time did not suffice for becomes rows of its own, so that a log of any size is
    got through; False when there was not even time to begin."""
    _, rest = rematch.run(service, scope, over=over)
    if rest == scope and (rest.threads or rest.series):
        return False
    with service.db.transaction() as session:
        for threads in chunks(sorted(rest.threads, reverse=True), REST):
            outbox.emit(session, "rematch.rest", {"threads": threads}, now=service.now())
        for series in chunks(sorted(rest.series), REST):
            outbox.emit(session, "rematch.rest", {"series": series}, now=service.now())
    return True


def _rest(service: Service, payload: dict[str, Any], over: Callable[[], bool]) -> bool:
    scope = rematch.Scope(set(payload.get("threads", ())), set(payload.get("series", ())))
    return _decide(service, scope, over)


def _setting(service: Service, payload: dict[str, Any], over: Callable[[], bool]) -> bool:
    if payload["name"] == "never_log":
        forget.apply_never_log(service, shortened=bool(set(payload.get("from") or ()) - set(payload.get("to") or ())))
    if payload["name"] in ("loosest_sharing", "protected_recipients"):
        with service.db.transaction() as session:
            sharing.refresh_all(session)
    if payload["name"] in REREAD_ALL or payload["name"] == "never_log":
        with service.db.transaction() as session:
            scope = rematch.everything(session)
        return _decide(service, scope, over)
    return True


def _nothing(service: Service, payload: dict[str, Any], over: Callable[[], bool]) -> bool:
    """An event nobody has asked for."""
    return True


def _stored(service: Service, payload: dict[str, Any], over: Callable[[], bool]) -> bool:
    creation.consider(service, payload["ids"])
    return True


HANDLERS: dict[str, Callable[[Service, dict[str, Any], Callable[[], bool]], bool]] = {
    "settings.changed": _setting,
    "communication.stored": _stored,
    "rematch.rest": _rest,
}
