"""The task pages: sections, bulk with one undo, work mode, what closes by itself, notices, mentions; for three people,
without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from crm import contacts, due, reminders, tasks
from crm.models import Contact, Notification, Task, User
from sync import followups
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

TODAY = due.all_day(NOW.date())


def test_a_time_is_read_and_shown_in_the_zone_of_who_types_it(priya: Person, team: Team, service: Service) -> None:
    with service.db.transaction() as session:
        session.get_one(User, team.priya).time_zone = "America/New_York"
    priya.post("/tasks/new", title="Ring", due="2026-03-09", at="09:30", type="call", owner=str(team.priya))
    (task,) = all_tasks(service)
    assert (task.due_at, task.due_all_day) == (datetime(2026, 3, 9, 13, 30, tzinfo=UTC), False)
    page = priya.get(f"/tasks/{task.id}")
    assert 'value="09:30"' in page
    assert 'value="2026-03-09"' in page
    priya.post(f"/tasks/{task.id}", title="Ring", due="2026-03-09", owner=str(team.priya))
    assert (all_tasks(service)[0].due_at, all_tasks(service)[0].due_all_day) == (
        datetime(2026, 3, 9, tzinfo=UTC), True
    )  # fmt: skip


def test_what_can_not_be_is_said_at_its_field_and_the_form_stays_filled(priya: Person, team: Team) -> None:
    for field, values in (
        ("title", {"title": " "}), ("due", {"at": "09:00"}), ("due", {"repeats": "DAILY"}),
        ("awaits", {"awaits": "reply"}), ("every", {"every": "0", "repeats": "DAILY", "due": "2026-03-09"}),
    ):  # fmt: skip
        page = priya.post("/tasks/new", 422, **{"title": "Kept words", "owner": str(team.priya), **values})
        assert f'id="{field}-error"' in page, field
        assert "Kept words" in page or field == "title"
    priya.post("/tasks/new", 422, title="Far", due="9999-12-31")


def test_a_task_is_about_records_that_are_typed_by_name_or_address(
    priya: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    common = {"title": "About", "owner": str(team.priya)}
    priya.post("/tasks/new", **common, contact="erik dahl", deal="Nordhavn pilot", company="NORDHAVN AB")
    made = all_tasks(service)[-1]
    assert (made.contact_id, made.deal_id, made.company_id) == (mailed.erik, mailed.deal, mailed.nordhavn)
    page = priya.get(f"/tasks/{made.id}")
    assert 'value="Erik Dahl"' in page
    before = columns(made)
    page = priya.post(f"/tasks/{made.id}", follow=True, title="Other", owner="", due="2026-04-01", contact="")
    assert columns(all_tasks(service)[-1]) != before
    undo = re.search(r'action="(/tasks/steps/\d+/undo)"', page)
    assert undo
    priya.post(undo[1])
    assert columns(all_tasks(service)[-1]) == before
    priya.get("/review/decided")  # shows the toast
    assert "Change of" not in priya.get("/review/decided"), "steps are no answers of review"
    with service.db.transaction() as session:
        contacts.create(session, name="Erik Dahl", emails=["e2@else.example"], now=NOW, actor_id=None)
    priya.post(f"/tasks/{made.id}", **common, contact="Erik Dahl", deal="", company="Nordhavn AB")
    kept = all_tasks(service)[-1]
    assert (kept.contact_id, kept.deal_id, kept.company_id) == (mailed.erik, None, mailed.nordhavn)
    for field, typed in (("contact", "Erik Dahl"), ("contact", "Nobody Here"), ("deal", "No such deal")):
        page = priya.post("/tasks/new", 422, **common, **{field: typed})
        assert f'id="{field}-error"' in page
        assert f'value="{typed}"' in page
    priya.post("/tasks/new", **common, contact="E2@else.example")
    assert all_tasks(service)[-1].contact_id not in (None, mailed.erik)
    assert 'value="Erik Dahl"' in priya.get(f"/tasks/new?on=contact:{mailed.erik}&on=deal:99999")
    with service.db.transaction() as session:
        contacts.delete(session, mailed.erik, actor_id=None, now=NOW, vault=service.vault)
    priya.post(
        f"/tasks/{made.id}", title="Still there", owner=str(team.priya), due="2026-03-04", repeats="WEEKLY"
    )
    priya.post(f"/tasks/{made.id}/done")
    assert [(t.title, t.contact_id) for t in all_tasks(service)][-1] == ("Still there", None), "the next one"
    priya.post(f"/tasks/{made.id}/reopen")
    assert next(t.title for t in all_tasks(service) if t.id == made.id) == "Still there"
    priya.post(f"/tasks/{made.id}", title="About nobody", owner=str(team.priya), contact="")
    assert next(t.contact_id for t in all_tasks(service) if t.id == made.id) is None


def test_two_who_edit_one_task_lose_nothing_of_each_other_unseen(
    priya: Person, jonas: Person, team: Team, service: Service
) -> None:
    task = add(service, "Ring", owner_id=team.priya)
    seen = re.search(r'name="seen" value="(\w+)"', priya.get(f"/tasks/{task}"))
    assert seen
    common = {"due": "2026-03-04", "owner": str(team.priya)}
    jonas.post(f"/tasks/{task}", title="Ring twice", seen=seen[1], **{**common, "owner": str(team.jonas)})
    page = priya.post(f"/tasks/{task}", 409, title="Ring once", seen=seen[1], **common)
    assert "It is now What: Ring twice; Who: Jonas Weber." in page
    assert 'value="Ring once"' in page
    again = re.search(r'name="seen" value="(\w+)"', page)
    assert again
    priya.post(f"/tasks/{task}", title="Ring once", seen=again[1], **common)
    assert all_tasks(service)[-1].title == "Ring once"


def test_sections_tabs_and_counts_tell_what_is_whose(priya: Person, jonas: Person, mailed: Seeded, team: Team,
                                                     service: Service) -> None:  # fmt: skip
    for title, days, owner in (("Late", -9, team.priya), ("Now", 0, team.priya), ("Later", 5, team.jonas)):
        add(service, title, days=days, owner_id=owner)
    add(service, "By rule", origin="rule: no reply 5 d, mail of 2 Mar", owner_id=team.jonas)
    page = priya.get("/tasks")
    assert [re.sub(r"\s+", " ", h) for h in re.findall(r"<h2[^>]*>([^<]+)</h2>", page)] == ["Overdue (2)", "Today (1)"]
    assert "<b>1</b> for less than 2 days" in page
    assert "<b>1</b> for 1 to 4 weeks" in page
    assert "Later" not in page
    team_page = jonas.get("/tasks?tab=team")
    assert all(title in team_page for title in ("Late", "Now", "Later", "By rule"))
    auto = priya.get("/tasks?tab=auto")
    assert "rule: no reply 5 d, mail of 2 Mar" in auto
    assert "Now" not in auto.partition("<main")[2]


def test_ticked_tasks_are_done_moved_given_and_put_off_in_one_step_and_one_undo(
    priya: Person, jonas: Person, team: Team, service: Service
) -> None:
    ids = [add(service, f"T{n}", days=-n, owner_id=team.priya) for n in range(3)]
    for verb, more in (
        ("done", {}), ("shift", {"by": "4"}), ("assign", {"to": str(team.jonas)}), ("snooze", {"days": "3"}),
        ("snooze", {"until": "2026-04-01"}), ("delete", {}),
    ):  # fmt: skip
        before = [columns(t) for t in all_tasks(service)]
        page = priya.post("/tasks/bulk", follow=True, verb=verb, ids=[str(i) for i in ids], **more)
        assert [columns(t) for t in all_tasks(service)] != before, verb
        undo = re.search(r'action="(/tasks/steps/\d+/undo)"', page)
        assert undo, verb
        jonas.post(undo[1], 404)
        priya.post(undo[1])
        assert [columns(t) for t in all_tasks(service)] == before, verb
    priya.post("/tasks/bulk", follow=True, verb="shift", ids=str(ids[0]), by="0")
    assert "Tick some tasks first" in priya.post("/tasks/bulk", follow=True, verb="done")
    priya.post("/tasks/bulk", 404, verb="done", ids="999999")


def test_work_mode_goes_through_what_is_due_with_what_to_know_and_asks_for_the_next_step(
    priya: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    second = add(service, "Second", owner_id=team.priya)
    add(service, "Not yet", days=3, owner_id=team.priya)
    page = priya.get("/tasks/work")
    assert "2 tasks left" in page
    assert "Send the agreement to Erik" in page
    assert "they wrote" in page, "the facts of the contact"
    assert "Nordhavn pilot" in page, "open deals with them"
    assert "Pilot in Malm" in page, "the last that was said"
    assert sorted(set(re.findall(r'data-key="([a-z])"', page.partition("<main")[2]))) == ["e", "h", "o", "r", "s"]
    skip = re.search(r'href="(/tasks/work\?skip=\d+)"', page)
    assert skip
    assert "Second" in priya.get(skip[1])
    first = all_tasks(service)[0].id
    page = priya.post(f"/tasks/{first}/done", follow=True, back="/tasks/work")
    assert "Next step?" in page
    assert 'value="Follow up with Erik Dahl"' in page
    assert f'name="on" value="contact:{mailed.erik}"' in page
    assert "Second" in page
    priya.post(
        "/tasks/new", title="Follow up with Erik Dahl", due="2026-03-07", type="follow_up", owner=str(team.priya),
        on=f"contact:{mailed.erik}",
    )  # fmt: skip
    assert all_tasks(service)[-1].contact_id == mailed.erik
    priya.post(f"/tasks/{second}/snooze", days="7", back="/tasks/work")
    assert "That was all" in priya.get("/tasks/work")
    with service.db.reading() as session:
        assert session.get_one(Task, second).snoozed_until == datetime(2026, 3, 11, 8, 0, tzinfo=UTC)


def test_a_task_is_given_on_and_back(priya: Person, jonas: Person, team: Team, service: Service) -> None:
    task = add(service, "Mine", owner_id=team.priya)
    page = priya.post(f"/tasks/{task}/assign", follow=True, to=str(team.jonas))
    assert "Given to Jonas Weber" in page
    assert "Mine" in jonas.get("/tasks")
    assert "Priya Raman gave you a task: Mine" in jonas.get("/notices/all")
    assert "gave you" not in priya.get("/notices/all")
    undo = re.search(rf'action="(/tasks/{task}/give-back\?to=\d+)"', page)
    assert undo
    priya.post(undo[1])
    assert all_tasks(service)[0].owner_id == team.priya
    priya.post(f"/tasks/{task}/assign", 404, to="99999")


def test_a_task_is_made_of_a_message_and_closes_itself_when_the_answer_comes(
    priya: Person, jonas: Person, mina: Person, mailed: Seeded, team: Team, service: Service, ids: Callable[[str], int]
) -> None:
    item = ids("Re: Pilot in Malmö")
    page = priya.get(f"/log/{item}")
    link = re.search(r'href="(/tasks/new\?[^"]*item=[^"]+)"', page)
    assert link
    form = priya.get(link[1].replace("&amp;", "&"))
    assert "Follow up with Erik Dahl" in form
    priya.post(
        "/tasks/new", title="Chase Erik", item=str(item), on=f"contact:{mailed.erik}", awaits="reply",
        owner=str(team.priya), due="2026-03-09",
    )  # fmt: skip
    task = all_tasks(service)[-1]
    assert (task.communication_id, task.contact_id, task.awaits) == (item, mailed.erik, "reply")
    assert "Chase Erik" in priya.get(f"/log/{item}")
    assert "awaits reply" in priya.get("/tasks")
    answer = ids("Between us: the budget")  # Jonas's mailbox shares that there was a mail, not what it says
    with service.db.transaction() as session:
        session.get_one(Task, task.id).awaits_since = NOW - timedelta(days=30)
    assert followups.run(service) == 1
    closed = all_tasks(service)[-1]
    assert closed.closed_by == f"item:{answer}"
    for person, seen in ((priya, False), (jonas, True), (mina, False)):
        text = person.get(f"/tasks/{task.id}")
        assert "Closed by itself" in text
        assert ("the budget" in text) is seen
    assert "Closed by itself: “Chase Erik”" in priya.get("/notices/all")
    assert "Chase Erik" not in jonas.get("/notices/all").partition("<main")[2]
    priya.post(f"/tasks/{task.id}/reopen")
    assert followups.run(service) == 0
    assert all_tasks(service)[-1].done_at is None


def test_a_message_that_is_not_to_be_seen_can_not_be_made_a_task_of(
    priya: Person, jonas: Person, mailed: Seeded, team: Team, service: Service, ids: Callable[[str], int]
) -> None:
    hidden = ids("Second try")
    priya.post("/tasks/new", title="Spy", item=str(hidden), owner=str(team.priya))
    assert all_tasks(service)[-1].communication_id is None
    jonas.post("/tasks/new", title="Mine", item=str(hidden), owner=str(team.jonas))
    made = all_tasks(service)[-1]
    assert made.communication_id == hidden
    assert "Second try" in jonas.get(f"/tasks/{made.id}")
    assert "Second try" not in priya.get(f"/tasks/{made.id}")


def test_a_reminder_is_in_the_notices_and_counted_in_the_menu_until_it_is_read(
    priya: Person, jonas: Person, team: Team, service: Service
) -> None:
    add(service, "Ring the bank", owner_id=team.priya)
    with service.db.transaction() as session:
        assert reminders.remind(session, now=NOW) == 1
        assert reminders.remind(session, now=NOW) == 0
    page = priya.get("/tasks")
    assert re.search(r'<span>Notices</span> <span class="n hot">1</span>', page)
    assert "Due 4 Mar: Ring the bank" in priya.get("/notices/all")
    assert "Ring the bank" not in jonas.get("/notices/all")
    priya.post("/notices/all/read")
    assert not re.search(r"<span>Notices</span> <span", priya.get("/tasks"))


def test_a_mention_tells_those_who_may_read_it_once_and_not_a_word_of_it(
    priya: Person, jonas: Person, mina: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    path = f"/write/note/contact/{mailed.erik}"
    assert "@Jonas Weber" in priya.get(path)
    text = "@jonas weber and @Mina and @jonas again, @Priya Raman and @nobody: they pay late"
    priya.post(path, text=text)
    for person in (jonas, mina):
        page = person.get("/notices/all")
        assert page.count("Priya Raman mentioned you in a note on Erik Dahl.") == 1
        assert "pay late" not in page
        link = re.search(r'href="(/log/\d+)"', page.partition("<main")[2])
        assert link
        assert "they pay late" in person.get(link[1])
    assert "mentioned you" not in priya.get("/notices/all")
    priya.post(path, text="@Jonas only I may know", private="y")
    assert jonas.get("/notices/all").count("mentioned you") == 1
    with service.db.transaction() as session:
        assert len(session.scalars(select(Notification)).all()) == 2
        session.get_one(User, team.mina).name = "Jonas Okafor"
    page = priya.post(path, 422, text="@jonas look")
    assert "@Jonas Weber or @Jonas Okafor" in page


def test_nothing_due_offers_tasks_for_leads_that_are_silent(
    priya: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    with service.db.transaction() as session:
        for task in session.scalars(select(Task)):
            tasks.done(session, task.id, actor_id=None, now=NOW)
        leads = len(session.scalars(select(Contact).where(Contact.lifecycle == "lead")).all())
    page = priya.get("/tasks")
    assert re.search(r"Nothing due\. \d+ leads silent &gt;7 d – make tasks\?", page)
    priya.post("/today/leads/tasks")
    assert 0 < len([t for t in all_tasks(service) if t.done_at is None]) <= leads


def test_a_task_of_nobody_s_business_does_not_exist(priya: Person, team: Team) -> None:
    for path in ("/tasks/99999", "/automation/99999"):
        priya.get(path, 404)
    for path in ("done", "reopen", "snooze", "assign", "delete", "restore", "wake"):
        priya.post(f"/tasks/99999/{path}", 404)


def add(service: Service, title: str, *, days: int = 0, **more: Any) -> int:
    """A task that is due in days."""
    with service.db.transaction() as session:
        return tasks.create(
            session, title=title, due_at=TODAY + timedelta(days=days), now=NOW, actor_id=None, **more
        ).id


def all_tasks(service: Service) -> list[Task]:
    with service.db.reading() as session:
        return list(session.scalars(select(Task).where(Task.deleted_at.is_(None)).order_by(Task.id)))


def columns(task: Task) -> tuple[Any, ...]:
    return tuple(getattr(task, c.name) for c in Task.__table__.columns)


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]


@pytest.fixture
def ids(service: Service) -> Callable[[str], int]:
    """An item by its subject."""
    from crm.models import Communication

    def found(subject: str) -> int:
        with service.db.reading() as session:
            query = select(Communication.id).where(Communication.subject == subject).order_by(Communication.id)
            return session.scalars(query).first() or 0

    return found
