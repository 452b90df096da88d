"""The audit compares ids with the source, finds every gap, requeues it, and the next pass heals it. It never
believes a cursor.
"""

from __future__ import annotations

from sqlalchemy import delete, update

from crm.models import Ledger, Stream
from sync import coverage
from tests.rig.office import Office, mail


def test_a_level_account_is_covered_wholly_folders_switched_off_included(office: Office) -> None:
    box = office.mailbox()
    for n in range(5):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.deliver(box, mail(), stream="Junk")
    office.sync()
    found = coverage.audit(office.service)
    assert (found["coverage"], found["missing"], found["failed"]) == (1.0, 0, 0)
    [account] = found["accounts"]
    assert {s["stream"]: (s["remote"], s["ledger"]) for s in account["streams"]} == {
        "INBOX": (5, 5), "Sent": (0, 0), "Junk": (1, 1)
    }  # fmt: skip
    assert office.stream().coverage == 1.0


def test_a_gap_is_named_requeued_and_healed_by_the_next_pass(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(10)]
    office.sync()
    with office.service.db.transaction() as session:
        session.execute(delete(Ledger).where(Ledger.remote_id.in_(ids[:2])))
        session.execute(update(Ledger).where(Ledger.remote_id == ids[2]).values(state="removed", reason="gone"))
    found = coverage.audit(office.service)
    assert (found["coverage"], found["missing"]) == (0.7, 3)
    assert found["accounts"][0]["streams"][0]["missing"] == ids[:3]
    assert office.states()[ids[0]] == "pending:audit"
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")
    assert len(office.log()) == 10
    assert coverage.audit(office.service)["coverage"] == 1.0


def test_an_audit_that_runs_before_any_sync_requeues_everything(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(3)]
    assert coverage.audit(office.service)["coverage"] == 0.0
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")


def test_what_the_source_has_no_more_is_marked_gone(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(box, mail())
    office.sync()
    office.clock.advance(60)
    del office.boxes[box]._folders["INBOX"].items[1]
    assert coverage.audit(office.service)["coverage"] == 1.0
    assert office.states() == {remote_id: "removed:gone"}


def test_an_item_that_arrived_while_the_audit_was_listing_is_not_called_gone(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    office.clock.advance(60)
    source = office.boxes[box]
    late: list[str] = []

    def arrive(number: int) -> None:
        if not late and number > source_requests + 1:
            folder = source._folders["INBOX"]
            listed = dict(folder.items)
            late.append(source.deliver("INBOX", mail(subject="late"), received_at=office.clock()))
            office.sync()
            folder.items.clear()
            folder.items.update(listed)

    source_requests = source.requests
    source.before_request = arrive
    coverage.audit(office.service)
    assert late
    assert office.states()[late[0]] == "stored"


def test_a_source_that_suddenly_shows_nothing_is_not_believed_by_the_audit(office: Office) -> None:
    box = office.mailbox()
    for n in range(30):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    office.clock.advance(60)
    office.boxes[box]._folders["INBOX"].items.clear()
    coverage.audit(office.service)
    assert set(office.states().values()) == {"stored"}
    assert office.rows(Stream)[0].listing


def test_an_account_that_cannot_be_reached_is_told_and_the_others_are_audited(office: Office) -> None:
    bad, good = office.mailbox(password="old"), office.mailbox("ben")
    office.deliver(good, mail())
    office.sync()
    office.boxes[bad].password = "new"
    found = coverage.audit(office.service)
    assert [a["error"] is None for a in found["accounts"]] == [False, True]
    assert found["failed"] == 1
    assert found["accounts"][1]["coverage"] == 1.0
