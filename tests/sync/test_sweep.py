"""What is gone at the source: swept only after a whole listing, twice over when it looks wrong; links and log stay."""

from __future__ import annotations

from datetime import timedelta

from crm.models import Communication, Link, Sighting
from tests.rig.office import NOON, Office, event, mail


def test_what_a_new_listing_does_not_show_is_marked_removed(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(10)]
    office.sync()
    office.boxes[box].delete("INBOX", ids[0])
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    assert office.states() == {ids[0]: "removed:gone", **dict.fromkeys(ids[1:], "stored")}
    assert len(office.log()) == 10


def test_a_listing_that_did_not_finish_sweeps_nothing(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(120)]
    office.sync()
    office.boxes[box].expire_cursors("INBOX")

    def fail(number: int) -> None:
        if number == 1:
            raise ConnectionError("cut")

    office.boxes[box].before_yield = fail
    office.sync(drain=False)
    office.boxes[box].before_yield = None
    assert set(office.states().values()) == {"stored"}
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")


def test_a_folder_that_suddenly_looks_empty_is_believed_only_at_a_second_look(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(30)]
    office.sync()
    folder = office.boxes[box]._folders["INBOX"]
    folder.items.clear()
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    assert set(office.states().values()) == {"stored"}
    assert office.stream().error_code == "suddenly_empty"
    office.clock.advance(minutes=5)
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    assert set(office.states().values()) == {"stored"}
    assert office.stream().error_code == "suddenly_empty"
    office.clock.advance(minutes=6)
    office.sync()
    office.sync()
    assert office.states() == dict.fromkeys(ids, "removed:gone")
    assert office.stream().error is None
    assert len(office.log()) == 30


def test_a_folder_that_is_full_again_at_the_second_look_loses_nothing(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(30)]
    office.sync()
    folder = office.boxes[box]._folders["INBOX"]
    kept = dict(folder.items)
    folder.items.clear()
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    folder.items.update(kept)
    office.clock.advance(minutes=11)
    office.sync()
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")
    assert office.stream().error is None
    assert office.stream().sweep_after is None


def test_a_renamed_folder_keeps_its_items_and_the_old_name_is_ended_at_a_second_look(office: Office) -> None:
    box = office.mailbox()
    office.boxes[box].add_stream("Customers")
    remote_id = office.deliver(box, mail(), stream="Customers")
    office.sync()
    office.boxes[box].rename("Customers", "Clients")
    office.sync()
    assert office.states("Clients") == {remote_id: "stored"}
    assert office.states("Customers") == {remote_id: "stored"}
    office.clock.advance(minutes=3)
    office.sync()
    assert office.states("Customers") == {remote_id: "removed:stream_gone"}
    assert len(office.log()) == 1
    assert office.rows(Sighting)[0].removed_at is None


def test_a_folder_that_comes_back_is_read_again(office: Office) -> None:
    box = office.mailbox()
    office.boxes[box].add_stream("Customers")
    remote_id = office.deliver(box, mail(), stream="Customers")
    office.sync()
    office.boxes[box].rename("Customers", "Clients")
    office.sync()
    office.clock.advance(minutes=3)
    office.sync()
    office.boxes[box].rename("Clients", "Customers")
    office.sync()
    assert office.states("Customers") == {remote_id: "stored"}
    assert office.rows(Sighting)[0].removed_at is None


def test_a_meeting_missing_from_a_complete_listing_is_cancelled(office: Office) -> None:
    """The ghost of a full calendar listing, which carries no tombstones."""
    box = office.mailbox(calendar=True)
    office.deliver(box, event("e1", NOON + timedelta(days=3)), stream="cal")
    gone = office.deliver(box, event("e2", NOON + timedelta(days=4)), stream="cal")
    office.sync()
    del office.boxes[box]._folders["cal"].items[int(gone.partition(":")[2])]
    office.boxes[box].expire_cursors("cal")
    office.sync()
    assert {line["ical_uid"]: line["cancelled"] for line in office.log()} == {"e1": False, "e2": True}


def test_the_meetings_of_a_calendar_that_is_gone_are_cancelled(office: Office) -> None:
    box = office.mailbox(calendar=True)
    office.deliver(box, event("e1", NOON + timedelta(days=3)), stream="cal")
    office.sync()
    office.boxes[box].drop_stream("cal")
    office.sync()
    assert [line["cancelled"] for line in office.log()] == [False]
    office.clock.advance(minutes=3)
    office.sync()
    assert [line["cancelled"] for line in office.log()] == [True]


def test_a_sweep_touches_no_link(office: Office) -> None:
    box = office.mailbox()
    office.contact("jane@acme.example")
    remote_id = office.deliver(box, mail())
    office.sync()
    links = office.dump(Link, Communication)
    office.boxes[box].delete("INBOX", remote_id)
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    assert office.dump(Link, Communication) == links
