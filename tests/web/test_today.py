"""Today as a person reads and uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select, update

from crm.models import Account, Communication, Contact, Deal, Task
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded


def test_replies_that_wait_are_there_with_two_presses_each_and_no_newsletter(priya: Person, mailed: Seeded) -> None:
    page = section(priya.get("/"), "Waiting for your reply")
    assert "Re: Pilot in Malmö, next steps" in page
    assert "Newsletter" not in page
    assert "Lunch?" not in page
    assert page.count("No reply needed") == page.count("Make a task") > 0


def test_no_reply_needed_takes_a_mail_off_and_undo_brings_it_back(
    priya: Person, mailed: Seeded, waiting: Callable[[str], int]
) -> None:
    item = waiting("Re: Pilot in Malmö, next steps")
    page = priya.post(f"/today/replies/{item}/no-reply", follow=True)
    assert f"/today/replies/{item}/task" not in page
    assert f'action="/today/replies/{item}/waits"' in page
    priya.post(f"/today/replies/{item}/waits")
    assert f"/today/replies/{item}/task" in priya.get("/")


def test_a_task_made_of_a_mail_is_due_today_and_does_not_tell_the_team_its_subject(
    priya: Person, service: Service, mailed: Seeded, waiting: Callable[[str], int]
) -> None:
    item = waiting("Re: Pilot in Malmö, next steps")
    page = priya.post(f"/today/replies/{item}/task", follow=True)
    assert f"/today/replies/{item}/task" not in page
    with service.db.reading() as session:
        task = session.scalars(select(Task).where(Task.communication_id == item)).one()
    assert (task.due_at, task.due_all_day, task.type) == (NOW.replace(hour=0), True, "email")
    assert "Pilot" not in task.title
    assert task.title in section(page, "Due")
    priya.post(f"/today/replies/{item}/task")
    with service.db.reading() as session:
        assert len(session.scalars(select(Task).where(Task.communication_id == item)).all()) == 1
    priya.post(f"/tasks/{task.id}/delete")
    assert f"/today/replies/{item}/task" in priya.get("/")


def test_another_persons_mail_is_not_settled_by_its_number(
    jonas: Person, priya: Person, mailed: Seeded, service: Service
) -> None:
    with service.db.reading() as session:
        query = select(Communication.id).where(Communication.subject == "Second try")
        item = session.scalars(query).one()
    for verb in ("task", "no-reply", "waits"):
        priya.post(f"/today/replies/{item}/{verb}", 404)
        priya.post(f"/today/replies/999999/{verb}", 404)
    jonas.post(f"/today/replies/{item}/no-reply")


def test_stages_and_leads_are_sentences_without_any_filter(priya: Person, service: Service, mailed: Seeded) -> None:
    assert "2 deals in Lead worth £27,500" in words(priya.get("/"))
    with service.db.transaction() as session:
        session.execute(update(Contact).values(lifecycle="client"))
        names = ("Tom Hale", "Ruth Amsel", "Ivo Petrov")
        session.execute(update(Contact).where(Contact.name.in_(names)).values(lifecycle="lead"))
    assert "3 leads not contacted in over a week" in words(priya.get("/"))


def test_tasks_for_silent_leads_are_made_in_one_press_once_and_undone_in_one(
    priya: Person, service: Service, mailed: Seeded
) -> None:
    def made() -> int:
        with service.db.reading() as session:
            live = Task.title.like("Get in touch with %"), Task.deleted_at.is_(None)
            return len(session.scalars(select(Task).where(*live)).all())

    page = priya.post("/today/leads/tasks", follow=True)
    first = made()
    assert first > 1
    undo = re.search(r'action="(/today/steps/\d+/undo)"', page)
    assert undo
    priya.post("/today/leads/tasks")
    assert made() == first
    priya.post(undo[1])
    assert made() == 0
    priya.post(undo[1], 422)


def test_another_persons_step_is_not_taken_back(priya: Person, jonas: Person, mailed: Seeded) -> None:
    page = priya.post("/today/leads/tasks", follow=True)
    undo = re.search(r'action="(/today/steps/\d+/undo)"', page)
    assert undo
    jonas.post(undo[1], 404)


def test_the_brief_of_the_next_meeting_is_open_and_tells_who_what_and_which_deal(priya: Person, mailed: Seeded) -> None:
    page = section(priya.get("/"), "Meetings ahead")
    assert "Kick-off in Malmö" in page
    for told in ("erik@nordhavn.example", "comes", "Deal: Nordhavn pilot", "To do: Send the agreement to Erik"):
        assert told in words(page), told


def test_silent_deals_are_ones_own_and_for_who_leads_everybodys(
    priya: Person, mina: Person, service: Service, mailed: Seeded
) -> None:
    for title in ("Nordhavn pilot", "Nordhavn renewal"):
        assert title in section(mina.get("/"), "Deals silent too long")
    own = section(priya.get("/"), "Deals silent too long")
    assert "Nordhavn pilot" in own
    assert "Nordhavn renewal" not in own
    with service.db.transaction() as session:
        session.execute(update(Deal).values(created_at=NOW - timedelta(days=7)))
    assert "Deals silent too long" not in priya.get("/")


def test_an_account_that_needs_its_owner_says_what_to_do(
    priya: Person, admin: Person, service: Service, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        values = {"health": "needs_person", "error": "The password is wrong."}
        session.execute(update(Account).where(Account.id == mailed.accounts[0]).values(**values))
    page = priya.get("/")
    assert "needs you: The password is wrong." in words(page)
    assert f"/accounts/{mailed.accounts[0]}/reconnect" in page
    assert "See what to do" in admin.get("/")


def test_an_empty_workspace_is_told_what_will_stand_here(priya: Person) -> None:
    page = words(priya.get("/"))
    for said in ("No open deal yet.", "Every lead was contacted within a week.", "Nothing due.",
                 "Nobody waits for an answer of yours.", "No meeting is in your calendar.", "No question",
                 "Four steps"):  # fmt: skip
        assert said in page, said


def test_oldest_first_stays_chosen_after_a_press(priya: Person, mailed: Seeded, waiting: Callable[[str], int]) -> None:
    item = waiting("Re: Pilot in Malmö, next steps")
    assert "replies=oldest" in priya.post(f"/today/replies/{item}/no-reply", order="oldest")


def words(page: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def section(page: str, heading: str) -> str:
    """From a heading to the end of its section."""
    found = re.search(rf"<section[^>]*>(?:(?!</section>).)*?<h2>{heading}.*?</section>", page, re.DOTALL)
    return found[0] if found else ""


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail, synced once a process and copied."""
    return mail_template[1]


@pytest.fixture
def waiting(priya: Person) -> Callable[[str], int]:
    """The number of the mail with this subject among those that wait."""

    def find(subject: str) -> int:
        lines = section(priya.get("/"), "Waiting for your reply").split('class="line waits"')
        line = next(line for line in lines if f">{subject}<" in line)
        found = re.search(r"/today/replies/(\d+)/task", line)
        assert found
        return int(found[1])

    return find
