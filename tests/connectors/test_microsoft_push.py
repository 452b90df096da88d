"""Subscriptions on the model server, which validates our hook and calls it back as Graph does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.errors import OperatorFault
from connectors.microsoft.subscriptions import (
    Hint,
    Subscription,
    Subscriptions,
    new_client_state,
    read_notifications,
    validation_answer,
)
from tests.connectors.contract import mail
from tests.connectors.microsoft_account import NOON, Account, Copy, accounts


def test_a_subscription_asks_for_immutable_ids_and_says_where_lifecycle_notices_go(
    account: Account, hook: Hook
) -> None:
    made = _subscribe(account, hook)
    [held] = account.server.notices.held.values()
    assert held.body["_immutable"] is True
    assert held.body["lifecycleNotificationUrl"] == hook.url and held.body["clientState"] == hook.state
    assert (made.id, made.kind) == (held.body["id"], "mail")


def test_renewal_is_due_at_two_thirds_of_the_life_read_back_not_of_the_one_asked_for(
    account: Account, hook: Hook
) -> None:
    account.server.notices.cap_minutes = 60
    made = _subscribe(account, hook)
    assert made.expires - NOON == timedelta(minutes=60)
    assert made.renew_at - NOON == timedelta(minutes=40)
    account.clock.time = made.renew_at
    renewed = Subscriptions(account.context()).renew(made)
    assert renewed is not None and renewed.expires - account.clock.time == timedelta(minutes=60)


def test_a_subscription_that_is_gone_is_made_anew_and_deleting_it_twice_is_fine(account: Account, hook: Hook) -> None:
    made = _subscribe(account, hook)
    client = Subscriptions(account.context())
    client.delete(made)
    client.delete(made)
    assert client.renew(made) is None and client.reauthorize(made) is None
    client.close()


def test_a_hook_that_microsoft_cannot_reach_is_the_operators_fault(account: Account) -> None:
    with pytest.raises(OperatorFault) as caught:
        Subscriptions(account.context()).create(
            "mail", notification_url="http://127.0.0.1:9/", lifecycle_url="http://127.0.0.1:9/", client_state="s"
        )
    assert "CRM_SYNC_BASE_URL" in str(caught.value)


def test_a_delivery_calls_the_hook_which_finds_out_whose_mailbox_to_sync(account: Account, hook: Hook) -> None:
    made = _subscribe(account, hook)
    copy = Copy(account, account.folder()).sync()
    one = account.box.deliver("inbox", mail(1))
    assert set(account.server.notices.deliver(times=3)) == {202}
    hints = [read_notifications(body, {made.id: hook.state}.get).hints for body in hook.bodies]
    assert hints == [{made.id: frozenset({Hint.CHANGED})}] * 3
    assert copy.sync().ids == {one.id}


def test_calendars_are_watched_by_their_own_subscription(account: Account, hook: Hook) -> None:
    made = Subscriptions(account.context()).create(
        "calendar", notification_url=hook.url, lifecycle_url=hook.url, client_state=hook.state
    )
    account.box.deliver("inbox", mail(1))
    assert account.server.notices.deliver() == []
    account.agenda.add(NOON, NOON + timedelta(hours=1))
    assert account.server.notices.deliver() == [202]
    assert read_notifications(hook.bodies[-1], {made.id: hook.state}.get).hints == {made.id: frozenset({Hint.CHANGED})}


@pytest.mark.parametrize(
    ("happened", "hint"),
    [("reauthorizationRequired", Hint.REAUTHORIZE), ("missed", Hint.MISSED), ("subscriptionRemoved", Hint.RECREATE)],
)
def test_lifecycle_notices_reach_the_hook(account: Account, hook: Hook, happened: str, hint: Hint) -> None:
    made = _subscribe(account, hook)
    account.server.notices.lifecycle(made.id, happened)
    account.server.notices.deliver()
    assert read_notifications(hook.bodies[-1], {made.id: hook.state}.get).hints == {made.id: frozenset({hint})}
    again = Subscriptions(account.context()).reauthorize(made)
    assert (again is None) is (hint is Hint.RECREATE)


def test_app_only_subscriptions_name_the_mailbox(account: Account, hook: Hook) -> None:
    account.config["app_only"] = True
    account.secret = ""
    _subscribe(account, hook)
    [held] = account.server.notices.held.values()
    assert held.body["resource"] == f"users/{account.address}/messages"


def test_client_states_are_long_different_and_within_what_graph_takes() -> None:
    first, second = new_client_state(), new_client_state()
    assert first != second and 40 <= len(first) <= 128


class Hook:
    """An HTTP server that answers as ``/hooks/microsoft`` does."""

    def __init__(self) -> None:
        self.state = new_client_state()
        self.bodies: list[bytes] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = parse_qs(urlsplit(self.path).query).get("validationToken")
                if not asked:
                    hook.bodies.append(body)
                data = validation_answer(asked[0]).encode() if asked else b""
                self.send_response(200 if asked else 202)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hooks/microsoft"


def _subscribe(account: Account, hook: Hook) -> Subscription:
    client = Subscriptions(account.context())
    made = client.create("mail", notification_url=hook.url, lifecycle_url=hook.url, client_state=hook.state)
    client.close()
    return made


@pytest.fixture
def account() -> Iterator[Account]:
    yield from accounts()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.http.shutdown()
    made.http.server_close()
