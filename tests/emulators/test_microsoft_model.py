"""The model server itself: faithful to the schema and the documented answers, startable, controllable."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.connectors.contract import mail
from tests.emulators.microsoft import Server, schema
from tests.emulators.microsoft.mailbox import attachment

ROOT = Path(__file__).resolve().parents[2]
MOCKS = ROOT.parent / "shared/corpora/graph/graph-mocks/graph-v1_0-proxy-mocks.json"
USER = "rep@ourco.example"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_every_answer_holds_against_the_csdl(server: Server) -> None:
    if not schema.available():
        pytest.skip("the corpus ../shared/corpora/graph is absent: nothing to hold the answers against")
    box, agenda = server.user(USER), server.agendas[USER]
    box.deliver("inbox", mail(1))
    box.add("inbox", {"@odata.type": "#microsoft.graph.eventMessageRequest", "meetingMessageType": "meetingRequest"},
            [attachment("a.txt", "text/plain", b"x")])  # fmt: skip
    agenda.add(NOON, NOON + timedelta(hours=1), interval=7, count=3)
    inbox = box.folder("inbox").id
    for path in (
        "mailFolders", "mailFolders/delta", "mailFolders/inbox", f"mailFolders/{inbox}/messages/delta()",
        f"mailFolders('{inbox}')/messages?$expand=attachments", "messages", "calendars", "events",
        "calendarView?startDateTime=2026-01-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z",
        "calendarView/delta?startDateTime=2026-01-01T00:00:00Z&endDateTime=2026-12-31T00:00:00Z",
        f"events/{next(iter(agenda.events))}/instances?startDateTime=2026-01-01&endDateTime=2026-12-31",
    ):  # fmt: skip
        assert _get(server, path)["value" if path != "mailFolders/inbox" else "id"]
    assert server.problems == []
    assert schema.problems("message", {"id": 3, "colour": "red"}), "the check itself can fail"


@pytest.mark.parametrize(
    ("documented", "path"),
    [
        ("GET https://graph.microsoft.com/v1.0/me/mailFolders/*/messages/delta", "mailFolders/inbox/messages/delta"),
        ("GET https://graph.microsoft.com/v1.0/me/mailFolders/delta", "mailFolders/delta"),
        ("GET https://graph.microsoft.com/v1.0/me/calendars", "calendars"),
        (
            "GET https://graph.microsoft.com/v1.0/me/calendarView/delta?startdatetime=*&enddatetime=*",
            "calendarView/delta?startdatetime=2026-01-01T00:00:00Z&enddatetime=2026-12-31T00:00:00Z",
        ),
    ],
)
def test_answers_have_what_the_documented_ones_have(server: Server, documented: str, path: str) -> None:
    if not MOCKS.exists():
        pytest.skip("the corpus ../shared/corpora/graph is absent: no documented answers")
    box, agenda = server.user(USER), server.agendas[USER]
    box.deliver("inbox", mail(1))
    agenda.add(NOON, NOON + timedelta(hours=1), transactionId=None)
    wanted = _documented(documented)["value"][0]
    found = _get(server, path)["value"][0]
    absent = {"reminderMinutesBeforeStart", "isReminderOn", "responseStatus", "@odata.id", "hexColor",
              "allowedOnlineMeetingProviders", "defaultOnlineMeetingProvider", "isTallyingResponses"}  # fmt: skip
    assert set(wanted) - set(found) <= absent


def test_an_unknown_property_in_select_is_refused(server: Server) -> None:
    if not schema.available():
        pytest.skip("the corpus ../shared/corpora/graph is absent: no schema to know properties by")
    assert _status(server, "messages?$select=colour") == 400
    assert _status(server, "messages?$select=subject,microsoft.graph.eventMessage/meetingMessageType") == 200


@pytest.mark.parametrize(
    "query",
    ["$filter=subject eq 'x'", "$filter=receivedDateTime lt 2026-01-01T00:00:00Z", "$orderby=receivedDateTime asc",
     "$search=\"x\""],
)  # fmt: skip
def test_a_delta_refuses_the_options_graph_refuses(server: Server, query: str) -> None:
    assert _status(server, f"mailFolders/inbox/messages/delta?{query}") == 400


def test_a_calendar_delta_takes_no_select(server: Server) -> None:
    end = "endDateTime=2026-12-31T00:00:00Z"
    assert _status(server, f"calendarView/delta?startDateTime=2026-01-01T00:00:00Z&{end}") == 200
    assert _status(server, f"calendarView/delta?startDateTime=2026-01-01T00:00:00Z&{end}&$select=subject") == 400
    assert _status(server, f"calendarView/delta?startDateTime=2020-01-01T00:00:00Z&{end}") == 400


def test_more_than_20_in_a_batch_are_refused_and_the_window_of_10000_throttles(server: Server) -> None:
    inner = [{"id": str(n), "method": "GET", "url": "/me"} for n in range(21)]
    assert _post(server, "$batch", {"requests": inner}).status_code == 400
    server.per_window = 3
    assert [_status(server, "messages") for _ in range(4)] == [200, 200, 200, 429]
    server.advance(601)
    assert _status(server, "messages") == 200


def test_without_immutable_ids_a_move_changes_the_id(server: Server) -> None:
    box = server.user(USER)
    one = box.deliver("inbox", mail(1))
    before = _get(server, "messages", immutable=False)["value"][0]["id"]
    box.move(one.id, "archive")
    assert _get(server, "messages", immutable=False)["value"][0]["id"] not in (before, one.id)
    assert _get(server, "messages")["value"][0]["id"] == one.id


def test_the_server_starts_by_itself_and_takes_orders(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.emulators.microsoft", "--port", "0", "--tls-dir", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            order = {"user": USER, "folder": "inbox", "mime": mail(1).decode()}
            tokens = _control(told, "users", {"address": USER})
            assert _control(told, "deliver", order)["id"]
            assert _control(told, "events", {"user": USER, "start": NOON.isoformat(), "end": NOON.isoformat()})["id"]
            headers = {"Authorization": f"Bearer {tokens['access_token']}"}
            url = f"{told['origin']}/v1.0/me/messages"
            answer = requests.get(url, headers=headers, verify=told["ca_bundle"], timeout=10)
            assert len(answer.json()["value"]) == 1
            assert _control(told, "statistics", {})["requests"] == 1
        finally:
            process.terminate()
    assert process.returncode == 0


def test_the_official_sdk_reads_the_model(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("msgraph", reason="optional group: pip install -r requirements/graph-sdk.in")
    import asyncio

    server.user(USER).deliver("inbox", mail(1))
    server.agendas[USER].add(NOON, NOON + timedelta(hours=1), subject="Single")
    monkeypatch.setenv("SSL_CERT_FILE", server.ca_bundle)
    assert asyncio.run(_through_the_sdk(server)) == (["Mail 1"], ["Single"], ["Mail 1"])


async def _through_the_sdk(server: Server) -> tuple[list[str], list[str], list[str]]:
    """Subjects of messages, of events and of a message delta, as msgraph-sdk reads them."""
    from kiota_abstractions.authentication import (
        AccessTokenProvider,
        AllowedHostsValidator,
        BaseBearerTokenAuthenticationProvider,
    )
    from msgraph import GraphRequestAdapter, GraphServiceClient

    class Tokens(AccessTokenProvider):
        async def get_authorization_token(self, uri: str, additional_authentication_context: Any = None) -> str:
            return server.identity.issue(USER)

        def get_allowed_hosts_validator(self) -> Any:
            return AllowedHostsValidator(["127.0.0.1"])

    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Tokens()))
    adapter.base_url = f"{server.origin}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)
    messages = await client.me.messages.get()
    events = await client.me.events.get()
    delta = await client.me.mail_folders.by_mail_folder_id("inbox").messages.delta.get()
    assert messages and messages.value and events and events.value and delta and delta.value
    return (
        [str(one.subject) for one in messages.value],
        [str(one.subject) for one in events.value],
        [str(one.subject) for one in delta.value],
    )


def _documented(wanted: str) -> dict[str, Any]:
    method, url = wanted.split(" ", 1)
    for mock in json.loads(MOCKS.read_text(encoding="utf-8"))["mocks"]:
        if mock["request"]["url"] == url and mock["request"].get("method", "GET") == method:
            found: dict[str, Any] = mock["response"]["body"]
            return found
    raise AssertionError(f"no documented answer for {wanted}")


def _request(server: Server, path: str, *, immutable: bool = True) -> requests.Response:
    server.user(USER)
    headers = {"Authorization": f"Bearer {server.identity.issue(USER)}"}
    if immutable:
        headers["Prefer"] = 'IdType="ImmutableId"'
    return requests.get(f"{server.origin}/v1.0/me/{path}", headers=headers, verify=server.ca_bundle, timeout=10)


def _get(server: Server, path: str, *, immutable: bool = True) -> dict[str, Any]:
    answer = _request(server, path, immutable=immutable)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _status(server: Server, path: str) -> int:
    return _request(server, path).status_code


def _post(server: Server, path: str, body: dict[str, Any]) -> requests.Response:
    server.user(USER)
    headers = {"Authorization": f"Bearer {server.identity.issue(USER)}"}
    url = f"{server.origin}/v1.0/{path}"
    return requests.post(url, json=body, headers=headers, verify=server.ca_bundle, timeout=10)


def _control(told: dict[str, str], name: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"{told['origin']}/control/{name}"
    found: dict[str, Any] = requests.post(url, json=body, verify=told["ca_bundle"], timeout=10).json()
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made
