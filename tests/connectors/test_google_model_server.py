"""The model server itself: it cannot drift from the API, speaks TLS, runs as its own process; and our transport."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from connectors.errors import BadItem, TryLater
from connectors.google import batch, calendar, gmail, history, http, listing
from connectors.google.gmail import STREAM
from connectors.google.http import Transport
from connectors.types import Stream, StreamKind
from tests.connectors.google_rig import ADDRESS, Held, Rig, drain, mail
from tests.emulators.google import partial, schemas


class Killed(BaseException):
    """A worker's sudden end."""


def test_an_answer_with_a_field_the_api_does_not_have_is_refused() -> None:
    schemas.check("gmail", "Profile", {"emailAddress": "a@b", "historyId": "1"})
    with pytest.raises(schemas.Drift, match="colour"):
        schemas.check("gmail", "Profile", {"colour": "blue"})
    with pytest.raises(schemas.Drift):
        schemas.check("gmail", "Profile", {"historyId": 1})
    with pytest.raises(schemas.Drift):
        schemas.check("gmail", "Message", {"payload": {"parts": [{"body": {"bytes": "x"}}]}})


def test_field_masks_work_as_googles() -> None:
    value = {"a": 1, "b": [{"c": 2, "d": 3}], "e": {"f": {"g": 4}, "h": 5}, "i": 6}
    assert partial.apply(partial.parse("a,b(c),e/f/g"), value) == {"a": 1, "b": [{"c": 2}], "e": {"f": {"g": 4}}}


def test_it_runs_as_a_process_of_its_own_under_control() -> None:
    command = [sys.executable, "-m", "tests.emulators.google", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            control(told["url"], "user", address=ADDRESS)
            made = control(told["url"], "deliver", address=ADDRESS, text=mail(1).decode(), labels=["INBOX", "Deals"])
            assert set(made) == {"id", "thread"}
            control(told["url"], "event", address=ADDRESS, event={"start": {"date": "2026-01-01"}})
            assert control(told["url"], "stats")["refused"] == 0
        finally:
            process.terminate()


def test_over_tls_with_a_private_authority_that_the_settings_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key, bundle = (str(tmp_path / name) for name in ("chain.pem", "key.pem", "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(bundle)
    with Rig(tls=(chain, key)) as rig:
        rig.deliver(1)
        with pytest.raises(TryLater) as caught:
            rig.open()
        assert caught.value.code == "tls"
        rig.settings["ca_bundle"] = bundle
        assert len(drain(rig.open(), STREAM).content) == 1


def test_an_answer_beyond_the_limit_is_not_read_to_its_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 10)
    with pytest.raises(BadItem) as caught:
        Transport(rig.settings).request(f"{rig.server.url}/oauth2/v1/certs")
    assert caught.value.code == "too_large"


def test_a_server_that_is_not_there_is_tried_later(rig: Rig) -> None:
    with pytest.raises(TryLater) as caught:
        Transport({}).request("http://127.0.0.1:9/")
    assert caught.value.code == "unreachable"


def test_a_redirect_is_not_followed_with_the_token(rig: Rig) -> None:
    seen: list[str] = []
    transport = Transport(rig.settings, lambda force: seen.append("token") or "secret")  # type: ignore[func-returns-value]
    url = f"{rig.server.url}/o/oauth2/v2/auth"
    body = "request=redirect_uri%3Dhttp%3A%2F%2F127.0.0.1%3A9&answer=deny"
    status, _ = transport.request(url, method="POST", body=body)
    assert status.status == 302 and seen == ["token"]


def test_a_service_without_batches_is_asked_mail_by_mail(rig: Rig) -> None:
    for number in range(7):
        rig.deliver(number)
    rig.fault("batch", status=404, reason="notFound", times=99)
    assert len(drain(rig.open(), STREAM).content) == 7
    assert rig.world.counts["messages.get"] == 7


def test_a_service_without_label_names_shows_ids(rig: Rig) -> None:
    one = rig.deliver(1)
    rig.fault("labels.list", status=404, reason="notFound", times=99)
    assert drain(rig.open(), STREAM).labels[one] == ("INBOX", "UNREAD")


def test_a_mailbox_of_drafts_alone_is_told_apart(rig: Rig) -> None:
    draft = rig.deliver(1, labels=["DRAFT"])
    assert drain(rig.open(), STREAM).skipped == {draft: "draft"}


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("form", ["<response-x + {n}>", "<response-x+{n}>", ""])
def test_batch_answers_of_any_usual_make_are_read(newline: str, form: str) -> None:
    parts = []
    for n, status in enumerate((200, 404)):
        head = ["--b", "Content-Type: application/http", *([f"Content-ID: {form.format(n=n)}"] if form else []), ""]
        parts += [*head, f"HTTP/1.1 {status} X", "Content-Type: application/json", "", json.dumps({"n": n})]
    body = newline.join([*parts, "--b--", ""]).encode()
    found = batch.parse("multipart/mixed; boundary=b", body, 2)
    assert {n: (status, json.loads(content)) for n, (status, _, content) in found.items()} == {
        0: (200, {"n": 0}), 1: (404, {"n": 1}),
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), [("text/html", b"<html>"), ("multipart/mixed; boundary=b", b"--b\r\nx")])
def test_a_batch_answer_that_is_none_has_no_parts(kind: str, body: bytes) -> None:
    assert batch.parse(kind, body, 3) == {}


@pytest.mark.parametrize("stream", [STREAM, Stream(ADDRESS, ADDRESS, StreamKind.CALENDAR)], ids=["mail", "calendar"])
def test_a_worker_killed_at_any_call_loses_nothing(
    rig: Rig, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (listing, "HEAD", 3), (listing, "CUT", 4), (gmail, "PAGE", 6), (history, "PAGE", 2), (calendar, "PAGE", 5),
        (calendar, "CUT", 2),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    for kill_at in range(1, 60):
        with Rig() as fresh:
            fill(fresh)
            killed = _run(fresh, stream, kill_at)
        if not killed:
            break
    assert 5 < kill_at < 59, "every call of the pass was the last one once"


def _run(rig: Rig, stream: Stream, kill_at: int) -> bool:
    held = Held()
    rig.known = held.known
    calls = 0

    def acquire(key: str, units: int) -> None:
        nonlocal calls
        calls += key.endswith(":project")
        if calls == kill_at:
            raise Killed

    rig.acquire = acquire
    try:
        drain(rig.open(), stream, held)
        more(rig)
        drain(rig.open(), stream, held)
        killed = False
    except Killed:
        killed = True
        rig.acquire = lambda key, units: None
        drain(rig.open(), stream, held)
        if len(rig.box.mails) == 20:
            more(rig)
        drain(rig.open(), stream, held)
    expected = set(rig.box.mails) if stream is STREAM else set(rig.person.calendars[ADDRESS].events)
    assert set(held.content) | set(held.skipped) == expected
    return killed


def fill(rig: Rig) -> None:
    for number in range(18):
        rig.deliver(number)
    rig.deliver(18, labels=["SPAM"])
    rig.deliver(19, labels=["DRAFT"])
    for number in range(12):
        rig.person.calendars[ADDRESS].put({"id": f"e{number:02}", "start": {"date": "2026-01-01"}})


def more(rig: Rig) -> None:
    for number in range(30, 35):
        rig.deliver(number)
    rig.box.delete(next(iter(rig.box.mails)))
    for number in range(20, 27):
        rig.person.calendars[ADDRESS].put({"id": f"e{number:02}", "start": {"date": "2026-01-01"}})


def control(url: str, verb: str, **given: Any) -> dict[str, Any]:
    answer = requests.post(f"{url}/control/{verb}", json=given, timeout=10)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made
