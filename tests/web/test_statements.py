"""Done-when 4: every page costs as many SQL statements with many rows as with few, and at most ``MOST`` of them.

The pages are read off the app's own map, so a new one is in without being named here; one with an argument that
``Desk.ids`` does not know fails until it is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select
from werkzeug.routing import Rule

from crm.models import Communication, CommunicationBody
from sync.service import Service
from tests.web import addresses, many
from tests.web.conftest import Team, _service
from tests.web.seed import Seeded
from web.app import create_app

MOST = 25


def _cases() -> list[Any]:
    return [pytest.param(rule, key, id=addresses.named(rule, key)) for rule, key in addresses.pages()]


@pytest.mark.xdist_group("statements")
@pytest.mark.parametrize(("rule", "key"), _cases())
def test_a_page_costs_the_same_with_few_rows_and_many_and_no_more_than_the_mark(
    rule: Rule, key: str, few: Desk, lots: Desk
) -> None:
    path = addresses.address(rule, key, few.ids)
    before, after = few.get(path, rule.endpoint), lots.get(path, rule.endpoint)
    assert len(after) == len(before), _differ(before, after)
    assert len(after) <= MOST, f"{path}: {len(after)} statements"


def _differ(before: list[str], after: list[str]) -> str:
    """Which statements came or went."""
    lines = unified_diff([s[:300] for s in before], [s[:300] for s in after], "few", "many", lineterm="", n=0)
    return "\n".join(lines)


@dataclass
class Desk:
    """An app over one database, and the statements each request sends."""

    app: Flask
    service: Service
    seeded: Seeded
    team: Team
    item: int

    @property
    def ids(self) -> dict[str, object]:
        """What stands in the addresses of pages."""
        seeded = self.seeded
        return {
            "account_id": seeded.accounts[0], "company_id": seeded.nordhavn, "contact_id": seeded.erik,
            "deal_id": seeded.deal, "item_id": self.item, "user_id": self.team.jonas, "thread_id": 1, "task_id": 1,
            "field_id": 1, "segment_id": 1, "pipeline_id": 1, "stage_id": 1, "rule_id": 1, "form_id": 1,
            "group": "address:anna.l@nordhavn.example", "uid": "kickoff",
        }  # fmt: skip

    def get(self, path: str, endpoint: str) -> list[str]:
        """Open a page as somebody it exists for."""
        roles = getattr(self.app.view_functions[endpoint], "roles", ())
        who = {"admin": self.team.admin, "manager": self.team.mina}[roles[0]] if roles else self.team.priya
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie.update(user=who, epoch=0)
        sent: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement != "BEGIN":  # SQLite's; PostgreSQL's driver sends it unseen
                sent.append(statement)

        event.listen(self.service.db.engine, "before_cursor_execute", note)
        try:
            response = client.get(path)
        finally:
            event.remove(self.service.db.engine, "before_cursor_execute", note)
        assert response.status_code < 400, (path, response.status_code, response.text[:1500])
        return sent


@pytest.fixture(scope="session")
def few(
    mail_template: tuple[Path, Seeded], team_template: tuple[Path, Team], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """The seeded team with one or two rows of everything."""
    yield from _desk(mail_template, team_template[1], tmp_path_factory.mktemp("few"), times=2)


@pytest.fixture(scope="session")
def lots(
    mail_template: tuple[Path, Seeded], team_template: tuple[Path, Team], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """The same with dozens of each."""
    yield from _desk(mail_template, team_template[1], tmp_path_factory.mktemp("lots"), times=40)


def _desk(template: tuple[Path, Seeded], team: Team, folder: Path, *, times: int) -> Iterator[Desk]:
    shutil.copyfile(template[0], folder / "crm.db")
    service = _service(folder, folder / "crm.db")
    many.rows(service, template[1], team, folder / "boxes", times)
    app = create_app(service)
    app.testing = True
    with service.db.reading() as session:
        written = CommunicationBody.html != "", Communication.thread_id.is_not(None), Communication.status != "ignored"
        query = select(Communication.id).join(CommunicationBody).where(*written)
        item = session.scalars(query.order_by(Communication.id)).first()
    assert item
    yield Desk(app, service, template[1], team, item)
    service.db.dispose()
