"""Push channels made, renewed and ended for Google and Microsoft accounts, and the nudge that a notice leads to.

A channel is a convenience: polling runs underneath, a channel that can't be had is written down with its reason, and
one
that stays silent while polling finds new mail is made anew. No session is open while a provider talks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select, update

from connectors.errors import ConnectorError, StreamGone
from connectors.google import watch
from connectors.google.connector import GoogleConnector
from connectors.microsoft.subscriptions import Subscription, Subscriptions, new_client_state
from crm.models import Account, Stream
from sync import push_state
from sync.contexts import MAIN, Part, context_of, open_part
from sync.limits import Limits
from sync.pull import is_on
from sync.push_state import Channel, Push, secret_context, stamp
from sync.service import Service

log = logging.getLogger(__name__)

MAIL_DAILY = timedelta(days=1)
"""Google advises to call users.watch once a day; it ends after seven."""
UNKNOWN_LIFE = timedelta(days=1)
AGAIN = timedelta(hours=1)
HASTE = 2.0
"""Seconds a hook waits for the queue."""


def renew(service: Service, account_id: int) -> str:
    """Make what is missing, renew what is due, replace what stays silent. Returns a word for the log: off, ok or
    failed."""
    if not push_state.possible(service):
        return "off"
    now = service.now()
    with service.db.reading() as session:
        account = session.get_one(Account, account_id)
        push = push_state.read(account)
        shown = select(Stream).where(Stream.account_id == account_id, Stream.missing_since.is_(None))
        rows = list(session.scalars(shown))
        calendars = [r.remote_id for r in rows if r.kind == "calendar" and is_on(account, r)]
        silent = push_state.is_silent(session, account_id, push, now)
    if silent:
        push = replace(push, says="Push stayed silent while new items came; its channels were made anew.")
        log.warning("account %s: push stayed silent", account_id)
    word = "ok"
    try:
        kept = (_google if account.provider == "google" else _microsoft)(service, account, push, calendars, silent)
    except ConnectorError as error:
        kept, word = replace(push, says=str(error), next_at=stamp(now + AGAIN)), "failed"
    else:
        kept = push_state.after(kept, now)
    with service.db.transaction() as session:
        heard_at = push_state.read(session.get_one(Account, account_id)).heard_at
        push_state.write(session, account_id, replace(kept, heard_at=max(heard_at, kept.heard_at)))
    return word


def end(service: Service, account_id: int) -> None:
    """Close an account's channels before it is disconnected. What cannot be closed ends by itself within a week, and is
    told nothing meanwhile."""
    with service.db.reading() as session:
        account = session.get(Account, account_id)
        push = push_state.read(account) if account is not None and account.provider in push_state.PROVIDERS else Push()
    if account is None or not push.channels:
        return
    try:
        (_end_google if account.provider == "google" else _end_microsoft)(service, account, push)
    except ConnectorError as error:
        log.info("account %s: its push channels end by themselves (%s)", account_id, error.code)


def _end_google(service: Service, account: Account, push: Push) -> None:
    connector = open_part(service, account, Part(MAIN, "google"), Limits(service.sleep))
    assert isinstance(connector, GoogleConnector)
    try:
        for channel in push.channels:
            if channel.id:
                watch.stop_calendar(connector, watch.Channel(channel.id, channel.resource, "", None))
            else:
                watch.stop_mail(connector)
    finally:
        connector.close()


def _end_microsoft(service: Service, account: Account, push: Push) -> None:
    talk = Subscriptions(context_of(service, account, Part(MAIN, "microsoft"), Limits(service.sleep)))
    try:
        for channel in push.channels:
            talk.delete(Subscription(channel.id, channel.about, service.now(), service.now()))
    finally:
        talk.close()


def address(service: Service, account: Account) -> str:
    """Where the provider posts: the account is named, so that a hook looks at one row."""
    return f"{service.settings.base_url}/hooks/{account.provider}/{account.id}"


# --- Google


def _google(service: Service, account: Account, push: Push, calendars: list[str], silent: bool) -> Push:
    connector = open_part(service, account, Part(MAIN, "google"), Limits(service.sleep))
    assert isinstance(connector, GoogleConnector)
    kept: dict[str, Channel] = {c.about: c for c in push.channels if c.about in ("mail", *calendars)}
    cannot: dict[str, str] = {}
    try:
        topic = service.settings.google_pubsub_topic
        if topic:
            _each(kept, cannot, "mail", silent, service.now(), lambda old: _mail(service, connector, topic, old))
        for calendar in calendars:
            _each(
                kept, cannot, calendar, silent, service.now(),
                lambda old, about=calendar: _calendar(service, account, connector, about, old),  # type: ignore[misc]
            )  # fmt: skip
        for gone in [c for c in push.channels if c.about not in kept and c.id]:
            watch.stop_calendar(connector, watch.Channel(gone.id, gone.resource, "", None))
    finally:
        connector.close()
    return replace(push, channels=tuple(kept.values()), cannot=cannot)


def _each(
    kept: dict[str, Channel], cannot: dict[str, str], about: str, silent: bool, now: datetime,
    make: Callable[[Channel | None], Channel],
) -> None:  # fmt: skip
    """One thing's channel: left alone while it is good, else made; a refusal is written down and polled."""
    old = kept.get(about)
    if old is not None and not silent and not old.due(now):
        return
    try:
        kept[about] = make(old)
    except StreamGone as error:
        kept.pop(about, None)
        cannot[about] = str(error)


def _mail(service: Service, connector: GoogleConnector, topic: str, old: Channel | None) -> Channel:
    now = service.now()
    ends = watch.start_mail(connector, topic) or now + UNKNOWN_LIFE
    made = old.made_at if old else stamp(now)
    return Channel("mail", made_at=made, renew_at=stamp(min(now + MAIL_DAILY, ends)), ends=stamp(ends))


def _calendar(
    service: Service, account: Account, connector: GoogleConnector, about: str, old: Channel | None
) -> Channel:
    """The next channel before the last one ends: there is no renewal."""
    now = service.now()
    made = watch.start_calendar(connector, about, address(service, account))
    if old is not None and old.id:
        watch.stop_calendar(connector, watch.Channel(old.id, old.resource, "", None))
    ends = made.ends or now + UNKNOWN_LIFE
    secret = service.vault.seal(made.token, context=secret_context(account.id))
    return Channel(about, made.id, made.resource_id, secret, stamp(now), stamp(now + (ends - now) * 2 / 3), stamp(ends))


# --- Microsoft


def _microsoft(service: Service, account: Account, push: Push, calendars: list[str], silent: bool) -> Push:
    wanted = ("mail", "calendar") if calendars else ("mail",)
    talk = Subscriptions(context_of(service, account, Part(MAIN, "microsoft"), Limits(service.sleep)))
    kept: dict[str, Channel] = {c.about: c for c in push.channels if c.about in wanted}
    cannot: dict[str, str] = {}
    try:
        for kind in wanted:
            _each(
                kept, cannot, kind, silent, service.now(),
                lambda old, about=kind: _subscription(service, account, talk, about, None if silent else old),  # type: ignore[misc]
            )  # fmt: skip
        for gone in push.channels:
            if gone.id and gone.id not in {c.id for c in kept.values()}:
                talk.delete(Subscription(gone.id, gone.about, service.now(), service.now()))
    finally:
        talk.close()
    return replace(push, channels=tuple(kept.values()), cannot=cannot)


def _subscription(service: Service, account: Account, talk: Subscriptions, kind: str, old: Channel | None) -> Channel:
    """Prolonged, or made anew where it is no more."""
    now = service.now()
    if old is not None and (again := talk.renew(Subscription(old.id, kind, now, now))) is not None:
        return replace(old, renew_at=stamp(again.renew_at), ends=stamp(again.expires))
    secret, url = new_client_state(), address(service, account)
    made = talk.create(kind, notification_url=url, lifecycle_url=url, client_state=secret)
    sealed = service.vault.seal(secret, context=secret_context(account.id))
    return Channel(kind, made.id, "", sealed, stamp(now), stamp(made.renew_at), stamp(made.expires))


# --- the nudge


def nudge(service: Service, account_ids: list[int], *, renewing: bool = False) -> None:
    """Have these accounts synced soon: a job where the queue can be reached, else due at the scheduler's next tick.
    ``renewing``: their channels first."""
    from sync import jobs  # jobs calls renew: the two know each other at run time only

    try:
        queue = _queue(service)
        if queue is not None:
            for account_id in account_ids:
                if renewing:
                    jobs.enqueue(queue, jobs.LIVE, jobs.renew_push, account_id, key=f"push-{account_id}")
                jobs.enqueue(queue, jobs.LIVE, jobs.sync_account, account_id, key=f"sync-{account_id}")
            queue.close()
            return
    except RedisError as error:
        log.warning("a push notice could not be queued (%s); the next tick takes it", type(error).__name__)
    _mark_due(service, account_ids, renewing)


def _queue(service: Service) -> Redis | None:
    """The queue's Redis, for a caller who answers at once: one that hangs is given up soon."""
    url = service.settings.redis_url
    return Redis.from_url(url, socket_timeout=HASTE, socket_connect_timeout=HASTE) if url else None


def _mark_due(service: Service, account_ids: list[int], renewing: bool) -> None:
    with service.db.transaction() as session:
        session.execute(update(Stream).where(Stream.account_id.in_(account_ids)).values(last_attempt_at=None))
        for account_id in account_ids if renewing else ():
            push = push_state.read(session.get_one(Account, account_id))
            push_state.write(session, account_id, replace(push, next_at=""))
