"""A queue of fifty groups is settled with the keyboard only, and all of it undone; and again without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from crm import review
from crm.privacy import Viewer
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.service import Service
from tests.web import seed
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import NOW, Team

__all__ = ["address", "chromium", "desk"]

pytestmark = [pytest.mark.needs_browser, pytest.mark.timeout(400)]
GROUPS = 50


def test_fifty_groups_are_settled_with_the_keyboard_alone_and_undone(
    desk: Callable[..., Desk], service: Service, fifty: int
) -> None:
    rep = desk().sign_in("priya")
    rep.press("g", "r")
    expect(rep.page.locator(".g")).to_have_count(GROUPS)
    for left in range(GROUPS - 1, -1, -1):
        rep.press("n")
        expect(rep.page.locator(".g")).to_have_count(left)
    assert _waiting(service, fifty) == 0
    for done in range(1, GROUPS + 1):
        rep.press("z")
        expect(rep.page.locator(".g")).to_have_count(done)
    assert _waiting(service, fifty) == GROUPS


def test_fifty_groups_are_settled_and_undone_without_javascript(
    desk: Callable[..., Desk], service: Service, fifty: int
) -> None:
    page = desk(script=False).sign_in("priya").open("/review")
    for left in range(GROUPS - 1, -1, -1):
        page.click("#pane button:has-text('Not a contact')")
        expect(page.locator(".g")).to_have_count(left)
    assert _waiting(service, fifty) == 0
    page.goto(page.url.partition("/review")[0] + "/review/decided")
    for done in range(1, GROUPS + 1):
        page.locator("button:has-text('Undo')").first.click()
        expect(page.locator(".chip:has-text('taken back')")).to_have_count(done)
    assert _waiting(service, fifty) == GROUPS


def _waiting(service: Service, user_id: int) -> int:
    with service.db.reading() as session:
        return review.waiting(session, Viewer(user_id, "rep"), now=NOW)


# -- fixtures


@pytest.fixture
def fifty(service: Service, team: Team, tmp_path: Path) -> int:
    """Priya's mailbox with two mails each of fifty people nobody knows; her id."""
    folder = tmp_path / "boxes" / "priya"
    for person in range(GROUPS):
        who = f"Person {person:02} <person@host{person:02}.example>"
        for turn in (1, 2):
            number, subject = person * 2 + turn, f"Question {turn}"
            seed.mail(folder, number, NOW, who=who, to=seed.PRIYA, subject=subject, hours=person + turn)
    spec = AccountSpec("archive", seed.PRIYA, seed.PRIYA, {"paths": [str(folder)]}, sharing="full")
    accounts.add(service, spec, actor_id=None)
    passes.run(service, drain=True)
    outbox.drain(service)
    assert _waiting(service, team.priya) == GROUPS
    return team.priya
