"""Tasks that repeat, in bulk with one undo, that close themselves, and that remind once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import awaited, contacts, due, recurrence, reminders, steps, task_steps, tasks, workspace
from crm.errors import NotFound, Refused
from crm.models import Audit, Link, Notification, OutgoingMail, Task
from tests.crm.world import World

LONDON = ZoneInfo("Europe/London")
DAY = timedelta(days=1)


def test_a_rule_is_read_written_and_refused(session: Session) -> None:
    assert recurrence.read("FREQ=WEEKLY;INTERVAL=2").says == "every 2 weeks"
    assert recurrence.read("rrule:freq=daily").text == "FREQ=DAILY;INTERVAL=1"
    assert recurrence.anchored("FREQ=MONTHLY", date(2026, 1, 31)) == "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=31"
    for bad in ("", "FREQ=HOURLY", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;INTERVAL=0", "FREQ=WEEKLY;BYMONTHDAY=3", "x" * 99):
        with pytest.raises(Refused):
            recurrence.read(bad)


def test_the_next_occurrence_keeps_the_end_of_the_month_and_the_clock_on_the_wall() -> None:
    def steps_(text: str, first: datetime, count: int, *, whole: bool = True) -> list[str]:
        found, at = [], first
        for _ in range(count):
            at = recurrence.next_due(text, at, whole, LONDON, after=at)
            found.append(f"{at:%Y-%m-%d %H:%M}")
        return found

    monthly = steps_("FREQ=MONTHLY;BYMONTHDAY=31", datetime(2026, 1, 31, tzinfo=UTC), 3)
    assert monthly == ["2026-02-28 00:00", "2026-03-31 00:00", "2026-04-30 00:00"]
    yearly = steps_("FREQ=YEARLY;BYMONTHDAY=29", datetime(2024, 2, 29, tzinfo=UTC), 4)
    assert [day[:10] for day in yearly] == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]
    weekly = steps_("FREQ=WEEKLY", datetime(2026, 3, 23, 9, 0, tzinfo=UTC), 1, whole=False)
    assert weekly == ["2026-03-30 08:00"]  # British summer time began on the 29th: still nine o'clock there


def test_a_missed_occurrence_is_not_made_up_for() -> None:
    late = datetime(2026, 3, 20, 12, tzinfo=UTC)
    found = recurrence.next_due("FREQ=DAILY;INTERVAL=7", datetime(2026, 3, 2, tzinfo=UTC), True, LONDON, after=late)
    assert found == datetime(2026, 3, 23, tzinfo=UTC)


def test_doing_a_repeating_task_makes_the_next_one_once_and_undo_takes_it_away(world: World, now: datetime) -> None:
    session = world.session
    task = tasks.create(
        session, title="Weekly report", due_at=due.all_day(now.date()), recurrence="FREQ=WEEKLY",
        owner_id=world.anna.id, now=now, actor_id=world.anna.id,
    )  # fmt: skip
    for _ in range(2):
        tasks.done(session, task.id, actor_id=world.anna.id, now=now)
    followers = session.scalars(select(Task).where(Task.origin == f"repeats:{task.id}")).all()
    assert [(f.due_at, f.recurrence) for f in followers] == [
        (datetime(2026, 3, 11, tzinfo=UTC), "FREQ=WEEKLY;INTERVAL=1")
    ]
    tasks.reopen(session, task.id, actor_id=world.anna.id, now=now)
    assert followers[0].deleted_at is not None
    tasks.done(session, task.id, actor_id=world.anna.id, now=now)
    tasks.done(session, tasks.follower(session, task.id).id, actor_id=world.anna.id, now=now)  # type: ignore[union-attr]
    tasks.reopen(session, task.id, actor_id=world.anna.id, now=now)
    finished = session.scalars(select(Task).where(Task.done_at.is_not(None))).all()
    assert len(finished) == 1, "a follower that was done stays"


def test_what_does_not_go_together_is_refused_at_its_field(world: World, now: datetime) -> None:
    for field, values in {
        "due": {"recurrence": "FREQ=DAILY"}, "awaits": {"awaits": "reply"}, "contact_id": {"contact_id": 10**9},
        "owner_id": {"owner_id": 10**9}, "type": {"type": "dance"}, "title": {"title": " "},
    }.items():  # fmt: skip
        with pytest.raises(Refused) as refused:
            tasks.create(world.session, **{"title": "T", **values}, now=now, actor_id=None)  # type: ignore[arg-type]
        assert refused.value.field == field
    with pytest.raises(Refused):
        tasks.create(world.session, title="T", due_at=datetime(9999, 12, 31, tzinfo=UTC), now=now, actor_id=None)


@pytest.mark.parametrize("verb", ["done", "snooze", "assign", "shift", "delete"])
def test_one_undo_restores_many_tasks_exactly(world: World, now: datetime, verb: str) -> None:
    session, viewer = world.session, world.viewer(world.anna)
    rows = [
        tasks.create(
            session, title=f"T{n}", due_at=due.all_day(now.date()) + n * DAY,
            owner_id=(world.anna, world.ben)[n % 2].id, recurrence="FREQ=DAILY" if n == 0 else None, now=now,
            actor_id=None,
        )
        for n in range(4)
    ]  # fmt: skip
    rows[1].snoozed_until, rows[2].reminded_at = now + DAY, now
    session.flush()
    before = dump(session)
    value = {"snooze": now + 3 * DAY, "assign": world.mia.id, "shift": 5}.get(verb)
    step = task_steps.do(session, viewer, [row.id for row in rows], verb, value, now=now)
    assert step.items == 4
    assert dump(session) != before
    undone = steps.undo(session, step.id, actor_id=world.anna.id, now=now + DAY)
    assert (undone.rows, undone.kept) == (4, 0)
    assert dump(session) == before
    with pytest.raises(Refused):
        steps.undo(session, step.id, actor_id=world.anna.id, now=now)


def test_an_undo_leaves_what_somebody_changed_since(world: World, now: datetime) -> None:
    session = world.session
    ids = [tasks.create(session, title=t, due_at=now, now=now, actor_id=None).id for t in "AB"]
    step = task_steps.do(session, world.viewer(world.anna), ids, "shift", 3, now=now)
    tasks.update(session, ids[0], {"due_at": now + 9 * DAY}, actor_id=world.ben.id, now=now)
    undone = steps.undo(session, step.id, actor_id=world.anna.id, now=now)
    assert (undone.rows, undone.kept) == (1, 1)
    assert [session.get_one(Task, i).due_at for i in ids] == [now + 9 * DAY, now]


def test_a_step_can_be_taken_back_by_who_did_it_only(world: World, now: datetime) -> None:
    task = tasks.create(world.session, title="T", now=now, actor_id=None)
    step = task_steps.do(world.session, world.viewer(world.anna), [task.id], "done", now=now)
    for other in (world.ben, world.ada):
        with pytest.raises(NotFound):
            steps.own(world.session, step.id, other.id)
    assert steps.own(world.session, step.id, world.anna.id).id == step.id
    with pytest.raises(NotFound):
        task_steps.do(world.session, world.viewer(world.anna), [10**9], "done", now=now)


def test_sections_are_counted_with_the_overdue_by_age(world: World, now: datetime) -> None:
    today = due.all_day(now.date())
    for days in (-40, -10, -5, -1, 0, 3):
        tasks.create(world.session, title="T", due_at=today + days * DAY, now=now, actor_id=None)
    tasks.create(world.session, title="T", due_at=now - timedelta(hours=1), due_all_day=False, now=now, actor_id=None)
    tasks.create(world.session, title="T", now=now, actor_id=None)
    found = tasks.counts(world.session, world.viewer(world.anna), tasks.Filter(), now=now, zone="UTC")
    assert (found.overdue, found.today, found.upcoming, found.no_date) == (5, 1, 1, 1)
    assert [count for _, count in found.ages] == [2, 1, 1, 1]
    assert tasks.count_due(world.session, world.viewer(world.anna), now=now) == 0


# --- closing by itself


def test_a_task_that_awaits_a_reply_closes_when_that_person_writes(world: World, now: datetime) -> None:
    session, jane = world.session, person(world, now)
    task = waiting(world, jane, now)
    later = now + DAY
    world.item((world.anna, "full"), at=later, direction="outbound", to=[("contact", jane)])
    world.item((world.anna, "full"), at=later, to=[("contact", jane)], marks=["automatic"])
    world.item((world.anna, "full"), at=later, to=[("contact", jane)], marks=["bulk"])
    world.item((world.anna, "full"), at=now - DAY, to=[("contact", jane)])
    other = contacts.create(session, name="Tom", emails=["tom@acme.example"], now=now, actor_id=None).id
    tom = [("from", "tom@acme.example", "Tom"), ("cc", "jane@acme.example", "Jane")]
    world.item((world.anna, "full"), at=later, to=[("contact", jane), ("contact", other)], people=tom)
    stranger = [("from", "x@else.example", "X"), ("cc", "jane@acme.example", "Jane")]
    world.item((world.anna, "full"), at=later, to=[("contact", jane)], people=stranger)
    assert awaited.close(session, now=later) == [], "ours, machines, newsletters, old ones and copies are no reply"
    reply = world.item((world.anna, "full"), at=later, to=[("contact", jane)])
    assert [(a.task_id, a.communication_id) for a in awaited.close(session, now=later)] == [(task.id, reply.id)]
    assert (task.done_at, task.closed_by, awaited.closer(task.closed_by)) == (later, f"item:{reply.id}", reply.id)
    notice = session.scalars(select(Notification).where(Notification.kind == "closed")).one()
    assert (notice.user_id, notice.href) == (world.anna.id, f"/tasks/{task.id}")
    assert "Secret" not in notice.text
    assert awaited.close(session, now=later) == []


def test_a_task_reopened_is_not_closed_again_by_what_closed_it(world: World, now: datetime) -> None:
    session, jane = world.session, person(world, now)
    task = waiting(world, jane, now)
    for _ in range(2):
        world.item((world.anna, "full"), at=now + DAY, to=[("contact", jane)])
    assert len(awaited.close(session, now=now + DAY)) == 1
    reopened = now + 2 * DAY
    tasks.reopen(session, task.id, actor_id=world.anna.id, now=reopened)
    assert awaited.close(session, now=reopened) == []
    world.now = reopened + DAY
    fresh = world.item((world.anna, "full"), at=reopened + DAY, to=[("contact", jane)])
    assert [a.communication_id for a in awaited.close(session, now=reopened + DAY)] == [fresh.id]


def test_a_meeting_closes_what_awaits_one_and_a_private_one_of_a_teammate_does_not(world: World, now: datetime) -> None:
    session, jane = world.session, person(world, now)
    task = waiting(world, jane, now, awaits="meeting")
    world.now = now + DAY
    guests = [("organizer", "anna@ourco.example", "Anna"), ("attendee", "jane@acme.example", "Jane Doe")]
    common = {"kind": "meeting", "direction": None, "to": [("contact", jane)], "people": guests}
    world.item((world.ben, "private"), at=now + 5 * DAY, **common)  # type: ignore[arg-type]
    world.item((world.anna, "full"), at=now + 5 * DAY, cancelled=True, **common)  # type: ignore[arg-type]
    world.item((world.anna, "full"), at=now + DAY, to=[("contact", jane)])
    assert awaited.close(session, now=world.now) == []
    met = world.item((world.anna, "full"), at=now + 5 * DAY, **common)  # type: ignore[arg-type]
    assert [a.communication_id for a in awaited.close(session, now=world.now)] == [met.id]
    assert task.done_at == world.now
    tasks.reopen(session, task.id, actor_id=None, now=world.now)
    assert awaited.close(session, now=world.now) == [], "what closed it does not close it again"
    task.awaits_since = now
    session.flush()
    assert awaited.close(session, now=world.now) == [], "not even when it would count"


def test_a_further_instance_of_a_known_series_is_no_new_meeting(world: World, now: datetime) -> None:
    session, jane = world.session, person(world, now)
    common = {"kind": "meeting", "direction": None, "to": [("contact", jane)], "uid": "weekly"}
    world.now = now - DAY
    known = world.item((world.anna, "full"), at=now - DAY, **common)  # type: ignore[arg-type]
    waiting(world, jane, now, awaits="meeting")
    world.now = now + DAY
    further = world.item((world.anna, "full"), at=now + 6 * DAY, **common)  # type: ignore[arg-type]
    known.recurrence_id, further.recurrence_id = "1", "2"
    session.flush()
    assert awaited.close(session, now=world.now) == []


def test_a_reply_that_was_linked_late_still_closes_what_waited_for_it(world: World, now: datetime) -> None:
    jane = person(world, now)
    waiting(world, jane, now)
    world.now = now + DAY
    reply = world.item((world.anna, "full"), at=now + DAY, status="review")
    assert awaited.close(world.session, now=now + 2 * DAY) == []
    reply.status = "linked"
    world.session.add(Link(communication_id=reply.id, target_kind="contact", target_id=jane, method="decided",
                           score=1.0, created_at=now))  # fmt: skip
    world.session.flush()
    assert len(awaited.close(world.session, now=now + 2 * DAY)) == 1


# --- reminders


def test_a_due_task_reminds_once_at_its_moment_in_the_zone_of_its_assignee(world: World, now: datetime) -> None:
    session = world.session
    world.anna.time_zone, world.ben.time_zone = "Asia/Tokyo", "America/New_York"
    day = due.all_day(date(2026, 3, 5))
    for user in (world.anna, world.ben):
        tasks.create(session, title="T", due_at=day, owner_id=user.id, now=now, actor_id=None)
    at = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
    tasks.create(session, title="Call", due_at=at, due_all_day=False, owner_id=world.ben.id, now=now, actor_id=None)
    told: list[tuple[int, str]] = []
    moment = now
    while moment < now + 2 * DAY:
        before = len(session.scalars(select(Notification)).all())
        reminders.remind(session, now=moment)
        fresh = session.scalars(select(Notification).order_by(Notification.id).offset(before)).all()
        told += [(n.user_id, f"{moment:%d %H:%M} {n.text}") for n in fresh]
        moment += timedelta(minutes=30)
    assert told == [
        (world.anna.id, "04 23:00 Due 5 Mar: T"), (world.ben.id, "05 13:00 Due 5 Mar: T"),
        (world.ben.id, "05 14:30 Due 09:30: Call"),
    ]  # fmt: skip


def test_a_new_date_a_snooze_and_a_new_assignee_remind_anew_and_done_ones_not_at_all(
    world: World, now: datetime
) -> None:
    session = world.session
    moved, snoozed, given, finished = (
        tasks.create(session, title=t, due_at=now, due_all_day=False, owner_id=world.anna.id, now=now, actor_id=None)
        for t in ("moved", "snoozed", "given", "finished")
    )
    tasks.done(session, finished.id, actor_id=None, now=now)
    tasks.create(session, title="nobody's", due_at=now, due_all_day=False, now=now, actor_id=None)
    assert reminders.remind(session, now=now) == 3
    assert reminders.remind(session, now=now) == 0
    tasks.update(session, moved.id, {"due_at": now + DAY}, actor_id=None, now=now)
    tasks.snooze(session, snoozed.id, now + DAY, actor_id=None, now=now)
    tasks.assign(session, [given.id], world.ben.id, actor_id=None, now=now)
    assert reminders.remind(session, now=now) == 1
    assert reminders.remind(session, now=now + DAY) == 2
    assert reminders.remind(session, now=now + 9 * DAY) == 0
    who = [n.user_id for n in session.scalars(select(Notification).order_by(Notification.id))]
    assert who == [world.anna.id] * 3 + [world.ben.id] + [world.anna.id] * 2


def test_who_is_given_what_is_late_is_told_once_and_not_reminded_of_each(world: World, now: datetime) -> None:
    session = world.session
    late = [
        tasks.create(session, title=f"T{n}", due_at=now - DAY, owner_id=world.anna.id, now=now, actor_id=None).id
        for n in range(5)
    ]
    assert reminders.remind(session, now=now) == 5
    task_steps.do(session, world.viewer(world.anna), late, "assign", world.ben.id, now=now)
    assert reminders.remind(session, now=now) == 0
    told = session.scalars(select(Notification).where(Notification.user_id == world.ben.id)).all()
    assert [n.text for n in told] == ["Anna gave you 5 tasks"]


def test_a_reminder_is_posted_only_where_the_workspace_sends_mail_and_the_person_wants_it(
    world: World, now: datetime
) -> None:
    session = world.session
    workspace.put(session, "smtp_host", "mail.example", actor_id=None, now=now)
    world.ben.preferences = {"mail": {"reminders": False}}
    for user in (world.anna, world.ben):
        tasks.create(session, title="T", due_at=now, due_all_day=False, owner_id=user.id, now=now, actor_id=None)
    assert reminders.remind(session, now=now) == 2
    assert [m.user_id for m in session.scalars(select(OutgoingMail))] == [world.anna.id]


def test_giving_a_task_on_says_from_whom_to_whom_in_the_audit(world: World, now: datetime) -> None:
    task = tasks.create(world.session, title="T", owner_id=world.anna.id, now=now, actor_id=None)
    tasks.update(world.session, task.id, {"owner_id": world.ben.id}, actor_id=world.mia.id, now=now)
    row = world.session.scalars(select(Audit).where(Audit.action == "task.update")).one()
    assert (row.detail["from"], row.detail["to"]) == (world.anna.id, world.ben.id)


def dump(session: Session) -> list[tuple[object, ...]]:
    """All tasks that are there, as they are."""
    rows = session.scalars(
        select(Task).where(Task.deleted_at.is_(None)).order_by(Task.id).execution_options(populate_existing=True)
    )
    return [tuple(getattr(row, c.name) for c in Task.__table__.columns) for row in rows]


def person(world: World, now: datetime) -> int:
    return contacts.create(
        world.session, name="Jane Doe", emails=["jane@acme.example"], now=now - 9 * DAY, actor_id=None
    ).id


def waiting(world: World, contact_id: int, now: datetime, awaits: str = "reply") -> Task:
    return tasks.create(
        world.session, title="Chase", owner_id=world.anna.id, contact_id=contact_id, awaits=awaits, now=now,
        actor_id=None,
    )  # fmt: skip

