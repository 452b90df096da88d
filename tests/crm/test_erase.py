"""Erasing a person: nothing of them is left anywhere in the database, and others keep theirs."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm import companies, contacts, csvimport, deals, erase, merges, tasks
from crm.errors import NotFound, Refused
from crm.models import Base, Communication, Contact, Decision, Ledger, Marker, MessageRef, Notification, Stream, Task
from crm.vault import Vault
from tests.crm.world import World

VAULT = Vault(("k" * 32,))


def everything(session: Session) -> str:
    """All values of all tables, as one text."""
    session.flush()
    names = [*Base.metadata.tables, "communication_fts"]
    rows = [session.execute(text(f'SELECT * FROM "{name}"')).all() for name in names]
    return json.dumps(rows, default=str, ensure_ascii=False).lower()


def test_nothing_of_an_erased_person_is_left_anywhere(session: Session, world: World, jane: Contact, now) -> None:
    fill(session, world, jane, now)
    before = everything(session)
    for word in ("zoë", "quixote", "079460958", "windmill"):
        assert word in before
    certificate = erase.erase(session, jane.id, vault=VAULT, actor_id=world.ada.id, now=now)
    left = everything(session)
    for word in ("zoë", "zo\\u00eb", "quixote", "079460958", "windmill"):
        assert word not in left, left[max(0, left.find(word) - 200) : left.find(word) + 50]
    assert certificate.counts["items_erased"] == 2
    assert certificate.counts["items_anonymised"] == 1
    assert "backups" in certificate.as_dict()["note"].lower()


def test_items_of_others_stay_without_the_person(session: Session, world: World, jane: Contact, now) -> None:
    fill(session, world, jane, now)
    erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    (kept,) = session.scalars(select(Communication)).all()
    assert kept.subject == "Meeting with [erased]"
    bob = contacts.by_address(session, "bob@acme.example")
    assert bob is not None
    assert session.scalars(select(Task.title)).all() == ["Call [erased]"]


def test_keyed_hashes_keep_the_person_and_their_mails_away(session: Session, world: World, jane: Contact, now) -> None:
    item = fill(session, world, jane, now)
    message_id = item.message_id
    erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    hashes = {(m.kind, m.hash) for m in session.scalars(select(Marker))}
    assert ("erased", VAULT.keyed_hash(message_id)) in hashes
    assert ("do_not_recreate", VAULT.keyed_hash("zoë@quixote.example")) in hashes
    row = session.scalars(select(Ledger)).one()
    assert (row.state, row.reason, row.message_id, row.communication_id) == ("skipped", "erased", None, None)
    assert row.key_hash == VAULT.keyed_hash(message_id)


def test_whoever_was_merged_into_the_person_goes_too(session: Session, world: World, jane: Contact, now) -> None:
    double = contacts.create(session, name="Z. Q.", emails=["old@quixote.example"], now=now, actor_id=None)
    merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)
    erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert "quixote" not in everything(session)
    assert session.scalars(select(Contact)).all() == []


def test_a_shared_address_stays_with_its_other_holder(session: Session, world: World, jane: Contact, now) -> None:
    contacts.create(session, name="Bob", emails=["team@acme.example"], now=now, actor_id=None)
    contacts.add_address(session, jane.id, "team@acme.example", actor_id=None, now=now)
    item = world.item((world.anna, "full"), people=[("from", "team@acme.example", "Team")])
    erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert contacts.by_address(session, "team@acme.example").name == "Bob"
    assert session.get(Communication, item.id) is not None


def test_the_preview_counts_what_the_erasure_does(session: Session, world: World, jane: Contact, now) -> None:
    fill(session, world, jane, now)
    shown = erase.preview(session, jane.id)
    done = erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert shown == {name: done.counts[name] for name in ("items_erased", "items_anonymised")}


def test_the_export_of_a_person_has_all_of_them_and_no_private_content(
    session: Session, world: World, jane: Contact, now
) -> None:
    fill(session, world, jane, now)
    world.item((world.anna, "private"), subject="hush", people=[("from", "zoë@quixote.example", "Z")])
    found = erase.export_person(session, jane.id)
    json.dumps(found)
    assert found["contacts"][0]["name"] == "Zoë Quixote"
    assert [a["canonical"] for a in found["addresses"]] == ["zoë@quixote.example", "zq@home.example"]
    assert found["deals"] == ["La Mancha deal"]
    assert found["companies"] == ["Mancha"]
    assert (len(found["items"]), found["items_private"]) == (4, 1)
    assert "hush" not in json.dumps(found)


def test_a_person_is_named_by_number_or_address(session: Session, world: World, jane: Contact, now) -> None:
    assert erase.find(session, str(jane.id)) == jane.id
    assert erase.find(session, " ZOË@quixote.example ") == jane.id
    contacts.create(session, name="Other", emails=["zq@home.example"], now=now, actor_id=None)
    with pytest.raises(Refused):
        erase.find(session, "zq@home.example")
    with pytest.raises(NotFound):
        erase.find(session, "nobody@x.example")


def fill(session: Session, world: World, jane: Contact, now) -> Communication:  # type: ignore[no-untyped-def]
    """A mail they wrote, a note on them, a mail of somebody else that they got a copy of; rows that mention them."""
    csvimport.run(
        session, "contacts", "email,name,title\nzoë@quixote.example,Zoë Quixote,Knight\n", actor_id=None, now=now
    )
    bob = contacts.create(session, name="Bob", emails=["bob@acme.example"], now=now, actor_id=None)
    deals.create(session, title="La Mancha deal", contact_ids=[jane.id], now=now, actor_id=None)
    tasks.create(session, title="Call Zoë Quixote", contact_id=jane.id, now=now, actor_id=None)
    written = world.item(
        (world.anna, "full"), subject="Windmills", text="windmill secrets", thread=world.thread("Windmills"),
        people=[("from", "zoë@quixote.example", "Zoë Quixote"), ("to", "bob@acme.example", "Bob")],
        to=[("contact", jane.id)], evidence=[{"signal": "address", "weight": 1, "says": "exact zoë@quixote.example"}],
    )  # fmt: skip
    session.add(MessageRef(message_id=written.message_id, thread_id=written.thread_id))
    stream = Stream(account_id=world.accounts[world.anna.id].id, remote_id="INBOX", name="INBOX")
    session.add(stream)
    session.flush()
    session.add(
        Ledger(
            account_id=stream.account_id, stream_id=stream.id, remote_id="1", state="stored", seen_at=now,
            message_id=written.message_id, communication_id=written.id,
        )
    )  # fmt: skip
    world.item(
        kind="note", author=world.anna, people=[], text="likes windmills", subject="Note", to=[("contact", jane.id)]
    )
    world.item(
        (world.anna, "full"), subject="Meeting with Zoë Quixote", text="zoë@quixote.example: call 079460958",
        people=[("from", "bob@acme.example", "Bob"), ("cc", "zoë@quixote.example", "Zoë Quixote")],
        to=[("contact", bob.id), ("contact", jane.id)],
        evidence=[{"signal": "thread", "weight": 1, "says": "thread of Zoë Quixote"}],
    )  # fmt: skip
    session.add(Notification(user_id=world.anna.id, key="n", kind="x", text="Zoë Quixote wrote", created_at=now))
    session.add(
        Decision(at=now, kind="attach", subject="address:zoë@quixote.example", says="x", payload={"a": "Zoë Quixote"})
    )
    session.flush()
    return written


@pytest.fixture
def jane(session: Session, world: World, now) -> Contact:  # type: ignore[no-untyped-def]
    company = companies.create(session, name="Mancha", now=now, actor_id=None)
    return contacts.create(
        session, name="Zoë Quixote", emails=["zoë@quixote.example", "zq@home.example"], phones=["079460958"],
        company_id=company.id, now=now, actor_id=None,
    )  # fmt: skip
