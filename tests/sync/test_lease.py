"""Leases: one holder, fenced by a token; the dead and the late are overtaken and can write nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from crm.models import Stream
from sync import lease, workers
from sync.lease import LEASE, LeaseLost
from sync.passes import Options
from tests.rig.office import NOON, Office, mail


def test_a_lease_that_is_held_is_not_given_twice(office: Office) -> None:
    stream = _stream(office)
    with office.service.db.transaction() as session:
        assert lease.take(session, stream, "a", NOON) is not None
    with office.service.db.transaction() as session:
        assert lease.take(session, stream, "b", NOON + LEASE - timedelta(seconds=1)) is None


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_may_not_renew(office: Office) -> None:
    stream = _stream(office)
    with office.service.db.transaction() as session:
        first = lease.take(session, stream, "a", NOON)
    with office.service.db.transaction() as session:
        second = lease.take(session, stream, "b", NOON + LEASE)
    assert first and second and second.unclean
    with pytest.raises(LeaseLost), office.service.db.transaction() as session:
        lease.renew(session, first, NOON + LEASE)
    with office.service.db.transaction() as session:
        lease.renew(session, second, NOON + LEASE)


def test_an_old_holder_cannot_give_back_the_new_ones_lease(office: Office) -> None:
    stream = _stream(office)
    with office.service.db.transaction() as session:
        first = lease.take(session, stream, "a", NOON)
        assert first
    with office.service.db.transaction() as session:
        lease.take(session, stream, "b", NOON + LEASE)
    with office.service.db.transaction() as session:
        lease.give_back(session, first)
    assert office.rows(Stream)[0].lease_owner == "b"


def test_a_lease_given_back_is_free_at_once_and_clean(office: Office) -> None:
    stream = _stream(office)
    with office.service.db.transaction() as session:
        held = lease.take(session, stream, "a", NOON)
        assert held
        lease.give_back(session, held)
    with office.service.db.transaction() as session:
        again = lease.take(session, stream, "b", NOON)
    assert again and not again.unclean


def test_the_lease_of_a_dead_process_is_taken_over_at_once(office: Office) -> None:
    stream = _stream(office)
    dead = subprocess.run(
        [sys.executable, "-c", "from sync import workers; print(workers.me())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with office.service.db.transaction() as session:
        assert lease.take(session, stream, dead, NOON) is not None
    with office.service.db.transaction() as session:
        taken = lease.take(session, stream, workers.me(), NOON, workers.is_alive)
    assert taken and taken.unclean


def test_a_living_process_and_one_elsewhere_count_as_alive() -> None:
    mine = workers.me()
    assert workers.is_alive(mine)
    assert workers.is_alive("other-host:1:99999999:5")
    assert workers.is_alive("a name from before")
    pid_of_another_start = ":".join([*mine.split(":")[:-1], "1"])
    assert not workers.is_alive(pid_of_another_start)


def test_a_worker_that_lost_its_lease_in_the_middle_writes_nothing_more(office: Office) -> None:
    """Two workers, one lease: the second takes over while the first hangs in a request."""
    box = office.mailbox()
    for n in range(120):
        office.deliver(box, mail(subject=f"Offer {n}"))
    other: list[Any] = []

    def overtake(number: int) -> None:
        if number == 1 and not other:
            office.clock.advance(LEASE.total_seconds() + 1)
            other.append(None)
            other[0] = office.sync(box, drain=False)

    office.boxes[box].before_yield = overtake
    [first] = office.sync(box, drain=False)
    assert first.state == "behind"
    assert other[0][0].state == "level"
    assert len(office.log()) == len(office.ledger()) == 120
    stream = office.stream()
    assert (stream.lease_owner, stream.lease_token) == (None, 2)


def test_two_workers_at_once_leave_the_second_with_nothing_to_do(office: Office) -> None:
    box = office.mailbox()
    office.deliver(box, mail())
    other: list[Any] = []
    office.boxes[box].before_yield = lambda number: (
        other.append(None)
        or other.append(office.sync(box, drain=False, options=Options(streams=frozenset({_stream(office)}))))  # type: ignore[func-returns-value]
        if not other
        else None
    )
    [first] = office.sync(box, drain=False)
    assert first.state == "level"
    assert other[1][0].state == "behind"
    assert len(office.log()) == 1


def _stream(office: Office) -> int:
    """The inbox of a mailbox, made when there is none."""
    if not office.rows(Stream):
        office.mailbox()
    return int(office.stream().id)
