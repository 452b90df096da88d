"""Contacts, their addresses, companies and domains."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import companies, contacts
from crm.errors import NotFound, Refused
from crm.models import Address, Job, Marker, Outbox
from crm.vault import Vault
from tests.crm.world import World

VAULT = Vault(("k" * 32,))


def add(session: Session, now, **values):  # type: ignore[no-untyped-def]
    return contacts.create(
        session, **{"name": "Jane", "emails": ["jane@acme.example"], **values}, now=now, actor_id=None
    )


@pytest.mark.parametrize(
    "written",
    [
        "JANE@acme.example",
        " jane@ACME.example ",
        "<jane@acme.example>",
        "mailto:jane@acme.example",
        "second@acme.example",
    ],
)
def test_lookup_by_any_address_in_any_notation_gives_the_one_record(session: Session, now, written: str) -> None:
    jane = add(session, now, emails=["jane@acme.example", "Second@acme.example"])
    assert contacts.by_address(session, written) is jane


def test_lesson_11_an_empty_address_is_never_stored_and_finds_nobody(session: Session, now) -> None:
    add(session, now, emails=[])
    for raw in ("", "   ", "nobody", "@", "a@", "@b", "/O=EXCHANGE/CN=RECIPIENTS/CN=X"):
        assert contacts.by_address(session, raw) is None
        with pytest.raises(Refused):
            add(session, now, emails=[raw])
    assert session.scalars(select(Address)).all() == []


def test_lesson_12_a_second_address_belongs_to_the_same_contact(session: Session, now) -> None:
    jane = add(session, now)
    contacts.add_address(session, jane.id, "Jane@Home.example", actor_id=None, now=now)
    assert contacts.by_address(session, "jane@home.example") is jane
    with pytest.raises(Refused):
        contacts.add_address(session, jane.id, "JANE@home.example", actor_id=None, now=now)


def test_lesson_20_an_address_of_our_own_side_cannot_be_a_contacts(world: World, now) -> None:
    for raw in ("anna@ourco.example", "MIA@ourco.example"):
        with pytest.raises(Refused, match="own side"):
            add(world.session, now, emails=[raw])
    jane = add(world.session, now)
    with pytest.raises(Refused, match="own side"):
        contacts.add_address(world.session, jane.id, "ben@ourco.example", actor_id=None, now=now)


def test_a_shared_address_is_nobodys_unless_it_is_one_persons_first(session: Session, now) -> None:
    ann = add(session, now, name="Ann", emails=["ann@x.example", "team@x.example"])
    add(session, now, name="Ben", emails=["ben@x.example", "team@x.example"])
    assert contacts.by_address(session, "team@x.example") is None
    contacts.make_primary(session, ann.id, "team@x.example", actor_id=None, now=now)
    assert contacts.by_address(session, "team@x.example") is ann


def test_dates_of_an_address_are_kept_and_told_to_matching(session: Session, now) -> None:
    jane = add(session, now)
    contacts.set_validity(
        session,
        jane.id,
        "jane@acme.example",
        valid_from=date(2024, 1, 1),
        valid_to=date(2025, 1, 1),
        actor_id=None,
        now=now,
    )
    (row,) = contacts.addresses(session, jane.id)
    assert (row.valid_from, row.valid_to) == (date(2024, 1, 1), date(2025, 1, 1))
    with pytest.raises(Refused):
        contacts.set_validity(
            session,
            jane.id,
            "jane@acme.example",
            valid_from=date(2025, 1, 2),
            valid_to=date(2025, 1, 1),
            actor_id=None,
            now=now,
        )
    assert session.scalars(select(Outbox.payload)).all()[-1]["addresses"] == ["jane@acme.example"]


def test_a_change_of_job_keeps_the_old_one_with_its_dates(session: Session, now) -> None:
    old = companies.create(session, name="Old", now=now, actor_id=None)
    new = companies.create(session, name="New", now=now, actor_id=None)
    jane = add(session, now, company_id=old.id, title="Clerk")
    contacts.change_job(session, jane.id, new.id, on=date(2026, 2, 1), title="Boss", actor_id=None, now=now)
    jobs = session.execute(select(Job.company_id, Job.title, Job.valid_from, Job.valid_to).order_by(Job.id)).all()
    assert [tuple(j) for j in jobs] == [
        (old.id, "Clerk", None, date(2026, 1, 31)), (new.id, "Boss", date(2026, 2, 1), None),
    ]  # fmt: skip
    assert (jane.company_id, jane.title) == (new.id, "Boss")
    with pytest.raises(Refused):
        contacts.change_job(session, jane.id, old.id, on=date(2026, 2, 1), title=None, actor_id=None, now=now)


def test_deleting_marks_the_address_and_restoring_takes_the_mark_away(session: Session, now) -> None:
    jane = add(session, now)
    contacts.delete(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert contacts.by_address(session, "jane@acme.example") is None
    with pytest.raises(NotFound):
        contacts.by_id(session, jane.id)
    assert session.scalars(select(Marker.hash)).all() == [VAULT.keyed_hash("jane@acme.example")]
    contacts.restore(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert contacts.by_address(session, "jane@acme.example") is jane
    assert session.scalars(select(Marker)).all() == []


def test_conversion_keeps_id_and_history(session: Session, now) -> None:
    jane = add(session, now)
    for lifecycle in ("client", "past_client"):
        assert contacts.update(session, jane.id, {"lifecycle": lifecycle}, actor_id=None, now=now).id == jane.id
    with pytest.raises(Refused):
        contacts.update(session, jane.id, {"lifecycle": "friend"}, actor_id=None, now=now)
    with pytest.raises(Refused):
        contacts.update(session, jane.id, {"merged_into": 1}, actor_id=None, now=now)


def test_pages_walk_all_contacts_once_and_filters_narrow(world: World, now) -> None:
    session, viewer = world.session, world.viewer(world.ben)
    made = {
        add(session, now, name="Same name", emails=[f"p{n}@x.example"], owner_id=world.anna.id).id for n in range(7)
    }
    found, after = [], None
    while rows := contacts.page(session, viewer, after=after, limit=3):
        found += [row.id for row in rows]
        after = (rows[-1].name, rows[-1].id)
    assert sorted(found) == sorted(made)
    assert [r.email for r in contacts.page(session, viewer, contacts.Filter(text="P3@X"))] == ["p3@x.example"]
    assert contacts.page(session, viewer, contacts.Filter(text="100%_")) == []
    assert contacts.count(session, viewer, contacts.Filter(owner_id=world.anna.id)) == 7
    assert contacts.count(session, viewer, contacts.Filter(lifecycle="client")) == 0


def test_phones_are_kept_as_written_and_in_e164(session: Session, now) -> None:
    from crm.models import ContactPhone

    jane = add(session, now, phones=["+44 (0)20 7946 0958", "ext. 12", ""])
    query = (
        select(ContactPhone.raw, ContactPhone.e164).where(ContactPhone.contact_id == jane.id).order_by(ContactPhone.id)
    )
    assert [tuple(r) for r in session.execute(query)] == [("+44 (0)20 7946 0958", "+442079460958"), ("ext. 12", None)]


def test_lesson_15_a_company_has_several_domains_and_two_may_share_one(session: Session, now) -> None:
    acme = companies.create(
        session, name="Acme", domains=["Acme.example", "https://www.acme.co/"], now=now, actor_id=None
    )
    sub = companies.create(session, name="Acme Sub", domains=["acme.example"], now=now, actor_id=None)
    assert [(d.domain, d.kind) for d in companies.domains(session, acme.id)] == [
        ("acme.example", "primary"),
        ("acme.co", "alias"),
    ]
    assert companies.listing(session, "ACME.example") == [acme, sub]
    companies.remove_domain(session, acme.id, "acme.example", actor_id=None, now=now)
    assert [(d.domain, d.kind) for d in companies.domains(session, acme.id)] == [("acme.co", "primary")]
    for bad in ("gmail.com", "nodot", "a b.example", "acme.co"):
        with pytest.raises(Refused):
            companies.add_domain(session, acme.id, bad, actor_id=None, now=now)


def test_an_excluded_domain_does_not_list_the_company(session: Session, now) -> None:
    acme = companies.create(session, name="Acme", domains=["acme.example"], now=now, actor_id=None)
    companies.add_domain(session, acme.id, "shop.acme.example", kind="excluded", actor_id=None, now=now)
    assert companies.listing(session, "shop.acme.example") == []


def test_a_company_by_domain_is_made_once(session: Session, now) -> None:
    first = companies.by_domain_or_create(session, "acme.example", now=now, actor_id=None)
    assert companies.by_domain_or_create(session, "ACME.example", name="Acme", now=now, actor_id=None) is first
    assert first.name == "acme.example"


def test_a_deleted_company_comes_back_with_its_domains(session: Session, now) -> None:
    acme = companies.create(session, name="Acme", domains=["acme.example"], now=now, actor_id=None)
    companies.delete(session, acme.id, actor_id=None, now=now)
    assert companies.listing(session, "acme.example") == []
    companies.restore(session, acme.id, actor_id=None, now=now)
    assert companies.listing(session, "acme.example") == [acme]


@pytest.mark.parametrize(
    ("left", "right"), [("Acme Ltd.", "ACME limited"), ("Foo GmbH & Co. KG", "foo"), ("Bar, Inc.", "bar")]
)
def test_names_are_one_whatever_the_legal_form(left: str, right: str) -> None:
    assert companies.name_key(left) == companies.name_key(right)


def test_a_legal_form_alone_is_still_a_name() -> None:
    assert companies.name_key("AG") == "ag"
    assert companies.name_key("Company") == "company"
