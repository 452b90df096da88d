"""Rows of every kind for the page tests: ``times`` of each, through the functions that people's actions go through, so
that a page shows few of a thing, or many."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy.orm import Session

from crm import automation, companies, contacts, deals, fields, files, lead_forms, notes, pipelines, segments, tasks
from crm.models import Notification
from crm.viewing import Viewer
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.service import Service
from tests.web import seed
from tests.web.conftest import Team
from tests.web.seed import Seeded


def rows(service: Service, seeded: Seeded, team: Team, folder: Path, times: int) -> None:
    """Put ``times`` rows of each kind into the seeded workspace."""
    _records(service, seeded, team, times)
    _mail(service, folder, times)
    outbox.drain(service)


def _records(service: Service, seeded: Seeded, team: Team, times: int) -> None:
    now = service.now()
    with service.db.transaction() as session:
        _rules(session, team, times, now)
        fields.add(session, noun="contact", label="Region", type="text", actor_id=team.admin, now=now)
        stages = pipelines.stages(session, pipelines.ensure_default(session).id)
        for n in range(times):
            lead_forms.save(
                session, None, name=f"Form {n}", source="website", people=[team.priya, team.jonas], task_title="Call",
                task_days=1, actor_id=team.admin, now=now,
            )  # fmt: skip
            by = {"now": now - timedelta(days=30, minutes=-n), "actor_id": team.priya}
            firm = companies.create(session, name=f"Firm {n}", domains=[f"firm{n}.example"], owner_id=team.priya, **by)
            lead = contacts.create(
                session, name=f"Lead {n}", emails=[f"lead{n}@firm{n}.example"], company_id=firm.id, owner_id=team.priya,
                source=("fair", "website")[n % 2], **by,
            )  # fmt: skip
            contacts.create(
                session, name=f"Colleague {n}", emails=[f"c{n}@nordhavn.example"], company_id=seeded.nordhavn, **by
            )
            for stage in stages:
                made = deals.create(
                    session, title=f"Deal {n} {stage.name}", company_id=firm.id, contact_ids=[lead.id], source="fair",
                    value=Decimal(1000 + n), currency=("GBP", "EUR")[n % 2], owner_id=(team.priya, team.jonas)[n % 2],
                    expected_close=(now + timedelta(days=n - 1)).date(), **by,
                )  # fmt: skip
                if stage.id != made.stage_id:
                    deals.move(session, made.id, stage.id, lost_reason="price", actor_id=team.priya, now=by["now"])
            deals.create(session, title=f"Nordhavn {n}", company_id=seeded.nordhavn, contact_ids=[seeded.erik], **by)
            chosen, viewer = {"older": str(n + 1)}, Viewer(team.priya, "rep")
            segments.save(session, viewer, noun="contact", name=f"S {n}", given=chosen, shared=True, now=now)
            for days in (-2, 0, 3):
                tasks.create(
                    session, title=f"Task {n} {days}", owner_id=team.priya, contact_id=seeded.erik, deal_id=seeded.deal,
                    company_id=seeded.nordhavn, due_at=now + timedelta(days=days), **by,
                )  # fmt: skip
            for on in (("contact", seeded.erik), ("company", seeded.nordhavn), ("deal", seeded.deal)):
                notes.add(
                    session, Viewer(team.priya, "rep"), kind="call", target=on, text=f"They agree, {n}.",
                    at=now - timedelta(days=40 + n), now=now,
                )  # fmt: skip
                files.add(session, Viewer(team.priya, "rep"), on, name=f"offer{n}.txt", content=b"An offer.", now=now)
            session.add(
                Notification(user_id=team.priya, key=f"many:{n}", kind="test", text=f"Line {n}", created_at=now)
            )


def _rules(session: Session, team: Team, times: int, now: datetime) -> None:
    """Rules that are on, each with as many runs as there are new contacts."""
    action = {"do": "task", "title": "Call {contact}", "due_days": 1, "to": "owner"}
    for n in range(times):
        rule = automation.save(
            session, None, name=f"Rule {n}", event="contact_created", conditions={"lifecycle": "lead"}, action=action,
            actor_id=team.admin, now=now,
        )  # fmt: skip
        if n < 1:
            automation.switch(session, rule.id, True, actor_id=team.admin, now=now - timedelta(days=300))


def _mail(service: Service, folder: Path, times: int) -> None:
    """Strangers who wrote twice, customers who wait for an answer, meetings ahead."""
    now = service.now()
    for n in range(times):
        who = f"Person {n} <person{n}@stranger{n}.example>"
        seed.mail(folder, 1000 + 2 * n, now, who=who, to=seed.PRIYA, subject=f"Hello {n}", hours=3 + n)
        seed.mail(folder, 1001 + 2 * n, now, who=who, to=seed.PRIYA, subject=f"Again {n}", hours=2 + n)
        lead = f"Lead {n} <lead{n}@firm{n}.example>"
        seed.mail(folder, 3000 + n, now, who=lead, to=seed.PRIYA, subject=f"Question {n}", hours=9 + n)
        erik = "Erik Dahl <erik@nordhavn.example>"
        seed.mail(folder, 2000 + n, now, who=erik, to=seed.PRIYA, subject=f"Point {n}", hours=5 + n)
        seed.meeting(folder, f"met{n}", now, title=f"Met {n}", who=f"lead{n}@firm{n}.example", hours=-24 * (20 + n))
        seed.meeting(folder, f"meet{n}", now, title=f"Meet {n}", who=f"lead{n}@firm{n}.example", hours=30 + n)
    spec = AccountSpec("archive", seed.PRIYA, seed.PRIYA, {"paths": [str(folder)]}, sharing="full")
    accounts.add(service, spec, actor_id=None)
    passes.run(service, drain=True)
