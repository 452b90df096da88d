"""Mails that wait for an answer, on both engines."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import replies, tasks
from crm.errors import NotFound
from crm.models import Communication
from tests.crm.world import World

HOUR = timedelta(hours=1)
ANNA, BEN = "anna@ourco.example", "ben@ourco.example"


def test_a_mail_waits_when_it_is_the_last_of_its_thread_and_to_me(
    session: Session, world: World, now: datetime
) -> None:
    first, answered = world.thread(), world.thread()
    theirs(world, first, now - 3 * HOUR, "Older")
    last = theirs(world, first, now - 2 * HOUR, "Newer")
    theirs(world, answered, now - 5 * HOUR)
    ours(world, answered, now - 4 * HOUR)
    found = replies.waiting(session, world.viewer(world.anna), now=now)
    assert [row.id for row in found.rows] == [last.id]
    assert found.total == 1
    assert found.rows[0].name == "Jane Doe"


def test_an_answer_of_any_teammate_is_one_unless_they_keep_it_private(
    session: Session, world: World, now: datetime
) -> None:
    for tier in ("full", "private"):
        thread = world.thread()
        theirs(world, thread, now - 2 * HOUR, tier)
        world.item((world.ben, tier), thread=thread, at=now - HOUR, direction="outbound", people=[("from", BEN, "Ben")])
    found = replies.waiting(session, world.viewer(world.anna), now=now)
    assert [row.subject for row in found.rows] == ["private"]


def test_newsletters_automatic_mail_copies_colleagues_mail_and_old_mail_do_not_wait(
    session: Session, world: World, now: datetime
) -> None:
    theirs(world, world.thread(), now - HOUR, marks=["bulk"])
    theirs(world, world.thread(), now - HOUR, marks=["automatic"])
    theirs(world, world.thread(), now - HOUR, people=(("from", "jane@acme.example", "Jane"), ("to", BEN, "Ben"),
                                                      ("cc", ANNA, "Anna")))  # fmt: skip
    world.item((world.ben, "full"), thread=world.thread(), at=now - HOUR)
    theirs(world, world.thread(), now - timedelta(days=31))
    assert replies.waiting(session, world.viewer(world.anna), now=now).total == 0


def test_an_automatic_answer_of_ours_is_no_answer(session: Session, world: World, now: datetime) -> None:
    thread = world.thread()
    theirs(world, thread, now - 2 * HOUR)
    ours(world, thread, now - HOUR, marks=["automatic"])
    assert replies.waiting(session, world.viewer(world.anna), now=now).total == 1


def test_newest_or_oldest_first_and_the_total_counts_all(
    session: Session, world: World, now: datetime, statements: list[str]
) -> None:
    for n in range(5):
        theirs(world, world.thread(), now - (n + 1) * HOUR, str(n))
    statements.clear()
    newest = replies.waiting(session, world.viewer(world.anna), now=now, limit=2)
    assert len(statements) == 1
    oldest = replies.waiting(session, world.viewer(world.anna), now=now, limit=2, order=replies.OLDEST)
    assert ([row.subject for row in newest.rows], newest.total) == (["0", "1"], 5)
    assert [row.subject for row in oldest.rows] == ["4", "3"]


def test_a_task_made_from_it_or_saying_that_none_is_needed_ends_the_waiting_and_can_be_taken_back(
    session: Session, world: World, now: datetime
) -> None:
    viewer = world.viewer(world.anna)
    item = theirs(world, world.thread(), now - HOUR)
    replies.needs_none(session, viewer, item.id, now=now)
    replies.needs_none(session, viewer, item.id, now=now)
    assert replies.waiting(session, viewer, now=now).total == 0
    replies.needs_one(session, viewer, item.id, now=now)
    assert replies.waiting(session, viewer, now=now).total == 1
    task = tasks.create(session, title="Reply", communication_id=item.id, now=now, actor_id=world.anna.id)
    assert replies.waiting(session, viewer, now=now).total == 0
    tasks.delete(session, task.id, actor_id=None, now=now)
    assert replies.waiting(session, viewer, now=now).total == 1


def test_only_an_owner_says_that_a_mail_needs_no_reply(session: Session, world: World, now: datetime) -> None:
    item = theirs(world, world.thread(), now - HOUR)
    for user in (world.ben, world.mia, world.ada):
        with pytest.raises(NotFound):
            replies.needs_none(session, world.viewer(user), item.id, now=now)


def theirs(world: World, thread: int, at: datetime, subject: str = "Question", **more: object) -> Communication:
    """Jane's mail to Anna."""
    more.setdefault("people", (("from", "jane@acme.example", "Jane Doe"), ("to", ANNA, "Anna")))
    return world.item((world.anna, "full"), thread=thread, at=at, subject=subject, **more)  # type: ignore[arg-type]


def ours(world: World, thread: int, at: datetime, **more: object) -> Communication:
    """Anna's mail to Jane."""
    people = (("from", ANNA, "Anna"), ("to", "jane@acme.example", "Jane Doe"))
    return world.item((world.anna, "full"), thread=thread, at=at, direction="outbound", people=people, **more)  # type: ignore[arg-type]
