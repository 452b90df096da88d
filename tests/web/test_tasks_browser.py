"""Tasks with the keyboard: work mode from one to the next with its next step, ticking, and one undo."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from crm import due, tasks
from crm.models import Task
from sync.service import Service
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import NOW, Team
from tests.web.seed import Seeded

__all__ = ["address", "chromium", "desk"]

pytestmark = pytest.mark.needs_browser
Opener = Callable[..., Desk]
MOST = 3
"""A morning's worth."""


def test_a_morning_of_tasks_with_the_keyboard_alone(
    desk: Opener, service: Service, mailed: Seeded, team: Team
) -> None:
    add(service, team, mailed)
    rep = desk().sign_in("priya")
    rep.press("g", "t")
    expect(rep.page.locator("h1")).to_have_text("Tasks")
    rep.press("w")
    heading = rep.page.locator("h2.name")
    expect(heading).to_have_text("Send the agreement to Erik")
    rep.press("s")
    expect(heading).to_have_text("T0")
    rep.press("h", "3")
    expect(rep.page.locator(".toast")).to_contain_text("Put off")
    expect(heading).to_have_text("T1")
    rep.press("e")
    expect(rep.page.locator(".next")).to_contain_text("Next step?")
    expect(rep.page.locator("#next-title")).to_have_value("Follow up with Erik Dahl")
    expect(heading).to_have_text("T2")
    rep.page.click(".next button")
    expect(rep.page.locator(".toast")).to_contain_text("Task added: Follow up with Erik Dahl")
    assert titles(service, done=True) == ["T1"]

    rep.open("/tasks")
    bar = rep.page.locator("#bulk")
    expect(bar).to_be_hidden()
    rep.press("j", "x", "j", "x")
    expect(rep.page.locator("[data-picked]")).to_have_text("2 selected")
    rep.press("e")
    expect(rep.page.locator(".toast")).to_contain_text("Done: 2 tasks")
    assert len(titles(service, done=True)) == 3
    rep.press("z")
    expect(rep.page.locator(".toast")).to_contain_text("Taken back")
    assert titles(service, done=True) == ["T1"]


def add(service: Service, team: Team, mailed: Seeded) -> None:
    """What is due today."""
    with service.db.transaction() as session:
        for n in range(MOST):
            tasks.create(
                session, title=f"T{n}", owner_id=team.priya, contact_id=mailed.erik,
                due_at=due.all_day(NOW.date()), notes="Say hello.", now=NOW - timedelta(minutes=9 - n), actor_id=None,
            )  # fmt: skip


def titles(service: Service, *, done: bool) -> list[str]:
    with service.db.reading() as session:
        closed = Task.done_at.is_not(None) if done else Task.done_at.is_(None)
        return list(session.scalars(select(Task.title).where(closed, Task.deleted_at.is_(None)).order_by(Task.id)))


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]


