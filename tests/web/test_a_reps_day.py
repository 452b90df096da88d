"""A rep's day in a browser: Today, a call logged, a task done with its next step, a deal moved and lost with a reason,
undone, and somebody found. With keys and drag; on a phone; and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from crm import pipelines
from crm.models import Communication, Deal, Task
from sync.service import Service
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import Team
from tests.web.seed import Seeded

__all__ = ["address", "chromium", "desk"]

pytestmark = [pytest.mark.needs_browser, pytest.mark.timeout(180)]
Opener = Callable[..., Desk]
TASK, NEXT = "Send the agreement to Erik", "Ask whether it arrived"


def test_a_reps_day_with_keys_and_drag(desk: Opener, service: Service, mailed: Seeded) -> None:
    rep = desk().sign_in("priya")
    page, column = rep.page, columns(service)
    expect(page.locator("main")).to_contain_text(TASK)
    expect(page.locator("main")).to_contain_text("2 deals in Lead worth £27,500")

    page.click("main a:has-text('Erik Dahl') >> nth=0")
    expect(page.locator("h1")).to_contain_text("Erik Dahl")
    rep.press("c")
    page.fill("[name=text]", "Wants the offer by Friday")
    page.click("button:has-text('Reached')")
    expect(page.locator(".tl").first).to_contain_text("Wants the offer by Friday")

    rep.press("g", "t")
    page.click(f".task:has-text('{TASK}') button:has-text('Done')")
    page.fill("#next-title", NEXT)
    page.click(".next button:has-text('Add')")
    expect(page.locator(".toast").last).to_contain_text(NEXT)

    rep.press("g", "p")
    card = f"#deal-{mailed.deal}"
    page.focus(f"#open-{mailed.deal}")
    rep.press("m", "2")
    expect(page.locator(f"#stage-{column['Qualified']} {card}")).to_be_visible()
    expect(page.locator(".toast").last).to_contain_text("moved to Qualified.")
    page.drag_and_drop(card, f"#stage-{column['Proposal']} header")
    expect(page.locator(".toast").last).to_contain_text("moved to Proposal.")
    expect(page.locator(f"#open-{mailed.deal}")).to_be_focused()
    page.keyboard.press("m")
    page.keyboard.press("6")
    page.keyboard.type("Chose a competitor")
    page.keyboard.press("Enter")
    expect(page.locator(".toast").last).to_contain_text("moved to Lost.")
    assert stands(service, mailed.deal) == ("lost", "Chose a competitor")
    page.keyboard.press("z")
    expect(page.locator(f"#stage-{column['Proposal']} {card}")).to_be_visible()
    assert stands(service, mailed.deal) == ("open", None)

    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("eirk dahl")
    found = page.locator("#palette [role=option]", has_text="Erik Dahl").first
    expect(found).to_be_visible()
    for _ in range(20):
        if found.get_attribute("aria-selected") == "true":
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Erik Dahl")
    settled(service)


@pytest.mark.parametrize("script", [True, False], ids=["on-a-phone", "without-javascript"])
def test_a_reps_day_by_touch(desk: Opener, service: Service, mailed: Seeded, script: bool) -> None:
    """Every step a link or a form, at 360 px, and never a page that scrolls sideways."""
    rep = desk(width=360, height=780, script=script).sign_in("priya")
    page, column = rep.page, columns(service)
    expect(page.locator("main")).to_contain_text("2 deals in Lead worth £27,500")
    fits(page, script)

    page.click("main a:has-text('Erik Dahl') >> nth=0")
    page.click("a:has-text('Log a call')")
    fits(page, script)
    page.fill("[name=text]", "Wants the offer by Friday")
    page.click("button:has-text('Reached')")
    expect(page.locator(".tl").first).to_contain_text("Wants the offer by Friday")
    fits(page, script)

    rep.open("/")
    page.click(f".task:has-text('{TASK}') button:has-text('Done')")
    page.click(".toast a:has-text('Next step?')")
    page.fill("[name=title]", NEXT)
    page.click("main .form button.go")
    expect(page.locator(".toast").last).to_contain_text(NEXT)

    rep.open("/pipeline")
    fits(page, script)
    move(page, mailed.deal, "Proposal")
    expect(page.locator(f"#stage-{column['Proposal']} #deal-{mailed.deal}")).to_be_visible()
    move(page, mailed.deal, "Lost", "Chose a competitor")
    expect(page.locator(".toast").last).to_contain_text("moved to Lost.")
    assert stands(service, mailed.deal) == ("lost", "Chose a competitor")
    page.locator(".toast button:has-text('Undo')").last.click()
    expect(page.locator(f"#stage-{column['Proposal']} #deal-{mailed.deal}")).to_be_visible()

    page.fill(".search input", "eirk dahl")
    page.keyboard.press("Enter")
    page.click("main a:has-text('Erik Dahl') >> nth=0")
    expect(page.locator("h1")).to_contain_text("Erik Dahl")
    fits(page, script)
    settled(service)


def move(page: Page, deal: int, stage: str, why: str = "") -> None:
    """By the form on the card."""
    page.click(f"#deal-{deal} .mover summary")
    page.select_option(f"#stage-of-{deal}", label=stage)
    if why:
        page.fill(f"#why-of-{deal}", why)
    page.click(f"#deal-{deal} .mover button")


def fits(page: Page, script: bool) -> None:
    """The page is as wide as the screen. Without JavaScript the browser cannot be asked."""
    if script:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url


def columns(service: Service) -> dict[str, int]:
    """The stages by name."""
    with service.db.reading() as session:
        return {s.name: s.id for s in pipelines.stages(session, pipelines.all_(session)[0].id)}


def stands(service: Service, deal_id: int) -> tuple[str, str | None]:
    """How a deal stands, and why."""
    with service.db.reading() as session:
        deal = session.get_one(Deal, deal_id)
        return deal.status, deal.lost_reason


def settled(service: Service) -> None:
    """What the day left behind: the call, the task done, its follower."""
    with service.db.reading() as session:
        assert session.scalars(select(Communication.outcome).where(Communication.kind == "call")).all() == ["reached"]
        tasks = {task.title: task for task in session.scalars(select(Task))}
    assert tasks[TASK].done_at is not None
    assert (tasks[NEXT].done_at, tasks[NEXT].contact_id) == (None, tasks[TASK].contact_id)


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
