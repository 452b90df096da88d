"""Adding a contact, a domain, an alias or a deal reaches the past; what people pinned stays; order does not matter."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from crm import contacts
from crm.database import Database
from crm.models import Address, Link
from sync import decisions, rematch
from tests.rig.office import Office, mail


def test_a_contact_added_after_the_mails_gets_them(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.deliver(box, mail("Else <x@other.example>"))
    office.sync()
    assert [line["contacts"] for line in office.log()] == [[], []]
    office.contact("jane@acme.example")
    office.follow()
    assert sorted(line["contacts"] for line in office.log()) == [[], ["jane@acme.example"]]


def test_an_address_added_to_a_contact_reaches_the_past_and_taken_away_leaves_it(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail("Jane Doe <jane.private@mail.example>"))
    office.sync()
    jane = office.contact("jane@acme.example")
    office.follow()
    assert office.log()[0]["contacts"] == []
    with office.service.db.transaction() as session:
        contacts.add_address(session, jane, "jane.private@mail.example", actor_id=None, now=office.clock())
    office.follow()
    assert office.log()[0]["contacts"] == ["jane@acme.example"]
    with office.service.db.transaction() as session:
        assert session.query(Address).count() == 2
        contacts.remove_address(session, jane, "jane.private@mail.example", actor_id=None, now=office.clock())
    office.follow()
    assert office.log()[0]["contacts"] == []


def test_a_company_domain_added_later_links_its_mail(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.deliver(box, mail("Bo <bo@sub.acme.example>"))
    office.sync()
    office.company("Acme", "acme.example")
    office.follow()
    assert [line["companies"] for line in office.log()].count(["acme.example"]) >= 1


def test_a_deal_made_after_the_thread_is_found_for_it(office: Office) -> None:
    box = office.mailbox()
    company = office.company("Acme", "acme.example")
    jane = office.contact("jane@acme.example", company=company)
    office.deliver(box, mail(subject="Your renewal"))
    office.sync()
    assert office.log()[0]["deals"] == []
    office.deal("Acme renewal", company=company, people=(jane,))
    office.follow()
    [line] = office.log()
    assert line["deals"] == ["Acme renewal"] or line["questions"] == ["deal"] or line["suggestions"]


def test_rematching_twice_changes_no_row(office: Office) -> None:
    _world(office)
    _everything(office)
    before = office.dump()
    change = _everything(office)
    assert office.dump() == before
    assert (change.attached, change.moved, change.detached) == (0, 0, 0)


def test_a_dry_run_counts_and_changes_nothing(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    office.contact("jane@acme.example")
    before = office.dump()
    change, _ = rematch.run(office.service, _scope(office), dry_run=True)
    assert change.attached == 1
    assert office.dump() == before


def test_records_first_or_mails_first_gives_the_same_links(lite: Office, sqlite_template: Path, tmp_path: Path) -> None:
    _world(lite, first="mails")
    found = _named(lite)
    assert any(contacts_ for _, contacts_, _ in found)
    (tmp_path / "other").mkdir()
    shutil.copyfile(sqlite_template, tmp_path / "other.db")
    other = Office.open(Database(f"sqlite:///{tmp_path / 'other.db'}"), tmp_path / "other")
    _world(other, first="records")
    assert _named(other) == found


def test_what_a_person_attached_or_took_off_survives_every_rematch(office: Office) -> None:
    box = office.mailbox()
    jane, bo = office.contact("jane@acme.example"), office.contact("bo@acme.example", name="Bo")
    office.deliver(box, mail())
    office.sync()
    item = office.log()[0]["id"]
    with office.service.db.transaction() as session:
        viewer = office.viewer()
        decisions.attach(session, viewer, [item], ("contact", bo), now=office.clock())
        decisions.detach(session, viewer, [item], ("contact", jane), now=office.clock())
    office.follow()
    before = office.dump(Link)
    _everything(office)
    with office.service.db.transaction() as session:
        contacts.add_address(session, jane, "jane2@acme.example", actor_id=None, now=office.clock())
    office.follow()
    assert office.dump(Link) == before
    assert office.log()[0]["contacts"] == ["bo@acme.example"]


def test_a_stopped_rematch_is_finished_by_the_next(office: Office) -> None:
    box = office.mailbox()
    for n in range(5):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    office.contact("jane@acme.example")
    _, rest = rematch.run(office.service, _scope(office), over=lambda: True)
    assert len(rest.threads) == 5
    change, rest = rematch.run(office.service, rest)
    assert not rest.threads
    assert change.attached == 5


def _scope(office: Office) -> rematch.Scope:
    with office.service.db.transaction() as session:
        return rematch.everything(session)


def _everything(office: Office) -> rematch.Change:
    change, _ = rematch.run(office.service, _scope(office))
    return change


def _world(office: Office, first: str = "mails") -> None:
    """The same mails and records, in one order or the other."""

    def records() -> None:
        company = office.company("Acme", "acme.example")
        office.contact("jane@acme.example", "j.doe@acme.example", company=company)
        office.contact("bo@other.example", name="Bo")

    def mails() -> None:
        box = office.mailbox()
        office.deliver(box, mail(id="<a@x.example>", subject="A"))
        office.deliver(box, mail("J <j.doe@acme.example>", id="<b@x.example>", subject="B", replies="<a@x.example>"))
        office.deliver(box, mail("Bo <bo@other.example>", id="<c@x.example>", subject="C", cc="new@acme.example"))
        office.deliver(box, mail("No <no-reply@shop.example>", id="<d@x.example>", subject="D"))
        office.sync()

    for step in (mails, records) if first == "mails" else (records, mails):
        step()
    office.follow()


def _named(office: Office) -> list[tuple[Any, ...]]:
    return sorted((line["message_id"], tuple(line["contacts"]), tuple(line["companies"])) for line in office.log())


def test_the_ledger_stops_saying_bulk_when_its_sender_becomes_a_contact(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(
        box, mail("News <news@shop.example>", List_Unsubscribe="<mailto:x@shop.example>", Precedence="bulk")
    )
    office.sync()
    assert office.states() == {remote_id: "stored:bulk"}
    office.contact("news@shop.example", name="News")
    office.follow()
    linked = office.log()[0]["status"] != "ignored"
    assert office.states() == {remote_id: "stored" if linked else "stored:bulk"}
