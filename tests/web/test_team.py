"""Rules, leaving, the audit and outgoing mail in the browser's words, for an admin, a manager and reps."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from crm import automation, contacts, deals, due, tasks, tokens, workspace
from crm.models import Account, Audit, AutomationRule, Contact, Setting, Task, User
from sync.service import Service
from tests.rig.smtp import smtp_server
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

RULE = {
    "name": "Chase", "event": "no_reply", "days": "5", "do": "task", "title": "Chase {contact}", "to": "owner",
    "due_days": "0", "type": "follow_up",
}  # fmt: skip


def test_a_rule_is_offered_kept_off_looked_at_and_switched_on(
    mina: Person, priya: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    offered = re.findall(r'href="(/automation/new\?from=\w+)"', mina.get("/automation"))
    assert len(offered) == len(automation.OFFERS)
    for path in offered:
        mina.get(path)
    with service.db.transaction() as session:
        born = NOW - timedelta(days=20)
        contacts.create(session, name="Lea Lead", emails=[], owner_id=team.priya, now=born, actor_id=None)
    page = mina.post("/automation/new", follow=True, **{**RULE, "event": "contact_created", "lifecycle": "lead"})
    assert "switched off" in page
    assert "When a contact or lead is new (leads only): create a task “Chase the contact” for its owner" in page
    (rule,) = rules(service)
    assert not rule.enabled
    assert "In the last 90 days there is 1 it was not done for." in page
    page = mina.post(f"/automation/{rule.id}/on", follow=True)
    assert "is on, from now" in page
    assert tasks_of(service) == ["Send the agreement to Erik"], "switching on makes nothing of the past"
    page = mina.post(f"/automation/{rule.id}/on", follow=True, past="yes")
    assert "Done 1 time for the past." in page
    assert "Chase Lea Lead" in tasks_of(service)
    assert "Task “Chase Lea Lead” for Priya Raman" in priya.get(f"/automation/{rule.id}")
    mina.post(f"/automation/{rule.id}/on", past="yes")
    assert len(tasks_of(service)) == 2
    mina.post(f"/automation/{rule.id}/off")
    page = mina.post(f"/automation/{rule.id}/delete", follow=True)
    undo = re.search(rf'action="(/automation/{rule.id}/restore)"', page)
    assert undo
    mina.post(undo[1])
    assert "Chase" in priya.get("/automation")


def test_reps_see_rules_and_change_none_and_that_they_tried_is_in_the_audit(
    priya: Person, jonas: Person, admin: Person, mina: Person, team: Team, service: Service
) -> None:
    mina.post("/automation/new", **RULE)
    (rule,) = rules(service)
    assert "Chase" in priya.get("/automation")
    for path in ("on", "off", "delete", "edit"):
        priya.post(f"/automation/{rule.id}/{path}", 404, **RULE)
    priya.get(f"/automation/{rule.id}/edit", 404)
    priya.get("/settings/mail", 404)
    jonas.get("/people/1", 404)
    assert not rules(service)[0].enabled
    page = admin.get("/audit?action=access.refused")
    assert page.count("not theirs to open") == 7
    assert re.search(r"Jonas Weber</b><span>was refused</span><span[^>]*>user 1</span>", page)
    own = jonas.get("/audit")
    assert "user 1" in own
    assert "Priya Raman" not in own.partition("<main")[2]


def test_attempts_at_what_is_not_there_are_written_down_within_bounds(
    priya: Person, service: Service, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from web import refusals

    monkeypatch.setattr(refusals, "A_DAY", 5)
    for number in range(9000, 9010):
        priya.get(f"/contacts/{number}", 404)
        priya.post(f"/deals/{number}/delete", 404)
    priya.get("/no/such/page", 404)
    with service.db.reading() as session:
        rows = session.scalars(select(Audit).where(Audit.action == "access.refused").order_by(Audit.id)).all()
    assert [(r.actor_id, r.subject_kind, r.subject_id) for r in rows][:2] == [
        (team.priya, "contact", 9000), (team.priya, "deal", 9000),
    ]  # fmt: skip
    assert len(rows) == 5


def test_the_api_writes_such_attempts_down_as_well(team: Team, service: Service, stranger: Person) -> None:
    with service.db.transaction() as session:
        _, text = tokens.create(session, team.jonas, name="x", scopes=["contacts:read"], now=NOW)
    headers = {"Authorization": f"Bearer {text}"}
    assert stranger.client.get("/api/v1/contacts/4711", headers=headers).status_code == 404
    with service.db.reading() as session:
        row = session.scalars(select(Audit).where(Audit.action == "access.refused")).one()
    assert (row.actor_id, row.subject_kind, row.subject_id) == (team.jonas, "contact", 4711)


def test_a_rule_that_can_not_be_is_said_at_its_field_and_the_form_stays_filled(mina: Person, team: Team) -> None:
    for field, wrong in {
        "days": {"days": ""}, "title": {"title": ""}, "name": {"name": " "}, "due_days": {"due_days": "999"},
        "do": {"do": "assign"},
    }.items():  # fmt: skip
        page = mina.post("/automation/new", 422, **{**RULE, **wrong})
        assert f'id="{field}-error"' in page, field
        if field != "name":
            assert 'value="Chase"' in page
    page = mina.post(
        "/automation/new", follow=True, name="Turn", event="contact_created", do="assign",
        people=[str(team.priya), str(team.jonas)],
    )  # fmt: skip
    assert "give it to the next of Priya Raman, Jonas Weber" in page


def test_who_leaves_hands_over_in_one_step_with_counts_before_and_undo_after(
    admin: Person, mina: Person, priya: Person, jonas: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    path = f"/people/{team.priya}"
    mina.get(path, 404)
    page = admin.get(path)
    counts = dict(re.findall(r'<dt class="faint">([\w ]+)</dt><dd><b>(\d+)</b>', page))
    assert counts == {"contacts": "1", "companies": "1", "open deals": "1", "open tasks": "1", "mailboxes": "1"}
    page = admin.post(f"{path}/leave", follow=True, to=str(team.jonas), deals=str(team.mina), companies="0")
    assert "1 contact, 1 company, 1 open deal, 1 open task" in page
    priya.get("/tasks", 303)
    with service.db.reading() as session:
        assert owner(session, Contact, mailed.erik) == team.jonas
        assert session.get_one(Account, mailed.accounts[0]).stage == "paused"
        assert not session.get_one(User, team.priya).active
    assert "Send the agreement to Erik" in jonas.get("/tasks")
    assert "Priya Raman has left; yours now: 1 contact, 1 open task." in jonas.get("/notices/all")
    assert "Pilot in Malm" in jonas.get(f"/contacts/{mailed.erik}"), "the log stays"
    assert "ended the access of" in admin.get(f"/audit?kind=user&id={team.priya}")
    undo = re.search(r'action="(/people/left/\d+/undo)"', admin.get(path))
    assert undo
    mina.post(undo[1], 404)
    admin.post(undo[1])
    with service.db.reading() as session:
        assert owner(session, Contact, mailed.erik) == team.priya
        assert session.get_one(Account, mailed.accounts[0]).stage != "paused"
        assert session.get_one(User, team.priya).active
    admin.post(f"{path}/leave", mailboxes="disconnect")
    with service.db.reading() as session:
        gone = session.get_one(Account, mailed.accounts[0])
        assert (gone.stage, gone.secret) == ("removed", None)
    assert "Pilot in Malm" in jonas.get(f"/contacts/{mailed.erik}"), "disconnected, and the log stays all the same"
    admin.post(f"/people/{team.admin}/leave", 422, to=str(team.jonas))


def test_the_audit_is_in_sentences_and_narrowed_by_person_action_subject_and_period(
    admin: Person, priya: Person, mailed: Seeded, team: Team, service: Service
) -> None:
    with service.db.transaction() as session:
        deals.update(session, mailed.deal, {"owner_id": team.jonas}, actor_id=team.priya, now=NOW)
        contacts.update(session, mailed.erik, {"title": "CEO"}, actor_id=team.jonas, now=NOW - timedelta(days=3))
        workspace.put(session, "silent_days", 9, actor_id=team.admin, now=NOW)
        made = tasks.create(session, title="Ring", due_at=due.all_day(NOW.date()), now=NOW, actor_id=team.priya)
        tasks.update(session, made.id, {"owner_id": team.jonas}, actor_id=team.priya, now=NOW)
    page = admin.get("/audit")
    for sentence in (
        "owner; from Priya Raman to Jonas Weber", 'changed</span><a class="link" href="/deals/', "the task Ring",
        "changed the setting", "from 7 to 9", "from nobody to Jonas Weber",
    ):  # fmt: skip
        assert sentence in page, sentence
    assert "the contact Erik Dahl" in admin.get(f"/audit?who={team.jonas}")
    assert "the task Ring" not in admin.get(f"/audit?who={team.jonas}").partition('class="list"')[2]
    only = admin.get("/audit?action=settings.put").partition('class="list"')[2]
    assert "silent_days" in only
    assert "the task" not in only
    period = admin.get("/audit?since=2026-03-01&until=2026-03-02").partition('class="list"')[2]
    assert "Erik Dahl" in period
    assert "Ring" not in period
    one = admin.get(f"/audit?kind=task&id={made.id}").partition('class="list"')[2]
    assert one.count("the task Ring") == 2
    admin.get("/audit?since=nonsense&until=9999-99-99&id=x&who=y&before=z")


def test_the_audit_goes_on_to_older_pages_and_keeps_its_filters(admin: Person, team: Team, service: Service) -> None:
    with service.db.transaction() as session:
        for n in range(60):
            tasks.create(session, title=f"T{n}", now=NOW, actor_id=team.priya)
    page = admin.get(f"/audit?who={team.priya}")
    older = re.search(r'href="(/audit\?[^"]*before=\d+[^"]*)"', page)
    assert older
    rest = admin.get(older[1].replace("&amp;", "&"))
    assert "the task T9<" in rest
    assert "the task T59<" not in rest
    assert f"who={team.priya}" in older[1]


def test_an_admin_sets_the_mail_server_and_tries_it_and_the_password_is_never_shown(
    admin: Person, priya: Person, team: Team, service: Service
) -> None:
    priya.post("/settings/mail/test", 404)
    page = admin.post("/settings/mail", 422, host="mail.example", port="0", security="tls")
    assert 'id="port-error"' in page
    assert 'value="mail.example"' in page
    page = admin.post("/settings/mail", 422, host="mail.example", port="25", security="none", sender="not an address")
    assert 'id="sender-error"' in page
    with smtp_server(password="hush hush") as server:
        settings = {"host": "127.0.0.1", "port": str(server.port), "security": "none", "username": "crm",
                    "sender": "crm@ourco.example"}  # fmt: skip
        admin.post("/settings/mail", **settings, password="wrong")
        assert "Not sent: The server did not accept" in admin.post("/settings/mail/test", follow=True)
        admin.post("/settings/mail", **settings, password="hush hush")
        admin.post("/settings/mail", **settings)
        assert "Sent to ada@ourco.example" in admin.post("/settings/mail/test", follow=True)
        assert [m["To"] for m in server.mails] == ["ada@ourco.example"]
    page = admin.get("/settings/mail")
    assert "hush" not in page
    assert "Kept, sealed" in page
    assert "hush" not in admin.get("/audit") + admin.get("/settings")
    with service.db.reading() as session:
        assert "hush" not in str(session.get_one(Setting, "smtp_password").value)
    assert "Not sent: No line to" in admin.post("/settings/mail/test", follow=True)


def test_everybody_chooses_what_they_get_by_mail(priya: Person, team: Team, service: Service) -> None:
    assert "sends no mail yet" in priya.get("/me/mail")
    priya.post("/me/mail", digest="y", hour="7")
    with service.db.reading() as session:
        kept = session.get_one(User, team.priya).preferences["mail"]
    assert kept == {"reminders": False, "digest": True, "weekly": False, "hour": 7}
    priya.post("/me/mail", 422, hour="25")


def owner(session, model, row_id):  # type: ignore[no-untyped-def]
    return session.get_one(model, row_id).owner_id


def rules(service: Service) -> list[AutomationRule]:
    with service.db.reading() as session:
        return automation.all_(session)


def tasks_of(service: Service) -> list[str]:
    with service.db.reading() as session:
        return list(session.scalars(select(Task.title).order_by(Task.id)))


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
