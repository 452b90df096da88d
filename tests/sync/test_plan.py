"""Plan: one intent an entry, with its reason, by comparing what arrived with what is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.types import Failed, RawCalendar, RawMessage, Removed, Upsert
from sync.arrive import Arrival, occurred_at, parse
from sync.intents import Insert, Intent, Invite, Meeting, Pend, Quarantine, Skip, Tombstone, Update
from sync.plan import Known, KnownMail, KnownRow, plan
from sync.screen import Policy
from tests.rig.office import NOON, event, invitation, mail

JANE = "jane@acme.example"


def test_a_new_mail_is_inserted_under_its_message_id() -> None:
    [intent] = _plan([_mail("1", mail(id="<a@x.example>"))])
    assert isinstance(intent, Insert)
    assert intent.key == "m:<a@x.example>"


def test_twins_within_one_batch_find_each_other() -> None:
    raw = mail(id="<a@x.example>")
    first, second = _plan([_mail("1", raw), _mail("2", raw)])
    assert isinstance(first, Insert)
    assert isinstance(second, Update)
    assert (second.key, second.communication_id) == (first.key, None)


def test_a_known_message_id_counts_only_with_sender_and_date() -> None:
    known = KnownMail(7, "m:<a@x.example>", "<a@x.example>", "other", NOON, "jane@acme.example")
    [same] = _plan([_mail("1", mail(id="<a@x.example>", at=NOON))], [known])
    [other] = _plan([_mail("1", mail("Eve <eve@else.example>", id="<a@x.example>", at=NOON))], [known])
    [later] = _plan([_mail("1", mail(id="<a@x.example>", at=NOON + timedelta(days=30)))], [known])
    assert isinstance(same, Update)
    assert same.communication_id == 7
    assert isinstance(other, Insert)
    assert isinstance(later, Insert)
    assert other.key != known.key


def test_a_row_that_is_stored_is_updated_unless_its_id_was_given_to_another_mail() -> None:
    row = KnownRow("stored", None, 7, "<a@x.example>")
    [same] = _plan([_mail("1", mail(id="<a@x.example>"))], rows={"1": row})
    [other] = _plan([_mail("1", mail(id="<b@x.example>"))], rows={"1": row})
    assert isinstance(same, Update)
    assert isinstance(other, Insert)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (None, Pend),
        (KnownRow("pending", "audit", None), Pend),
        (KnownRow("stored", None, 7), Update),
        (KnownRow("removed", "gone", 7), Update),
        (KnownRow("removed", "gone", None), Pend),
        (KnownRow("quarantined", "unparseable", None), Quarantine),
        (KnownRow("skipped", "never_log", None), Skip),
        (KnownRow("skipped", "too_old", None), Pend),
    ],
)
def test_new_flags_alone_do_what_the_row_needs(row: KnownRow | None, kind: type) -> None:
    [intent] = _plan([Arrival(Upsert("1", flags=frozenset({"seen"})))], rows={"1": row} if row else {})
    assert isinstance(intent, kind)


def test_each_kind_of_entry_has_its_intent() -> None:
    entries: list[Any] = [
        Removed("1"), Failed("2", "no body", "no_body"), _mail("3", b""),
        parse(Upsert("4", RawCalendar(event("e", NOON)))),
        _mail("5", invitation("e", NOON, JANE, "rep@ourco.example", organizer=JANE)), Arrival(Upsert("6", skip="spam")),
    ]  # fmt: skip
    kinds = [type(intent) for intent in _plan(entries)]
    assert kinds == [Tombstone, Quarantine, Quarantine, Meeting, Invite, Skip]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=20))
def test_every_entry_gets_one_intent_and_no_identity_is_inserted_twice(which: list[int]) -> None:
    mails = [mail(id=f"<p{n}@x.example>", text=f"Text {n}") for n in range(6)]
    entries = [_mail(str(place), mails[n]) for place, n in enumerate(which)]
    intents = _plan(entries)
    keys = [i.key for i in intents if isinstance(i, Insert)]
    assert len(intents) == len(entries)
    assert len(keys) == len(set(keys)) == len(set(which))


def test_a_wrong_clock_in_the_future_gives_way_to_the_servers_time() -> None:
    received = NOON
    ahead = _mail("1", mail(at=NOON + timedelta(days=400)), received_at=received)
    behind = _mail("1", mail(at=NOON - timedelta(days=400)), received_at=received)
    undated = _mail("1", mail().replace(b"Date:", b"X-Date:"), received_at=received)
    assert occurred_at(ahead, NOON) == received
    assert occurred_at(behind, NOON) == NOON - timedelta(days=400)
    assert occurred_at(undated, NOON) == received


def _mail(remote_id: str, raw: bytes, **more: Any) -> Arrival:
    return parse(Upsert(remote_id, RawMessage(source=raw), **more))


def _plan(entries: list[Any], mails: Iterable[KnownMail] = (), rows: dict[str, KnownRow] | None = None) -> list[Intent]:
    known = Known(rows or {}, {}, {})
    for one in mails:
        known.add(one)
    occurred: dict[str, datetime] = {
        e.upsert.remote_id: occurred_at(e, NOON) for e in entries if isinstance(e, Arrival) and e.envelope
    }
    return list(plan(entries, known, Policy(), occurred))
