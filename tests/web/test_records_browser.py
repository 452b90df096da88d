"""A record worked on in a browser: on a phone, by keyboard over a slow line, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from sync.service import Service
from tests.web.browser import *  # noqa: F403
from tests.web.browser import Desk
from tests.web.conftest import Team
from tests.web.seed import Seeded

pytestmark = pytest.mark.needs_browser
Opener = Callable[..., Desk]


def test_on_a_phone_a_call_is_logged_with_two_taps_and_nothing_is_wider_than_the_screen(
    desk: Opener, mailed: Seeded
) -> None:
    rep = desk(width=360, height=740).sign_in("priya")
    for path in (f"/contacts/{mailed.erik}", f"/companies/{mailed.nordhavn}", f"/deals/{mailed.deal}", "/segments",
                 "/segments/new?noun=deal", f"/files/new/deal/{mailed.deal}", "/search?q=Erick"):  # fmt: skip
        page = rep.open(path)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider == 0, path
    page = rep.open(f"/contacts/{mailed.erik}")
    page.click("text=Log a call")
    page.click("button:has-text('No answer')")
    expect(page.locator(".tl")).to_contain_text("no answer")
    page.click(".toast button")
    expect(page.locator(".tl")).not_to_contain_text("no answer")


def test_the_palette_finds_while_typing_by_keyboard_even_over_a_slow_line(desk: Opener, mailed: Seeded) -> None:
    rep = desk().sign_in("priya")
    page, options = rep.page, rep.page.locator("#palette [role=option]")

    held: list[Route] = []
    page.route("**/search/live*", lambda route: held.append(route))
    rep.open("/contacts")
    open_palette(page)
    page.keyboard.type("nordhaven")
    expect(page.locator("#palette [role=status]")).to_have_text("Searching…")
    expect(options).to_have_count(1)
    held[-1].continue_()
    expect(options.first).to_contain_text("Nordhavn AB")
    expect(page.locator("#palette .head").first).to_have_text("Companies")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Search for")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Nordhavn AB")
    open_palette(page)
    page.keyboard.type("erick")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=erick"))
    expect(page.locator("h1")).to_have_text("Search")
    page.unroute("**/search/live*")
    page.route("**/search/live*", lambda route: route.abort())
    open_palette(page)
    page.keyboard.type("anna")
    expect(page.locator("#palette [role=status]")).to_contain_text("No answer from the server")
    rep.errors.clear()  # the line we cut


def test_without_javascript_a_record_does_all_it_does(desk: Opener, mailed: Seeded, tmp_path: Path) -> None:
    rep = desk(script=False).sign_in("priya")
    page = rep.open(f"/deals/{mailed.deal}")
    page.locator("section:has(h2:has-text('May belong here')) button:has-text('Attach')").first.click()
    expect(page.locator(".toast")).to_contain_text("Attached")
    expect(page.locator(".tl")).to_contain_text("Pilot in Malmö, next steps")
    page.click("text=Add a file")
    offer = tmp_path / "offer.pdf"
    offer.write_bytes(b"%PDF-1.7 an offer")
    page.set_input_files("[name=file]", offer)
    page.click("text=Put it here")
    expect(page.locator("aside")).to_contain_text("offer.pdf")
    page = rep.open(f"/contacts/{mailed.erik}")
    page.click("text=Make a past client")
    expect(page.locator(".toast")).to_contain_text("is a past client now")
    page.click(".toast button")
    expect(page.locator(".top .chip")).to_have_text("client")


def test_the_palette_outlives_the_page_it_was_opened_on(desk: Opener, mailed: Seeded) -> None:
    """Opened while the next page is on its way, it stays open over it, with what was typed."""
    rep = desk().sign_in("priya")
    page = rep.open("/contacts")
    held: list[Route] = []
    page.route("**/companies", lambda route: held.append(route))
    page.click(".nav a:has-text('Companies')")
    page.keyboard.press("Control+k")
    page.keyboard.type("erik")
    expect(page.locator("#palette input")).to_have_value("erik")
    held[0].continue_()
    expect(page.locator("h1")).to_have_text("Companies")
    expect(page.locator("#palette input")).to_be_focused()
    expect(page.locator("#palette input")).to_have_value("erik")
    expect(page.locator("#palette [role=option]").first).to_contain_text("Erik Dahl")


def open_palette(page: Page) -> None:
    """Press the key once the page has settled: what is swapped in while it opens would close it."""
    expect(page.locator(".htmx-swapping, .htmx-settling, .htmx-request")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette input")).to_be_focused()


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
