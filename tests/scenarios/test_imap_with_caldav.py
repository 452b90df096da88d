"""An IMAP mailbox with the CalDAV calendar beside it, end to end by the command line: a real Dovecot, a real Radicale,
one account, one password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import caldav_servers, dovecot
from tests.rig.caldav_servers import CalDavServer
from tests.rig.cli import Cli
from tests.rig.office import event, invitation, mail

OWNER, JANE, BOB = "rep@ourco.example", "jane@acme.example", "bob@acme.example"
USER = caldav_servers.USER
TODAY = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=4)

pytestmark = [pytest.mark.needs_dovecot, pytest.mark.slow, pytest.mark.timeout(300)]


def test_an_imap_account_with_a_calendar_logs_mails_and_meetings_and_follows_both(
    mailbox: dovecot.Dovecot, radicale: CalDavServer, tmp_path: Path
) -> None:
    with told(radicale):
        calendar = radicale.make_calendar("work", title="Work")
        radicale.put(calendar, "kick.ics", event("kick@x", SOON, guests=(), extra=ANSWERS, summary="Kick-off"))
        radicale.put(calendar, "own.ics", event("own@x", SOON, guests=(BOB,), summary="Review"))
    mailbox.deliver(USER, [
        mail(JANE, OWNER, "Offer", id="<offer@acme.example>", at=TODAY - timedelta(days=1)),
        invitation("kick@x", SOON, OWNER, JANE, id="<inv@ourco.example>", summary="Kick-off"),
    ])  # fmt: skip
    cli = connect(tmp_path, mailbox, radicale)

    report = cli.json("sync", "--drain")
    assert [a["state"] for a in report["accounts"]] == ["level"]
    assert cli.json("audit")["coverage"] == 1.0
    states = {(row["stream"], row["state"], row["reason"]) for row in cli.lines("ledger", "export")}
    assert states == {("INBOX", "stored", None), ("INBOX", "stored", "invitation"), ("Work", "stored", None)}

    kick = meetings(cli)["kick@x"]
    assert (kick["occurred_at"], kick["ends_at"]) == (stamp(SOON), stamp(SOON + timedelta(hours=1)))
    assert (kick["cancelled"], kick["direction"], kick["recurrence_id"]) == (False, None, None)
    assert kick["message_id"] == "<inv@ourco.example>"
    assert [(p["role"], p["address"], p["name"], p["response"]) for p in kick["participants"]] == [
        ("organizer", OWNER, "", None),
        ("attendee", JANE, "Jane Doe", "accepted"), ("attendee", BOB, "Bob", "declined"),
        ("attendee", "", "Old Friend", "needs-action"),
    ]  # fmt: skip
    assert (kick["contacts"], kick["companies"]) == ([JANE], ["acme.example"])

    with told(radicale):
        moved = event("kick@x", LATER, guests=(), extra=ANSWERS, summary="Kick-off", sequence=1)
        radicale.put(calendar, "kick.ics", moved)
        radicale.delete(calendar, "own.ics")
    mailbox.deliver(USER, [
        invitation("kick@x", LATER, BOB, OWNER, method="REPLY", guests=(), sequence=1,
                   extra=f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{BOB}", id="<answer@acme.example>"),
    ])  # fmt: skip
    cli.json("sync", "--drain")
    found = meetings(cli)
    assert (found["kick@x"]["occurred_at"], found["kick@x"]["cancelled"]) == (stamp(LATER), False)
    assert (found["own@x"]["occurred_at"], found["own@x"]["cancelled"]) == (stamp(SOON), True)

    before = cli.lines("log", "export")
    cli.json("sync", "--drain")
    assert cli.lines("log", "export") == before
    assert [line["kind"] for line in before].count("meeting") == 2


def test_only_the_calendar_is_looked_at_when_told_so(
    mailbox: dovecot.Dovecot, radicale: CalDavServer, tmp_path: Path
) -> None:
    with told(radicale):
        radicale.put(radicale.make_calendar("work", title="Work"), "kick.ics", event("kick@x", SOON))
    mailbox.deliver(USER, [mail(JANE, OWNER, "Offer")])
    cli = connect(tmp_path, mailbox, radicale)
    cli.json("sync", "--drain", "--only", "calendar")
    assert [line["kind"] for line in cli.lines("log", "export")] == ["meeting"]


ANSWERS = (
    f"ATTENDEE;CN=Jane Doe;PARTSTAT=ACCEPTED:mailto:{JANE}\nATTENDEE;CN=Bob;PARTSTAT=DECLINED:mailto:{BOB}\n"
    "ATTENDEE;CN=Old Friend:invalid:nomail"
)


def connect(folder: Path, mailbox: dovecot.Dovecot, radicale: CalDavServer) -> Cli:
    """Database, user, contact, account."""
    cli = Cli(folder)
    cli.run("init")
    cli.run("user", "add", OWNER, "--name", "Rep", "--role", "admin")
    (folder / "contacts.csv").write_text(f"name,email,company,company_domain\nJane Doe,{JANE},Acme,acme.example\n")
    cli.run("import", "contacts", str(folder / "contacts.csv"))
    said = cli.json(
        "account", "add", "imap", "--owner", OWNER, "--address", OWNER, "--username", USER, "--host", "127.0.0.1",
        "--port", str(mailbox.port), "--security", "none", "--password-stdin", "--caldav-url", radicale.url,
        stdin=dovecot.PASSWORD + "\n",
    )  # fmt: skip
    assert {"INBOX", "Work"} <= set(said["streams"])
    return cli


def meetings(cli: Cli) -> dict[str, Any]:
    """The meetings of the log by UID."""
    return {line["ical_uid"]: line for line in cli.lines("log", "export") if line["kind"] == "meeting"}


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def told(server: CalDavServer) -> Iterator[None]:
    """The test speaks to the server with the rig's password; the account's is the mailbox's."""
    passwords = server.folder / "passwords"
    passwords.write_text(f"{USER}:{caldav_servers.PASSWORD}\n")
    yield
    passwords.write_text(f"{USER}:{dovecot.PASSWORD}\n")


@pytest.fixture
def radicale(tmp_path: Path) -> Iterator[CalDavServer]:
    """A Radicale of this test's own."""
    folder = tmp_path / "radicale"
    folder.mkdir()
    with caldav_servers.radicale_server(folder) as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[dovecot.Dovecot]:
    """A Dovecot of this test's own."""
    made = dovecot.start()
    yield made
    made.stop()
