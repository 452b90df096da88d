"""Connecting a mailbox in the browser's way: the test's answer stands at its field, the form stays filled, the
password is never echoed,
and nothing is stored before the choice of what is taken and who sees it is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from crm import ledger
from crm.privacy import Viewer
from sync import connecting, passes
from sync.service import Service
from tests.rig import dovecot as dovecots
from tests.rig.dovecot import Dovecot
from tests.web import seed
from tests.web.conftest import NOW, Person, Team

SECRET = "hunter2 hunter2"


@pytest.mark.parametrize(
    ("address", "host", "hint"),
    [
        ("Someone@Gmail.com", "imap.gmail.com", "app password"),
        ("a@hotmail.com", "outlook.office365.com", "Microsoft account"),
        ("a@gmx.de", "imap.gmx.net", "IMAP must be allowed"),
        ("a@fastmail.com", "imap.fastmail.com", "app password"),
        ("a@ourco.example", "imap.ourco.example", ""),
    ],
)
def test_the_server_is_guessed_from_the_address(priya: Person, address: str, host: str, hint: str) -> None:
    page = priya.get(f"/accounts/new/imap?address={address}")
    assert f'value="{host}"' in page
    assert hint in page
    assert connecting.guess_server(address).port == 993


@pytest.mark.needs_dovecot
def test_a_wrong_password_is_said_at_its_field_and_nothing_is_stored(
    priya: Person, mailbox: Dovecot, service: Service, viewer: Viewer
) -> None:
    page = priya.post("/accounts/new/imap", 422, **_typed(mailbox, password=SECRET))
    assert 'id="password-error"' in page
    assert SECRET not in page
    assert 'value="priya@ourco.example"' in page
    assert not _accounts(service, viewer)


def test_a_wrong_port_and_an_unknown_host_are_said_at_theirs(priya: Person, service: Service, viewer: Viewer) -> None:
    refused = priya.post("/accounts/new/imap", 422, **{**_fields("127.0.0.1", 9), "password": SECRET})
    assert 'id="port-error"' in refused
    unknown = priya.post(
        "/accounts/new/imap", 422, **{**_fields("no-such-host.invalid", 993, "tls"), "password": SECRET}
    )
    assert 'id="host-error"' in unknown
    assert not _accounts(service, viewer)


def test_what_is_missing_or_no_number_is_said_before_any_connection(priya: Person) -> None:
    page = priya.post(
        "/accounts/new/imap",
        422,
        address="priya@ourco.example",
        host="",
        port="abc",
        security="tls",
        username="",
        password="",
    )
    for field in ("host", "port", "username", "password"):
        assert f'id="{field}-error"' in page


@pytest.mark.needs_dovecot
def test_a_mailbox_is_tested_chosen_from_and_read(
    priya: Person, mailbox: Dovecot, service: Service, viewer: Viewer
) -> None:
    page = priya.post("/accounts/new/imap", 200, **_typed(mailbox))
    assert "connection works" in page
    assert "INBOX" in page
    assert "Pilot in Malm" in page, "the newest subjects show what sharing would give away"
    assert dovecots.PASSWORD not in page
    assert not _accounts(service, viewer)
    chosen = {
        "pending": _pending(page),
        "sharing": "subject",
        "window": "0",
        "folder": re.findall(r'name="folder" value="([^"]+)" checked', page),
    }
    where = priya.post("/accounts/new/save", **chosen)
    assert re.fullmatch(r"/accounts/\d+", where)
    page = priya.get(where)
    assert "newest first" in page
    assert 'hx-trigger="every 2s"' in page
    passes.run(service, drain=True)
    assert 'hx-trigger="every 2s"' not in priya.get(where + "/progress")
    assert "Pilot in Malmö" in priya.get("/log")
    (account,) = _accounts(service, viewer)
    assert account.sharing == "subject"


@pytest.mark.needs_dovecot
def test_a_new_password_is_tested_before_it_replaces_the_old(
    priya: Person, mailbox: Dovecot, service: Service, viewer: Viewer
) -> None:
    page = priya.post("/accounts/new/imap", 200, **_typed(mailbox))
    where = priya.post("/accounts/new/save", pending=_pending(page), sharing="full", window="0", folder="INBOX")
    (before,) = _accounts(service, viewer)
    assert 'id="password-error"' in priya.post(where + "/reconnect", 422, password="wrong wrong")
    assert _accounts(service, viewer)[0].secret == before.secret
    priya.post(where + "/reconnect", password=dovecots.PASSWORD)
    assert _accounts(service, viewer)[0].secret != before.secret


@pytest.mark.needs_dovecot
def test_a_file_is_fetched_from_the_mailbox_for_those_who_may_read_the_mail(
    priya: Person, jonas: Person, server: Dovecot, service: Service
) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Erik <erik@nordhavn.example>", "priya@ourco.example", "The offer"
    mail["Date"], mail["Message-ID"] = "Wed, 04 Mar 2026 09:00:00 +0000", "<offer@mail.example>"
    mail.set_content("Attached.")
    mail.add_attachment(b"%PDF-1.4 offer" * 50, maintype="application", subtype="pdf", filename="offer <1>.pdf")
    server.deliver("files@ourco.example", [mail.as_bytes()])
    typed = {**_typed(server), "username": "files@ourco.example"}
    priya.post(
        "/accounts/new/save",
        pending=_pending(priya.post("/accounts/new/imap", 200, **typed)),
        sharing="subject",
        window="0",
        folder="INBOX",
    )
    passes.run(service, drain=True)
    item = re.search(r'href="/log/(\d+)"[^>]*>The offer', priya.get("/log"))
    assert item
    page = priya.get(f"/log/{item[1]}")
    assert "offer &lt;1&gt;.pdf" in page
    response = priya.client.get(f"/log/{item[1]}/file/0")
    assert response.data == b"%PDF-1.4 offer" * 50
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    priya.get(f"/log/{item[1]}/file/1", 404)
    jonas.get(f"/log/{item[1]}/file/0", 404)


def test_another_persons_pending_connection_is_of_no_use(
    priya: Person, jonas: Person, admin: Person, boxes: Path, service: Service, viewer: Viewer
) -> None:
    page = admin.post("/accounts/new/archive", 200, address="ada@ourco.example", paths=str(boxes / "priya"))
    where = priya.post("/accounts/new/save", pending=_pending(page), sharing="full", window="0")
    assert where == "/accounts/new"
    assert not _accounts(service, viewer)


def test_files_that_are_not_there_are_named(admin: Person, priya: Person, boxes: Path) -> None:
    page = admin.post("/accounts/new/archive", 422, address="ada@ourco.example", paths=str(boxes / "nowhere"))
    assert 'id="paths-error"' in page
    priya.get("/accounts/new/archive", 404)


def test_pausing_resuming_and_disconnecting_say_what_they_did(admin: Person, boxes: Path, service: Service) -> None:
    page = admin.post("/accounts/new/archive", 200, address="ada@ourco.example", paths=str(boxes / "priya"))
    where = admin.post("/accounts/new/save", pending=_pending(page), sharing="full", window="0", folder="priya")
    passes.run(service, drain=True)
    assert "is paused" in admin.post(where + "/pause", follow=True)
    assert "goes on where it stopped" in admin.post(where + "/resume", follow=True)
    assert "that no other mailbox saw" in admin.get(where + "/remove")
    assert "its log stays" in admin.post(where + "/remove", follow=True, log="keep")
    assert "Pilot in Malmö" in admin.get("/log")


def _fields(host: str, port: int, security: str = "none") -> dict[str, object]:
    return {
        "address": "priya@ourco.example",
        "host": host,
        "port": port,
        "security": security,
        "username": "priya@ourco.example",
    }


def _typed(server: Dovecot, password: str = dovecots.PASSWORD) -> dict[str, object]:
    return {**_fields("127.0.0.1", server.port), "password": password}


def _pending(page: str) -> str:
    found = re.search(r'name="pending" value="([^"]+)"', page)
    assert found, page[:3000]
    return found[1]


def _accounts(service: Service, viewer: Viewer) -> list[object]:
    with service.db.reading() as session:
        return list(ledger.accounts(session, viewer))


@pytest.fixture
def viewer(team: Team) -> Viewer:
    """Somebody who sees all accounts."""
    return Viewer(team.admin, "admin")


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Mail as files."""
    seed.mailboxes(tmp_path / "boxes", NOW)
    return tmp_path / "boxes"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A real IMAP server; skips with the reason where there is none."""
    made = dovecots.start()
    yield made
    made.stop()


@pytest.fixture
def mailbox(server: Dovecot, boxes: Path) -> Dovecot:
    """Priya's mail on it."""
    server.deliver("priya@ourco.example", [path.read_bytes() for path in sorted((boxes / "priya").glob("*.eml"))])
    return server
