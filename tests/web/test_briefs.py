"""The pages of contacts, companies and deals tell what to know before the next meeting."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm import tasks
from crm.models import Communication, Link
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded


def test_a_record_with_a_meeting_ahead_shows_its_brief(
    service: Service, priya: Person, team: Team, mailed: Seeded
) -> None:
    with service.db.transaction() as session:
        ahead = session.query(Communication).filter(
            Communication.kind == "meeting", Communication.occurred_at > NOW, Communication.status == "linked"
        ).first()  # fmt: skip
        assert ahead is not None
        links = session.query(Link).filter_by(communication_id=ahead.id)
        targets = {link.target_kind: link.target_id for link in links}
        task = tasks.create(
            session, title="Print the agenda", contact_id=targets["contact"], due_at=NOW + timedelta(hours=2), now=NOW,
            actor_id=team.priya,
        )  # fmt: skip
        title, task_id = ahead.subject, task.id
    folders = {"contact": "contacts", "company": "companies", "deal": "deals"}
    assert "contact" in targets
    for kind, target in targets.items():
        page = priya.get(f"/{folders[kind]}/{target}")
        brief = page.partition("Before you meet")[2].partition("</section>")[0]
        assert title in brief, kind
        assert f"/tasks/{task_id}" in brief, kind


def test_a_record_without_a_meeting_ahead_shows_none(priya: Person, mailed: Seeded, service: Service) -> None:
    with service.db.transaction() as session:
        session.query(Communication).filter(Communication.occurred_at > NOW).update({"cancelled": True})
    assert "Before you meet" not in priya.get(f"/contacts/{mailed.erik}")


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
