"""Merging and un-merging: everything follows, and everything goes back exactly."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, merges, tasks
from crm.errors import NotFound, Refused
from crm.models import Address, Base, CompanyDomain, Contact, DealContact, Link, Outbox, Task
from crm.snapshots import columns
from tests.crm.world import World

COMPARED = (
    "contact",
    "company",
    "address",
    "contact_phone",
    "job",
    "deal_contact",
    "task",
    "link",
    "company_domain",
    "deal",
)


def snapshot(session: Session) -> dict[str, list[dict[str, object]]]:
    session.flush()
    session.expire_all()
    mappers = {m.local_table.name: m.class_ for m in Base.registry.mappers}
    return {
        name: [columns(row) for row in session.scalars(select(mappers[name]).order_by(mappers[name].id))]
        for name in COMPARED
    }


def test_a_merge_takes_addresses_phones_deals_tasks_and_items_along(session: Session, world: World, now) -> None:
    jane, double = pair(session, now)
    deal = deals.create(session, title="D", contact_ids=[double.id], now=now, actor_id=None)
    task = tasks.create(session, title="T", contact_id=double.id, now=now, actor_id=None)
    item = world.item((world.anna, "full"), to=[("contact", double.id)])
    merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)
    assert [a.canonical for a in contacts.addresses(session, jane.id)] == ["jane@acme.example", "jane@home.example"]
    assert contacts.by_address(session, "jane@home.example") is jane
    assert contacts.by_id(session, double.id) is jane
    assert session.scalars(select(DealContact.contact_id).where(DealContact.deal_id == deal.id)).all() == [jane.id]
    assert session.get_one(Task, task.id).contact_id == jane.id
    assert session.scalars(select(Link.target_id).where(Link.communication_id == item.id)).all() == [jane.id]
    assert jane.title == "Buyer"


def test_an_unmerge_puts_every_row_back_as_it_was(session: Session, world: World, now) -> None:
    jane, double = pair(session, now)
    contacts.add_address(session, double.id, "shared@acme.example", actor_id=None, now=now)
    contacts.add_address(session, jane.id, "shared@acme.example", actor_id=None, now=now)
    deals.create(session, title="D", contact_ids=[jane.id, double.id], now=now, actor_id=None)
    world.item((world.anna, "full"), to=[("contact", double.id), ("contact", jane.id)])
    pinned = world.item((world.anna, "full"), to=[("contact", double.id), ("contact", jane.id)])
    link = session.scalars(select(Link).where(Link.communication_id == pinned.id, Link.target_id == double.id)).one()
    link.pinned = True
    before = snapshot(session)
    decision = merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)
    assert snapshot(session) != before
    kept = session.scalars(select(Link).where(Link.communication_id == pinned.id)).all()
    assert [(row.target_id, row.pinned) for row in kept] == [(jane.id, True)]
    merges.unmerge(session, decision.id, actor_id=None, now=now)
    assert snapshot(session) == before
    with pytest.raises(Refused):
        merges.unmerge(session, decision.id, actor_id=None, now=now)


def test_what_was_changed_since_the_merge_stays_changed(session: Session, world: World, now) -> None:
    jane, double = pair(session, now)
    decision = merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)
    contacts.update(session, jane.id, {"title": "Director"}, actor_id=None, now=now)
    contacts.remove_address(session, jane.id, "jane@home.example", actor_id=None, now=now)
    merges.unmerge(session, decision.id, actor_id=None, now=now)
    assert jane.title == "Director"
    assert session.scalars(select(Address.canonical)).all() == ["jane@acme.example"]
    assert double.merged_into is None


def test_matching_is_told_of_both_on_merge_and_unmerge(session: Session, world: World, now) -> None:
    jane, double = pair(session, now)
    session.query(Outbox).delete()
    decision = merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)
    merges.unmerge(session, decision.id, actor_id=None, now=now)
    for payload in session.scalars(select(Outbox.payload)):
        assert payload["contacts"] == [jane.id, double.id]
        assert payload["addresses"] == ["jane@acme.example", "jane@home.example"]


def test_companies_merge_and_unmerge_with_domains_people_and_deals(session: Session, world: World, now) -> None:
    keep = companies.create(session, name="Acme", domains=["acme.example"], now=now, actor_id=None)
    gone = companies.create(session, name="Acme UK", domains=["acme.co.uk", "acme.example"], now=now, actor_id=None)
    jane = contacts.create(session, name="Jane", company_id=gone.id, now=now, actor_id=None)
    deal = deals.create(session, title="D", company_id=gone.id, now=now, actor_id=None)
    before = snapshot(session)
    decision = merges.merge(session, "company", keep.id, gone.id, actor_id=None, now=now)
    assert (jane.company_id, deal.company_id) == (keep.id, keep.id)
    rows = session.execute(select(CompanyDomain.domain, CompanyDomain.kind).where(CompanyDomain.company_id == keep.id))
    assert set(map(tuple, rows)) == {("acme.example", "primary"), ("acme.co.uk", "alias")}
    merges.unmerge(session, decision.id, actor_id=None, now=now)
    assert snapshot(session) == before


def test_a_record_cannot_be_merged_with_itself_or_with_nobody(session: Session, world: World, now) -> None:
    jane, double = pair(session, now)
    with pytest.raises(Refused):
        merges.merge(session, "contact", jane.id, jane.id, actor_id=None, now=now)
    contacts_gone = session.get_one(Contact, double.id)
    contacts_gone.deleted_at = now
    with pytest.raises(NotFound):
        merges.merge(session, "contact", jane.id, double.id, actor_id=None, now=now)


def pair(session: Session, now) -> tuple[Contact, Contact]:  # type: ignore[no-untyped-def]
    jane = contacts.create(session, name="Jane", emails=["jane@acme.example"], now=now, actor_id=None)
    double = contacts.create(
        session, name="J. Doe", emails=["jane@home.example"], phones=["+44 20 7946 0958"], title="Buyer", now=now,
        actor_id=None,
    )  # fmt: skip
    return jane, double
