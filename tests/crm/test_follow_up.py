"""Who must not be lost: capabilities 16 and 26, exactly, on both engines, for people who may know different things."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import contacts, deals, follow_up, notes, pipelines, tasks
from crm.follow_up import DEALS, LEADS, STALE
from crm.models import Contact
from tests.crm.world import World

WEEK = 7


def test_three_leads_over_a_week_and_not_the_one_of_6_days_23_hours_nor_a_colleagues(
    session: Session, world: World, now: datetime, fixture_of_row_16: dict[str, int]
) -> None:
    for user in (world.anna, world.ben, world.mia):
        found = follow_up.lists(session, world.viewer(user), now=now, days=WEEK)[STALE]
        assert {lead.id for lead in found.rows} == {fixture_of_row_16[name] for name in ("mailed", "met", "called")}
        assert found.total == 3


def test_a_minute_more_than_7_days_is_over_a_week_and_7_days_are_not(
    session: Session, world: World, now: datetime
) -> None:
    exactly = lead(session, world, "exactly")
    write(world, exactly, now - timedelta(days=7))
    assert stale(session, world, now) == set()
    assert stale(session, world, now + timedelta(minutes=1)) == {exactly}


def test_a_lead_never_contacted_counts_from_its_creation(session: Session, world: World, now: datetime) -> None:
    fresh = lead(session, world, "fresh", age=timedelta(days=6, hours=23))
    old = lead(session, world, "old", age=timedelta(days=7, minutes=1))
    assert stale(session, world, now) == {old}
    assert stale(session, world, now + timedelta(hours=2)) == {fresh, old}


def test_a_lead_imported_today_whom_we_wrote_to_long_ago_is_on_the_list(
    session: Session, world: World, now: datetime
) -> None:
    late = lead(session, world, "late", age=timedelta(hours=1))
    write(world, late, now - timedelta(days=20))
    assert stale(session, world, now) == {late}


def test_automatic_mail_newsletters_crowds_and_mail_from_them_are_no_contact(
    session: Session, world: World, now: datetime
) -> None:
    ids = [lead(session, world, f"n{n}") for n in range(5)]
    recent = now - timedelta(days=1)
    write(world, ids[0], recent, marks=["automatic"])
    write(world, ids[1], recent, marks=["bulk"])
    write(world, ids[2], recent, people=[("to", f"p{n}@crowd.example", "P") for n in range(30)])
    write(world, ids[3], recent, direction="inbound")
    world.item((world.anna, "full"), kind="email", direction="outbound", at=recent, status="ignored", reason="bulk",
               to=[("contact", ids[4])])  # fmt: skip
    assert stale(session, world, now) == set(ids)


def test_a_meeting_counts_once_it_was_held_and_a_cancelled_one_never(
    session: Session, world: World, now: datetime
) -> None:
    held, ahead, cancelled = (lead(session, world, name) for name in ("held", "ahead", "cancelled"))
    for contact, at, off in ((held, -2, False), (ahead, 2, False), (cancelled, -2, True)):
        world.item((world.ben, "full"), kind="meeting", at=now + timedelta(days=at), cancelled=off,
                   to=[("contact", contact)])  # fmt: skip
    assert stale(session, world, now) == {ahead, cancelled}


def test_what_a_colleague_keeps_private_is_no_contact_for_others_and_is_for_them(
    session: Session, world: World, now: datetime
) -> None:
    kept = lead(session, world, "kept")
    world.item((world.ben, "private"), direction="outbound", at=now - timedelta(days=1), to=[("contact", kept)])
    assert stale(session, world, now) == {kept}
    assert follow_up.lists(session, world.viewer(world.ben), now=now, days=WEEK)[STALE].total == 0
    assert follow_up.lists(session, world.viewer(world.ada), now=now, days=WEEK)[STALE].total == 1


def test_clients_and_deleted_leads_are_not_on_the_list(session: Session, world: World, now: datetime) -> None:
    client, gone = lead(session, world, "client"), lead(session, world, "gone")
    session.get_one(Contact, client).lifecycle = "client"
    session.get_one(Contact, gone).deleted_at = now
    assert stale(session, world, now) == set()


def test_no_next_step_is_exactly_who_has_no_open_task_and_no_meeting_ahead(
    session: Session, world: World, now: datetime
) -> None:
    leads = {name: lead(session, world, name) for name in ("bare", "task", "done", "meeting", "past", "called off")}
    opened = {name: deal(session, world, name) for name in ("bare", "task", "done", "meeting", "past", "won")}
    stages = pipelines.stages(session, pipelines.ensure_default(session).id)
    deals.move(session, opened["won"], next(s.id for s in stages if s.kind == "won"), actor_id=None, now=now)
    for kind, of in (("contact", leads), ("deal", opened)):
        on = {f"{kind}_id": of["task"]}
        tasks.create(session, title="Call", due_at=None, now=now, actor_id=None, **on)
        closed = tasks.create(session, title="Called", now=now, actor_id=None, **{f"{kind}_id": of["done"]})
        tasks.done(session, closed.id, actor_id=None, now=now)
        for name, days in (("meeting", 3), ("past", -3)):
            world.item((world.ben, "full"), kind="meeting", at=now + timedelta(days=days), to=[(kind, of[name])])
    world.item((world.ben, "full"), kind="meeting", at=now + timedelta(days=3), cancelled=True,
               to=[("contact", leads["called off"])])  # fmt: skip
    found = follow_up.lists(session, world.viewer(world.anna), now=now, days=WEEK)
    assert {row.name for row in found[LEADS].rows} == {"bare", "done", "past", "called off"}
    assert {row.name for row in found[DEALS].rows} == {"bare", "done", "past"}


def test_a_private_meeting_of_a_colleague_is_no_next_step_for_others(
    session: Session, world: World, now: datetime
) -> None:
    quiet = deal(session, world, "quiet")
    world.item((world.ben, "private"), kind="meeting", at=now + timedelta(days=3), to=[("deal", quiet)])
    assert follow_up.lists(session, world.viewer(world.anna), now=now, days=WEEK)[DEALS].total == 1
    assert follow_up.lists(session, world.viewer(world.ben), now=now, days=WEEK)[DEALS].total == 0


def test_a_list_counts_all_shows_the_first_and_puts_ones_own_on_top(
    session: Session, world: World, now: datetime, statements: list[str]
) -> None:
    for n in range(12):
        made = lead(session, world, f"n{n}", age=timedelta(days=30 + n))
        session.get_one(Contact, made).owner_id = world.anna.id if n < 2 else world.ben.id
    session.flush()
    statements.clear()
    found = follow_up.lists(session, world.viewer(world.anna), now=now, days=WEEK, limit=5)[STALE]
    assert len(statements) == 1
    assert (len(found.rows), found.total, found.mine) == (5, 12, 2)
    assert [row.owner for row in found.rows] == ["Anna", "Anna", "Ben", "Ben", "Ben"]


def lead(session: Session, world: World, name: str, age: timedelta = timedelta(days=40)) -> int:
    made = contacts.create(session, name=name, emails=[], now=world.now, actor_id=None)
    made.created_at, made.lifecycle = world.now - age, "lead"
    session.flush()
    return made.id


def deal(session: Session, world: World, title: str) -> int:
    return deals.create(session, title=title, now=world.now, actor_id=None).id


def write(world: World, contact: int, at: datetime, **more: object) -> None:
    """Ben's mail to them."""
    more.setdefault("direction", "outbound")
    world.item((world.ben, "full"), at=at, to=[("contact", contact)], **more)  # type: ignore[arg-type]


def stale(session: Session, world: World, now: datetime) -> set[int]:
    found = follow_up.lists(session, world.viewer(world.anna), now=now, days=WEEK, limit=50)[STALE]
    return {row.id for row in found.rows}


@pytest.fixture
def fixture_of_row_16(session: Session, world: World, now: datetime) -> dict[str, int]:
    """Three leads over 7 x 24 h (mailed, met, called), one at 6 d 23 h, one contacted by another rep; all Anna's."""
    ids = {name: lead(session, world, name) for name in ("mailed", "met", "called", "almost", "by another")}
    for contact in ids.values():
        session.get_one(Contact, contact).owner_id = world.anna.id
    over = now - timedelta(days=7, minutes=1)
    anna = (world.anna, "full")
    world.item(anna, direction="outbound", at=over, to=[("contact", ids["mailed"])])
    world.item(anna, kind="meeting", at=over - timedelta(hours=2), to=[("contact", ids["met"])])
    notes.add(session, world.viewer(world.anna), kind="call", text="Spoke.", target=("contact", ids["called"]), at=over,
              now=now)  # fmt: skip
    world.item(anna, direction="outbound", at=now - timedelta(days=6, hours=23), to=[("contact", ids["almost"])])
    write(world, ids["by another"], now - timedelta(days=2))
    world.item(anna, direction="outbound", at=now - timedelta(days=1), marks=["automatic"],
               to=[("contact", ids["mailed"])])  # fmt: skip
    world.item(anna, direction="outbound", at=now - timedelta(days=1), marks=["bulk"], to=[("contact", ids["met"])])
    return ids
