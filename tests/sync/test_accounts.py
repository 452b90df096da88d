"""Connecting, pausing and removing: tested before stored, refused in one sentence, counted before purged."""

from __future__ import annotations

import pytest

from connectors.errors import ConnectorError, NeedsPerson
from connectors.providers import memory
from crm.errors import CrmError, Refused
from crm.models import Account, AccountAlias, Communication, Ledger, Stream
from sync import accounts
from sync.accounts import AccountSpec
from tests.rig.office import Office, mail


def test_a_connection_that_fails_stores_nothing(office: Office) -> None:
    memory.mailbox("locked").password = "right"
    wrong = AccountSpec("memory", "rep@ourco.example", "rep@ourco.example", {"mailbox": "locked"}, "wrong")
    with pytest.raises(NeedsPerson):
        accounts.add(office.service, wrong, actor_id=None)
    assert office.rows(Account) == []
    memory.forget("locked")


@pytest.mark.parametrize(
    "spec",
    [
        AccountSpec("memory", "nobody@ourco.example", "rep@ourco.example", {"mailbox": "m"}),
        AccountSpec("memory", "rep@ourco.example", "no address", {"mailbox": "m"}),
        AccountSpec("carrier-pigeon", "rep@ourco.example", "rep@ourco.example"),
        AccountSpec("imap", "rep@ourco.example", "rep@ourco.example", {"host": "127.0.0.1", "port": 1}, "x"),
    ],
    ids=["no such user", "no address", "no such provider", "nobody listens"],
)  # fmt: skip
def test_what_cannot_be_connected_is_one_sentence(office: Office, spec: AccountSpec) -> None:
    with pytest.raises((Refused, ConnectorError)) as refused:
        accounts.add(office.service, spec, actor_id=None)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).endswith(".")
    assert office.rows(Account) == []


def test_streams_aliases_and_the_sealed_secret_are_kept(office: Office) -> None:
    box = office.mailbox(password="s3cret-words", aliases=("Sales@Brand.example",))
    row = office.account(box)
    assert row.secret and "s3cret" not in row.secret
    assert [a.canonical for a in office.rows(AccountAlias)] == ["sales@brand.example"]
    assert {s.name for s in office.rows(Stream)} == {"INBOX", "Sent", "Junk"}


def test_an_alias_added_with_an_account_makes_old_mail_its_own(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail("me@brand.example", "jane@acme.example"))
    office.sync()
    assert office.log()[0]["direction"] != "outbound"
    office.mailbox("ben", aliases=("me@brand.example",))
    office.follow()
    assert office.log()[0]["direction"] == "outbound"


def test_a_paused_account_is_left_alone_and_goes_on_where_it_was(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    with office.service.db.transaction() as session:
        accounts.pause(session, box, actor_id=None, now=office.clock())
    office.deliver(box, mail(subject="later"))
    assert office.sync() == []
    with office.service.db.transaction() as session:
        accounts.resume(session, box, actor_id=None, now=office.clock())
    office.sync()
    assert len(office.log()) == 2


def test_keeping_the_log_keeps_it_and_forgets_the_secret(office: Office) -> None:
    box = office.mailbox(password="x")
    office.deliver(box, mail())
    office.sync()
    with office.service.db.transaction() as session:
        counts = accounts.remove(session, box, purge=False, actor_id=None, now=office.clock())
    assert counts == {"seen": 1, "only_here": 1}
    assert len(office.log()) == 1
    assert office.account(box).secret is None
    with office.service.db.transaction() as session, pytest.raises(CrmError):
        accounts.pause(session, box, actor_id=None, now=office.clock())


def test_a_purge_takes_what_only_this_account_saw_and_leaves_what_others_saw(office: Office) -> None:
    first, second = office.mailbox(), office.mailbox("ben")
    office.deliver(first, mail(id="<mine@x.example>"))
    for box in (first, second):
        office.deliver(box, mail(id="<both@x.example>", subject="both"))
    office.sync()
    with office.service.db.transaction() as session:
        counts = accounts.remove(session, first, purge=True, actor_id=None, now=office.clock())
    assert counts == {"seen": 2, "only_here": 1}
    assert [c.message_id for c in office.rows(Communication)] == ["<both@x.example>"]
    assert {row.account_id for row in office.rows(Ledger)} == {second}
    assert office.log()[0]["accounts"] == ["ben@ourco.example"]
