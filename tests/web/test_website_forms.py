"""An enquiry on the website is a lead at once, with an owner and a task; the same person again is nobody's second
contact; robots and nonsense make nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from crm import contacts, export, lead_forms, users
from crm.models import Communication, CommunicationBody, Contact, LeadForm, Notification, Task
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.service import Service
from tests.web import seed
from tests.web.conftest import NOW, Person, Team

ASKED = {
    "email": "Zoë.Field@brightside.example", "name": "Zoë Field", "phone": "+44 20 7946 0018", "company": "Brightside",
    "message": "Do you ship to Malmö?", "utm_source": "newsletter",
}  # fmt: skip


def test_an_enquiry_becomes_one_lead_with_source_owner_task_and_what_was_asked(
    visitor: FlaskClient, form: LeadForm, service: Service, team: Team
) -> None:
    assert b"Thank you" in visitor.post(f"/forms/{form.key}", data=ASKED).data
    with service.db.reading() as session:
        [lead] = session.scalars(select(Contact)).all()
        [task] = session.scalars(select(Task)).all()
        [said] = session.scalars(select(CommunicationBody.text)).all()
    assert (lead.name, lead.lifecycle, lead.source, lead.owner_id) == ("Zoë Field", "lead", "website", team.priya)
    assert lead.custom == {"utm_source": "newsletter"}
    assert (task.title, task.owner_id, task.contact_id) == ("Call Zoë Field", team.priya, lead.id)
    assert task.due_at is not None and task.due_at.date() == NOW.date()
    assert said.endswith("Do you ship to Malmö?")


def test_the_same_person_again_updates_and_makes_no_second_lead_owner_or_task(
    visitor: FlaskClient, form: LeadForm, service: Service
) -> None:
    for message in ("First", "First", "Second"):
        visitor.post(f"/forms/{form.key}", data={"email": " ZOË.field@brightside.example ", "message": message})
    visitor.post(f"/forms/{form.key}", data=ASKED | {"message": ""})
    with service.db.reading() as session:
        [lead] = session.scalars(select(Contact)).all()
        assert lead.name == "Zoë Field"
        assert session.scalar(select(func.count()).select_from(Task)) == 1
        assert session.scalar(select(func.count()).select_from(Communication)) == 3
        assert contacts.by_address(session, "zoë.field@brightside.example") is not None


def test_what_a_person_of_ours_wrote_is_not_overwritten_and_a_known_contact_keeps_its_owner(
    visitor: FlaskClient, form: LeadForm, service: Service, team: Team
) -> None:
    with service.db.transaction() as session:
        contacts.create(
            session, name="Dr Z. Field", emails=["zoe@brightside.example"], phones=["+46 1"], lifecycle="client",
            owner_id=team.jonas, source="fair", now=NOW, actor_id=None,
        )  # fmt: skip
    visitor.post(f"/forms/{form.key}", data=ASKED | {"email": "zoe@brightside.example"})
    with service.db.reading() as session:
        [known] = session.scalars(select(Contact)).all()
        [task] = session.scalars(select(Task)).all()
    assert (known.name, known.lifecycle, known.source) == ("Dr Z. Field", "client", "fair")
    assert (known.owner_id, task.owner_id) == (team.jonas, team.jonas)


def test_leads_go_to_the_forms_people_in_turn_and_never_to_nobody(
    visitor: FlaskClient, form: LeadForm, service: Service, team: Team
) -> None:
    for n in range(4):
        visitor.post(f"/forms/{form.key}", data={"email": f"lead{n}@x{n}.example"})
    with service.db.transaction() as session:
        owners = list(session.scalars(select(Contact.owner_id).order_by(Contact.id)))
        session.get_one(LeadForm, form.id).people = []
    assert owners == [team.priya, team.jonas, team.priya, team.jonas]
    visitor.post(f"/forms/{form.key}", data={"email": "late@x.example"})
    with service.db.reading() as session:
        assert session.scalars(select(Contact.owner_id).order_by(Contact.id.desc())).first() == team.admin


def test_twins_sent_at_one_moment_are_one_lead(app: Flask, form: LeadForm, service: Service) -> None:
    gate = threading.Barrier(4)

    def send() -> None:
        gate.wait()
        app.test_client().post(f"/forms/{form.key}", data=ASKED)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with service.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == 1
        assert session.scalar(select(func.count()).select_from(Task)) == 1


@pytest.mark.parametrize(
    ("sent", "status", "at"),
    [
        ({"email": ""}, 422, "email"),
        ({"email": "not an address"}, 422, "email"),
        ({"email": "priya@ourco.example"}, 422, "email"),
        ({"email": "bot@spam.example", "homepage": "http://spam.example"}, 200, None),
    ],
)
def test_bad_addresses_are_named_and_robots_make_nothing(
    visitor: FlaskClient, form: LeadForm, service: Service, sent: dict[str, str], status: int, at: str | None
) -> None:
    answer = visitor.post(f"/forms/{form.key}", json=sent)
    assert answer.status_code == status
    assert set(answer.get_json()["errors"]) == ({at} if at else set())
    page = visitor.post(f"/forms/{form.key}", data=sent | {"message": "kept <b>"})
    assert page.status_code == status
    assert ("kept &lt;b&gt;" in page.text) == (status == 422)
    with service.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Contact)) == 0


def test_a_visitor_mentions_nobody_of_the_team(visitor: FlaskClient, form: LeadForm, service: Service) -> None:
    """Neither told under a colleague's name, nor refused with what the team is called."""
    with service.db.transaction() as session:
        by = {"role": "rep", "password": None, "now": NOW, "actor_id": None}
        users.create(session, email="p2@ourco.example", name="Priya Second", **by)
    answer = visitor.post(f"/forms/{form.key}", data=ASKED | {"message": "@Jonas Weber and @Priya, look"})
    assert answer.status_code == 200
    with service.db.reading() as session:
        assert session.scalars(select(Notification.text).where(Notification.kind == "mention")).all() == []


def test_a_closed_or_unknown_form_is_not_there_and_a_flood_is_braked(
    visitor: FlaskClient, form: LeadForm, admin: Person, service: Service
) -> None:
    assert visitor.post("/forms/guessed", data=ASKED).status_code == 404
    answers = [visitor.post(f"/forms/{form.key}", data=ASKED).status_code for _ in range(10)]
    assert answers == [200] * 8 + [429] * 2
    admin.post(f"/website-forms/{form.id}/switch", on="0")
    assert visitor.get(f"/forms/{form.key}").status_code == 404
    assert visitor.post(f"/forms/{form.key}", data=ASKED | {"email": "b@c.example"}).status_code == 404


def test_any_site_may_send_and_none_may_read(visitor: FlaskClient, form: LeadForm) -> None:
    asked = visitor.options(f"/forms/{form.key}")
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Access-Control-Allow-Credentials" not in asked.headers
    known = visitor.post(f"/forms/{form.key}", json=ASKED).get_data()
    assert visitor.post(f"/forms/{form.key}", json=ASKED).get_data() == known


def test_only_an_admin_sets_forms_up(admin: Person, priya: Person, mina: Person, team: Team) -> None:
    for outsider in (priya, mina):
        outsider.get("/website-forms", 404)
        outsider.post("/website-forms", 404, name="Mine")
    page = admin.post("/website-forms", follow=True, name="Contact us", people=[team.jonas], task_days="1")
    assert "Contact us takes enquiries now" in page
    assert "&lt;form method=" in page
    assert "A form needs a name" in admin.post("/website-forms", 422, name=" ")
    assert "0 to 365" in admin.post("/website-forms", 422, name="X", task_days="900")


def test_enquiry_mail_and_call_of_a_lead_stand_on_one_page(
    visitor: FlaskClient, form: LeadForm, priya: Person, service: Service, tmp_path: Any
) -> None:
    """From the website to the log: enquiry, owner, task, the mail that follows, and a call."""
    visitor.post(f"/forms/{form.key}", data=ASKED | {"email": "zoe@brightside.example"})
    box, who = tmp_path / "box", "Zoë <zoe@brightside.example>"
    seed.mail(box, 1, NOW, who=who, to=seed.PRIYA, subject="My question", hours=1)
    spec = AccountSpec("archive", seed.PRIYA, seed.PRIYA, {"paths": [str(box)]})
    accounts.add(service, spec, actor_id=None)
    passes.run(service, drain=True)
    outbox.drain(service)
    with service.db.reading() as session:
        lead = session.scalars(select(Contact.id)).one()
    priya.post(f"/write/call/contact/{lead}", text="Rang her back", outcome="reached")
    page = priya.get(f"/contacts/{lead}")
    for words in ("Do you ship to Malmö?", "My question", "Rang her back", "Call Zoë Field", "Priya Raman"):
        assert words in page, words
    with service.db.reading() as session:
        kinds = [line["kind"] for line in export.log_lines(session)]
    assert sorted(kinds) == ["call", "email", "note"]


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """Somebody on the website."""
    return app.test_client()


@pytest.fixture
def form(service: Service, team: Team) -> LeadForm:
    """A form whose leads go to Priya and Jonas in turn."""
    with service.db.transaction() as session:
        return lead_forms.save(
            session, None, name="Contact us", source="website", people=[team.priya, team.jonas],
            task_title="Call {contact}", task_days=0, actor_id=team.admin, now=NOW,
        )  # fmt: skip
