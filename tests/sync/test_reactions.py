"""What errors of providers do to an account: told once, the right people, back-off bounded, others unharmed, healed
alone.
"""

from __future__ import annotations

import pytest

from connectors.errors import NeedsPerson, OperatorFault, TryLater
from crm.models import Notification
from sync import accounts
from sync.reactions import FIRST_DELAY, LONGEST_DELAY, back_off
from tests.rig.office import Office, mail


def test_a_wrong_password_pauses_the_account_and_tells_owner_and_admin_once(office: Office) -> None:
    box, other = office.mailbox(password="right"), office.mailbox("ben")
    office.deliver(other, mail())
    office.boxes[box].password = "changed"
    reports = office.sync()
    office.clock.advance(minutes=30)
    office.sync()
    assert [r.state for r in reports] == ["needs_person", "level"]
    assert office.account(box).health == "needs_person"
    assert sorted(n.user_id for n in office.rows(Notification)) == sorted([office.rep, office.ada])
    assert len(office.log()) == 1


def test_reconnecting_keeps_the_cursor_and_fills_the_hole(office: Office) -> None:
    box = office.mailbox(password="right")
    ids = [office.deliver(box, mail(subject="before"))]
    office.sync()
    cursor = office.stream().cursor
    office.boxes[box].password = "new"
    office.sync()
    ids.append(office.deliver(box, mail(subject="in the hole")))
    with pytest.raises(NeedsPerson):
        accounts.reconnect(office.service, box, "wrong again", actor_id=None)
    accounts.reconnect(office.service, box, "new", actor_id=office.rep)
    assert office.stream().cursor == cursor
    assert (office.account(box).health, office.account(box).error) == ("ok", None)
    office.sync()
    assert office.states() == dict.fromkeys(ids, "stored")


def test_our_own_fault_tells_the_admins_and_flips_no_account(office: Office) -> None:
    box = office.mailbox()
    office.boxes[box].fail_request(
        office.boxes[box].requests + 1, OperatorFault("The app's secret has expired.", code="app")
    )
    [report] = office.sync(drain=False)
    assert report.state == "failed"
    assert office.account(box).health == "ok"
    assert [n.user_id for n in office.rows(Notification)] == [office.ada]
    office.sync()
    assert office.account(box).health == "ok"


def test_an_outage_defers_with_growing_bounded_delays_and_heals_alone(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    office.boxes[box].fail_request(office.boxes[box].requests + 1, TryLater("The server is away."))
    [report] = office.sync(drain=False)
    assert report.state == "deferred"
    assert office.account(box).not_before is not None
    [report] = office.sync(drain=False)
    assert report.state == "level"
    assert (office.account(box).error, office.account(box).failures, office.account(box).not_before) == (None, 0, None)


def test_delays_follow_the_provider_or_double_with_jitter() -> None:
    for failures in range(1, 40):
        assert FIRST_DELAY / 2 <= back_off(failures, None) <= LONGEST_DELAY + FIRST_DELAY
        assert 30 <= back_off(failures, 30) <= 33
    assert max(back_off(1, None) for _ in range(50)) < 6


def test_a_bug_in_one_account_is_named_and_stays_there(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    box, other = office.mailbox(), office.mailbox("ben")
    office.deliver(other, mail())
    office.boxes[box].fail_request(office.boxes[box].requests + 1, RuntimeError("secret words"))
    reports = office.sync(drain=False)
    assert [r.state for r in reports] == ["failed", "level"]
    assert "RuntimeError" in (office.account(box).error or "")
    assert "secret words" not in caplog.text + (office.account(box).error or "")
    assert office.sync(drain=False)[0].state == "level"
