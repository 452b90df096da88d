"""What only a browser can tell: keys, focus, the first run. Axe and narrow screens are looked at on every page in
``test_every_page``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from crm import review
from crm.privacy import Viewer
from sync.service import Service
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import NOW, PASSWORD, Team
from tests.web.seed import Seeded

__all__ = ["address", "chromium", "desk"]

pytestmark = pytest.mark.needs_browser
Opener = Callable[..., Desk]


def test_a_queue_is_settled_with_the_keyboard_alone_and_undone_again(
    desk: Opener, service: Service, mailed: Seeded, team: Team
) -> None:
    rep = desk().sign_in("priya")
    before = _waiting(service, team.priya)
    rep.press("g", "r")
    expect(rep.page).to_have_url(re.compile("/review"))
    expect(rep.page.locator(".g[aria-current]")).to_contain_text("Anna Lindqvist")
    rep.press("j")
    expect(rep.page.locator("#pane")).to_contain_text("h@hostile.example")
    rep.press("k")
    expect(rep.page.locator("#pane h2").first).to_have_text("Anna Lindqvist")
    rep.press("Enter")
    expect(rep.page.locator(".toast")).to_contain_text("Created the contact")
    expect(rep.page.locator(".g[aria-current]")).not_to_contain_text("Anna")
    rep.press("n")
    expect(rep.page.locator(".toast")).to_contain_text("is not a contact")
    assert _waiting(service, team.priya) == before - 2
    rep.press("z")
    expect(rep.page.locator(".toast")).to_contain_text("Taken back")
    rep.press("z")
    expect(rep.page.locator(".g", has_text="Anna Lindqvist")).to_be_visible()
    assert _waiting(service, team.priya) == before


def test_selecting_rows_with_x_answers_them_at_once(desk: Opener, service: Service, mailed: Seeded, team: Team) -> None:
    rep = desk().sign_in("priya")
    before = _waiting(service, team.priya)
    rep.open("/review?tab=people")
    expect(rep.page.locator(".bulk")).to_be_hidden()
    rep.press("j", "x", "j")
    rep.page.keyboard.press("Shift+X")
    expect(rep.page.locator("[data-picked]")).to_have_text("2 selected")
    rep.page.click("text=Not contacts")
    expect(rep.page.locator(".toast")).to_contain_text("2 groups settled")
    assert _waiting(service, team.priya) == before - 2
    rep.press("z")
    expect(rep.page.locator(".toast")).to_contain_text("taken back")
    assert _waiting(service, team.priya) == before


def test_keys_do_nothing_while_one_types(desk: Opener, mailed: Seeded) -> None:
    rep = desk().sign_in("priya")
    rep.open("/review")
    rep.page.keyboard.press("/")
    rep.page.keyboard.type("nhz?")
    expect(rep.page.locator(".search input")).to_have_value("nhz?")
    expect(rep.page.locator(".toast")).to_have_count(0)
    rep.page.keyboard.press("Escape")
    rep.press("?")
    expect(rep.page).to_have_url(re.compile("/help/keys"))


def test_the_palette_goes_anywhere(desk: Opener, mailed: Seeded) -> None:
    rep = desk().sign_in("priya")
    rep.page.keyboard.press("Control+k")
    rep.page.keyboard.type("compan")
    rep.page.keyboard.press("Enter")
    expect(rep.page.locator("h1")).to_have_text("Companies")
    expect(rep.page.locator(".htmx-swapping, .htmx-settling, .htmx-request")).to_have_count(0)
    rep.page.keyboard.press("Control+k")
    rep.page.keyboard.type("Erick Dal")
    expect(rep.page.locator("#palette [role=option]").first).to_contain_text("Erik Dahl")
    rep.page.keyboard.press("Enter")
    expect(rep.page.locator("h1")).to_have_text("Erik Dahl")


def test_review_works_without_javascript(desk: Opener, service: Service, mailed: Seeded, team: Team) -> None:
    rep = desk(script=False).sign_in("priya")
    before = _waiting(service, team.priya)
    page = rep.open("/review")
    page.click("text=ليلى حداد")
    page.click("button:has-text('Not a contact')")
    expect(page.locator(".toast")).to_contain_text("is not a contact")
    assert _waiting(service, team.priya) == before - 1
    page.click(".toast button")
    assert _waiting(service, team.priya) == before


def test_a_newcomer_sets_up_imports_and_connects_in_one_go(
    desk: Opener, service: Service, tmp_path: Path, boxes: Path
) -> None:
    new = desk()
    page = new.open("/")
    page.fill("[name=name]", "Ada Admin")
    page.fill("[name=email]", "ada@ourco.example")
    page.fill("[name=password]", PASSWORD)
    page.select_option("[name=time_zone]", "Europe/Stockholm")
    page.click("button.go")
    expect(page.locator("h2").first).to_contain_text("0 of 4")
    (tmp_path / "c.csv").write_text(
        "name,email,company,company_domain\nErik Dahl,erik@nordhavn.example,Nordhavn AB,nordhavn.example\n"
    )
    page.click('a.btn:has-text("Import")')
    page.set_input_files("[name=file]", tmp_path / "c.csv")
    page.click('button:has-text("Preview")')
    page.click('button:has-text("Import 1 row")')
    expect(page.locator(".toast")).to_contain_text("Imported 1 new row")
    page.goto(new.address + "/accounts/new")
    page.click("text=Choose files")
    page.wait_for_url("**/accounts/new/archive")
    expect(page.locator("[name=paths]")).to_be_visible()
    page.fill("[name=address]", "ada@ourco.example")
    page.fill("[name=paths]", str(boxes / "nowhere"))
    page.click("button.go")
    expect(page.locator("#paths-error")).to_be_visible()
    page.fill("[name=paths]", str(boxes / "priya"))
    page.click("button.go")
    expect(page.locator("text=connection works")).to_be_visible()
    page.check("[name=sharing][value=subject]")
    page.click('button:has-text("Start")')
    expect(page.locator("#progress")).to_contain_text("newest first")
    _sync(service)
    expect(page.locator("#progress")).to_contain_text("level")
    page.goto(new.address + "/contacts?q=erik")
    page.click("text=Erik Dahl")
    expect(page.locator(".tl")).to_contain_text("Pilot in Malmö")


def test_on_a_phone_the_queue_is_first_and_an_answer_one_press_away(desk: Opener, mailed: Seeded) -> None:
    phone = desk(width=360, height=780).sign_in("priya")
    page = phone.open("/review")
    expect(page.locator("#queue")).to_be_visible()
    expect(page.locator("#pane")).to_be_hidden()
    page.click("text=Anna Lindqvist")
    expect(page.locator("#pane button.go")).to_be_visible()
    expect(page.locator("#queue")).to_be_hidden()


def _waiting(service: Service, user_id: int) -> int:
    with service.db.reading() as session:
        return review.waiting(session, Viewer(user_id, "rep"), now=NOW)


def _sync(service: Service) -> None:
    from sync import outbox, passes

    passes.run(service, drain=True)
    outbox.drain(service)


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """The mail as files."""
    from tests.web import seed

    seed.mailboxes(tmp_path / "boxes", NOW)
    return tmp_path / "boxes"
