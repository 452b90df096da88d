"""Microsoft 365 by the command line alone, against the model server as another process: connect, sync through
faults, audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cli import Cli
from tests.rig.model_process import ModelProcess
from tests.rig.office import mail

REP, SHARED = "rep@ourco.example", "sales@ourco.example"


@pytest.mark.timeout(300)
def test_microsoft_accounts_are_complete_through_faults_and_a_second_sync_changes_nothing(
    model: ModelProcess, cli: Cli
) -> None:
    for number in range(30):
        raw = mail(id=f"<m{number}@acme.example>", subject=f"Mail {number}").decode()
        model.control("deliver", user=REP, folder="Junk Email" if number == 7 else "Inbox", mime=raw)
    raw = mail(to=SHARED, id="<shared@x>", subject="Offer?").decode()
    model.control("deliver", user=SHARED, folder="Inbox", mime=raw)
    start = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    model.control(
        "events", user=REP, start=start.isoformat(), end=(start + timedelta(hours=1)).isoformat(),
        properties={"subject": "Kick-off", "attendees": [GUEST]},
    )  # fmt: skip
    said = cli.json("account", "add", "microsoft", "--owner", REP, "--token-json", str(token(model, cli)))
    assert said["address"] == REP and {"Inbox", "Sent Items", "Junk Email", "Calendar"} <= set(said["streams"])
    shared = cli.json(
        "account", "add", "microsoft", "--owner", REP, "--app-only", "--address", SHARED, "--kind", "shared"
    )
    assert shared["address"] == SHARED

    for status, code in ((429, "ApplicationThrottled"), (503, "ServiceUnavailable")):
        model.control("faults", match="/messages", status=status, code=code, headers={"Retry-After": "1"})
    model.control("faults", match="/calendarView", status=504, code="GatewayTimeout")
    told = cli.json("sync", "--drain")
    assert [(a["account"], a["state"], a["error"]) for a in told["accounts"]] == [
        (REP, "level", None), (SHARED, "level", None),
    ]  # fmt: skip
    inbox = next(s for s in told["accounts"][0]["streams"] if s["stream"] == "Inbox")
    assert (inbox["stored"], inbox["quarantined"]) == (29, 0)
    found = cli.json("audit")
    assert (found["coverage"], found["missing"], found["failed"]) == (1.0, 0, 0)
    log = cli.lines("log", "export")
    assert {line["message_id"] for line in log if line["kind"] == "email"} == {
        "<shared@x>", *(f"<m{n}@acme.example>" for n in range(30) if n != 7),
    }  # fmt: skip
    assert [line["subject"] for line in log if line["kind"] == "meeting"] == ["Kick-off"]
    assert [(r["state"], r["reason"]) for r in cli.lines("ledger", "export") if r["stream"] == "Junk Email"] == [
        ("skipped", "folder_off")
    ]

    again = cli.json("sync", "--drain")
    changed = {s["stored"] + s["updated"] + s["removed"] for a in again["accounts"] for s in a["streams"]}
    assert changed == {0} and cli.lines("log", "export") == log


@pytest.mark.timeout(300)
def test_expired_cursors_rotation_and_the_operators_and_the_persons_faults_end_where_they_belong(
    model: ModelProcess, cli: Cli
) -> None:
    first = model.control("deliver", user=REP, folder="Inbox", mime=mail(subject="First").decode())["id"]
    cli.json("account", "add", "microsoft", "--owner", REP, "--token-json", str(token(model, cli)))
    cli.json("sync", "--drain")
    model.control("deliver", user=REP, folder="Inbox", mime=mail(subject="While the cursor expired").decode())
    model.control("delete", user=REP, id=first)
    model.control("expire", status=410)
    assert account(cli.json("sync", "--drain"))["state"] == "level"
    states = sorted(r["state"] for r in cli.lines("ledger", "export"))
    assert states == ["removed", "stored"] and cli.json("audit")["coverage"] == 1.0

    model.control("clock", advance=7200)
    secret = cli.environ.pop("CRM_SYNC_MICROSOFT_CLIENT_SECRET")
    cli.environ["CRM_SYNC_MICROSOFT_CLIENT_SECRET"] = "of-another-day"
    failed = account(cli.json("sync", ok=(1,)))
    assert failed["state"] == "failed" and "CRM_SYNC_MICROSOFT_CLIENT_SECRET" in failed["error"]
    [row] = cli.json("account", "list")["accounts"]
    assert (row["health"], row["error"]) == ("ok", None), "an operator's fault flips no account"
    cli.environ["CRM_SYNC_MICROSOFT_CLIENT_SECRET"] = secret
    assert account(cli.json("sync"))["state"] == "level"

    model.control("clock", advance=7200)
    model.control("token-error", name="password_changed", times=20)
    told = account(cli.json("sync", ok=(1,)))
    assert told["state"] == "needs_person" and "reconnect" in told["error"]


GUEST = {
    "type": "required", "emailAddress": {"name": "Jane", "address": "jane@acme.example"},
    "status": {"response": "accepted", "time": "0001-01-01T00:00:00Z"},
}  # fmt: skip


def account(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["accounts"][0]
    return found




def token(model: ModelProcess, cli: Cli) -> Path:
    path = cli.folder / "token.json"
    path.write_text(json.dumps({"refresh_token": model.control("users", address=REP)["refresh_token"]}))
    return path


@pytest.fixture
def model() -> Iterator[ModelProcess]:
    with ModelProcess("microsoft") as found:
        for address in (REP, SHARED):
            found.control("users", address=address)
        yield found


@pytest.fixture
def cli(model: ModelProcess, tmp_path: Path) -> Cli:
    made = Cli(tmp_path, model.environ())
    made.run("init")
    made.run("user", "add", REP, "--name", "Rep", "--role", "admin")
    return made
