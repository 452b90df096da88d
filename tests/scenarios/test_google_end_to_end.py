"""Google by the command line alone, against the model server as another process: connect, sync through faults,
audit, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.rig.cli import Cli
from tests.rig.model_process import ModelProcess
from tests.rig.office import mail

REP, ANN = "rep@ourco.example", "ann@ourco.example"


@pytest.mark.timeout(300)
def test_a_google_account_is_complete_through_faults_and_a_second_sync_changes_nothing(
    model: ModelProcess, cli: Cli
) -> None:
    for number in range(40):
        raw = mail(id=f"<m{number}@acme.example>", subject=f"Mail {number}").decode()
        model.control("deliver", address=REP, text=raw, labels=["SPAM" if number == 7 else "INBOX"])
    model.control("event", address=REP, event=EVENT)
    said = cli.json("account", "add", "google", "--owner", REP, "--token-json", str(token(model, cli, REP)))
    assert said["address"] == REP and said["streams"] == ["mailbox", REP]

    model.control("fault", method="messages.get", status=429, reason="rateLimitExceeded", times=3)
    model.control("fault", method="messages.list", status=503, times=1)
    model.control("fault", method="events.list", kind="truncate", times=1)
    told = account(cli.json("sync", "--drain"))
    assert (told["state"], told["error"]) == ("level", None)
    assert [(s["stream"], s["stored"], s["skipped"], s["quarantined"]) for s in told["streams"]] == [
        ("mailbox", 39, {"spam": 1}, 0), (REP, 1, {}, 0),
    ]  # fmt: skip
    assert told["quota_units"] >= 39 * 20
    found = cli.json("audit")
    assert (found["coverage"], found["missing"]) == (1.0, 0)
    log = cli.lines("log", "export")
    assert {line["message_id"] for line in log if line["kind"] == "email"} == {
        f"<m{n}@acme.example>" for n in range(40) if n != 7
    }
    assert [line["ical_uid"] for line in log if line["kind"] == "meeting"] == ["meet@x"]

    model.control("reset_stats")
    again = account(cli.json("sync", "--drain"))
    assert {s["stored"] + s["updated"] + s["removed"] for s in again["streams"]} == {0}
    assert model.control("stats")["spent"] == {REP: 2}, "a pass over an unchanged mailbox"
    assert cli.lines("log", "export") == log


@pytest.mark.timeout(300)
def test_expired_cursors_lose_nothing_and_a_consent_that_ends_stops_this_account_alone(
    model: ModelProcess, cli: Cli
) -> None:
    ids = [model.control("deliver", address=REP, text=mail(subject=f"Mail {n}").decode())["id"] for n in range(5)]
    model.control("event", address=REP, event=EVENT)
    cli.json("account", "add", "google", "--owner", REP, "--token-json", str(token(model, cli, REP)))
    cli.json("account", "add", "google", "--owner", REP, "--service-account", str(key(cli)), "--subject", ANN)
    cli.json("sync", "--drain")
    model.control("delete", address=REP, id=ids[0])
    model.control("deliver", address=REP, text=mail(subject="While the cursor expired").decode())
    for what in ("history", "sync", "tokens"):
        model.control("expire", address=REP, what=what)
    assert account(cli.json("sync", "--drain"))["state"] == "level"
    states = {line["remote_id"]: line["state"] for line in cli.lines("ledger", "export")}
    assert states[ids[0]] == "removed" and sum(state == "stored" for state in states.values()) == 6
    assert cli.json("audit")["coverage"] == 1.0

    model.control("deliver", address=ANN, text=mail(to=ANN, subject="For Ann").decode())
    model.control("revoke", address=REP)
    reports = {a["account"]: a for a in cli.json("sync", "--drain", ok=(1,))["accounts"]}
    assert reports[REP]["state"] == "needs_person" and "connect again" in reports[REP]["error"]
    assert reports[ANN]["state"] == "level"
    assert "For Ann" in {line["subject"] for line in cli.lines("log", "export")}


def test_what_is_wrong_when_connecting_is_one_sentence_and_stores_nothing(model: ModelProcess, cli: Cli) -> None:
    given = json.loads(token(model, cli, REP).read_text())
    (cli.folder / "stale.json").write_text(json.dumps({**given, "refresh_token": "1//none"}))
    (cli.folder / "plain.json").write_text("{}")
    for name, says in (("stale.json", "connect again"), ("plain.json", "authorized user")):
        said = cli.json("account", "add", "google", "--owner", REP, "--token-json", str(cli.folder / name), ok=(1,))
        assert says in said["error"]
    assert cli.json("account", "list")["accounts"] == []


EVENT = {
    "id": "ev1", "iCalUID": "meet@x", "summary": "Kick-off", "start": {"dateTime": "2030-03-06T09:00:00Z"},
    "end": {"dateTime": "2030-03-06T10:00:00Z"}, "organizer": {"email": REP},
    "attendees": [{"email": "jane@acme.example", "responseStatus": "accepted"}],
}  # fmt: skip


def account(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["accounts"][0]
    return found


def token(model: ModelProcess, cli: Cli, address: str) -> Path:
    """The address's credentials in a file; the person keeps the mailbox they have."""
    path = cli.folder / f"{address}.json"
    path.write_text(json.dumps(TOKENS[model.told["url"], address]))
    return path


def key(cli: Cli) -> Path:
    """A service account with domain-wide delegation."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = cli.folder / "key.json"
    path.write_text(json.dumps({
        "type": "service_account", "client_email": "sync@model.iam.gserviceaccount.com", "private_key_id": "k",
        "private_key": private.decode(), "token_uri": "https://oauth2.googleapis.com/token",
    }))  # fmt: skip
    return path


TOKENS: dict[tuple[str, str], Any] = {}


@pytest.fixture
def model() -> Iterator[ModelProcess]:
    with ModelProcess("google") as found:
        for address in (REP, ANN):
            TOKENS[found.told["url"], address] = found.control("user", address=address)["token_json"]
        yield found


@pytest.fixture
def cli(model: ModelProcess, tmp_path: Path) -> Cli:
    made = Cli(tmp_path, model.environ())
    made.run("init")
    made.run("user", "add", REP, "--name", "Rep", "--role", "admin")
    return made
