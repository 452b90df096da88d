"""The clean-up lists: likely duplicates, and addresses that don't work."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from crm import cleaning, contacts, merges
from crm.errors import NotFound
from tests.crm.world import World


def add(session: Session, now, name: str, *emails: str):  # type: ignore[no-untyped-def]
    return contacts.create(session, name=name, emails=emails, now=now, actor_id=None)


def test_duplicates_are_proposed_with_reasons_until_merged(world: World, now) -> None:
    one = add(world.session, now, "Jane Doe", "jane.doe@gmail.com")
    two = add(world.session, now, "Jane Doe", "janedoe@googlemail.com")
    add(world.session, now, "Bob Roe", "bob@x.example")
    viewer = world.viewer(world.ben)
    (pair,) = cleaning.pairs(world.session, viewer)
    assert (pair.left_id, pair.right_id) == (one.id, two.id)
    assert pair.reasons
    merges.merge(world.session, "contact", one.id, two.id, actor_id=None, now=now)
    assert cleaning.pairs(world.session, viewer) == []


def test_two_people_are_kept_apart_until_that_is_taken_back(world: World, now) -> None:
    one = add(world.session, now, "Jane Doe", "jane.doe@gmail.com")
    two = add(world.session, now, "Jane Doe", "janedoe@googlemail.com")
    decision = cleaning.keep_apart(world.session, two.id, one.id, actor_id=None, now=now)
    assert cleaning.pairs(world.session, world.viewer(world.ben)) == []
    cleaning.propose_again(world.session, decision.id, actor_id=None, now=now)
    assert len(cleaning.pairs(world.session, world.viewer(world.ben))) == 1
    with pytest.raises(NotFound):
        cleaning.propose_again(world.session, decision.id, actor_id=None, now=now)


def test_addresses_that_are_nobodys_and_bounced_ones_are_listed(world: World, now) -> None:
    add(world.session, now, "Robot", "noreply@x.example")
    add(world.session, now, "Gone", "gone@x.example")
    add(world.session, now, "Fine", "fine@x.example")
    thread = world.thread()
    ours = [("from", "anna@ourco.example", "Anna"), ("to", "gone@x.example", "Gone")]
    world.item((world.anna, "private"), direction="outbound", people=ours, thread=thread)
    report = [("from", "mailer-daemon@mx.example", "")]
    world.item((world.anna, "private"), status="ignored", reason="automatic", people=report, thread=thread)
    for user, expected in ((world.anna, ["Gone", "Robot"]), (world.ben, ["Robot"]), (world.mia, ["Robot"])):
        assert [s.contact for s in cleaning.suspects(world.session, world.viewer(user))] == expected
