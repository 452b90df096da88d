"""The command line as the contract says: one JSON object on stdout and nothing else, exit codes 0, 1, 2 and 3, the
shapes other programs read, and exports that validate against the schemas in docs/.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.rig.cli import ROOT, Cli
from tests.rig.office import NOON, event, invitation, mail

USER = "rep@ourco.example"
FILES = {
    "a.eml": mail(id="<a@acme.example>", text="Please send the offer.\n\n> quoted\n"),
    "b.eml": mail("rep@ourco.example", "jane@acme.example", id="<b@ourco.example>", replies="<a@acme.example>"),
    "c.eml": mail(
        "News <news@shop.example>", id="<c@shop.example>", Precedence="bulk", List_Unsubscribe="<mailto:u@shop.example>"
    ),
    "d.eml": invitation(
        "meet-1", NOON + timedelta(days=1), "jane@acme.example", USER, organizer="jane@acme.example", guests=(USER,)
    ),
    "e.ics": event("series-1", NOON, rrule="FREQ=WEEKLY;COUNT=3"),
    "f.ics": event("private-1", NOON, extra="CLASS:PRIVATE", summary="Doctor"),
}
CONTACTS = "email,name,company,company_domain\njane@acme.example,Jane Doe,Acme,acme.example\n"


def test_account_add_tells_id_address_and_streams(added: dict[str, Any]) -> None:
    assert set(added) == {"account_id", "address", "streams"}
    assert isinstance(added["account_id"], int)
    assert added["address"] == USER
    assert added["streams"]
    assert all(isinstance(name, str) for name in added["streams"])


def test_sync_tells_counts_by_account_and_stream(synced: dict[str, Any]) -> None:
    [account] = synced["accounts"]
    assert (account["account"], account["state"], account["error"]) == (USER, "level", None)
    wanted = {"stream", "listed", "stored", "updated", "removed", "skipped", "quarantined", "requests", "seconds"}
    assert all(wanted <= set(stream) for stream in account["streams"])
    assert sum(stream["stored"] for stream in account["streams"]) == len(FILES)


def test_audit_has_the_contracts_shape(cli: Cli, synced: dict[str, Any]) -> None:
    found = cli.json("audit")
    assert (found["coverage"], found["missing"]) == (1.0, 0)
    [account] = found["accounts"]
    assert {"account", "coverage", "streams"} <= set(account)
    assert all({"stream", "remote", "ledger", "coverage", "missing"} <= set(stream) for stream in account["streams"])
    assert sum(stream["remote"] for stream in account["streams"]) == len(FILES)


def test_the_exports_validate_against_their_schemas(cli: Cli, synced: dict[str, Any]) -> None:
    cli.run("import", "contacts", str(cli.folder / "contacts.csv"))
    log, ledger = cli.lines("log", "export"), cli.lines("ledger", "export")
    assert {line["kind"] for line in log} == {"email", "meeting"}
    assert len(ledger) == len(FILES)
    for name, lines in (("log-export", log), ("ledger-export", ledger)):
        schema = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_text())
        validator = Draft202012Validator(schema)
        assert [e.message for line in lines for e in validator.iter_errors(line)] == []
    assert sorted(log, key=lambda line: (line["occurred_at"], line["id"])) == log
    linked = next(line for line in log if line["message_id"] == "<a@acme.example>")
    assert (linked["contacts"], linked["companies"], linked["status"]) == (
        ["jane@acme.example"],
        ["acme.example"],
        "linked",
    )
    assert linked["text"].strip() == "Please send the offer."
    assert linked["evidence"][0]["target"].partition(":")[0] in ("contact", "company")
    private = next(line for line in log if line["ical_uid"] == "private-1")
    assert "Doctor" not in json.dumps(private)
    instances = [line for line in log if line["ical_uid"] == "series-1"]
    assert [line["recurrence_id"] for line in instances] == [
        (NOON + timedelta(days=7 * n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(3)
    ]


def test_explain_says_where_an_item_is_or_that_nobody_saw_it(cli: Cli, synced: dict[str, Any]) -> None:
    schema_keys = {"query", "where", "says", "items", "ledger"}
    here, ignored = cli.json("explain", "<a@acme.example>"), cli.json("explain", "c@shop.example")
    meeting, nowhere = cli.json("explain", "meet-1"), cli.json("explain", "<never@seen.example>")
    assert all(schema_keys == set(found) for found in (here, ignored, meeting, nowhere))
    assert [found["where"] for found in (here, ignored, meeting, nowhere)] == ["log", "log", "log", "nowhere"]
    assert ignored["items"][0]["reason"] == "bulk"
    assert "audit" in nowhere["says"]


def test_a_csv_export_has_a_head_and_one_row_an_item(cli: Cli, synced: dict[str, Any]) -> None:
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(cli.run("log", "export", "--format", "csv").stdout)))
    assert len(rows) == len(cli.lines("log", "export"))
    assert "message_id" in rows[0]


def test_quarantined_items_make_exit_3_and_the_rest_is_stored(cli: Cli) -> None:
    (cli.folder / "mails" / "z.eml").write_bytes(b"\x00\x01\x02")
    _add(cli)
    told = cli.json("sync", "--drain", ok=(3,))
    assert sum(s["quarantined"] for s in told["accounts"][0]["streams"]) == 1
    assert sum(s["stored"] for s in told["accounts"][0]["streams"]) == len(FILES)


def test_what_cannot_be_done_is_one_sentence_and_exit_1(cli: Cli) -> None:
    done = cli.run(
        "account", "add", "imap", "--owner", USER, "--address", USER, "--host", "127.0.0.1", "--port", "1",
        "--security",        "none", "--password-stdin", "--json", stdin="x\n", ok=(1,),
    )  # fmt: skip
    assert set(json.loads(done.stdout)) == {"error"}
    assert len(done.stderr.strip().splitlines()) == 1
    assert cli.json("account", "list") == {"accounts": []}
    assert "nobody@x.example" in cli.run("log", "export", "--as", "nobody@x.example", ok=(1,)).stderr


def test_an_account_that_cannot_be_finished_makes_exit_1_after_the_others_were(cli: Cli) -> None:
    _add(cli)
    gone = cli.folder / "gone"
    gone.mkdir()
    (gone / "x.eml").write_bytes(mail(id="<x@x.example>"))
    cli.json("account", "add", "archive", "--owner", USER, "--address", "old@ourco.example", str(gone))
    (gone / "x.eml").unlink()
    gone.rmdir()
    told = cli.json("sync", "--drain", ok=(1,))
    states = {a["account"]: a["state"] for a in told["accounts"]}
    assert states[USER] == "level"
    assert states["old@ourco.example"] != "level"


@pytest.mark.parametrize("args", [["sync", "--nonsense"], ["account", "add", "imap"], ["settings", "set"], ["nothing"]])
def test_wrong_usage_is_exit_2(cli: Cli, args: list[str]) -> None:
    assert cli.run(*args, ok=(2,)).stdout == ""


def test_an_unknown_setting_stops_the_start_with_one_line_that_names_it(cli: Cli) -> None:
    cli.environ["CRM_SYNC_NONSENSE"] = "1"
    done = cli.run("sync", ok=(1,))
    assert "CRM_SYNC_NONSENSE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "CRM_SYNC_NONSENSE" in cli.run("doctor", ok=(1,)).stdout


def test_doctor_settings_and_lists_answer_with_one_json_object(cli: Cli) -> None:
    checks = cli.json("doctor", ok=(0, 1))["checks"]
    assert all({"name", "ok", "says", "mend"} == set(check) for check in checks)
    assert cli.json("settings", "set", "never_log", "clinic.example")["value"] == ["clinic.example"]
    assert cli.json("settings", "get", "never_log") == {"name": "never_log", "value": ["clinic.example"]}
    assert "currency" in cli.json("settings", "list")["settings"]
    assert cli.json("init") == {"database": "sqlite", "current": True}
    assert cli.json("user", "list")["users"][0]["email"] == USER


def test_pause_resume_and_remove_do_as_they_say(cli: Cli, synced: dict[str, Any], added: dict[str, Any]) -> None:
    account = str(added["account_id"])
    assert cli.json("account", "pause", account)["stage"] == "paused"
    assert cli.json("sync")["accounts"] == []
    cli.json("account", "resume", account)
    assert [a["state"] for a in cli.json("sync")["accounts"]] == ["level"]
    kept = len(cli.lines("log", "export"))
    assert cli.json("account", "remove", account, "--keep-log")["purged"] is False
    assert len(cli.lines("log", "export")) == kept


def test_a_purged_account_takes_what_only_it_saw(cli: Cli, synced: dict[str, Any], added: dict[str, Any]) -> None:
    assert cli.json("account", "remove", str(added["account_id"]), "--purge")["purged"] is True
    assert cli.lines("log", "export") == cli.lines("ledger", "export") == []


def _add(cli: Cli) -> dict[str, Any]:
    said: dict[str, Any] = cli.json(
        "account", "add", "archive", "--owner", USER, "--address", USER, str(cli.folder / "mails")
    )
    return said


@dataclass
class Filled:
    """A folder with the archive connected and synced, and what the two commands answered."""

    folder: Path
    added: dict[str, Any]
    synced: dict[str, Any]


@pytest.fixture(scope="module")
def initial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and a user, to be copied."""
    cli = Cli(tmp_path_factory.mktemp("cli"))
    cli.run("init")
    cli.run("user", "add", USER, "--name", "Rep", "--role", "admin")
    (cli.folder / "contacts.csv").write_text(CONTACTS)
    mails = cli.folder / "mails"
    mails.mkdir()
    for name, data in FILES.items():
        (mails / name).write_bytes(data)
    return cli.folder


@pytest.fixture(scope="module")
def filled(initial: Path, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The same with the archive connected and synced, to be copied."""
    cli = Cli(tmp_path_factory.mktemp("filled") / "cli")
    shutil.copytree(initial, cli.folder)
    added = _add(cli)
    return Filled(cli.folder, added, cli.json("sync", "--drain"))


@pytest.fixture
def cli(request: pytest.FixtureRequest, initial: Path, tmp_path: Path) -> Cli:
    """The command line with a fresh copy of a folder: the filled one where the test asks for what it answered."""
    wants = {"added", "synced"} & set(request.fixturenames)
    source: Path = request.getfixturevalue("filled").folder if wants else initial
    shutil.copytree(source, tmp_path / "cli")
    return Cli(tmp_path / "cli")


@pytest.fixture
def added(filled: Filled) -> dict[str, Any]:
    """What ``account add`` answered."""
    return filled.added


@pytest.fixture
def synced(filled: Filled) -> dict[str, Any]:
    """What ``sync --drain`` answered."""
    return filled.synced
