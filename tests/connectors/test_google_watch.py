"""Push from Google: started, renewed and ended over the model server; forged requests told from genuine ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.errors import StreamGone
from connectors.google import watch
from connectors.google.gmail import STREAM
from tests.connectors.google_rig import ADDRESS, Rig, drain
from tests.emulators.google import push
from tests.emulators.google.push import SENDER

AUDIENCE = "https://crm.ourco.example/hooks/google"


def test_mail_push_is_asked_for_and_tells_when_it_ends(rig: Rig) -> None:
    connector = rig.open()
    ends = watch.start_mail(connector, "projects/p/topics/gmail")
    assert ends == rig.time + timedelta(days=7)
    assert connector.usage.units == 100
    watch.stop_mail(connector)
    assert rig.box.watch is None


def test_a_calendar_channel_is_opened_beside_the_old_one_and_the_old_one_ended(rig: Rig) -> None:
    connector = rig.open()
    first = watch.start_calendar(connector, ADDRESS, AUDIENCE)
    second = watch.start_calendar(connector, ADDRESS, AUDIENCE)
    assert first.id != second.id and first.token != second.token and first.ends is not None
    watch.stop_calendar(connector, first)
    watch.stop_calendar(connector, first)  # gone already: no error
    assert list(rig.world.channels) == [second.id]


def test_a_calendar_that_cannot_push_is_a_stream_error(rig: Rig) -> None:
    with pytest.raises(StreamGone):
        watch.start_calendar(rig.open(), "nobody@ourco.example", AUDIENCE)


def test_a_genuine_push_names_the_mailbox(rig: Rig) -> None:
    certs = watch.fetch_certs(rig.settings)
    assert verify(rig, certs) == watch.MailHint(ADDRESS, "123", "1")


def test_the_header_may_be_written_in_any_case(rig: Rig) -> None:
    body = json.dumps(push.envelope(ADDRESS, 123)).encode()
    headers = {"authorization": f"bearer {push.token(rig.world, AUDIENCE)}"}
    found = watch.verify_push(headers, body, audience=AUDIENCE, email=SENDER, certs=push.certificates())
    assert found.address == ADDRESS


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://other.example"}, "bad token|wrong audience"),
        ({"iss": "https://evil.example"}, "wrong issuer"),
        ({"email": "someone@else.iam.gserviceaccount.com"}, "wrong sender"),
        ({"email_verified": False}, "wrong sender"),
        ({"exp": 1_000_000_000, "iat": 999_990_000}, "bad token"),
    ],
)
def test_a_push_with_a_wrong_claim_is_refused(rig: Rig, claims: dict[str, Any], why: str) -> None:
    with pytest.raises(watch.Forged, match=why):
        verify(rig, push.certificates(), **claims)


def test_a_push_signed_by_someone_else_is_refused(rig: Rig) -> None:
    push._key.cache_clear()
    others = push.certificates()
    push._key.cache_clear()
    with pytest.raises(watch.Forged, match="bad token"):
        verify(rig, others)


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer x.y.z", "Bearer " + "a" * 9000])
def test_a_push_without_a_usable_token_is_refused(header: str) -> None:
    with pytest.raises(watch.Forged):
        watch.verify_push({"Authorization": header}, b"{}", audience=AUDIENCE, email=SENDER, certs=push.certificates())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message": {"data": "!!"}}', b"x" * 100_000])
def test_a_push_without_a_usable_body_is_refused(rig: Rig, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {push.token(rig.world, AUDIENCE)}"}
    with pytest.raises(watch.Forged):
        watch.verify_push(headers, body, audience=AUDIENCE, email=SENDER, certs=push.certificates())


def test_the_greeting_of_a_channel_means_no_change(rig: Rig) -> None:
    hint = watch.verify_channel(channel("c1", "secret", "sync"), tokens={"c1": "secret"})
    assert not hint.means_change


@pytest.mark.parametrize("state", ["exists", "not_exists"])
def test_a_channel_message_names_its_channel(state: str) -> None:
    hint = watch.verify_channel(channel("c1", "secret", state), tokens={"c1": "secret"})
    assert hint.means_change and hint.channel_id == "c1"


@pytest.mark.parametrize(("name", "token"), [("c1", "wrong"), ("c2", "secret"), ("c1", ""), ("", "")])
def test_an_unknown_channel_or_token_is_refused(name: str, token: str) -> None:
    with pytest.raises(watch.Forged, match="unknown channel"):
        watch.verify_channel(channel(name, token, "exists"), tokens={"c1": "secret"})


def test_pushes_late_twice_out_of_order_or_never_change_nothing_about_what_is_found(rig: Rig) -> None:
    connector = rig.open()
    watch.start_mail(connector, "projects/p/topics/gmail")
    held = drain(connector, STREAM)
    for number in range(3):
        rig.deliver(number)
        rig.world.notify(ADDRESS)
    hints = [one["historyId"] for one in rig.world.notifications]
    for _ in [*reversed(hints), *hints, hints[0]]:  # a hint starts a pass and carries nothing into it
        drain(connector, STREAM, held)
    assert len(held.content) == 3 and rig.world.counts["messages.get"] == 3


def channel(name: str, token: str, state: str) -> dict[str, str]:
    held = {"id": name, "token": token, "resourceId": "r", "resourceUri": "u"}
    return push.channel_headers(held, state, 1)


def verify(rig: Rig, certs: dict[str, str], **claims: Any) -> watch.MailHint:
    body = json.dumps(push.envelope(ADDRESS, 123)).encode()
    headers = {"Authorization": f"Bearer {push.token(rig.world, AUDIENCE, **claims)}"}
    return watch.verify_push(headers, body, audience=AUDIENCE, email=SENDER, certs=certs)


@pytest.fixture
def rig() -> Iterator[Rig]:
    from datetime import UTC, datetime

    with Rig() as made:
        made.time = datetime.now(UTC).replace(microsecond=0)  # google-auth reads the wall clock
        yield made
