"""The own side learns who it is from Sent mail, and never takes a teammate or a contact for itself."""

from __future__ import annotations

import pytest

from crm.models import AccountAlias
from tests.rig.office import Office, mail

ALIAS = "r.person@ourco.example"
PRIVATE = "rep@home.example"


def test_an_internal_address_used_three_times_in_sent_is_learned_and_its_mail_becomes_ours(lite: Office) -> None:
    box = _office(lite)
    lite.deliver(box, mail("R <r.person@ourco.example>", "jane@acme.example", "From the alias"))
    lite.sync()
    assert [line["direction"] for line in lite.log() if line["subject"] == "From the alias"]
    _send(lite, box, ALIAS, 3)
    assert _aliases(lite) == [(ALIAS, "sent")]
    assert {line["direction"] for line in lite.log()} == {"outbound"}
    _send(lite, box, ALIAS, 1)
    assert _aliases(lite) == [(ALIAS, "sent")]


def test_an_address_elsewhere_is_learned_only_when_its_mail_is_delivered_here(lite: Office) -> None:
    box = _office(lite)
    _send(lite, box, PRIVATE, 3)
    assert _aliases(lite) == []
    assert all(PRIVATE in line["participants"][0]["address"] for line in lite.log())
    lite.deliver(box, mail("Jane <jane@acme.example>", PRIVATE))
    _send(lite, box, PRIVATE, 1)
    assert _aliases(lite) == [(PRIVATE, "sent")]


@pytest.mark.parametrize("times", [1, 2])
def test_fewer_than_three_times_teaches_nothing(lite: Office, times: int) -> None:
    box = _office(lite)
    _send(lite, box, ALIAS, times)
    assert _aliases(lite) == []


def test_a_teammate_one_writes_for_and_a_contact_stay_who_they_are(lite: Office) -> None:
    box = _office(lite)
    lite.contact("jane@acme.example")
    for other in ("ben@ourco.example", "jane@acme.example"):
        lite.deliver(box, mail("X <x@else.example>", other))
        _send(lite, box, other, 3)
    assert _aliases(lite) == []


def test_what_comes_into_the_inbox_from_an_internal_address_teaches_nothing(lite: Office) -> None:
    box = _office(lite)
    for n in range(4):
        lite.deliver(box, mail(f"C <{ALIAS}>", "rep@ourco.example", f"Note {n}"))
    _send(lite, box, "rep@ourco.example", 1)
    assert _aliases(lite) == []


def _office(office: Office) -> int:
    office.setting("internal_domains", ["ourco.example"])
    return office.mailbox()


def _send(office: Office, box: int, sender: str, times: int) -> None:
    for n in range(times):
        raw = mail(f"Rep <{sender}>", "jane@acme.example", f"Sent {n}")
        office.deliver(box, raw, stream="Sent")
    office.sync()


def _aliases(office: Office) -> list[tuple[str, str]]:
    return sorted((row.canonical, row.source) for row in office.rows(AccountAlias))
