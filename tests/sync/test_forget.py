"""Never log: nothing is stored, the past is erased, a row with its reason stays, and taking an entry off brings all
back.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text

from crm.models import Communication, CommunicationBody, EventVersion, Participant
from crm.privacy import Viewer
from sync import decisions
from tests.rig.office import NOON, Office, event, mail


def test_mail_with_a_listed_address_leaves_a_row_without_content(office: Office) -> None:
    box = office.mailbox()
    office.setting("never_log", ["doctor@clinic.example", "union.example"])
    first = office.deliver(box, mail("Doctor <doctor@clinic.example>"))
    second = office.deliver(box, mail(cc="x@deep.union.example"))
    third = office.deliver(box, mail("Other <other@clinic.example>"))
    office.sync()
    assert office.states() == {first: "skipped:never_log", second: "skipped:never_log", third: "stored"}
    assert all(row["message_id"] is None for row in office.ledger() if row["state"] == "skipped")
    assert len(office.log()) == 1


def test_an_entry_added_later_erases_the_past_and_taken_off_brings_it_back(office: Office) -> None:
    box = office.mailbox(calendar=True)
    kept = office.deliver(box, mail())
    gone = office.deliver(box, mail("Doctor <doctor@clinic.example>", subject="blood test", text="secret finding"))
    office.deliver(box, event("e1", NOON + timedelta(days=1), guests=("doctor@clinic.example",)), stream="cal")
    office.sync()
    before = [(r["remote_id"], r["state"], r["reason"]) for r in office.ledger()]
    lines = sorted((str(r["message_id"]), str(r["ical_uid"]), r["text"]) for r in office.log())
    office.setting("never_log", ["clinic.example"])
    office.follow()
    assert office.states() == {kept: "stored", gone: "skipped:never_log"}
    assert list(office.states("Calendar").values()) == ["skipped:never_log"]
    assert len(office.log()) == 1
    assert _traces(office, "secret finding", "clinic.example") == []
    office.setting("never_log", [])
    office.follow()
    assert office.states()[gone] == "pending:never_log_changed"
    office.sync()
    assert [(r["remote_id"], r["state"], r["reason"]) for r in office.ledger()] == before
    assert sorted((str(r["message_id"]), str(r["ical_uid"]), r["text"]) for r in office.log()) == lines


def test_an_answer_never_log_erases_the_past_and_its_undo_brings_it_back(office: Office) -> None:
    box = office.mailbox()
    item = office.deliver(box, mail("Doctor <doctor@clinic.example>", subject="blood test", text="secret finding"))
    office.sync()
    viewer = Viewer(office.rep, "rep")
    with office.service.db.transaction() as session:
        ids = list(session.scalars(select(Communication.id)))
        made = decisions.ignore(
            session, viewer, ids, scope="domain", value="clinic.example", verdict="never_log", now=office.service.now()
        )
    office.follow()
    assert office.states() == {item: "skipped:never_log"}
    assert office.log() == []
    with office.service.db.transaction() as session:
        decisions.undo(session, viewer, made.decision_id, vault=office.service.vault, now=office.service.now())
    office.follow()
    office.sync()
    assert [r["text"] for r in office.log()] == ["secret finding"]


def test_an_entry_that_stays_keeps_its_items_away_when_another_is_taken_off(office: Office) -> None:
    box = office.mailbox()
    one = office.deliver(box, mail("A <a@one.example>"))
    two = office.deliver(box, mail("B <b@two.example>"))
    office.setting("never_log", ["one.example", "two.example"])
    office.sync()
    office.setting("never_log", ["two.example"])
    office.follow()
    office.sync()
    assert office.states() == {one: "stored", two: "skipped:never_log"}


def test_new_flags_of_a_never_logged_mail_fetch_nothing(office: Office) -> None:
    box = office.mailbox()
    office.setting("never_log", ["acme.example"])
    remote_id = office.deliver(box, mail())
    office.sync()
    office.boxes[box].flag("INBOX", remote_id, {"seen"})
    [report] = office.sync(drain=False)
    assert office.states() == {remote_id: "skipped:never_log"}
    assert report.requests == 4


def test_a_private_mail_is_not_stored_unless_its_owner_keeps_them(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(box, mail(Sensitivity="Private"))
    office.sync()
    assert office.states() == {remote_id: "skipped:private"}
    assert office.log() == []


def _traces(office: Office, *words: str) -> list[str]:
    """Tables of content that still hold one of the words."""
    found = []
    with office.service.db.reading() as session:
        for model in (Communication, CommunicationBody, Participant, EventVersion):
            for row in session.query(model):
                held = " ".join(str(getattr(row, c.name)) for c in model.__table__.columns)
                found += [model.__tablename__ for word in words if word in held]
        dialect = session.get_bind().dialect.name
        if dialect == "sqlite":
            names = [r[0] for r in session.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%fts5%'"))]
            for name in names:
                found += [name for _ in session.execute(text(f"SELECT 1 FROM {name} WHERE {name} MATCH 'finding'"))]
    return found
