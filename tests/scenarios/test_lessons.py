"""What users of comparable systems complained about, row by row, end to end: each complaint, and that it is not ours.

The numbers are those of the table of lessons. Rows about screens, tasks and deals have their tests where those live.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from connectors.errors import NeedsPerson, TryLater
from crm import companies, contacts, leaving
from crm.errors import Refused
from crm.models import Address, Communication, CommunicationBody, Ledger, Link, Participant, Sighting, Stream, User
from crm.privacy import Viewer
from sync import accounts, coverage, health, passes
from sync.explain import explain
from sync.passes import Options
from tests.rig.office import NOON, Office, event, mail
from tests.scenarios.conftest import MakeOffice


def test_lesson_01_a_mail_that_was_never_ingested_is_found_by_the_audit_and_fetched(office: Office) -> None:
    box = office.mailbox()
    for n in range(10):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    with office.service.db.transaction() as session:
        session.execute(delete(Ledger).where(Ledger.remote_id.in_(["1:3", "1:4"])))
    found = coverage.audit(office.service)
    assert (found["coverage"], found["accounts"][0]["streams"][0]["missing"]) == (0.8, ["1:3", "1:4"])
    office.sync()
    assert coverage.audit(office.service)["coverage"] == 1.0


def test_lesson_02_a_cut_listing_never_moves_the_watermark_past_mail_it_did_not_fetch(office: Office) -> None:
    box = office.mailbox()
    ids = [office.deliver(box, mail(subject=f"Offer {n}")) for n in range(130)]
    source = office.boxes[box]

    def cut(number: int) -> None:
        if number == 1:
            source.before_yield = None
            raise TryLater("The connection was cut.")

    source.before_yield = cut
    office.sync(drain=False)
    assert 0 < len(office.ledger()) < 130
    assert office.stream().cursor is None
    ids.append(office.deliver(box, mail(subject="late")))
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")


def test_lesson_03_a_move_read_as_removal_first_loses_nothing(office: Office) -> None:
    """The folder that lost the mail is read before the one that got it."""
    box = office.mailbox()
    office.contact("jane@acme.example")
    remote_id = office.deliver(box, mail())
    office.sync()
    links = office.links()
    office.boxes[box].move("INBOX", remote_id, "Sent")
    inbox = next(s.remote_id for s in office.rows(Stream) if s.name == "INBOX")
    office.sync(options=Options(streams=frozenset({office.stream(inbox).id})))
    assert office.rows(Sighting)[0].removed_at is None
    office.sync()
    assert office.rows(Sighting)[0].removed_at is None
    assert office.links() == links


def test_lesson_04_a_reply_from_the_sent_folder_is_in_the_thread_it_answers(office: Office) -> None:
    """Also when it is read first, and when it answers a mail this mailbox never had."""
    box = office.mailbox()
    office.contact("jane@acme.example")
    office.deliver(
        box, mail("rep@ourco.example", "jane@acme.example", id="<re@x.example>", replies="<q@x.example>"), stream="Sent"
    )
    office.sync()
    office.deliver(box, mail(id="<q@x.example>"))
    office.sync()
    lost = mail("rep@ourco.example", "jane@acme.example", text="As I said.", replies="<never-seen@x.example>")
    office.deliver(box, lost, stream="Sent")
    office.sync()
    log = office.log()
    assert sorted(line["direction"] for line in log) == ["inbound", "outbound", "outbound"]
    assert all(line["contacts"] == ["jane@acme.example"] for line in log)
    threads = {line["message_id"]: line["thread"] for line in log}
    assert threads["<q@x.example>"] == threads["<re@x.example>"]


def test_lesson_05_every_folder_has_a_watermark_of_its_own(office: Office) -> None:
    box = office.mailbox()
    office.boxes[box].add_stream("Low")
    for n in range(30):
        office.deliver(box, mail(subject=f"Offer {n}"))
    low = office.deliver(box, mail(subject="low"), stream="Low")
    office.sync()
    second = office.deliver(box, mail(subject="low too"), stream="Low")
    office.sync()
    assert office.states("Low") == {low: "stored", second: "stored"}


def test_lesson_06_a_changed_uidvalidity_of_one_folder_kills_no_account_and_doubles_nothing(office: Office) -> None:
    box = office.mailbox()
    for n in range(5):
        office.deliver(box, mail(subject=f"Offer {n}"))
    sent = office.deliver(box, mail("rep@ourco.example", "jane@acme.example"), stream="Sent")
    office.sync()
    office.boxes[box].reset_validity("INBOX")
    [report] = office.sync()
    assert report.state == "level"
    assert len(office.log()) == 6
    assert office.states("Sent") == {sent: "stored"}


def test_lesson_07_a_mailbox_emptied_on_the_server_goes_on_syncing(office: Office) -> None:
    box = office.mailbox()
    for n in range(25):
        office.deliver(box, mail(subject=f"Offer {n}"))
    office.sync()
    office.boxes[box]._folders["INBOX"].items.clear()
    office.boxes[box].expire_cursors("INBOX")
    office.sync()
    new = office.deliver(box, mail(subject="after"))
    office.sync()
    assert office.states()[new] == "stored"
    office.clock.advance(minutes=11)
    office.sync()
    office.sync()
    assert sum(state == "stored" for state in office.states().values()) == 1
    assert len(office.log()) == 26


def test_lesson_08_a_throttled_account_holds_up_no_other_and_goes_on_after_the_wait(office: Office) -> None:
    slow, fast = office.mailbox(), office.mailbox("ben")
    for box in (slow, fast):
        office.deliver(box, mail(subject=f"For {box}"))
    source = office.boxes[slow]
    source.fail_request(source.requests + 2, TryLater("Too many requests.", retry_after=30, throttled=True))
    first = office.sync(drain=False)
    assert [r.state for r in first] == ["deferred", "level"]
    assert 0 < (office.account(slow).not_before - office.clock()).total_seconds() <= 33
    assert [r.state for r in office.sync()] == ["level", "level"]


def test_lesson_09_progress_is_counted_and_the_newest_mail_is_there_after_the_first_batch(office: Office) -> None:
    box = office.mailbox()
    for n in range(200):
        office.deliver(box, mail(subject=f"Offer {n}"), received_at=NOON - timedelta(days=200 - n))
    seen: list[tuple[int, int | None]] = []

    def watch(_: int, told: Any) -> None:
        seen.append((told.counts.listed, told.total))

    office.sync(drain=False, options=Options(watch=watch, stop=lambda: len(seen) >= 1))
    assert seen[0] == (50, 200)
    assert "Offer 199" in {line["subject"] for line in office.log()}
    with office.service.db.reading() as session:
        [told] = health.accounts(session, Viewer(office.ada, "admin"), office.clock())
    assert (told.done, told.total, told.word) == (50, 200, "working")
    assert told.eta is not None


def test_lesson_10_every_absent_mail_has_a_reason_that_can_be_asked_for(office: Office) -> None:
    box = office.mailbox(since=NOON - timedelta(days=30))
    office.setting("never_log", ["clinic.example"])
    office.deliver(box, mail("D <d@clinic.example>", id="<never@x.example>"))
    office.deliver(box, mail(id="<private@x.example>", Sensitivity="private"))
    office.deliver(
        box,
        mail(
            "News <n@shop.example>", id="<bulk@x.example>", Precedence="bulk", List_Unsubscribe="<mailto:a@b.example>"
        ),
    )
    office.sync()
    viewer = office.viewer()
    with office.service.db.reading() as session:
        says = {
            name: explain(session, viewer, office.service.vault, f"<{name}@x.example>")
            for name in ("never", "private", "bulk", "unseen")
        }
    assert [says[name]["where"] for name in says] == ["ledger", "ledger", "log", "nowhere"]
    assert says["never"]["ledger"][0]["reason"] == "never_log"
    assert says["private"]["ledger"][0]["reason"] == "private"
    assert says["bulk"]["items"][0]["reason"] == "bulk"
    assert len({s["says"] for s in says.values()}) == 4


def test_lesson_11_people_without_an_address_attract_no_mail(office: Office) -> None:
    box = office.mailbox()
    nobody = office.contact(name="No Address")
    office.follow()
    office.deliver(box, mail("undisclosed-recipients:;", to="rep@ourco.example"))
    office.deliver(box, mail('"No Address" <>', to="rep@ourco.example", subject="Empty"))
    office.sync()
    assert not [k for k in office.rows(Link) if k.target_kind == "contact" and k.target_id == nobody]
    assert all(row.canonical for row in office.rows(Address))


def test_lesson_12_a_second_address_belongs_to_the_same_person(office: Office) -> None:
    box = office.mailbox()
    jane = office.contact("jane@acme.example", "Jane.D@Home.example")
    office.follow()
    office.deliver(box, mail("jane.d@home.example", subject="From home"))
    office.sync()
    assert {k.target_id for k in office.rows(Link) if k.target_kind == "contact"} == {jane}
    assert [line["contacts"] for line in office.log()] == [["jane@acme.example"]]


def test_lesson_14_every_participant_whose_address_is_owned_has_a_link_or_a_tombstone(office: Office) -> None:
    """The invariant over the whole log, however records and mails came to be."""
    box = office.mailbox()
    office.contact("early@acme.example", name="Early")
    office.deliver(box, mail("early@acme.example", cc="late@acme.example", id="<1@x.example>"))
    office.deliver(
        box, mail("rep@ourco.example", "late@acme.example, early@acme.example", id="<2@x.example>"), stream="Sent"
    )
    office.sync()
    office.contact("late@acme.example", name="Late")
    office.follow()
    owned = {row.canonical: row.contact_id for row in office.rows(Address)}
    linked = {(k.communication_id, k.target_id) for k in office.rows(Link) if k.target_kind == "contact"}
    named = {(p.communication_id, owned[p.canonical]) for p in office.rows(Participant) if p.canonical in owned}
    assert named
    assert named - linked == set()


def test_lesson_15_a_company_is_known_by_all_its_domains_and_those_below_them(office: Office) -> None:
    box = office.mailbox()
    acme = office.company("Acme", "acme.example", "acme-group.example")
    senders = ("a@acme.example", "b@acme-group.example", "c@mail.acme.example")
    for sender in senders:
        office.deliver(box, mail(sender, subject=sender))
    office.sync()
    assert {line["subject"] for line in office.log() if line["companies"] == ["acme.example"]} == set(senders)
    with office.service.db.transaction() as session:
        companies.add_domain(session, acme, "mail.acme.example", kind="excluded", actor_id=None, now=office.clock())
    office.follow()
    assert {line["subject"] for line in office.log() if not line["companies"]} == {"c@mail.acme.example"}


def test_lesson_16_mail_of_a_deals_people_is_the_deals_and_stays_so_when_a_lead_becomes_a_client(
    office: Office,
) -> None:
    """People of no company, with addresses at a free mail service."""
    box = office.mailbox()
    lea = office.contact("lea@gmail.com", name="Lea", lifecycle="lead")
    office.deal("Kitchen", people=(lea,))
    office.deliver(box, mail("lea@gmail.com", subject="The kitchen"))
    office.sync()
    assert [line["deals"] for line in office.log()] == [["Kitchen"]]
    with office.service.db.transaction() as session:
        contacts.update(session, lea, {"lifecycle": "client"}, actor_id=None, now=office.clock())
    office.follow()
    [line] = office.log()
    assert (line["deals"], line["contacts"]) == (["Kitchen"], ["lea@gmail.com"])


def test_lesson_17_colleagues_become_no_contacts_and_internal_mail_no_question(office: Office) -> None:
    box = office.mailbox()
    office.setting("creation_policy", "all")
    office.deliver(box, mail("ben@ourco.example", id="<in@x.example>"))
    office.deliver(box, mail("Carl <carl@ourco.example>", cc="ada@ourco.example"))
    office.sync()
    assert {(line["status"], line["direction"]) for line in office.log()} == {("ignored", "internal")}
    assert office.rows(Address) == []
    assert not [line for line in office.log() if line["questions"]]


@pytest.mark.parametrize(
    ("policy", "made"),
    [
        ("none", set()),
        ("wrote_to", {"asked@acme.example", "both@gmail.com"}),
        ("both_ways", {"both@gmail.com"}),
        ("all", {"asked@acme.example", "both@gmail.com", "cold@acme.example"}),
    ],
)
def test_lesson_18_contacts_are_made_as_the_policy_says_and_bulk_mail_makes_none(
    office: Office, policy: str, made: set[str]
) -> None:
    box = office.mailbox()
    office.setting("creation_policy", policy)
    office.deliver(box, mail("rep@ourco.example", "asked@acme.example"), stream="Sent")
    office.deliver(box, mail("rep@ourco.example", "both@gmail.com", id="<b@x.example>"), stream="Sent")
    office.deliver(box, mail("both@gmail.com", replies="<b@x.example>"))
    office.deliver(box, mail("cold@acme.example"))
    office.deliver(box, mail("news@acme.example", List_Unsubscribe="<mailto:off@acme.example>"))
    office.deliver(box, mail("no-reply@acme.example"))
    office.sync()
    assert {row.canonical for row in office.rows(Address)} == made


def test_lesson_19_a_folder_switched_off_stays_off_on_every_later_pass_and_comes_back_when_it_is_chosen(
    office: Office,
) -> None:
    box = office.mailbox(exclude_folders=("Clients",))
    office.boxes[box].add_stream("Clients")
    ids = []
    for turn in range(3):
        ids.append(office.deliver(box, mail(subject=f"In a folder {turn}"), stream="Clients"))
        office.deliver(box, mail(subject=f"In the inbox {turn}"))
        office.sync()
        assert office.states("Clients") == dict.fromkeys(ids, "skipped:folder_off")
    assert len(office.log()) == 3
    with office.service.db.transaction() as session:
        accounts.choose_folders(session, box, {office.stream("Clients").id: True}, actor_id=None, now=office.clock())
    office.sync()
    assert office.states("Clients") == dict.fromkeys(ids, "stored")


def test_lesson_20_a_mailbox_owners_address_cannot_be_made_a_contact(office: Office) -> None:
    office.mailbox(aliases=("sales@brand.example",))
    for address in ("rep@ourco.example", "sales@brand.example"):
        with office.service.db.transaction() as session, pytest.raises(Refused):
            contacts.create(session, name="Me", emails=[address], now=office.clock(), actor_id=None)


def test_lesson_20_private_mail_reaches_nobody_else_not_even_by_a_shared_contact(office: Office) -> None:
    box = office.mailbox(sharing="private")
    office.contact("jane@acme.example")
    office.deliver(box, mail(subject="Salary", text="between us"))
    office.sync()
    from crm import export

    with office.service.db.reading() as session:
        assert list(export.log_lines(session, as_user=office.viewer("ben"))) == []
        [own] = export.log_lines(session, as_user=office.viewer())
    assert own["subject"] == "Salary"


def test_lesson_21_a_blocked_domain_reaches_the_past_and_can_be_taken_back(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail("Doc <doc@clinic.example>", text="finding"))
    office.deliver(box, mail())
    office.sync()
    office.setting("never_log", ["clinic.example"])
    office.follow()
    assert len(office.log()) == 1
    assert not [b for b in _bodies(office) if "finding" in b]
    office.setting("never_log", [])
    office.follow()
    office.sync()
    assert len(office.log()) == 2


def test_lesson_22_one_meeting_in_five_calendars_is_one_meeting(office: Office) -> None:
    start = NOON + timedelta(days=2)
    for number, owner in enumerate(("rep", "ben", "ada", "rep", "ben")):
        box = office.mailbox(owner, calendar=True, address=f"cal{number}@ourco.example")
        office.deliver(box, event("five", start), stream="cal")
    office.sync()
    [line] = office.log()
    assert (line["kind"], line["ical_uid"], len(line["accounts"])) == ("meeting", "five", 5)
    assert len(office.rows(Sighting)) == 5


def test_lesson_23_no_connector_has_a_way_to_change_the_source(office: Office) -> None:
    """The protocol has no writing method, and a whole sync leaves the mailbox as it was."""
    box = office.mailbox(calendar=True)
    office.deliver(box, mail())
    office.deliver(box, event("e1", NOON), stream="cal")
    before = {s: dict(f.items) for s, f in office.boxes[box]._folders.items()}
    office.sync()
    coverage.audit(office.service)
    assert {s: dict(f.items) for s, f in office.boxes[box]._folders.items()} == before


def test_lesson_24_a_revoked_sign_in_is_shown_and_reconnecting_fills_the_gap(office: Office) -> None:
    box = office.mailbox(password="one")
    office.deliver(box, mail(subject="before"))
    office.sync()
    office.boxes[box].password = "two"
    office.deliver(box, mail(subject="in the gap"))
    [report] = office.sync()
    assert report.state == "needs_person"
    with office.service.db.reading() as session:
        assert health.accounts(session, Viewer(office.ada, "admin"), office.clock())[0].word == "needs you"
    with pytest.raises(NeedsPerson):
        accounts.reconnect(office.service, box, "still wrong", actor_id=None)
    accounts.reconnect(office.service, box, "two", actor_id=None)
    [report] = office.sync()
    assert (report.state, len(office.log())) == ("level", 2)


def test_lesson_25_reading_everything_again_changes_nothing_and_html_only_mail_has_text(office: Office) -> None:
    box = office.mailbox()
    html = (
        mail()
        .replace(b"text/plain", b"text/html")
        .replace(b"Please send the offer.", b"<p>Only <b>markup</b> here</p>")
    )
    office.deliver(box, html)
    office.sync()
    assert office.log()[0]["text"].split() == ["Only", "markup", "here"]
    before = office.dump(Communication, Link, Sighting)
    for name in office.boxes[box].stream_ids():
        office.boxes[box].expire_cursors(name)
    office.sync()
    assert office.dump(Communication, Link, Sighting) == before


# -- traps: what fixtures must hold, as far as the flow decides it


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_trap_the_same_mail_with_another_message_id_in_another_mailbox(
    make_office: MakeOffice, order: tuple[int, int]
) -> None:
    office = make_office()
    boxes = [office.mailbox(), office.mailbox("ben")]
    copies = [mail(id="<one@x.example>", text="Equal words."), mail(id="<two@relay.example>", text="Equal words.")]
    for which in order:
        office.deliver(boxes[which], copies[which])
        office.sync()
    assert len(office.log()) == 1


def test_trap_a_mail_moved_between_folders_while_it_is_synced(office: Office) -> None:
    box = office.mailbox()
    remote_id = office.deliver(box, mail())
    source = office.boxes[box]

    def move(number: int) -> None:
        if remote_id in source.remote_ids("INBOX"):
            source.move("INBOX", remote_id, "Sent")

    source.before_yield = move
    office.sync()
    source.before_yield = None
    office.sync()
    assert len(office.log()) == 1
    assert list(office.states("Sent").values()) == ["stored"]
    assert office.states().get(remote_id, "removed:gone") == "removed:gone"


def test_trap_a_mailbox_disconnected_for_three_days_and_back(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail(subject="before"))
    office.sync()
    with office.service.db.transaction() as session:
        accounts.pause(session, box, actor_id=None, now=office.clock())
    for n in range(3):
        office.clock.advance(days=1)
        office.deliver(box, mail(subject=f"day {n}"))
    assert passes.run(office.service) == []
    with office.service.db.transaction() as session:
        accounts.resume(session, box, actor_id=None, now=office.clock())
    office.sync()
    assert len(office.log()) == 4


def test_trap_a_mail_of_two_megabytes_and_names_in_any_script(office: Office) -> None:
    box = office.mailbox()
    office.deliver(
        box, mail("Ærøskøbing Ø. <jane@acme.example>", subject="Zażółć 注文 ✓", text="zażółć\n" + "x" * 2_500_000)
    )
    office.deliver(box, mail("Иван Петров <ivan@пример.example>", subject="Счёт", id="<i@x.example>"))
    office.sync()
    assert {line["subject"] for line in office.log()} == {"Zażółć 注文 ✓", "Счёт"}
    assert {p["name"] for line in office.log() for p in line["participants"]} >= {"Ærøskøbing Ø.", "Иван Петров"}


def test_trap_more_than_twenty_five_recipients(office: Office) -> None:
    box = office.mailbox()
    everyone = ", ".join(f"p{n}@c{n}.example" for n in range(40))
    office.deliver(box, mail(to=f"rep@ourco.example, {everyone}"))
    office.sync()
    assert len(office.log()[0]["participants"]) == 42


def test_trap_a_user_leaves_and_the_log_stays(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.sync()
    with office.service.db.transaction() as session:
        to = dict.fromkeys(leaving.NOUNS, office.ben)
        leaving.leave(session, office.rep, to, now=office.clock(), actor_id=office.ada)
    assert len(office.log()) == 1
    assert {row.id for row in office.rows(User) if not row.active} == {office.rep}


def test_trap_a_company_merged_later_keeps_its_mail(office: Office) -> None:
    box = office.mailbox()
    company = office.company("Acme", "acme.example")
    office.contact("jane@acme.example", company=company)
    office.deliver(box, mail())
    office.sync()
    office.follow()
    with office.service.db.transaction() as session:
        companies.update(session, company, {"name": "Acme Ltd"}, actor_id=None, now=office.clock())
    office.follow()
    assert [line["companies"] for line in office.log()] == [["acme.example"]]


def _bodies(office: Office) -> list[str]:
    with office.service.db.reading() as session:
        return [row.text for row in session.query(CommunicationBody)]
