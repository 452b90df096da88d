"""Segments: who is in one is exact, on both engines and for each viewer; a task for each of them, and its one undo."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import companies, contacts, criteria, csvimport, deals, fields, segment_table, segments, tasks
from crm.errors import NotAllowed, NotFound, Refused
from crm.models import Task, User
from tests.crm.world import World

DAY = timedelta(days=1)


def test_past_clients_due_for_a_check_in_are_exact_to_the_hour(world: World, base: Base, now: datetime) -> None:
    touch(world, base.jane, now - 30 * DAY)
    touch(world, base.omar, now - 30 * DAY + timedelta(hours=1))
    touch(world, base.lena, now - 5 * DAY, status="ignored")
    assert base.names("contact", lifecycle="past_client", older="30") == ["Jane Doe", "Lena Fuchs"]
    assert base.names("contact", lifecycle="past_client", newer="30") == ["Omar Aziz"]


def test_a_meeting_held_a_call_and_mail_either_way_are_touches_and_a_plan_or_a_cancelled_one_is_none(
    world: World, base: Base, now: datetime
) -> None:
    touch(world, base.jane, now - DAY, kind="meeting", direction=None)
    touch(world, base.omar, now - DAY, kind="meeting", direction=None, cancelled=True)
    touch(world, base.lena, now + DAY, kind="meeting", direction=None)
    assert base.names("contact", newer="7") == ["Jane Doe"]
    assert base.names("contact", older="7") == ["Lena Fuchs", "Omar Aziz", "Paul Lead"]


def test_what_is_private_to_a_teammate_is_no_touch_for_others(world: World, base: Base, now: datetime) -> None:
    world.item((world.ben, "private"), at=now - DAY, to=[("contact", base.jane.id)])
    assert base.names("contact", newer="7", user=world.ben) == ["Jane Doe"]
    for outsider in (world.anna, world.mia, world.ada):
        assert base.names("contact", newer="7", user=outsider) == []
        chosen = criteria.read("contact", {})
        rows = segments.page(world.session, world.viewer(outsider), chosen, now=now)
        assert [row.last_at for row in rows] == [None] * 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"owner": "me"}, ["Jane Doe"]), ({"owner": "nobody"}, ["Lena Fuchs", "Omar Aziz", "Paul Lead"]),
        ({"lifecycle": "lead"}, ["Paul Lead"]), ({"source": "FAIR"}, ["Paul Lead"]), ({"company": "acm"}, ["Jane Doe"]),
        ({"q": "jane@acme"}, ["Jane Doe"]), ({"no_task": "1"}, ["Lena Fuchs", "Omar Aziz", "Paul Lead"]),
        ({"field1": "tier", "op1": "is", "value1": "GOLD"}, ["Jane Doe"]),
        ({"field1": "tier", "op1": "not", "value1": "gold"}, ["Lena Fuchs", "Omar Aziz", "Paul Lead"]),
        ({"field1": "tier", "op1": "set"}, ["Jane Doe", "Omar Aziz"]),
        ({"field1": "seats", "op1": "least", "value1": "9.5"}, ["Omar Aziz"]),
        ({"field1": "seats", "op1": "most", "value1": "9"}, ["Jane Doe"]),
        ({"field1": "renewal", "op1": "most", "value1": "2026-04-01"}, ["Jane Doe"]),
        ({"field1": "tier", "op1": "has", "value1": "%"}, []),
        ({"field1": "tier", "op1": "set", "field2": "seats", "op2": "least", "value2": "10"}, ["Omar Aziz"]),
    ],
)  # fmt: skip
def test_contacts_are_narrowed_by_each_criterion(base: Base, given: dict[str, str], expected: list[str]) -> None:
    assert base.names("contact", **given) == expected


def test_companies_are_narrowed_by_their_peoples_touches_and_tasks(world: World, base: Base, now: datetime) -> None:
    touch(world, base.jane, now - DAY)
    assert base.names("company", newer="7") == ["Acme"]
    assert base.names("company", older="7") == ["Borg"]
    assert base.names("company", no_task="1") == ["Borg"]
    assert base.names("company", industry="Steel") == ["Borg"]


def test_deals_are_narrowed_by_stage_value_and_status(world: World, base: Base) -> None:
    stage = base.deals[0].stage_id
    assert base.names("deal", least="10000") == ["Big"]
    assert base.names("deal", most="9999.99") == ["Small"]
    assert base.names("deal", stage=str(stage), status="open", q="ma") == ["Small"]
    assert base.names("deal", older="7") == ["Big", "Small"]


@pytest.mark.parametrize(
    ("noun", "given", "field"),
    [
        ("contact", {"older": "soon"}, "older"), ("contact", {"older": "0"}, "older"),
        ("contact", {"older": "30", "newer": "7"}, "newer"), ("contact", {"lifecycle": "friend"}, "lifecycle"),
        ("deal", {"least": "a lot"}, "least"), ("deal", {"least": "5", "most": "4"}, "most"),
        ("contact", {"owner": "1 or 1=1"}, "owner"), ("contact", {"field1": "tier", "op1": "like"}, "op1"),
        ("contact", {"field1": "tier", "op1": "is", "value1": ""}, "value1"), ("person", {}, "noun"),
    ],
)  # fmt: skip
def test_a_criterion_that_can_not_be_is_refused_at_its_field(noun: str, given: dict[str, str], field: str) -> None:
    with pytest.raises(Refused) as refused:
        criteria.read(noun, given)
    assert refused.value.field == field


def test_ones_own_is_nobody_elses_and_a_shared_one_is_changed_by_its_owner_or_who_leads(
    world: World, base: Base, now: datetime
) -> None:
    session, anna, ben, mia = world.session, *(world.viewer(u) for u in (world.anna, world.ben, world.mia))
    own = segments.save(session, anna, noun="contact", name="Mine", given={"owner": "me"}, shared=False, now=now)
    team = segments.save(session, anna, noun="contact", name="Ours", given={"older": "30"}, shared=True, now=now)
    assert [(s.name, s.count) for s in segments.listed(session, anna, now=now)] == [("Mine", 1), ("Ours", 4)]
    assert [s.name for s in segments.listed(session, ben, now=now)] == ["Ours"]
    with pytest.raises(NotFound):
        segments.by_id(session, ben, own.id)
    with pytest.raises(NotAllowed):
        segments.remove(session, ben, team.id, now=now)
    segments.save(
        session, mia, noun="contact", name="Ours all", given={}, shared=True, segment_id=team.id, now=now
    )  # fmt: skip
    segments.remove(session, anna, team.id, now=now)
    with pytest.raises(NotFound):
        segments.bring_back(session, ben, team.id, now=now)
    assert segments.bring_back(session, anna, team.id, now=now).name == "Ours all"


def test_the_table_leaves_out_who_does_not_want_to_be_written_to(world: World, base: Base, now: datetime) -> None:
    contacts.update(world.session, base.omar.id, {"opt_out": True}, actor_id=None, now=now)
    chosen, viewer = criteria.read("contact", {"lifecycle": "past_client"}), world.viewer(world.anna)
    lines = list(segment_table.lines(world.session, viewer, chosen, now=now))
    assert [line[2] for line in lines[1:]] == ["Jane Doe", "Lena Fuchs"]
    assert segments.opted_out(world.session, viewer, chosen, now=now) == 1
    assert segments.count(world.session, viewer, chosen, now=now) == 3


def test_a_table_comes_back_through_the_import_as_it_was(world: World, base: Base, now: datetime) -> None:
    session, viewer = world.session, world.viewer(world.anna)
    contacts.set_phones(session, base.jane.id, ["+46 40 555 01 20", "040 12"])
    contacts.add_address(session, base.jane.id, "j@home.example", actor_id=None, now=now)
    touch(world, base.jane, now - DAY)
    for noun, kind in (("contact", "contacts"), ("company", "companies"), ("deal", "deals")):
        out = io.StringIO()
        header, *rest = segment_table.lines(session, viewer, criteria.read(noun, {}), now=now)
        csv.writer(out).writerows([header, *rest])
        custom = {label: f"custom.{label}" for label in ("Tier", "Seats", "Renewal") if label in header}
        again = csvimport.run(
            session, kind, out.getvalue().encode(), mapping=custom, filename="s.csv", actor_id=None, now=now
        )  # fmt: skip
        assert again.counts["failed"] == (noun == "contact"), again.errors  # "many" seats are refused
        assert again.counts["updated"] == 0
    chosen = criteria.read("contact", {"q": "Jane"})
    jane = dict(zip(*segment_table.lines(session, viewer, chosen, now=now), strict=True))
    assert (jane["email"], jane["other_emails"]) == ("jane@acme.example", "j@home.example")
    assert (jane["phone"], jane["owner"]) == ("+46 40 555 01 20; 040 12", "anna@ourco.example")
    assert (jane["Seats"], jane["last_contact"]) == ("9", "2026-03-03T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("=1+1", True), ("@x", True), ("+1+cmd|' /C calc'!A0", True), ("-x", True), ("+46 40 (0) 1", False),
        ("-5", False), ("plain", False),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_would_run_is_quoted_and_a_number_is_not(text: str, quoted: bool) -> None:
    assert segment_table.safe(text) == (f"'{text}" if quoted else text)


def test_a_task_for_each_is_taken_back_at_once_but_for_those_that_are_done(
    world: World, base: Base, now: datetime
) -> None:
    session, viewer = world.session, world.viewer(world.ben)
    chosen = criteria.read("contact", {"lifecycle": "past_client"})
    before = session.scalar(select(func.count()).select_from(Task))
    made = {"title": "Check in", "due_at": now, "to_owners": True, "now": now}
    number, n = segments.make_tasks(session, viewer, chosen, **made)
    assert n == 3
    made_tasks = session.scalars(select(Task).where(Task.title == "Check in").order_by(Task.contact_id)).all()
    assert {t.contact_id: t.owner_id for t in made_tasks} == {
        base.jane.id: world.anna.id, base.omar.id: world.ben.id, base.lena.id: world.ben.id
    }  # fmt: skip
    tasks.done(session, made_tasks[0].id, actor_id=None, now=now)
    with pytest.raises(NotFound):
        segments.undo_tasks(session, world.viewer(world.anna), number, now=now)
    assert segments.undo_tasks(session, viewer, number, now=now) == 2
    left = session.scalar(select(func.count()).select_from(Task).where(Task.deleted_at.is_(None)))
    assert left == (before or 0) + 1


def test_a_page_of_a_segment_costs_the_same_however_many_are_in_it(
    world: World, base: Base, now: datetime, statements: list[str]
) -> None:
    chosen = criteria.read("contact", {"older": "7", "field1": "tier", "op1": "empty"})
    viewer = world.viewer(world.anna)
    counts = []
    for n in (0, 30):
        for i in range(n):
            contacts.create(world.session, name=f"More {i}", now=now, actor_id=None)
        world.session.flush()
        statements.clear()
        segments.page(world.session, viewer, chosen, now=now)
        counts.append(len(statements))
    assert counts == [3, 3]


def touch(world: World, contact: object, at: datetime, **more: object) -> None:
    world.item((world.anna, "full"), at=at, to=[("contact", contact.id)], **more)  # type: ignore[attr-defined, arg-type]


@dataclass
class Base:
    """Three past clients and a lead, two companies, two deals, fields of three types."""

    world: World
    jane: object
    omar: object
    lena: object
    deals: list[object]

    def names(self, noun: str, user: User | None = None, **given: str) -> list[str]:
        viewer = self.world.viewer(user or self.world.anna)
        rows = segments.page(self.world.session, viewer, criteria.read(noun, given), now=self.world.now)
        return sorted(row.name for row in rows)


@pytest.fixture
def base(session: Session, world: World, now: datetime) -> Base:
    by = {"now": now - 90 * DAY, "actor_id": None}
    for label, kind in (("Tier", "text"), ("Seats", "number"), ("Renewal", "date")):
        fields.add(session, noun="contact", label=label, type=kind, **by)
    acme = companies.create(session, name="Acme", domains=["acme.example"], **by)
    companies.create(session, name="Borg", industry="Steel", **by)
    past = {"lifecycle": "past_client", **by}
    jane = contacts.create(
        session, name="Jane Doe", emails=["jane@acme.example"], company_id=acme.id, owner_id=world.anna.id,
        custom={"tier": "gold", "seats": "9", "renewal": "2026-03-31"}, **past,
    )  # fmt: skip
    omar = contacts.create(session, name="Omar Aziz", custom={"tier": "silver", "seats": "10"}, **past)
    lena = contacts.create(session, name="Lena Fuchs", custom={"seats": "many"}, **past)
    contacts.create(session, name="Paul Lead", source="Fair", **by)
    tasks.create(session, title="Ring Jane", contact_id=jane.id, **by)
    worth = (("Small", 900), ("Big", 10000))
    made = [deals.create(session, title=title, value=Decimal(value), **by) for title, value in worth]
    return Base(world, jane, omar, lena, made)
