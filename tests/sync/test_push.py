"""Push at Google and Microsoft: channels made, renewed and replaced; notices told from forgeries; only a nudge
follows."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from rq import Queue

from crm.database import Database
from crm.models import Stream
from sync import jobs, push, push_state
from sync.embedded import EmbeddedRedis
from tests.emulators.google import push as google_push
from tests.emulators.google.world import Fault
from tests.rig.cloud import REP, Cloud, cloud
from tests.rig.office import mail
from web.app import create_app

BASE = "https://crm.ourco.example"
BEN = "ben@ourco.example"


def test_channels_are_made_once_renewed_in_time_and_the_old_ones_ended(made: Cloud) -> None:
    account_id = ready(made)
    assert push.renew(made.office.service, account_id) == "ok"
    first = state(made, account_id)
    assert {c.about for c in first.channels} == {"mail", REP}
    assert made.gmail().mailbox.watch["topicName"] == TOPIC
    [channel] = made.google.world.channels.values()
    assert channel["address"] == f"{BASE}/hooks/google/{account_id}"
    assert channel["token"] not in json.dumps(made.office.account(account_id).memory), "its secret is kept sealed"

    made.google.world.counts.clear()
    push.renew(made.office.service, account_id)
    assert state(made, account_id).channels == first.channels
    assert not made.google.world.counts["watch"] and not made.google.world.counts["events.watch"]

    made.office.clock.advance(days=5)  # past two thirds of seven days
    push.renew(made.office.service, account_id)
    assert (made.google.world.counts["watch"], made.google.world.counts["events.watch"]) == (1, 1)
    [again] = made.google.world.channels.values()
    assert again["id"] != channel["id"], "the next one is open, the last one ended"


def test_the_scheduler_is_told_of_accounts_whose_channels_are_due(database: Database, tmp_path: Path) -> None:
    with cloud(database, tmp_path, CRM_SYNC_BASE_URL=BASE) as made:
        account_id = ready(made)
        assert due(made) == [account_id]
        push.renew(made.office.service, account_id)
        assert due(made) == []
        made.office.clock.advance(days=1)
        assert due(made) == [account_id]


def test_without_a_public_https_address_nothing_is_asked_for(sqlite_database: Database, tmp_path: Path) -> None:
    with cloud(sqlite_database, tmp_path) as plain:
        account_id = ready(plain)
        assert push.renew(plain.office.service, account_id) == "off"
        assert plain.google.world.channels == {}


def test_a_disconnected_accounts_channels_are_closed_and_one_that_cannot_be_asked_is_left(made: Cloud) -> None:
    account_id = ready(made)
    push.renew(made.office.service, account_id)
    push.end(made.office.service, account_id)
    assert made.google.world.channels == {} and made.gmail().mailbox.watch is None
    made.google.world.revoke(REP)
    made.office.clock.advance(days=1)
    push.end(made.office.service, account_id)


def test_a_calendar_that_cannot_push_is_written_down_and_polled(made: Cloud) -> None:
    account_id = ready(made)
    made.google.world.faults.append(Fault("events.watch", status=403, reason="forbidden"))
    assert push.renew(made.office.service, account_id) == "ok"
    held = state(made, account_id)
    assert {c.about for c in held.channels} == {"mail"} and "refuses" in held.cannot[REP]


def test_silence_while_polling_finds_mail_makes_the_channels_anew(made: Cloud) -> None:
    account_id = ready(made)
    push.renew(made.office.service, account_id)
    before = {c.id for c in state(made, account_id).channels}
    made.office.clock.advance(minutes=40)
    made.gmail().mailbox.deliver(mail(subject="Nobody told us"), ["INBOX"])
    made.office.sync()
    push.renew(made.office.service, account_id)
    after = state(made, account_id)
    assert "silent" in after.says and not before & {c.id for c in after.channels if c.id}


def test_a_channel_of_ours_nudges_its_account_and_a_forged_one_nobody(made: Cloud, hook: FlaskClient) -> None:
    account_id = ready(made)
    push.renew(made.office.service, account_id)
    [channel] = made.google.world.channels.values()
    path = f"/hooks/google/{account_id}"
    headers = google_push.channel_headers(channel, "exists", 2)
    for bent in ({"X-Goog-Channel-Token": "guess"}, {"X-Goog-Channel-ID": "another"}):
        assert hook.post(path, headers={**headers, **bent}).status_code == 403
    assert hook.post(path, headers=google_push.channel_headers(channel, "sync", 1)).status_code == 202
    assert not nudged(made, account_id), "a greeting says nothing of a change"
    assert hook.post(path, headers=headers).status_code == 202
    assert nudged(made, account_id)


def test_pub_sub_is_believed_with_googles_token_for_us_and_from_our_subscription_only(
    made: Cloud, hook: FlaskClient
) -> None:
    account_id = ready(made)
    world, body = made.google.world, google_push.envelope(REP, 7)
    audience = f"{BASE}/hooks/google"
    bent: list[dict[str, str]] = [
        {}, {"Authorization": "Bearer x.y.z"},
        {"Authorization": f"Bearer {signed(world, 'https://elsewhere.example')}"},
        {"Authorization": f"Bearer {signed(world, audience, email='other@model.iam.gserviceaccount.com')}"},
        {"Authorization": f"Bearer {signed(world, audience, iss='https://evil.example')}"},
    ]  # fmt: skip
    for headers in bent:
        assert hook.post("/hooks/google", json=body, headers=headers).status_code == 403
    assert not nudged(made, account_id)
    good = {"Authorization": f"Bearer {signed(world, audience)}"}
    stranger = google_push.envelope("stranger@x.example", 7)
    assert hook.post("/hooks/google", json=stranger, headers=good).status_code == 202
    assert not nudged(made, account_id)
    assert hook.post("/hooks/google", json=body, headers=good).status_code == 202
    assert nudged(made, account_id)


def test_microsoft_is_answered_its_token_as_plain_text(hook: FlaskClient) -> None:
    said = hook.post("/hooks/microsoft/1", query_string={"validationToken": "Validation: <b>ä+ok</b>"})
    assert (said.status_code, said.text, said.mimetype) == (200, "Validation: <b>ä+ok</b>", "text/plain")
    assert hook.post("/hooks/microsoft", query_string={"validationToken": "x" * 9000}).status_code == 400


def test_microsoft_notices_nudge_with_the_secret_of_their_subscription_and_are_dropped_without(
    made: Cloud, hook: FlaskClient
) -> None:
    account_id = ready(made, "microsoft")
    channels = subscribe(made, account_id)
    for path in (f"/hooks/microsoft/{account_id}", "/hooks/microsoft"):
        stale(made)
        assert hook.post(path, json=notice(channels["mail"], "guess")).status_code == 202
        assert not nudged(made, account_id)
        assert hook.post(path, json=notice(channels["mail"], SECRET)).status_code == 202
        assert nudged(made, account_id)


def test_a_lifecycle_notice_renews_or_replaces_the_subscription(made: Cloud, hook: FlaskClient) -> None:
    account_id = ready(made, "microsoft")
    channels = subscribe(made, account_id)
    sent = notice(channels["mail"], SECRET, lifecycleEvent="subscriptionRemoved")
    assert hook.post(f"/hooks/microsoft/{account_id}", json=sent).status_code == 202
    assert {c.about for c in state(made, account_id).channels} == {"calendar"} and due(made) == [account_id]
    sent = notice(channels["calendar"], SECRET, lifecycleEvent="reauthorizationRequired")
    hook.post(f"/hooks/microsoft/{account_id}", json=sent)
    [left] = state(made, account_id).channels
    assert left.due(made.office.clock())


def test_a_mailbox_that_microsoft_cannot_notify_us_of_is_polled(made: Cloud) -> None:
    from tests.emulators.microsoft.answers import Fault as Order
    from tests.emulators.microsoft.answers import error

    account_id = ready(made, "microsoft")
    made.microsoft.faults.add(Order("POST /subscriptions", error(403, "ExtensionError"), 2))
    assert push.renew(made.office.service, account_id) == "ok"
    held = state(made, account_id)
    assert held.channels == () and set(held.cannot) == {"mail", "calendar"}


def test_an_address_that_microsoft_cannot_reach_is_said_and_tried_again_later(made: Cloud) -> None:
    account_id = ready(made, "microsoft")
    assert push.renew(made.office.service, account_id) == "failed"  # crm.ourco.example answers nobody
    held = state(made, account_id)
    assert "CRM_SYNC_BASE_URL" in held.says and due(made) == []
    made.office.clock.advance(minutes=61)
    assert due(made) == [account_id]


@pytest.mark.needs_redis
def test_with_a_queue_a_storm_of_notices_is_one_job_and_a_lifecycle_notice_renews_first(
    made: Cloud, hook: FlaskClient, tmp_path: Path
) -> None:
    account_id = ready(made, "microsoft")
    channels = subscribe(made, account_id)
    with EmbeddedRedis(tmp_path) as embedded:
        service = made.office.service
        service.settings = dataclasses.replace(service.settings, redis_url=embedded.url)
        for _ in range(5):
            hook.post(f"/hooks/microsoft/{account_id}", json=notice(channels["mail"], SECRET))
        assert jobs_waiting(made) == [f"sync-{account_id}"] and not nudged(made, account_id)
        sent = notice(channels["mail"], SECRET, lifecycleEvent="reauthorizationRequired")
        hook.post(f"/hooks/microsoft/{account_id}", json=sent)
        assert jobs_waiting(made) == [f"sync-{account_id}", f"push-{account_id}"]
    assert hook.post(f"/hooks/microsoft/{account_id}", json=notice(channels["mail"], SECRET)).status_code == 202
    assert nudged(made, account_id), "where the queue is away, the next tick takes it"


TOPIC = "projects/model/topics/gmail"
SECRET = "a secret of the subscription"


def ready(made: Cloud, provider: str = "google") -> int:
    """A level account."""
    account_id = made.add_google() if provider == "google" else made.add_microsoft(BEN, owner=BEN)
    made.office.sync()
    return account_id


def jobs_waiting(made: Cloud) -> list[str]:
    redis = jobs.connect(made.office.service)
    found = Queue(jobs.LIVE, connection=redis).job_ids
    redis.close()
    return list(found)


def state(made: Cloud, account_id: int) -> push_state.Push:
    return push_state.read(made.office.account(account_id))


def due(made: Cloud) -> list[int]:
    with made.office.service.db.reading() as session:
        return push_state.due(session, made.office.clock())


def signed(world: Any, audience: str, **claims: Any) -> str:
    """A token of now: the library that checks it reads the real clock."""
    now = int(time.time())
    return google_push.token(world, audience, **{"iat": now, "exp": now + 3600, **claims})


def stale(made: Cloud) -> None:
    """As after a pass a moment ago."""
    with made.office.service.db.transaction() as session:
        for row in session.query(Stream):
            row.last_attempt_at = made.office.clock()


def nudged(made: Cloud, account_id: int) -> bool:
    """Whether the account is due at once."""
    return all(s.last_attempt_at is None for s in made.office.rows(Stream) if s.account_id == account_id)


def subscribe(made: Cloud, account_id: int) -> dict[str, str]:
    """Two live subscriptions, as ``renew`` keeps them (the model cannot reach an address on the internet to validate
    it)."""
    service, now = made.office.service, made.office.clock()
    sealed = service.vault.seal(SECRET, context=push_state.secret_context(account_id))
    later = push_state.stamp(now.replace(year=now.year + 1))
    held = tuple(
        push_state.Channel(kind, f"id-{kind}", "", sealed, push_state.stamp(now), later, later)
        for kind in ("mail", "calendar")
    )
    with service.db.transaction() as session:
        push_state.write(session, account_id, push_state.Push(held, next_at=later))
    return {c.about: c.id for c in held}


def notice(subscription: str, secret: str, **more: Any) -> dict[str, Any]:
    return {"value": [{"subscriptionId": subscription, "clientState": secret, "changeType": "created",
                       "resource": "Users/x/messages/y", "tenantId": "t", **more}]}  # fmt: skip


@pytest.fixture
def made(sqlite_database: Database, tmp_path: Path) -> Iterator[Cloud]:
    more = {
        "CRM_SYNC_BASE_URL": BASE, "CRM_SYNC_GOOGLE_PUBSUB_TOPIC": TOPIC,
        "CRM_SYNC_GOOGLE_PUSH_EMAIL": google_push.SENDER,
    }  # fmt: skip
    with cloud(sqlite_database, tmp_path, **more) as found:
        yield found


@pytest.fixture
def hook(made: Cloud) -> FlaskClient:
    app = create_app(made.office.service)
    app.testing = True
    return app.test_client()


