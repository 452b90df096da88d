"""What one stream's pull promises: every item in the ledger, cursor and rows in one transaction, flags, moves,
windows.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event as sql_event

from connectors.errors import StreamGone, TryLater
from connectors.types import Removed, Upsert
from crm.models import Communication, Ledger, Sighting, Stream
from sync import accounts
from sync.passes import Options
from sync.plan import last_words
from tests.rig.office import NOON, Office, mail


def test_every_item_gets_one_ledger_row_and_a_second_sync_changes_no_row(office: Office) -> None:
    box = office.mailbox()
    ids = {office.deliver(box, mail(subject=f"Offer {n}")) for n in range(120)}
    [report] = office.sync()
    assert report.state == "level"
    assert set(office.states()) == ids
    assert set(office.states().values()) == {"stored"}
    before = office.dump()
    [again] = office.sync()
    assert office.dump() == before
    assert again.progress() == 0


def test_a_folder_switched_off_is_listed_by_id_and_nothing_of_it_is_fetched(office: Office) -> None:
    box = office.mailbox()
    junk = office.deliver(box, mail(subject="Win"), stream="Junk")
    office.sync()
    assert office.states("Junk") == {junk: "skipped:folder_off"}
    assert office.log() == []
    office.boxes[box].delete("Junk", junk)
    office.sync()
    assert office.states("Junk") == {junk: "removed:gone"}


def test_a_folder_switched_on_later_is_read_from_the_start(office: Office) -> None:
    box = office.mailbox(exclude_folders=("Sent",))
    sent = office.deliver(box, mail("rep@ourco.example", "jane@acme.example"), stream="Sent")
    office.sync()
    assert office.states("Sent") == {sent: "skipped:folder_off"}
    with office.service.db.transaction() as session:
        accounts.choose_folders(session, box, {office.stream("Sent").id: True}, actor_id=None, now=office.clock())
    office.sync()
    assert office.states("Sent") == {sent: "stored"}


def test_one_mail_in_three_mailboxes_is_one_item_with_three_sightings(office: Office) -> None:
    boxes = [office.mailbox(), office.mailbox("ben"), office.mailbox("ada")]
    one = mail(id="<one@acme.example>", to="rep@ourco.example, ben@ourco.example, ada@ourco.example")
    for box in boxes:
        office.deliver(box, one)
    office.sync()
    [line] = office.log()
    assert line["accounts"] == ["ada@ourco.example", "ben@ourco.example", "rep@ourco.example"]
    assert len(office.rows(Sighting)) == 3


def test_a_copy_with_an_altered_message_id_is_the_same_item(office: Office) -> None:
    first, second = office.mailbox(), office.mailbox("ben")
    office.deliver(first, mail(id="<one@acme.example>", text="The same words in both."))
    office.deliver(second, mail(id="<changed@relay.example>", text="The same words in both."))
    office.sync()
    assert len(office.log()) == 1
    assert [row["message_id"] for row in office.ledger()] == ["<one@acme.example>", "<changed@relay.example>"]


def test_two_mails_that_share_a_forged_message_id_are_two_items(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail(id="<same@id.example>", text="The first."))
    office.deliver(
        box, mail("Other <o@else.example>", id="<same@id.example>", text="Another.", at=NOON - timedelta(days=99))
    )
    office.sync()
    assert sorted(line["text"].strip() for line in office.log()) == ["Another.", "The first."]


def test_mails_without_any_message_id_are_told_apart_by_content(office: Office) -> None:
    box = office.mailbox()
    for text in ("One.", "Two.", "Two."):
        office.deliver(box, mail(text=text).replace(b"Message-ID", b"X-Was"))
    office.sync()
    assert sorted(line["text"].strip() for line in office.log()) == ["One.", "Two."]
    assert list(office.states().values()) == ["stored"] * 3


def test_new_flags_change_the_ledger_and_nothing_else(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(box, mail())
    office.sync()
    before = office.dump(Communication, Sighting)
    office.boxes[box].flag("INBOX", remote_id, {"seen"})
    office.sync()
    assert office.dump(Communication, Sighting) == before
    assert office.rows(Ledger)[0].flags == ["seen"]


def test_a_moved_mail_keeps_its_item_its_links_and_its_sighting(office: Office) -> None:
    box = office.mailbox()
    office.contact("jane@acme.example")
    remote_id = office.deliver(box, mail())
    office.sync()
    links = office.links()
    assert links
    moved = office.boxes[box].move("INBOX", remote_id, "Sent")
    office.sync()
    assert office.states() == {remote_id: "removed:gone"}
    assert office.states("Sent") == {moved: "stored"}
    assert office.links() == links
    assert office.rows(Sighting)[0].removed_at is None


def test_an_expunged_mail_stays_in_the_log_with_its_sighting_ended(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(box, mail())
    office.sync()
    office.boxes[box].delete("INBOX", remote_id)
    office.sync()
    assert len(office.log()) == 1
    assert office.rows(Sighting)[0].removed_at == office.clock()


def test_new_numbering_of_a_folder_makes_no_second_row_in_the_log(office: Office) -> None:
    box = office.mailbox()
    for n in range(30):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    office.boxes[box].reset_validity("INBOX")
    office.sync()
    assert len(office.log()) == 30
    assert sorted(office.states().values()) == ["removed:gone"] * 30 + ["stored"] * 30
    assert all(s.removed_at is None for s in office.rows(Sighting))


def test_a_folder_renumbered_again_and_again_is_parked_and_says_so(lite: Office) -> None:
    box = lite.mailbox()
    lite.deliver(box, mail())
    for _ in range(7):
        lite.sync()
        lite.boxes[box].reset_validity("INBOX")
    row = lite.stream()
    assert row.error_code == "resets"
    assert row.parked_until is not None
    assert len(lite.log()) == 1


def test_mail_older_than_the_window_leaves_a_row_and_no_content(office: Office) -> None:
    box = office.mailbox(since=NOON - timedelta(days=30))
    old = office.deliver(box, mail(), received_at=NOON - timedelta(days=40))
    office.sync()
    assert office.states() == {old: "skipped:too_old"}
    assert office.log() == []


def test_a_folder_that_cannot_be_opened_is_parked_after_three_tries_and_the_others_go_on(lite: Office) -> None:
    box = lite.mailbox()
    sent = lite.deliver(box, mail(), stream="Sent")
    source = lite.boxes[box]
    opened = source.opened
    source.opened = lambda stream: (
        (_ for _ in ()).throw(StreamGone("no", code="x")) if stream.id == "INBOX" else opened(stream)
    )  # type: ignore[method-assign]
    [report] = lite.sync()
    assert lite.stream().parked_until is not None
    assert lite.states("Sent") == {sent: "stored"}
    assert report.state == "level"


def test_a_throttled_account_waits_as_told_and_then_finishes(lite: Office) -> None:
    box = lite.mailbox()
    lite.deliver(box, mail())
    lite.boxes[box].fail_request(lite.boxes[box].requests + 2, TryLater("Slow down.", retry_after=60, throttled=True))
    begun = lite.clock()
    [report] = lite.sync()
    assert report.state == "level"
    assert (lite.clock() - begun).total_seconds() >= 60
    assert lite.account(box).error is None


def test_a_wait_longer_than_a_drain_allows_is_reported_as_deferred(lite: Office) -> None:
    box = lite.mailbox()
    lite.boxes[box].fail_request(lite.boxes[box].requests + 1, TryLater("Come back tomorrow.", retry_after=86_400))
    [report] = lite.sync()
    assert (report.state, report.error) == ("deferred", "Come back tomorrow.")


def test_a_stopped_pass_goes_on_where_it_was(lite: Office) -> None:
    box = lite.mailbox()
    for n in range(160):
        lite.deliver(box, mail(subject=f"Offer {n}"))
    counted: list[int] = []
    options = Options(watch=lambda _, told: counted.append(told.counts.stored), stop=lambda: bool(counted))
    [report] = lite.sync(drain=False, options=options)
    assert report.state == "behind"
    assert 0 < len(lite.log()) < 160
    lite.sync()
    assert len(lite.log()) == 160


def test_more_pending_items_than_one_round_asks_for_are_all_fetched_in_one_drain(
    lite: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.known.FETCH_AGAIN_AT_ONCE", 7)
    box = lite.mailbox()
    for n in range(30):
        lite.deliver(box, mail(subject=f"Offer {n}"))
    lite.sync()
    with lite.service.db.transaction() as session:
        session.query(Ledger).update({"state": "pending", "reason": "audit"})
    [report] = lite.sync()
    assert report.state == "level"
    assert set(lite.states().values()) == {"stored"}


def test_the_last_word_on_an_item_in_a_batch_counts_and_keeps_its_content() -> None:
    first = Upsert("1", raw=object())  # type: ignore[arg-type]
    assert last_words([first, Removed("1")]) == [Removed("1")]
    assert last_words([Removed("1"), first]) == [first]
    [merged] = last_words([first, Upsert("1", flags=frozenset({"seen"}))])
    assert isinstance(merged, Upsert)
    assert merged.raw is first.raw
    assert merged.flags == {"seen"}


def test_a_no_op_pass_costs_one_request_a_folder_and_one_for_the_list(lite: Office) -> None:
    box = lite.mailbox()
    lite.deliver(box, mail())
    lite.sync()
    [report] = lite.sync(drain=False)
    assert report.requests == 1 + len(lite.rows(Stream))


def test_a_batch_costs_a_fixed_number_of_statements(lite: Office) -> None:
    sent: list[str] = []
    sql_event.listen(lite.service.db.engine, "before_cursor_execute", lambda *a: sent.append(a[2]))
    box = lite.mailbox()
    lite.deliver(box, mail(subject="warm"))
    lite.sync()
    costs = []
    for size in (5, 45):
        for n in range(size):
            lite.deliver(box, mail(f"P{size}{n} <p{size}x{n}@c{size}x{n}.example>", subject=f"{size} {n}"))
        sent.clear()
        lite.sync(drain=False)
        costs.append(len(sent))
    assert costs[1] <= costs[0] + 4, costs


def test_a_further_row_of_an_item_set_aside_says_why_and_new_flags_do_not_forget_it(office: Office) -> None:
    box = office.mailbox()
    inner = mail("rep@ourco.example", "ben@ourco.example", id="<in@x.example>", subject="Lunch")
    first = office.deliver(box, inner)
    office.sync()
    copy = office.deliver(box, inner, stream="Sent")
    office.sync()
    assert office.states() == {first: "stored:internal"}
    assert office.states("Sent") == {copy: "stored:internal"}
    office.boxes[box].flag("INBOX", first, {"seen"})
    office.sync()
    assert office.states() == {first: "stored:internal"}


def test_a_mail_that_names_nobody_is_stored_alone_too(office: Office) -> None:
    box = office.mailbox()
    nobody = office.deliver(box, b"Subject: nobody\r\nMessage-ID: <nobody@x.example>\r\n\r\nA lone text.\r\n")
    office.sync()
    assert office.states()[nobody].startswith("stored")
    assert office.log()[0]["participants"] == []
