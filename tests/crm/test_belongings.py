"""What may belong to a deal or a contact is offered to who may see it, bounded, and not again once it was refused; and
a record's log as its page shows it: pinned, ahead, folded, narrowed."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import belongings, companies, contacts, deals, pins, record_heads, record_log
from crm.errors import NotFound
from crm.models import Contact, Deal, Link, Suggestion, User
from crm.timeline import LogFilter
from tests.crm.world import World

DAY = timedelta(days=1)


def test_threads_of_a_deals_people_that_are_on_no_deal_are_offered_newest_first_and_folded(
    world: World, jane: Contact, deal: Deal, now: datetime
) -> None:
    thread = world.thread()
    for days in (3, 2):
        world.item((world.anna, "full"), at=now - days * DAY, thread=thread, subject="Re: site", to=on(jane))
    newest = world.item((world.anna, "full"), at=now - DAY, subject="Pricing", to=on(jane))
    assert [(b.newest.subject, b.size) for b in offers(world, deal)] == [("Pricing", 1), ("Re: site", 2)]
    world.session.add(link(newest.id, deal.id, now))
    world.session.flush()
    assert [b.newest.subject for b in offers(world, deal)] == ["Re: site"]


def test_what_is_on_another_deal_taken_off_this_one_too_old_or_cancelled_is_not_offered(
    world: World, jane: Contact, deal: Deal, now: datetime
) -> None:
    other = deals.create(world.session, title="Other", contact_ids=[jane.id], now=now, actor_id=None)
    world.item((world.anna, "full"), at=now - DAY, to=[*on(jane), ("deal", other.id)])
    refused = world.item((world.anna, "full"), at=now - DAY, to=on(jane))
    world.session.add(link(refused.id, deal.id, now, tombstoned=True))
    world.item((world.anna, "full"), at=now - 45 * DAY, to=on(jane))
    world.item((world.anna, "full"), at=now - DAY, kind="meeting", cancelled=True, to=on(jane))
    world.item((world.anna, "full"), at=now - DAY, status="review", to=on(jane))
    assert offers(world, deal) == []


def test_a_teammate_is_offered_what_they_may_see_and_an_outsider_of_the_mail_nothing_private(
    world: World, jane: Contact, deal: Deal, now: datetime
) -> None:
    world.item((world.anna, "private"), at=now - DAY, subject="Between us", to=on(jane))
    world.item((world.anna, "metadata"), at=now - 2 * DAY, subject="Budget", to=on(jane))
    seen = {user.name: len(offers(world, deal, user)) for user in (world.anna, world.ben, world.mia, world.ada)}
    assert seen == {"Anna": 2, "Ben": 1, "Mia": 1, "Ada": 1}
    found = record_log.of(
        world.session, world.viewer(world.ben), LogFilter(deal_id=deal.id), offers(world, deal, world.ben), now=now
    )  # fmt: skip
    assert "Budget" not in str(found.offers)


def test_offers_are_few_and_cost_one_statement(
    world: World, jane: Contact, deal: Deal, now: datetime, statements: list[str]
) -> None:
    for n in range(40):
        world.item((world.anna, "full"), at=now - n * timedelta(hours=1), to=on(jane))
    for call, record in ((belongings.of_deal, deal), (belongings.of_contact, jane)):
        statements.clear()
        found = call(world.session, world.viewer(world.anna), record, now=now)  # type: ignore[operator]
        assert len(found) <= belongings.SHOWN
        assert len(statements) == 1


def test_a_namesake_another_spelling_and_a_suggestion_are_offered_to_the_items_owner_alone(
    world: World, jane: Contact, now: datetime
) -> None:
    stranger(world, now - DAY, "jane.doe@gmail.example", "Jane Doe")
    stranger(world, now - 2 * DAY, "jane.doe@gmail.example", "Jane Doe")
    stranger(world, now - 3 * DAY, "", "Doe, Jane")
    vague = stranger(world, now - 4 * DAY, "jd@x.example", "JD")
    world.session.add(Suggestion(communication_id=vague, target_kind="contact", target_id=jane.id, score=0.5))
    stranger(world, now - DAY, "nobody@x.example", "Nobody")
    found = belongings.of_contact(world.session, world.viewer(world.anna), jane, now=now)
    assert [(b.address or b.name, b.size, b.says) for b in found] == [
        ("jane.doe@gmail.example", 2, "the same name, Jane Doe"), ("Doe, Jane", 1, "the same name, Doe, Jane"),
        ("jd@x.example", 1, "suggested by what they write"),
    ]  # fmt: skip
    for user in (world.ben, world.mia, world.ada):
        assert belongings.of_contact(world.session, world.viewer(user), jane, now=now) == []
    ids = belongings.ids_of(
        world.session, world.viewer(world.anna), jane, "jane.doe@gmail.example", "", now=now
    )  # fmt: skip
    assert len(ids) == 2
    assert belongings.ids_of(world.session, world.viewer(world.ben), jane, "jane.doe@gmail.example", "", now=now) == []


def test_a_conversation_is_what_the_viewer_may_see_of_it(world: World, jane: Contact, now: datetime) -> None:
    thread = world.thread()
    open_ = world.item((world.anna, "full"), thread=thread, to=on(jane))
    shut = world.item((world.anna, "private"), thread=thread, to=on(jane))
    assert belongings.conversation(world.session, world.viewer(world.ben), open_.id) == ([open_.id], f"t{thread}")
    with pytest.raises(NotFound):
        belongings.conversation(world.session, world.viewer(world.ben), shut.id)


def test_a_record_shows_what_is_pinned_what_is_ahead_and_a_folded_past(
    world: World, jane: Contact, now: datetime
) -> None:
    thread = world.thread()
    for days in (5, 4):
        world.item((world.anna, "full"), at=now - days * DAY, thread=thread, subject="Offer", to=on(jane))
    for days in (-7, 0, 7, 14):
        world.item(
            (world.anna, "full"), kind="meeting", at=now - days * DAY - DAY, uid="weekly", subject="Weekly",
            cancelled=days == 7, to=on(jane),
        )  # fmt: skip
    note = world.item(author=world.anna, kind="note", at=now - 30 * DAY, subject="Signs himself", to=on(jane))
    pins.put(world.session, world.viewer(world.ben), note.id, pinned=True, now=now)
    found = log(world, jane)
    assert [r.subject for r in found.pinned] == ["Signs himself"]
    assert [(r.subject, r.occurred_at) for r in found.ahead] == [("Weekly", now + 6 * DAY)]
    assert [b.meeting.id for b in found.briefs] == [found.ahead[0].id]
    assert [(r.subject, r.thread_count, r.cancelled_count) for r in found.rows] == [
        ("Weekly", 3, 1), ("Offer", 2, 0), ("Signs himself", 1, 0)
    ]  # fmt: skip
    assert [r.subject for r in log(world, jane, kinds=frozenset({"meeting"})).rows] == ["Weekly"]
    assert log(world, jane, kinds=frozenset({"meeting"})).pinned == []
    assert [r.subject for r in log(world, jane, until=now - 10 * DAY).rows] == ["Weekly", "Signs himself"]
    assert [r.subject for r in log(world, jane, text="signs").rows] == ["Signs himself"]


def test_pages_of_a_record_show_every_thread_once(world: World, jane: Contact, now: datetime) -> None:
    made = []
    for n in range(25):
        thread = world.thread()
        made += [world.item((world.anna, "full"), at=now - n * DAY - h, thread=thread, to=on(jane)).thread_id
                 for h in (timedelta(), timedelta(hours=1))]  # fmt: skip
    seen: list[int | None] = []
    token: str | None = None
    for _ in range(20):
        found = record_log.of(
            world.session, world.viewer(world.anna), LogFilter(contact_id=jane.id), before=token, limit=4, now=now
        )  # fmt: skip
        seen += [row.thread_id for row in found.rows]
        token = found.next
        if token is None:
            break
    assert seen == list(dict.fromkeys(made))


def test_an_item_one_may_not_see_can_not_be_pinned(world: World, jane: Contact, now: datetime) -> None:
    shut = world.item((world.anna, "private"), to=on(jane))
    for user in (world.ben, world.mia, world.ada):
        with pytest.raises(NotFound):
            pins.put(world.session, world.viewer(user), shut.id, pinned=True, now=now)
    pins.put(world.session, world.viewer(world.anna), shut.id, pinned=True, now=now)
    assert log(world, jane, user=world.ben).pinned == []
    assert [r.id for r in log(world, jane).pinned] == [shut.id]


def test_people_around_are_those_on_the_same_items_and_colleagues_by_what_one_may_see(
    world: World, jane: Contact, now: datetime
) -> None:
    by = {"now": now, "actor_id": None}
    bob = contacts.create(world.session, name="Bob Colleague", company_id=jane.company_id, **by)
    eve = contacts.create(world.session, name="Eve Elsewhere", **by)
    world.item((world.anna, "full"), at=now - DAY, to=[*on(jane), *on(eve)])
    world.item((world.anna, "private"), at=now - DAY, to=[*on(jane), *on(eve)])
    seen = {}
    for user in (world.anna, world.ben):
        found = record_heads.around(world.session, world.viewer(user), jane, now=now)
        seen[user.name] = [(p.id, p.items, p.colleague) for p in found]
    assert seen == {
        "Anna": [(eve.id, 2, False), (bob.id, 0, True)], "Ben": [(eve.id, 1, False), (bob.id, 0, True)]
    }  # fmt: skip


def log(world: World, contact: Contact, user: User | None = None, **filters: object) -> record_log.RecordLog:
    viewer = world.viewer(user or world.anna)
    return record_log.of(
        world.session, viewer, LogFilter(contact_id=contact.id, **filters), now=world.now  # type: ignore[arg-type]
    )  # fmt: skip


def offers(world: World, deal: Deal, user: User | None = None) -> list[belongings.Belonging]:
    return belongings.of_deal(world.session, world.viewer(user or world.anna), deal, now=world.now)


def on(contact: Contact) -> list[tuple[str, int]]:
    return [("contact", contact.id)]


def stranger(world: World, at: datetime, address: str, name: str) -> int:
    people = (("from" if address else "attendee", address, name),)
    return world.item((world.anna, "full"), at=at, status="review", people=people).id


def link(item: int, deal: int, now: datetime, *, tombstoned: bool = False) -> Link:
    return Link(
        communication_id=item, target_kind="deal", target_id=deal, method="decided", score=1.0, tombstoned=tombstoned,
        created_at=now,
    )  # fmt: skip


@pytest.fixture
def jane(session: Session, world: World) -> Contact:
    by = {"now": world.now, "actor_id": None}
    acme = companies.create(session, name="Acme", domains=["acme.example"], **by)
    return contacts.create(session, name="Jane Doe", emails=["jane@acme.example"], company_id=acme.id, **by)


@pytest.fixture
def deal(session: Session, world: World, jane: Contact) -> Deal:
    return deals.create(
        session, title="Crane", contact_ids=[jane.id], created_at=world.now - 10 * DAY, now=world.now, actor_id=None
    )  # fmt: skip
