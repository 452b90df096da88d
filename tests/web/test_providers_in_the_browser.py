"""Google and Microsoft in a real browser: consent at the model server, progress, the log, what goes wrong later, and
back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sync import coverage, outbox, passes
from sync.passes import Options
from sync.service import Service
from tests.emulators import google, microsoft
from tests.rig.office import mail
from tests.web.browser import Desk, address, chromium
from tests.web.conftest import NOW, Team
from tests.web.providers_rig import PRIYA, at_google, at_microsoft, point

__all__ = ["address", "chromium"]

pytestmark = [pytest.mark.needs_browser, pytest.mark.slow]
MAILS = 120


def test_google_from_consent_to_the_log_and_from_a_revoked_consent_back_without_a_gap(
    people: Callable[[str], Desk], gmail: google.World, service: Service
) -> None:
    box = gmail.people[PRIYA].mailbox
    for number in range(MAILS):
        box.deliver(letter(number), ["INBOX"])
    page = people("priya").open("/accounts/new")
    page.get_by_role("link", name="Connect Google").click()
    expect(page.get_by_text("Nothing is ever sent, changed or deleted")).to_be_visible()
    page.get_by_role("link", name="Go to Google").click()
    expect(page.get_by_role("heading", name="Sign in with the model of Google")).to_be_visible()
    page.select_option("[name=user]", PRIYA)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("connection works")).to_be_visible()
    page.get_by_label(re.compile("^Metadata")).check()
    page.get_by_role("button", name="Start").click()

    expect(page.locator("#progress")).to_contain_text("working")
    some(service)
    expect(page.locator("#progress progress")).to_be_visible()
    expect(page.locator("#progress")).to_contain_text(re.compile(rf"seen\s*[1-9]\d*\s*of {MAILS}"))
    everything(service)
    expect(page.locator("#progress")).to_contain_text("ok")
    expect(page.locator("#progress")).to_contain_text(re.compile(rf"in the log\s*{MAILS}"))
    read_the_log(page)

    gmail.revoke(PRIYA)
    assert {r.state for r in passes.run(service, drain=True)} == {"needs_person"}
    box.deliver(letter(900), ["INBOX"])
    page.goto("/accounts")
    expect(page.get_by_role("alert")).to_contain_text("Google's consent has ended")
    page.goto("/")
    expect(page.locator("main")).to_contain_text("Google's consent has ended")
    page.goto("/accounts")
    page.get_by_role("alert").get_by_role("link", name="Sign in again").click()
    page.get_by_role("link", name="Go to Google").click()
    expect(page.locator("[name=user]")).to_have_value(PRIYA)
    page.get_by_role("button", name="Allow").click()
    expect(page.locator(".toast")).to_contain_text("is connected again")
    everything(service)
    found = coverage.audit(service)
    assert (found["coverage"], found["missing"], found["accounts"][0]["streams"][0]["remote"]) == (1.0, 0, MAILS + 1)
    page.goto("/accounts")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_microsoft_from_consent_to_the_log_and_through_an_expired_client_secret(
    people: Callable[[str], Desk], graph: microsoft.Server, service: Service
) -> None:
    box = graph.user(PRIYA)
    for number in range(MAILS):
        box.deliver("Inbox", letter(number))
    page = people("priya").open("/accounts/new")
    page.get_by_role("link", name="Connect Microsoft").click()
    page.get_by_role("link", name="Go to Microsoft").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.select_option("[name=user]", PRIYA)
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("connection works")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#progress")).to_contain_text("working")
    some(service)
    expect(page.locator("#progress")).to_contain_text(re.compile(rf"seen\s*[1-9]\d*\s*of {MAILS}"))
    everything(service)
    expect(page.locator("#progress")).to_contain_text(re.compile(rf"in the log\s*{MAILS}"))
    read_the_log(page)

    graph.advance(7200)
    graph.identity.ordered += ["expired_secret"] * 20
    assert {r.state for r in passes.run(service, drain=True)} == {"failed"}
    page.goto("/accounts")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("tbody")).to_contain_text("ok")
    ada = people("ada").open("/accounts")
    expect(ada.get_by_role("alert")).to_contain_text("CRM_SYNC_MICROSOFT_CLIENT_SECRET")
    expect(ada.locator("tbody")).to_contain_text("ok")

    graph.identity.ordered.clear()
    graph.identity.refresh.clear()
    assert {r.state for r in passes.run(service, drain=True)} == {"needs_person"}
    box.deliver("Inbox", letter(900))
    page.goto("/accounts")
    page.get_by_role("alert").get_by_role("link", name="Sign in again").click()
    page.get_by_role("link", name="Go to Microsoft").click()
    page.select_option("[name=user]", PRIYA)
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".toast")).to_contain_text("is connected again")
    everything(service)
    found = coverage.audit(service)
    assert (found["coverage"], found["missing"]) == (1.0, 0)
    assert next(s for s in found["accounts"][0]["streams"] if s["stream"] == "Inbox")["remote"] == MAILS + 1
    ada.goto("/accounts")
    expect(ada.get_by_role("alert")).to_have_count(0)


def letter(number: int) -> bytes:
    at = NOW - timedelta(days=2) + timedelta(minutes=number)
    return mail(to=PRIYA, id=f"<n{number}@acme.example>", subject=f"Letter {number}", at=at)


def some(service: Service) -> None:
    """What a worker gets done in its first moment."""
    begun = iter([False])
    passes.run(service, options=Options(stop=lambda: next(begun, True)))


def everything(service: Service) -> None:
    """What workers do until all is level."""
    assert {r.state for r in passes.run(service, drain=True)} == {"level"}
    outbox.drain(service)


def read_the_log(page: Page) -> None:
    """The newest letter is in the log of its owner."""
    page.goto("/log?status=review")
    expect(page.locator("main")).to_contain_text(f"Letter {MAILS - 1}")


@pytest.fixture
def people(chromium: Browser, address: str, service: Service, team: Team) -> Iterator[Callable[[str], Desk]]:
    """Somebody signed in, in a browser that takes the model server's certificate."""
    point(service, base_url=address)
    contexts = []

    def open_(name: str) -> Desk:
        context = chromium.new_context(base_url=address, ignore_https_errors=True, reduced_motion="reduce")
        context.set_default_timeout(15_000)
        contexts.append(context)
        return Desk(context.new_page(), address, []).sign_in(name)

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def gmail(service: Service, team: Team) -> Iterator[google.World]:
    with at_google(service) as world:
        yield world


@pytest.fixture
def graph(service: Service, team: Team, tmp_path: Path) -> Iterator[microsoft.Server]:
    with at_microsoft(service, tmp_path) as server:
        yield server
