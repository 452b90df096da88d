"""Every page of the app in a browser, read off its own map: nothing serious for axe in light and dark, and nothing that
scrolls sideways on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy import select

from crm.models import Communication, CommunicationBody
from sync.service import Service
from tests.web import addresses, many
from tests.web.browser import Desk, address, chromium, desk
from tests.web.conftest import Team
from tests.web.seed import Seeded

__all__ = ["address", "chromium", "desk"]

pytestmark = [pytest.mark.needs_browser, pytest.mark.timeout(400)]
Opener = Callable[..., Desk]
NO_PAGES = ("download", "live", "progress", "log.html", "accounts.items")
"""Files, fragments and JSON."""
ALIKE = "reports.rows-"
"""One page for all reports: one of them stands for all."""
OPTIONS = {"rules": {"target-size": {"enabled": True}}}
"""WCAG 2.2, 2.5.8: off unless asked for."""
SEATS = {"admin": "ada", "manager": "mina", "rep": "priya"}


@pytest.mark.parametrize("dark", [False, True], ids=["light-and-wide", "dark-and-on-a-phone"])
def test_no_page_has_a_serious_fault_for_axe_nor_scrolls_sideways(
    desk: Opener, app: Flask, crowded: dict[str, object], dark: bool
) -> None:
    size = {"width": 360, "height": 780} if dark else {}
    seats = {role: desk(dark=dark, **size).sign_in(name) for role, name in SEATS.items()}
    opened, faults = 0, []
    for name, role, path in pages(app, crowded):
        page = seats[role].open(path)
        opened += 1
        faults += [f"{name} {path}: {fault}" for fault in (*sideways(page), *serious(page))]
    assert not faults, "\n".join(faults)
    assert opened > 60


def pages(app: Flask, ids: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    """Name, the role that opens it, and address of each page that a person looks at."""
    alike = False
    for rule, key in addresses.pages():
        name = addresses.named(rule, key)
        if any(word in name for word in NO_PAGES) or (alike and name.startswith(ALIKE)):
            continue
        alike = alike or name.startswith(ALIKE)
        roles = getattr(app.view_functions[rule.endpoint], "roles", ())
        yield name, roles[0] if roles else "rep", addresses.address(rule, key, ids)


def sideways(page: Page) -> list[str]:
    """By how much the page is wider than the screen, where it is."""
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"scrolls sideways by {over} px"] if over > 0 else []


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical."""
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [told(violation) for violation in found if violation["impact"] in ("serious", "critical")]


def told(violation: dict[str, Any]) -> str:
    """A violation in a line, with the first elements that have it."""
    nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
    return f"{violation['id']} ({violation['help']}): {nodes}"


@pytest.fixture
def crowded(service: Service, team: Team, mailed: Seeded, tmp_path: Path) -> dict[str, object]:
    """Two rows of everything; what stands in the addresses of pages."""
    many.rows(service, mailed, team, tmp_path / "more", 2)
    with service.db.reading() as session:
        written = CommunicationBody.html != "", Communication.thread_id.is_not(None), Communication.status != "ignored"
        item = session.scalars(select(Communication.id).join(CommunicationBody).where(*written)).first()
    return {
        "account_id": mailed.accounts[0], "company_id": mailed.nordhavn, "contact_id": mailed.erik,
        "deal_id": mailed.deal, "item_id": item, "user_id": team.jonas, "thread_id": 1, "task_id": 1, "field_id": 1,
        "segment_id": 1, "pipeline_id": 1, "stage_id": 1, "rule_id": 1, "form_id": 1, "uid": "kickoff",
        "group": "address:anna.l@nordhavn.example",
    }  # fmt: skip


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
