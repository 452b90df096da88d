"""What must follow a change follows it at least once, in bounded time, and one row's failure harms no other."""

from __future__ import annotations

import pytest

from crm import outbox as events
from crm.models import Outbox
from sync import outbox, rematch
from tests.rig.office import Office, mail


def test_a_row_is_handled_once(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    office.contact("jane@acme.example")
    assert outbox.waiting(office.service) == 1
    assert outbox.drain(office.service) == 1
    assert (outbox.waiting(office.service), outbox.drain(office.service)) == (0, 0)
    assert office.log()[0]["contacts"] == ["jane@acme.example"]


def test_a_row_that_fails_is_tried_five_times_and_the_others_are_handled(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError("secret words")

    monkeypatch.setitem(outbox.HANDLERS, "test.failing", fail)
    with office.service.db.transaction() as session:
        events.emit(session, "test.failing", {}, now=office.clock())
        events.emit(session, "test.unknown", {}, now=office.clock())
    outbox.drain(office.service)
    rows = {row.event: row for row in office.rows(Outbox)}
    assert rows["test.unknown"].handled_at is not None
    assert (rows["test.failing"].handled_at, rows["test.failing"].attempts) == (None, outbox.MAX_ATTEMPTS)
    assert rows["test.failing"].error == "RuntimeError"


def test_work_that_does_not_fit_its_time_stays_and_is_done_later(office: Office) -> None:
    box = office.mailbox()
    for n in range(3):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    office.contact("jane@acme.example")
    assert outbox.drain(office.service, seconds=0) == 0
    assert outbox.waiting(office.service) == 1
    office.follow()
    assert all(line["contacts"] == ["jane@acme.example"] for line in office.log())


def test_what_time_did_not_suffice_for_goes_on_where_it_was(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """However short each turn is, a log of any size is got through, no thread twice."""
    monkeypatch.setattr(rematch, "THREADS_A_TIME", 1)
    box = office.mailbox()
    for n in range(4):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    decided: list[int] = []
    decide = rematch.decide
    monkeypatch.setattr(
        rematch, "decide", lambda s, threads, *a, **k: decided.extend(threads) or decide(s, threads, *a, **k)
    )
    office.contact("jane@acme.example")
    turns = 0
    while outbox.waiting(office.service) and turns < 20:
        looks = iter([False, False])  # one look before the row, one before its first thread; then time is up
        monkeypatch.setattr(office.service, "deadline", lambda _seconds, looks=looks: lambda: next(looks, True))
        outbox.drain(office.service)
        turns += 1
    assert all(line["contacts"] == ["jane@acme.example"] for line in office.log())
    assert len(decided) == len(set(decided)) == 4
    assert outbox.waiting(office.service) == 0


def test_a_change_that_is_rolled_back_leaves_no_row(office: Office) -> None:
    with pytest.raises(RuntimeError), office.service.db.transaction() as session:
        events.emit(session, "test.lost", {}, now=office.clock())
        raise RuntimeError
    assert outbox.waiting(office.service) == 0


def test_many_changes_of_identity_decide_each_thread_once(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    for n in range(40):
        office.contact(f"p{n}@acme.example", name=f"P {n}")
    decided: list[str] = []
    from sqlalchemy import event

    event.listen(office.service.db.engine, "before_cursor_execute", lambda *a: decided.append(a[2]))
    office.follow()
    assert sum("FROM communication LEFT OUTER JOIN communication_body" in sql for sql in decided) <= 3
