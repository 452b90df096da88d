"""The chores of the minute over a real SMTP server: each reminder and digest exactly once, whoever works and whatever
breaks; and rules and closing driven by what is synced."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from crm import automation, due, post, profile, reminders, tasks, workspace
from crm.errors import Refused
from crm.models import AutomationRun, Notification, OutgoingMail, Setting, Task, User
from crm.vault import Vault
from sync import chores, outbox
from sync import post as sending
from tests.rig.office import NOON, Office, mail
from tests.rig.smtp import SmtpServer, smtp_server

DAY = timedelta(days=1)


def test_a_reminder_goes_out_by_mail_once_with_a_link_and_is_wiped_here(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server)
        task = add(lite, "Ring Jäne 山田" + " x" * 60, hours=0)
        for _ in range(3):
            chores.run(lite.service)
        assert [m["Subject"] for m in server.mails] == ["Due 12:00: Ring Jäne 山田" + " x" * 60]
        (got,) = server.mails
        assert f"http://127.0.0.1:8000/tasks/{task}" in got.get_content()
        assert (got["To"], got["From"], got["Auto-Submitted"]) == (
            "rep@ourco.example", "crm-sync <crm@ourco.example>", "auto-generated",
        )  # fmt: skip
    (row,) = lite.rows(OutgoingMail)
    assert (row.state, row.subject, row.body, row.sent_at) == ("sent", "", "", NOON)
    assert lite.rows(Notification)[0].mailed_at == NOON
    lite.clock.advance(days=91)
    chores.run(lite.service)
    assert lite.rows(OutgoingMail) == []
    assert len(lite.rows(Notification)) == 1


def test_what_was_not_taken_is_tried_again_with_longer_waits_and_then_given_up(lite: Office) -> None:
    with smtp_server(answers={"MAIL": ["451 later"] * 2, "TEXT": ["452 full"]}) as server:
        configured(lite, server)
        add(lite, "T", hours=0)
        for wait, sent in ((0, 0), (1, 0), (0, 0), (5, 0), (30, 1), (600, 1)):
            lite.clock.advance(minutes=wait)
            chores.run(lite.service)
            assert len(server.mails) == sent
    server.connections = 0
    add(lite, "Nobody listens", hours=0)
    for _ in range(20):
        lite.clock.advance(days=1)
        sending.deliver(lite.service)
        reminders_of(lite)
    row = lite.rows(OutgoingMail)[-1]
    assert (row.state, row.attempts, row.body) == ("failed", post.ATTEMPTS, "")
    assert row.error.startswith("No line to 127.0.0.1:")


def test_a_lasting_refusal_is_not_tried_again_and_others_go_on(lite: Office) -> None:
    with smtp_server(answers={"RCPT": ["550 no such user"]}) as server:
        configured(lite, server)
        add(lite, "Refused", hours=0)
        add(lite, "Taken", hours=0, owner=lite.ben)
        chores.run(lite.service)
        lite.clock.advance(days=1)
        sending.deliver(lite.service)
        assert server.to == ["ben@ourco.example"]
    assert [row.state for row in lite.rows(OutgoingMail)][:2] == ["failed", "sent"]


def test_a_line_that_breaks_after_the_text_is_never_sent_twice(lite: Office) -> None:
    with smtp_server(hang_up_after_text=1) as server:
        configured(lite, server)
        add(lite, "T", hours=0)
        for _ in range(4):
            chores.run(lite.service)
            lite.clock.advance(minutes=10)
        assert len(server.mails) == 1
    assert [row.state for row in lite.rows(OutgoingMail)] == ["unsure"]


def test_a_worker_that_dies_while_sending_leaves_a_mail_that_is_not_sent_again(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server)
        add(lite, "T", hours=0)
        reminders_of(lite)
        with lite.service.db.transaction() as session:
            assert post.claim(session, now=lite.clock()) is not None
        assert sending.deliver(lite.service) == 0, "it is another worker's"
        lite.clock.advance(minutes=6)
        chores.run(lite.service)
        assert server.mails == []
    assert [row.state for row in lite.rows(OutgoingMail)] == ["unsure"]


def test_several_workers_at_once_remind_and_send_each_task_once(office: Office) -> None:
    with smtp_server() as server:
        configured(office, server)
        for n in range(12):
            add(office, f"T{n}", hours=0, owner=(office.rep, office.ben)[n % 2])
        crowd(lambda: chores.run(office.service), 4)
        assert sorted(m["Subject"] for m in server.mails) == sorted(f"Due 12:00: T{n}" for n in range(12))
    assert len(office.rows(Notification)) == 12


def test_a_crash_between_claim_and_notice_reminds_all_the_same_and_once(
    lite: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(lite, "T", hours=0)
    broken = [True]
    real = reminders.notices.tell

    def tell(*args: object, **more: object) -> bool:
        if broken.pop() if broken else False:
            raise RuntimeError("killed")
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(reminders.notices, "tell", tell)
    assert "reminded" not in chores.run(lite.service)
    assert chores.run(lite.service)["reminded"] == 1
    assert chores.run(lite.service)["reminded"] == 0
    assert len(lite.rows(Notification)) == 1


def test_the_password_is_sealed_the_line_is_private_and_the_certificate_is_checked(
    lite: Office, tmp_path: Path
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with smtp_server(tls=context, password="pass word") as server:
        configured(lite, server, smtp_security="starttls", smtp_username="crm")
        with lite.service.db.transaction() as session:
            post.set_password(session, lite.service.vault, "pass word", actor_id=None, now=NOON)
        with pytest.raises(Refused, match="No line to"):
            sending.test(lite.service, lite.rep)
        object.__setattr__(lite.service.settings, "ca_bundle", str(tmp_path / "ca.pem"))
        sending.test(lite.service, lite.rep)
        assert (len(server.mails), server.secured) == (1, 1)
        with lite.service.db.transaction() as session:
            post.set_password(session, lite.service.vault, "wrong", actor_id=None, now=NOON)
        with pytest.raises(Refused, match="name and password"):
            sending.test(lite.service, lite.rep)
        lite.service.vault = Vault(("another key " * 4,))
        with pytest.raises(Refused, match="enter it again"):
            sending.test(lite.service, lite.rep)
    with lite.service.db.reading() as session:
        kept = session.get_one(Setting, post.PASSWORD).value
    assert "wrong" not in kept
    assert "pass word" not in kept


def test_a_server_that_offers_no_starttls_is_not_spoken_to_in_the_clear(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server, smtp_security="starttls")
        with pytest.raises(Refused, match="starttls"):
            sending.test(lite.service, lite.rep)
        assert server.mails == []


def test_a_server_inside_the_network_is_refused_unless_it_is_allowed(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server)
        object.__setattr__(lite.service.settings, "allow_private_hosts", False)
        with pytest.raises(Refused, match="private network"):
            sending.test(lite.service, lite.rep)
        assert server.connections == 0


def test_each_gets_a_digest_once_a_day_in_their_morning_with_what_waits_for_them(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server, digests=True)
        zones = {"rep": "Asia/Tokyo", "ben": "America/New_York", "ada": "UTC"}
        with lite.service.db.transaction() as session:
            for name, zone in zones.items():
                session.get_one(User, getattr(lite, name)).time_zone = zone
            profile.remember(session, lite.ada, "mail", {"digest": False})
        box = lite.mailbox(sharing="full")
        lite.contact("jane@acme.example")
        lite.deliver(box, mail(subject="Please answer me", at=NOON - DAY))
        lite.sync(box)
        for who in (lite.rep, lite.ben):
            add(lite, f"Old one of {who}", hours=-100, owner=who, whole=True)
        reminders_of(lite)
        came: list[tuple[str, str]] = []
        for _ in range(48):
            before = len(server.mails)
            chores.run(lite.service)
            at = f"{lite.clock():%d %H:%M}"
            came += [(m["To"], at) for m in server.mails[before:] if m["Subject"].startswith("Your day")]
            lite.clock.advance(minutes=60)
        assert came == [
            ("ben@ourco.example", "04 13:00"), ("rep@ourco.example", "04 23:00"), ("ben@ourco.example", "05 13:00"),
            ("rep@ourco.example", "05 23:00"),
        ]  # fmt: skip
        rep = next(m.get_content() for m in server.mails if m["To"] == "rep@ourco.example" and "Your" in m["Subject"])
        ben = next(m.get_content() for m in server.mails if m["To"] == "ben@ourco.example" and "Your" in m["Subject"])
        assert f"Old one of {lite.rep}" in rep
        assert "Please answer me" in rep
        assert "Please answer me" not in ben


def test_a_day_without_anything_to_say_sends_nothing_and_monday_brings_the_week_to_who_wants_it(lite: Office) -> None:
    with smtp_server() as server:
        configured(lite, server, digests=True)
        with lite.service.db.transaction() as session:
            profile.remember(session, lite.ben, "mail", {"weekly": True, "digest": False})
            for who in (lite.rep, lite.ben):
                made = tasks.create(session, title="Was done", owner_id=who, now=NOON, actor_id=None)
                tasks.done(session, made.id, actor_id=who, now=NOON)
        for _ in range(6 * 7):
            chores.run(lite.service)
            lite.clock.advance(minutes=240)
        assert [(m["To"], m["Subject"]) for m in server.mails] == [("ben@ourco.example", "Your week")]
        assert "Tasks done: 1" in server.mails[0].get_content()
    assert "nothing" in {row.state for row in lite.rows(OutgoingMail)}


def test_without_a_server_nothing_is_posted_and_everything_is_told_here(lite: Office) -> None:
    add(lite, "T", hours=0)
    assert chores.run(lite.service) == {"closed": 0, "fired": 0, "reminded": 1, "written": 0, "sent": 0}
    assert lite.rows(OutgoingMail) == []


def test_a_reply_that_is_synced_closes_the_task_that_awaited_it_and_a_rule_finds_what_nobody_answered(
    office: Office,
) -> None:
    box = office.mailbox(sharing="full")
    jane = office.contact("jane@acme.example")
    sent = mail("rep@ourco.example", "jane@acme.example", "Offer", id="<offer@x>", at=NOON - DAY)
    office.deliver(box, sent, stream=sent_stream(office, box))
    office.sync(box)
    with office.service.db.transaction() as session:
        rule = automation.save(
            session, None, name="Chase", event="no_reply", conditions={"days": 5},
            action={"do": "task", "title": "Chase {contact}", "due_days": 0, "to": "owner"}, actor_id=None, now=NOON,
        )  # fmt: skip
        automation.switch(session, rule.id, True, actor_id=None, now=NOON)
    chores.run(office.service)
    assert office.rows(Task) == []
    office.clock.advance(days=4)
    crowd(lambda: chores.run(office.service), 3)
    (task,) = office.rows(Task)
    assert (task.title, task.owner_id, task.contact_id, task.awaits) == ("Chase Jane Doe", office.rep, jane, "reply")
    assert task.origin == "rule: no reply 5 d, mail of 3 Mar"
    assert len(office.rows(AutomationRun)) == 1
    away = mail(replies="<offer@x>", at=office.clock() + timedelta(minutes=1), Auto_Submitted="auto-replied")
    office.deliver(box, away)
    office.clock.advance(minutes=5)
    office.sync(box)
    assert office.rows(Task)[0].done_at is None
    office.deliver(box, mail(replies="<offer@x>", at=office.clock() - timedelta(minutes=1)))
    office.sync(box)
    closed = office.rows(Task)[0]
    assert closed.done_at == office.clock()
    assert closed.closed_by.startswith("item:")
    with office.service.db.transaction() as session:
        tasks.reopen(session, task.id, actor_id=office.rep, now=office.clock())
    outbox.drain(office.service)
    chores.run(office.service)
    assert office.rows(Task)[0].done_at is None


def configured(office: Office, server: SmtpServer, *, digests: bool = False, **more: str) -> None:
    """The workspace sends mail through this server, in the clear unless told; without digests unless told."""
    values = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_from": "crm@ourco.example",
              "smtp_security": "none", **more}  # fmt: skip
    with office.service.db.transaction() as session:
        for name, value in values.items():
            workspace.put(session, name, value, actor_id=None, now=office.clock())
        for user in (office.rep, office.ben, office.ada) if not digests else ():
            profile.remember(session, user, "mail", {"digest": False})


def add(office: Office, title: str, *, hours: float, owner: int | None = None, whole: bool = False) -> int:
    """A task due in hours from now."""
    at = office.clock() + timedelta(hours=hours)
    with office.service.db.transaction() as session:
        return tasks.create(
            session, title=title, due_at=due.all_day(at.date()) if whole else at, due_all_day=whole,
            owner_id=owner or office.rep, now=office.clock(), actor_id=None,
        ).id  # fmt: skip


def reminders_of(office: Office) -> int:
    with office.service.db.transaction() as session:
        return reminders.remind(session, now=office.clock())


def crowd(work: Callable[[], object], count: int) -> None:
    """Several workers at once."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sent_stream(office: Office, account: int) -> str:
    return next(s for s in office.boxes[account].stream_ids() if s == "Sent")

