"""A weekly meeting of two years with ten exceptions: what it costs in rows and statements, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import event as sql_event

from crm import timeline
from crm.database import Database
from crm.models import Communication, EventVersion, Link, Participant
from crm.timeline import LogFilter
from sync import meetings
from tests.rig.office import NOON, Office, event
from web.app import create_app

WEEK = timedelta(days=7)
START = NOON - 104 * WEEK
LEFT_OUT, MOVED, OFF = (5, 6, 30, 70), (10, 20, 50), (11, 40, 80)
JANE, BOB = "jane@acme.example", "bob@other.example"
TWO_YEARS, FEW = "/log/series?uid=two-years@x", "/log/series?uid=few@x"


def test_a_weekly_series_of_two_years_with_ten_exceptions_costs_one_row_for_each_instance(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.contact(JANE)
    office.deliver(box, two_years("COUNT=104"), stream="cal")
    office.sync()
    rows = office.rows(Communication)
    assert len(rows) == 104 - len(LEFT_OUT)
    assert len({row.recurrence_id for row in rows}) == len(rows)
    assert {(row.occurred_at - START) // WEEK for row in rows if row.cancelled} == set(OFF)
    late = [row for row in rows if (row.occurred_at - START) % WEEK]
    assert [(row.occurred_at - START) // WEEK for row in late] == list(MOVED)
    assert [row.recurrence_id for row in late] == [f"{START + n * WEEK:%Y-%m-%dT%H:%M:%SZ}" for n in MOVED]
    assert len(office.rows(Link)) == len(rows) and len(office.rows(Participant)) == 2 * len(rows)
    assert len(office.rows(EventVersion)) == 1 + len(MOVED) + len(OFF)


def test_an_endless_series_has_rows_for_what_happened_and_for_a_year_ahead(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.deliver(box, two_years(""), stream="cal")
    office.sync()
    rows = office.rows(Communication)
    happened = [row for row in rows if row.occurred_at < NOON]
    assert len(happened) == 104 - len(LEFT_OUT)
    assert len(rows) - len(happened) == 1 + meetings.AHEAD // WEEK


def test_the_series_is_one_row_of_the_timeline_and_costs_the_statements_of_a_single_meeting(office: Office) -> None:
    box = office.mailbox(calendar=True)
    jane, bob = office.contact(JANE), office.contact(BOB, name="Bob")
    office.deliver(box, two_years("COUNT=104"), stream="cal")
    office.deliver(box, event("once@x", NOON - WEEK, guests=(BOB,)), stream="cal")
    office.sync()
    viewer, sent = office.viewer(), {}
    for contact in (jane, bob):
        with office.service.db.reading() as session, counted(office.service.db) as statements:
            chosen = LogFilter(contact_id=contact)
            page = timeline.page(session, viewer, chosen, fold=True, now=NOON)
            assert timeline.upcoming(session, viewer, chosen, now=NOON) == []
        sent[contact] = len(statements)
        assert [row.thread_count for row in page.rows] == [100 if contact == jane else 1]
    assert sent[jane] == sent[bob] <= 20


def test_the_pages_of_the_record_and_of_the_series_send_the_same_number_of_statements(office: Office) -> None:
    box = office.mailbox(calendar=True)
    jane, bob = office.contact(JANE), office.contact(BOB, name="Bob")
    office.deliver(box, two_years("COUNT=104"), stream="cal")
    office.deliver(box, event("few@x", NOON - WEEK, guests=(BOB,), rrule="FREQ=DAILY;COUNT=2"), stream="cal")
    office.sync()
    client, cost = signed_in(office), {}
    for path in (f"/contacts/{jane}", f"/contacts/{bob}", TWO_YEARS, FEW):
        client.get(path)  # what the first request of a process costs is not the page's
        with counted(office.service.db) as statements:
            answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        cost[path] = len(statements)
        if path == f"/contacts/{jane}":
            assert "series of 100" in answer.text and answer.text.count("data-row>") == 1
    assert cost[f"/contacts/{jane}"] == cost[f"/contacts/{bob}"]
    assert cost[TWO_YEARS] == cost[FEW]
    print(cost)


def two_years(ending: str) -> bytes:
    """Every week at noon for two years: four instances left out, three moved by an hour, three called off."""
    exceptions = ",".join(f"{START + n * WEEK:%Y%m%dT%H%M%SZ}" for n in LEFT_OUT)
    overrides = "\n".join(_override(n, "" if n in MOVED else "STATUS:CANCELLED") for n in (*MOVED, *OFF))
    return event(
        "two-years@x", START, summary="Weekly", rrule=f"FREQ=WEEKLY;{ending}".rstrip(";"),
        extra=f"EXDATE:{exceptions}", more=overrides,
    )  # fmt: skip


def _override(number: int, status: str) -> str:
    at = START + number * WEEK
    start = at if status else at + timedelta(hours=1)
    lines = [
        "BEGIN:VEVENT", "UID:two-years@x", f"RECURRENCE-ID:{at:%Y%m%dT%H%M%SZ}", f"DTSTAMP:{START:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}", f"DTEND:{start + timedelta(hours=1):%Y%m%dT%H%M%SZ}", "SUMMARY:Weekly",
        "ORGANIZER:mailto:rep@ourco.example", f"ATTENDEE:mailto:{JANE}", *([status] if status else []), "END:VEVENT",
    ]  # fmt: skip
    return "\n".join(lines)


def signed_in(office: Office) -> FlaskClient:
    """A browser of the rep's."""
    app = create_app(office.service)
    app.testing = True
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(user=office.rep, epoch=0)
    return client


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    sql_event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sql_event.remove(database.engine, "before_cursor_execute", note)
