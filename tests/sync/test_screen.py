"""Screening: which items may not go on, and why; the first reason wins, and one place decides for every path."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.types import RawCalendar, RawMessage, Upsert
from sync.arrive import Arrival, parse
from sync.screen import Policy, blocked, reason
from tests.rig.office import NOON, event, invitation, mail

POSITIONS = {
    "from": {"sender": "X <x@blocked.example>"},
    "to": {"to": "rep@ourco.example, x@blocked.example"},
    "cc": {"cc": "x@blocked.example"},
    "reply-to": {"Reply_To": "x@blocked.example"},
    "sender": {"Sender": "x@blocked.example"},
    "bcc": {"Bcc": "x@blocked.example"},
    "resent": {"Resent_From": "x@blocked.example"},
}


def test_an_ordinary_mail_goes_on() -> None:
    assert reason(_mail(mail()), Policy()) is None


@pytest.mark.parametrize("position", list(POSITIONS))
def test_a_listed_address_is_found_at_any_position(position: str) -> None:
    arrival = _mail(mail(**POSITIONS[position]))
    assert reason(arrival, Policy(never_log=frozenset({"x@blocked.example"}))) == "never_log"
    assert reason(arrival, Policy(never_log=frozenset({"blocked.example"}))) == "never_log"


@pytest.mark.parametrize(
    ("address", "entries", "found"),
    [
        ("X@Blocked.Example", {"x@blocked.example"}, True),
        ("x@deep.sub.blocked.example", {"blocked.example"}, True),
        ("x@notblocked.example", {"blocked.example"}, False),
        ("y@blocked.example", {"x@blocked.example"}, False),
        ("x@example", {"example"}, False),
        ("", {""}, False),
        ("nonsense", {"nonsense"}, False),
    ],
)
def test_a_domain_covers_what_is_below_it_and_nothing_beside_it(address: str, entries: set[str], found: bool) -> None:
    assert blocked([address], frozenset(entries)) is found


def test_a_listed_guest_of_a_meeting_or_an_invitation_stops_it() -> None:
    policy = Policy(never_log=frozenset({"acme.example"}))
    assert reason(parse(Upsert("1", RawCalendar(event("e", NOON)))), policy) == "never_log"
    inner = invitation("e", NOON, "boss@other.example", "rep@ourco.example")
    assert reason(_mail(inner), policy) == "never_log"


def test_the_window_counts_by_arrival_at_the_server() -> None:
    policy = Policy(since=NOON)
    assert reason(_mail(mail(), received_at=NOON - timedelta(seconds=1)), policy) == "too_old"
    assert reason(_mail(mail(at=NOON - timedelta(days=900)), received_at=NOON), policy) is None
    assert reason(_mail(mail()), policy) is None


@pytest.mark.parametrize(
    ("labels", "include", "exclude", "stopped"),
    [
        (("Work",), (), (), False),
        (("Work",), ("work",), (), False),
        (("Home",), ("work",), (), True),
        ((), ("work",), (), True),
        (("Work", "Private"), ("work",), ("private",), True),
        (("Private",), (), ("private",), True),
    ],
)
def test_labels_let_in_or_keep_out(labels: Any, include: Any, exclude: Any, stopped: bool) -> None:
    policy = Policy(include_labels=frozenset(include), exclude_labels=frozenset(exclude))
    assert (reason(_mail(mail(), labels=labels), policy) == "label_off") is stopped


def test_private_mail_is_kept_only_where_its_owner_says_so() -> None:
    arrival = _mail(mail(Sensitivity="Private"))
    assert reason(arrival, Policy()) == "private"
    assert reason(arrival, Policy(keep_private=True)) is None


def test_what_was_erased_stays_away_by_its_hash() -> None:
    arrival = _mail(mail(id="<gone@x.example>"))
    policy = Policy(keyed_hash=lambda text: f"h:{text}", erased={"h:<gone@x.example>"}.__contains__, erases=True)
    assert reason(arrival, policy) == "erased"
    assert reason(_mail(mail(id="<other@x.example>")), policy) is None


def test_a_folder_that_is_off_and_a_skip_of_the_listing_come_first() -> None:
    assert reason(_mail(mail()), Policy(stream_on=False)) == "folder_off"
    assert reason(Arrival(Upsert("1", skip="draft")), Policy(stream_on=False)) == "draft"


def _mail(raw: bytes, **upsert: Any) -> Arrival:
    return parse(Upsert("1", RawMessage(source=raw), **upsert))
