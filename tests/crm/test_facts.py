"""The header of a record: last in, out and met, next meeting, tasks, strength, who knows them; as far as one sees."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from crm import companies, contacts, facts, tasks
from crm.models import Contact
from tests.crm.world import World


def test_the_header_tells_last_in_out_met_next_and_open_tasks(world: World, jane: Contact, now) -> None:
    day, to = timedelta(days=1), [("contact", jane.id)]
    world.item((world.anna, "full"), at=now - 9 * day, to=to)
    last_in = world.item((world.anna, "full"), at=now - 3 * day, to=to)
    last_out = world.item((world.ben, "full"), at=now - 2 * day, direction="outbound", to=to)
    met = world.item((world.anna, "full"), kind="meeting", direction=None, at=now - 5 * day, to=to)
    world.item((world.anna, "full"), kind="meeting", direction=None, at=now - day, cancelled=True, to=to)
    ahead = world.item((world.anna, "full"), kind="meeting", direction=None, at=now + day, to=to)
    world.item((world.anna, "full"), kind="meeting", direction=None, at=now + 9 * day, to=to)
    tasks.create(world.session, title="Send offer", contact_id=jane.id, due_at=now, now=now, actor_id=None)
    for user in (world.anna, world.ben, world.mia):
        found = facts.of_contact(world.session, world.viewer(user), jane.id, now=now)
        touched = (found.last_inbound, found.last_outbound, found.last_meeting, found.next_meeting)
        assert [t.id for t in touched if t] == [last_in.id, last_out.id, met.id, ahead.id]
        assert (found.open_tasks, found.next_task) == (1, "Send offer")


def test_a_private_item_is_no_last_contact_and_adds_no_strength(world: World, jane: Contact, now) -> None:
    world.item((world.anna, "private"), to=[("contact", jane.id)], direction="outbound")
    mine = facts.of_contact(world.session, world.viewer(world.anna), jane.id, now=now)
    assert mine.last_outbound is not None
    assert mine.score > 0
    for user in (world.ben, world.mia, world.ada):
        found = facts.of_contact(world.session, world.viewer(user), jane.id, now=now)
        assert (found.last_outbound, found.score, found.level, found.knows) == (None, 0.0, 0, ())
        assert facts.last_contacted(world.session, world.viewer(user), [jane.id], now=now) == {}


def test_what_a_colleague_of_theirs_wrote_is_not_their_last_inbound(world: World, jane: Contact, now) -> None:
    bob = contacts.create(world.session, name="Bob", emails=["bob@acme.example"], now=now, actor_id=None)
    people = [("from", "bob@acme.example", "Bob"), ("cc", "jane@acme.example", "Jane")]
    item = world.item((world.anna, "full"), people=people, to=[("contact", jane.id), ("contact", bob.id)])
    anna = world.viewer(world.anna)
    assert facts.of_contact(world.session, anna, jane.id, now=now).last_inbound is None
    assert facts.of_contact(world.session, anna, bob.id, now=now).last_inbound.id == item.id


def test_strength_follows_the_formula_and_one_way_mail_stays_weak(world: World, jane: Contact, now) -> None:
    to = [("contact", jane.id)]
    for _ in range(40):
        world.item((world.anna, "full"), direction="outbound", at=now, to=to)
    anna = world.viewer(world.anna)
    weak = facts.of_contact(world.session, anna, jane.id, now=now)
    assert weak.score == pytest.approx(96.4, abs=0.1)
    assert weak.level == 1
    world.item((world.anna, "full"), kind="meeting", direction=None, at=now - timedelta(days=60), to=to)
    strong = facts.of_contact(world.session, anna, jane.id, now=now)
    assert strong.level == 5
    assert strong.reasons == ("40 mails to them, the last today", "1 meeting, the last 60 days ago")


def test_the_teammate_with_the_most_recent_exchange_knows_them_best(world: World, jane: Contact, now) -> None:
    to = [("contact", jane.id)]
    world.item((world.anna, "full"), at=now - timedelta(days=200), to=to)
    world.item((world.ben, "full"), at=now - timedelta(days=2), to=to)
    world.item((world.ben, "private"), kind="meeting", direction=None, at=now, to=to)
    found = facts.of_contact(world.session, world.viewer(world.mia), jane.id, now=now)
    assert [k.name for k in found.knows] == ["Ben", "Anna"]
    assert found.knows[0].last_at == now - timedelta(days=2)


def test_a_crowd_is_no_contact(world: World, jane: Contact, now) -> None:
    people = [("to", f"p{n}@x.example", "") for n in range(30)]
    world.item((world.anna, "full"), direction="outbound", people=people, to=[("contact", jane.id)])
    anna = world.viewer(world.anna)
    assert facts.of_contact(world.session, anna, jane.id, now=now).last_outbound is None
    assert facts.last_contacted(world.session, anna, [jane.id], now=now) == {}


def test_a_company_rolls_its_people_up_whatever_their_domain(world: World, jane: Contact, now) -> None:
    acme = companies.create(world.session, name="Acme", domains=["acme.example"], now=now, actor_id=None)
    contacts.update(world.session, jane.id, {"company_id": acme.id}, actor_id=None, now=now)
    item = world.item((world.anna, "full"), people=[("from", "jane@home.example", "J")], to=[("contact", jane.id)])
    found = facts.of_company(world.session, world.viewer(world.ben), acme.id, now=now)
    assert found.last_inbound.id == item.id


def test_the_reply_time_is_the_median_wait_in_a_thread(world: World, jane: Contact, now) -> None:
    to, thread = [("contact", jane.id)], world.thread()
    world.item((world.anna, "full"), direction="outbound", at=now - timedelta(hours=10), thread=thread, to=to)
    world.item((world.anna, "full"), direction="inbound", at=now - timedelta(hours=6), thread=thread, to=to)
    assert facts.of_contact(world.session, world.viewer(world.anna), jane.id, now=now).reply_hours == 4.0


def test_facts_cost_a_constant_number_of_statements(world: World, jane: Contact, now, statements: list[str]) -> None:
    costs = []
    for size in (1, 20):
        for _ in range(size):
            world.item((world.anna, "full"), (world.ben, "full"), to=[("contact", jane.id)])
        statements.clear()
        facts.of_contact(world.session, world.viewer(world.mia), jane.id, now=now)
        costs.append(len(statements))
    assert costs[0] == costs[1]


@pytest.fixture
def jane(session: Session, world: World) -> Contact:
    return contacts.create(session, name="Jane", emails=["jane@acme.example"], now=world.now, actor_id=None)
