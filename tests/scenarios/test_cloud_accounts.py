"""Google and Microsoft accounts in the product: aliases, tokens, operators' faults, label rules, and one log of many
mailboxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import NeedsPerson
from crm.database import Database
from crm.errors import Refused
from crm.models import AccountAlias, Notification
from sync import accounts, coverage, labels, outbox, passes
from sync.limits import Limits
from tests.emulators.google.world import Fault
from tests.rig.cloud import REP, Cloud, cloud
from tests.rig.databases import *  # noqa: F403
from tests.rig.office import event, mail


def test_addresses_that_the_provider_knows_become_the_owners_own(made: Cloud) -> None:
    made.gmail().send_as = {"rep.old@ourco.example": "accepted", "ceo@customer.example": "pending"}
    made.microsoft.user("ben@ourco.example").proxies = ["sales@ourco.example", "ben@ourco.example"]
    made.add_google(), made.add_microsoft("ben@ourco.example", owner="ben@ourco.example")
    found = {(a.canonical, a.source) for a in made.office.rows(AccountAlias)}
    assert found == {("rep.old@ourco.example", "provider"), ("sales@ourco.example", "provider")}


def test_mail_from_an_address_that_the_provider_told_is_our_side_of_the_conversation(made: Cloud) -> None:
    box = made.gmail().mailbox
    box.deliver(mail("rep@oldco.example", "jane@acme.example", id="<a@x>"), ["SENT"])
    made.add_google()
    made.office.contact("jane@acme.example")
    made.office.sync()
    assert made.office.log()[0]["direction"] == "inbound", "nobody said yet that the sender is ours"
    made.gmail().send_as = {"rep@oldco.example": "accepted"}
    coverage.audit(made.office.service)
    outbox.drain(made.office.service)
    [line] = made.office.log()
    assert line["direction"] == "outbound" and line["contacts"] == ["jane@acme.example"]


def test_a_provider_that_tells_no_addresses_is_connected_all_the_same(made: Cloud) -> None:
    made.google.world.faults.append(Fault("settings.sendAs.list", status=404, reason="notFound"))
    assert made.add_google()
    assert made.office.rows(AccountAlias) == []


def test_rotated_refresh_tokens_are_kept_by_google_and_microsoft_accounts(made: Cloud) -> None:
    made.google.world.rotate = made.microsoft.identity.revoke_old = True
    made.add_google(), made.add_microsoft("ben@ourco.example")
    for _ in range(3):
        made.office.clock.advance(days=1)
        assert {r.state for r in made.office.sync()} == {"level"}


def test_a_wrong_client_secret_is_the_operators_matter_and_flips_no_account(made: Cloud) -> None:
    ids = [made.add_google(), made.add_microsoft("ben@ourco.example")]
    made.office.sync()
    made.office.clock.advance(days=1)
    made.microsoft.identity.client_secret = "another"
    made.google.world.people[REP].broken = {"error": "invalid_client", "status": 401}
    reports = made.office.sync()
    assert [r.state for r in reports] == ["failed", "failed"]
    assert [made.office.account(i).health for i in ids] == ["ok", "ok"]
    told = {(n.user_id, n.key) for n in made.office.rows(Notification)}
    key = f"operator:invalid_client:{made.office.clock():%Y%m%d}"
    assert told == {(made.office.ada, key)}, "admins are told, once; owners are not bothered"
    made.microsoft.identity.client_secret, made.google.world.people[REP].broken = "model-secret", None
    made.office.clock.advance(minutes=20)
    assert {r.state for r in made.office.sync()} == {"level"}


def test_a_consent_that_ended_asks_the_person_and_reconnecting_fills_the_hole(made: Cloud) -> None:
    ids = {"google": made.add_google(), "microsoft": made.add_microsoft("ben@ourco.example", owner="ben@ourco.example")}
    made.gmail().mailbox.deliver(mail(id="<before@x>"), ["INBOX"])
    made.office.sync()
    made.office.clock.advance(days=1)
    made.google.world.revoke(REP)
    made.microsoft.identity.refresh.clear()
    assert {r.state for r in made.office.sync()} == {"needs_person"}
    made.gmail().mailbox.deliver(mail(id="<meanwhile@x>", subject="Second"), ["INBOX"])
    third = mail(to="ben@ourco.example", id="<meanwhile2@x>", subject="Third")
    made.microsoft.user("ben@ourco.example").deliver("Inbox", third)
    cursor = made.office.stream("mailbox").cursor
    accounts.reconnect(made.office.service, ids["google"], json.dumps(made.google.world.token_json(REP)), actor_id=None)
    again = json.dumps({"refresh_token": made.microsoft.identity.issue_refresh("ben@ourco.example")})
    accounts.reconnect(made.office.service, ids["microsoft"], again, actor_id=None)
    assert made.office.stream("mailbox").cursor == cursor
    made.google.world.counts.clear()
    assert {r.state for r in made.office.sync()} == {"level"}
    assert {line["message_id"] for line in made.office.log()} == {"<before@x>", "<meanwhile@x>", "<meanwhile2@x>"}
    assert made.google.world.counts["messages.list"] == 0, "nothing was listed anew"


def test_reconnecting_as_somebody_else_is_refused_and_changes_nothing(made: Cloud) -> None:
    ids = [made.add_google(), made.add_microsoft("ben@ourco.example")]
    made.gmail("ann@ourco.example"), made.microsoft.user("ann@ourco.example")
    before = [made.office.account(i).secret for i in ids]
    hers = json.dumps(made.google.world.token_json("ann@ourco.example"))
    with pytest.raises(NeedsPerson, match="ann@ourco"):
        accounts.reconnect(made.office.service, ids[0], hers, actor_id=None)
    other = json.dumps({"refresh_token": made.microsoft.identity.issue_refresh("ann@ourco.example")})
    with pytest.raises(Refused, match="ann@ourco"):
        accounts.reconnect(made.office.service, ids[1], other, actor_id=None)
    assert [made.office.account(i).secret for i in ids] == before


# --- labels


def test_a_label_left_out_hides_what_was_stored_and_taking_it_off_brings_it_back_with_its_links(
    both: Cloud,
) -> None:
    made = both
    box = made.gmail().mailbox
    kept = box.deliver(mail(id="<kept@x>"), ["INBOX"]).id
    secret = box.label("Private")
    jane = made.office.contact("jane@acme.example")
    made.add_google(exclude_labels=("private",))
    made.office.sync()
    assert ids_of(made) == {"<kept@x>"}
    before = made.office.links()

    box.relabel(kept, [secret], [])
    made.office.sync()
    assert ids_of(made) == set()
    assert made.office.states("mailbox") == {kept: "skipped:label_off"}
    assert made.office.links() == before and jane

    box.relabel(kept, [], [secret])
    made.office.sync()
    assert ids_of(made) == {"<kept@x>"}
    assert made.office.states("mailbox") == {kept: "stored"}
    assert made.office.links() == before


def test_only_what_is_labelled_is_logged_and_meetings_are_left_alone(made: Cloud) -> None:
    box = made.gmail().mailbox
    one, other = (box.deliver(mail(id=f"<{n}@x>", subject=n), ["INBOX"]).id for n in "ab")
    made.gmail().calendars[REP].put(MEETING)
    made.add_google(include_labels=("CRM",))
    made.office.sync()
    assert made.office.states("mailbox") == {one: "skipped:label_off", other: "skipped:label_off"}
    assert [line["kind"] for line in made.office.log()] == ["meeting"]
    box.relabel(one, [box.label("CRM")], [])
    made.office.sync()
    assert made.office.states("mailbox") == {one: "stored", other: "skipped:label_off"}


def test_new_label_rules_are_applied_to_the_past_both_ways(made: Cloud) -> None:
    box = made.gmail().mailbox
    crm = box.label("CRM")
    box.deliver(mail(id="<with@x>"), ["INBOX", crm]), box.deliver(mail(id="<without@x>", subject="Other"), ["INBOX"])
    account_id = made.add_google()
    made.office.sync()
    assert ids_of(made) == {"<with@x>", "<without@x>"}
    for include, exclude, wanted in (
        (["crm"], [], {"<with@x>"}), ([], ["CRM"], {"<without@x>"}), ([], [], {"<with@x>", "<without@x>"}),
    ):  # fmt: skip
        with made.office.service.db.transaction() as session:
            labels.choose(session, account_id, include, exclude, actor_id=None, now=made.office.clock())
        made.office.sync()
        assert ids_of(made) == wanted


def test_a_mail_that_another_mailbox_shows_stays_when_a_label_hides_it_in_this_one(made: Cloud) -> None:
    raw = mail(id="<both@x>", to="rep@ourco.example, ben@ourco.example")
    box = made.gmail().mailbox
    one = box.deliver(raw, ["INBOX"]).id
    made.add_google(exclude_labels=("private",))
    made.microsoft.user("ben@ourco.example").deliver("Inbox", raw)
    made.add_microsoft("ben@ourco.example", owner="ben@ourco.example")
    made.office.sync()
    assert [line["accounts"] for line in made.office.log()] == [["ben@ourco.example", REP]]
    box.relabel(one, [box.label("Private")], [])
    made.office.sync()
    assert [line["accounts"] for line in made.office.log()] == [["ben@ourco.example"]]


# --- one log


def test_one_mail_and_one_meeting_in_three_kinds_of_mailboxes_are_one_each_with_three_sightings(made: Cloud) -> None:
    raw = mail(id="<all@x>", to="rep@ourco.example, ben@ourco.example, ada@ourco.example")
    start = made.office.clock() + timedelta(days=2)
    made.gmail().mailbox.deliver(raw, ["INBOX"])
    made.gmail().calendars[REP].put(
        {"id": "ev1", "iCalUID": "meet@x", "summary": "Kick-off", "start": {"dateTime": start.isoformat()},
         "end": {"dateTime": (start + timedelta(hours=1)).isoformat()}, "organizer": {"email": REP},
         "attendees": [{"email": "jane@acme.example", "responseStatus": "accepted"}]}
    )  # fmt: skip
    made.microsoft.user("ben@ourco.example").deliver("Inbox", raw)
    made.microsoft.agendas["ben@ourco.example"].add(
        start, start + timedelta(hours=1), subject="Kick-off", iCalUId="meet@x",
        organizer={"emailAddress": {"name": "Rep", "address": REP}},
        attendees=[{"type": "required", "emailAddress": {"name": "Jane", "address": "jane@acme.example"},
                    "status": {"response": "accepted", "time": "0001-01-01T00:00:00Z"}}],
    )  # fmt: skip
    box = made.office.mailbox("ada", calendar=True)
    made.office.deliver(box, raw)
    made.office.deliver(box, event("meet@x", start), stream="cal")
    made.add_google(), made.add_microsoft("ben@ourco.example", owner="ben@ourco.example")
    made.office.sync()
    log = made.office.log()
    named = [(line["kind"], line["message_id"] or line["ical_uid"]) for line in log]
    assert named == [("email", "<all@x>"), ("meeting", "meet@x")]
    everybody = ["ada@ourco.example", "ben@ourco.example", "rep@ourco.example"]
    assert [sorted(line["accounts"]) for line in log] == [everybody, everybody]


def test_a_mailbox_at_the_new_project_tariff_costs_what_arithmetic_says_through_the_whole_flow(made: Cloud) -> None:
    many = 600
    box = made.gmail().mailbox
    for n in range(many):
        box.deliver(mail(id=f"<n{n}@x>", subject=f"Mail {n}"), ["INBOX"])
    made.google.world.quota.per_user = 6_000  # what the project may spend: two minutes' worth is asked for
    made.add_google()
    made.google.world.quota.spent.clear()
    limits = Limits(made.office.service.sleep, clock=lambda: made.office.clock().timestamp())
    [report] = passes.run(made.office.service, drain=True, limits=limits)
    spent = made.google.world.quota.spent[REP]
    least = many * 20 + (many // 500 + 1) * 5
    assert report.state == "level" and made.google.world.quota.refused == 0
    assert spent == report.units and spent <= least * 1.03, (spent, least)
    [report] = made.office.sync()
    assert report.units == 2


MEETING = {
    "id": "ev1", "iCalUID": "meet@x", "summary": "Kick-off", "start": {"dateTime": "2026-03-06T09:00:00Z"},
    "end": {"dateTime": "2026-03-06T10:00:00Z"}, "organizer": {"email": REP},
    "attendees": [{"email": "jane@acme.example"}],
}  # fmt: skip


def ids_of(made: Cloud) -> set[str]:
    return {str(line["message_id"]) for line in made.office.log()}


@pytest.fixture
def made(sqlite_database: Database, tmp_path: Path) -> Iterator[Cloud]:
    with cloud(sqlite_database, tmp_path) as found:
        yield found


@pytest.fixture
def both(database: Database, tmp_path: Path) -> Iterator[Cloud]:
    """On each engine."""
    with cloud(database, tmp_path) as found:
        yield found
