"""Google accounts by the command line, over the model server: connect, sync, change, revoke."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.google_rig import ADDRESS, mail, millis
from tests.emulators.google import Server
from tests.rig.cli import Cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_google_account_lives_through_changes_an_expired_history_and_a_revoked_consent(
    google: Server, cli: Cli
) -> None:
    box = google.world.people[ADDRESS].mailbox
    ids = [box.deliver(mail(n), ["INBOX"], millis=millis(n)).id for n in range(30)]
    spam = box.deliver(mail(90), ["SPAM"]).id
    connect(google, cli, ADDRESS)
    assert synced(cli)["mailbox"]["stored"] == 30

    google.world.quota.spent.clear()
    assert {s["stored"] for s in synced(cli).values()} == {0}
    assert google.world.quota.spent[ADDRESS] == 2, "the no-op"

    box.relabel(ids[0], ["TRASH"], ["INBOX"])
    box.relabel(spam, ["INBOX"], ["SPAM"])
    box.delete(ids[1])
    box.deliver(mail(91), ["INBOX"])
    synced(cli)
    states = {row["remote_id"]: (row["state"], row["reason"]) for row in cli.lines("ledger", "export")}
    assert states[ids[0]] == ("skipped", "trash") and states[ids[1]][0] == "removed"
    assert states[spam][0] == "stored" and len(states) == 32
    assert len(cli.lines("log", "export")) == 32, "what was in the log stays there"
    assert cli.json("audit")["coverage"] == 1.0

    box.expire_history()
    new = box.deliver(mail(92), ["INBOX"]).id
    google.world.counts.clear()
    synced(cli)
    assert google.world.counts["messages.get"] == 1, "only the unknown mail is fetched after an expired history"
    assert new in {row["remote_id"] for row in cli.lines("ledger", "export") if row["state"] == "stored"}

    google.world.revoke(ADDRESS)
    [account] = cli.json("sync", ok=(1,))["accounts"]
    assert account["state"] == "needs_person" and "consent has ended" in account["error"]
    assert google.world.model_faults == []


def connect(google: Server, cli: Cli, address: str) -> None:
    cli.run("user", "add", address, "--name", address.split("@")[0], "--role", "admin")
    token = cli.folder / f"{address}.json"
    token.write_text(json.dumps(google.world.token_json(address)))
    told = cli.json("account", "add", "google", "--owner", address, "--token-json", str(token))
    assert told["address"] == address and "mailbox" in told["streams"]


def synced(cli: Cli) -> dict[str, dict[str, Any]]:
    [account] = cli.json("sync", "--drain")["accounts"]
    assert account["state"] == "level"
    return {stream["stream"]: stream for stream in account["streams"]}


@pytest.fixture
def google() -> Iterator[Server]:
    with Server() as server:
        server.world.add_user(ADDRESS)
        yield server


@pytest.fixture
def cli(google: Server, tmp_path: Path) -> Cli:
    names = {"CRM_SYNC_GOOGLE_ENDPOINT": "", "CRM_SYNC_GOOGLE_TOKEN_URL": "/token"}
    made = Cli(tmp_path, {name: google.url + path for name, path in names.items()})
    made.run("init")
    return made
