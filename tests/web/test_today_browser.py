"""Today and the reports in a browser: presses without a full page load, undo, filters, a phone, and the tree that
assistive software reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from crm.reports import registry
from sync.service import Service
from tests.web.browser import *  # noqa: F403
from tests.web.browser import Desk
from tests.web.conftest import Team
from tests.web.seed import Seeded

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]


def test_a_reply_is_settled_and_brought_back_and_a_report_narrowed_and_opened(
    desk: Callable[..., Desk], mailed: Seeded
) -> None:
    page = desk().sign_in("priya").page
    waiting = page.locator("#replies .waits")
    before = waiting.count()
    first = waiting.first.locator(".sub").inner_text()
    waiting.first.get_by_role("button", name="No reply needed").click()
    expect(waiting).to_have_count(before - 1)
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(waiting).to_have_count(before)
    assert waiting.first.locator(".sub").inner_text() == first
    page.get_by_role("link", name="2 deals in Lead worth £27,500").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pipeline value: Lead")
    page.get_by_role("link", name="Pipeline value").click()
    expect(page.get_by_role("img", name="Pipeline value")).to_be_visible()
    page.get_by_label("Owner").select_option(label="Jonas Weber")
    expect(page).to_have_url(re.compile("owner="))
    expect(page.locator("table.sums tbody tr").first).to_contain_text("£9,500")
    page.get_by_role("link", name="£9,500").first.click()
    expect(page.locator("table.sums")).to_contain_text("Nordhavn renewal")


def test_on_a_phone_nothing_is_wider_than_the_screen(desk: Callable[..., Desk], mailed: Seeded) -> None:
    one = desk(width=360, height=780).sign_in("priya")
    for path in ("/", "/reports", *(f"/reports/{report.key}" for report in registry.ALL)):
        page = one.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail, synced once a process and copied."""
    return mail_template[1]
