"""The board in a real browser: dragging, keys, the line that asks why, undo, the value in its place; on a phone, and
without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm import deals, pipelines
from sync.service import Service
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import Team
from tests.web.seed import Seeded

__all__ = ["address", "chromium", "desk"]

pytestmark = pytest.mark.needs_browser
Opener = Callable[..., Desk]


def test_a_deal_is_dragged_moved_by_key_lost_with_a_reason_and_brought_back(
    desk: Opener, service: Service, mailed: Seeded
) -> None:
    mine = desk().sign_in("priya")
    page = mine.open("/pipeline")
    card, column = f"#deal-{mailed.deal}", columns(service)
    page.drag_and_drop(card, f"#stage-{column['Qualified']} header")
    expect(page.locator(f"#stage-{column['Qualified']} {card}")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("Nordhavn pilot moved to Qualified.")
    expect(page.locator(f"#stage-{column['Qualified']} header")).to_contain_text("1 · £18,000 · £4,500")
    expect(page.locator(f"#open-{mailed.deal}")).to_be_focused()

    mine.press("m", "3")
    expect(page.locator(f"#stage-{column['Proposal']} {card}")).to_be_visible()
    expect(page.locator(".toast").last).to_contain_text("moved to Proposal.")
    expect(page.locator(f"#open-{mailed.deal}")).to_be_focused()

    page.keyboard.press("m")
    page.keyboard.press("6")
    expect(page.locator("#ask-why")).to_be_focused()
    page.keyboard.type("Chose a competitor")
    page.keyboard.press("Enter")
    expect(page.locator(card)).to_be_hidden()
    expect(page.locator(".toast").last).to_contain_text("moved to Lost.")
    assert told(service, mailed.deal) == ("lost", "Chose a competitor")
    page.keyboard.press("z")
    expect(page.locator(f"#stage-{column['Proposal']} {card}")).to_be_visible()
    assert told(service, mailed.deal) == ("open", None)


def test_arrows_walk_the_cards_enter_opens_one_beside_and_e_edits_its_value(
    desk: Opener, service: Service, mailed: Seeded
) -> None:
    mine = desk().sign_in("priya")
    page = mine.open("/pipeline")
    first, second = page.locator(".d .title").nth(0), page.locator(".d .title").nth(1)
    mine.press("ArrowDown")
    expect(first).to_be_focused()
    mine.press("ArrowDown")
    expect(second).to_be_focused()
    mine.press("ArrowUp", "Enter")
    expect(page.locator("#panel h2")).to_be_focused()
    expect(page.locator("#panel")).to_contain_text("Nordhavn AB")
    assert page.url.endswith("/pipeline")
    mine.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(first).to_be_focused()
    page.keyboard.press("e")
    page.keyboard.type("lots")
    page.keyboard.press("Enter")
    expect(page.locator(".d [role=alert]")).to_contain_text("is not an amount")
    expect(page.locator(".d input[aria-invalid]")).to_have_value("lots")
    expect(page.locator(".d input[aria-invalid]")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("1.234,50")
    page.keyboard.press("Enter")
    expect(page.locator(".toast").last).to_contain_text("is worth £1,234.50 now")
    expect(page.locator(".strip")).to_contain_text("£")


def test_on_a_phone_each_stage_is_a_screen_and_the_page_does_not_scroll_sideways(
    desk: Opener, service: Service, mailed: Seeded
) -> None:
    phone = desk(width=360, height=780).sign_in("priya")
    page, column = phone.open("/pipeline"), columns(service)
    assert sideways(page) == 0
    page.click(f".stagetabs a[href='#stage-{column['Proposal']}']")
    expect(page.locator(f"#stage-{column['Proposal']} h2")).to_be_in_viewport()
    page.click(f".stagetabs a[href='#stage-{column['Lead']}']")
    page.click(f"#deal-{mailed.deal} .mover summary")
    page.select_option(f"#stage-of-{mailed.deal}", label="Proposal")
    page.click(f"#deal-{mailed.deal} .mover button")
    expect(page.locator(".toast")).to_contain_text("moved to Proposal.")
    assert sideways(page) == 0


def test_without_javascript_the_board_moves_filters_and_says_why(
    desk: Opener, service: Service, mailed: Seeded
) -> None:
    plain = desk(script=False).sign_in("priya")
    page = plain.open("/pipeline")
    page.click("a.chip:has-text('No action')")
    page.hover(f"#deal-{mailed.deal}")
    page.click(f"#deal-{mailed.deal} .mover summary")
    page.select_option(f"#stage-of-{mailed.deal}", label="Lost")
    page.fill(f"#why-of-{mailed.deal}", "Price")
    page.click(f"#deal-{mailed.deal} .mover button")
    expect(page.locator(".toast")).to_contain_text("moved to Lost.")
    assert told(service, mailed.deal) == ("lost", "Price")
    assert "show=none" in page.url
    page.click(".toast button")
    expect(page.locator(f"#deal-{mailed.deal}")).to_be_visible()
    page.click(f"#deal-{mailed.deal} .worth summary")
    page.fill(f"#value-{mailed.deal}", "19,000")
    page.click(f"#deal-{mailed.deal} .worth button")
    expect(page.locator(".toast")).to_contain_text("£19,000")
    with service.db.reading() as session:
        assert deals.by_id(session, mailed.deal).value == Decimal(19_000)


def columns(service: Service) -> dict[str, int]:
    """The stages by name."""
    with service.db.reading() as session:
        return {s.name: s.id for s in pipelines.stages(session, pipelines.all_(session)[0].id)}


def told(service: Service, deal_id: int) -> tuple[Any, Any]:
    """How a deal stands, and why."""
    with service.db.reading() as session:
        deal = deals.by_id(session, deal_id)
        return deal.status, deal.lost_reason


def sideways(page: Page) -> int:
    """By how much the page itself is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
