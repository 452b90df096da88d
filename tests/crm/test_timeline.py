"""The log and record timelines: what a row shows, pages, folding, and what each viewer gets."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from crm import companies, contacts, item, timeline
from crm.errors import NotFound, Refused
from crm.privacy import Tier, Viewer
from crm.timeline import LogFilter
from tests.crm.world import World


def rows(world: World, user, **filters):  # type: ignore[no-untyped-def]
    return timeline.page(world.session, world.viewer(user), LogFilter(**filters)).rows


def test_a_row_tells_who_what_why_and_where_it_is_attached(world: World, jane, acme) -> None:
    world.item((world.anna, "full"), (world.ben, "full"), to=[("contact", jane.id), ("company", acme.id)])
    (row,) = rows(world, world.anna)
    assert (row.subject, row.snippet, row.people) == ("Secret subject", "confidential words", ("Jane Doe",))
    assert [(t.id, t.name) for t in row.contacts] == [(jane.id, "Jane")]
    assert [t.name for t in row.companies] == ["Acme"]
    assert row.why == "exact address jane@acme.example"
    assert (row.seen_in, row.attachments, row.tier) == (2, 1, Tier.FULL)


def test_below_its_tier_a_row_keeps_the_secret(world: World, jane) -> None:
    reasons = [{"signal": "deal-subject", "weight": 0.93, "says": "title in the subject: Secret subject"}]
    for tier in ("subject", "metadata", "private"):
        world.item((world.anna, tier), to=[("contact", jane.id)], evidence=reasons)
    for user in (world.ben, world.mia, world.ada):
        shown = rows(world, user)
        assert [r.tier.word for r in shown] == ["metadata", "subject"]
        metadata, subject = shown
        assert metadata.subject == "E-mail with Jane Doe, 4 March"
        assert subject.subject == "Secret subject"
        assert (metadata.snippet, subject.snippet, metadata.attachments, subject.attachments) == ("", "", 0, 0)
        assert "Secret" not in metadata.why
    assert len(rows(world, world.anna)) == 3


def test_a_private_event_is_busy_for_others(world: World) -> None:
    world.item((world.anna, "full"), kind="meeting", cap="metadata", marks=["private"], people=[])
    assert [rows(world, u)[0].subject for u in (world.ben, world.mia, world.ada)] == ["Busy, 4 March"] * 3


def test_whom_a_blind_copy_went_to_is_seen_by_owners_only(world: World) -> None:
    people = [
        ("from", "anna@ourco.example", "Anna"),
        ("to", "jane@acme.example", "Jane"),
        ("bcc", "boss@acme.example", "Boss"),
    ]
    one = world.item((world.anna, "subject"), people=people)
    assert rows(world, world.anna)[0].people == ("Jane", "Boss", "Anna")
    for user in (world.ben, world.mia):
        assert rows(world, user)[0].people == ("Jane", "Anna")
        assert rows(world, user, address="boss@acme.example") == []
        assert all(p.role != "bcc" for p in item.item(world.session, world.viewer(user), one.id).parties)
    assert len(rows(world, world.anna, address="boss@acme.example")) == 1


def test_pages_walk_the_log_once_even_with_equal_times(world: World, now: datetime) -> None:
    ids = [world.item((world.anna, "full"), at=now - timedelta(minutes=n // 3)).id for n in range(10)]
    found, token = [], None
    while True:
        page = timeline.page(world.session, world.viewer(world.anna), before=token, limit=3)
        found += [row.id for row in page.rows]
        token = page.next
        if token is None:
            break
    assert sorted(found) == sorted(ids)
    assert found == [r.id for r in timeline.page(world.session, world.viewer(world.anna), limit=100).rows]


def test_a_bad_page_token_is_refused(world: World) -> None:
    with pytest.raises(Refused):
        timeline.page(world.session, world.viewer(world.anna), before="nonsense")


def test_a_page_costs_the_same_number_of_statements_whatever_its_size(
    world: World, jane, statements: list[str]
) -> None:
    for _ in range(30):
        world.item((world.anna, "subject"), (world.ben, "full"), thread=world.thread(), to=[("contact", jane.id)])
    costs = []
    for limit in (2, 30):
        statements.clear()
        timeline.page(world.session, world.viewer(world.mia), limit=limit)
        costs.append(len(statements))
    assert costs[0] == costs[1] <= 12


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kinds": frozenset({"meeting"})}, {"meet"}), ({"direction": "outbound"}, {"out"}),
        ({"status": "ignored", "reason": "bulk"}, {"bulk"}), ({"text": "pricing"}, {"out"}),
        ({"status": "linked"}, {"out", "meet"}),
    ],
)  # fmt: skip
def test_filters_narrow_the_log(world: World, filters, expected) -> None:
    made = {
        "out": world.item((world.anna, "full"), direction="outbound", text="our pricing"),
        "meet": world.item((world.anna, "full"), kind="meeting", direction=None),
        "bulk": world.item((world.anna, "full"), status="ignored", reason="bulk"),
    }
    assert {r.id for r in rows(world, world.anna, **filters)} == {made[name].id for name in expected}


def test_account_and_time_filters(world: World, now: datetime) -> None:
    mine = world.item((world.anna, "full"), at=now - timedelta(days=1))
    world.item((world.ben, "full"), at=now)
    account = world.accounts[world.anna.id].id
    assert [r.id for r in rows(world, world.anna, account_id=account)] == [mine.id]
    assert [r.id for r in rows(world, world.anna, until=now)] == [mine.id]


def test_a_record_timeline_folds_threads_and_series_and_counts_what_the_viewer_sees(world: World, now, jane) -> None:
    thread, to = world.thread(), [("contact", jane.id)]
    for n in range(3):
        world.item((world.anna, "private" if n == 0 else "full"), thread=thread, at=now - timedelta(days=n + 1), to=to)
    for n in range(4):
        world.item((world.anna, "full"), kind="meeting", uid="weekly@x", at=now - timedelta(days=7 * n + 2), to=to)
    filters = LogFilter(contact_id=jane.id)
    for user, sizes in ((world.anna, [3, 4]), (world.ben, [4, 2]), (world.mia, [4, 2])):
        page = timeline.page(world.session, world.viewer(user), filters, fold=True, now=now)
        assert [r.thread_count for r in page.rows] == sizes
    assert timeline.count(world.session, world.viewer(world.ben), filters) == 6


def test_what_lies_ahead_is_apart_and_the_next_of_each_series_only(world: World, now, jane) -> None:
    to = [("contact", jane.id)]
    for n in (-7, 7, 14):
        world.item((world.anna, "full"), kind="meeting", uid="weekly@x", at=now + timedelta(days=n), to=to)
    world.item((world.anna, "full"), kind="meeting", uid="off@x", at=now + timedelta(days=1), to=to, cancelled=True)
    world.item((world.anna, "private"), kind="meeting", uid="hid@x", at=now + timedelta(days=2), to=to)
    filters = LogFilter(contact_id=jane.id)
    ahead = {
        u.name: timeline.upcoming(world.session, world.viewer(u), filters, now=now) for u in (world.anna, world.ben)
    }
    assert [r.occurred_at for r in ahead["Anna"]] == [now + timedelta(days=2), now + timedelta(days=7)]
    assert [r.occurred_at for r in ahead["Ben"]] == [now + timedelta(days=7)]
    past = timeline.page(world.session, world.viewer(world.anna), filters, now=now).rows
    assert [r.occurred_at for r in past] == [now - timedelta(days=7)]


def test_a_company_timeline_takes_its_people_along_whatever_their_domain(world: World, jane, acme, now) -> None:
    other = companies.create(world.session, name="Other", domains=["other.example"], now=now, actor_id=None)
    mine = world.item((world.anna, "full"), to=[("contact", jane.id)])
    world.item((world.anna, "full"), to=[("contact", jane.id), ("company", other.id)])
    both = world.item((world.anna, "full"), to=[("company", acme.id)])
    contacts.update(world.session, jane.id, {"company_id": acme.id}, actor_id=None, now=now)
    assert {r.id for r in rows(world, world.anna, company_id=acme.id)} == {mine.id, both.id}


def test_the_tally_counts_only_what_exists_for_the_viewer(world: World) -> None:
    world.item((world.anna, "full"), status="ignored", reason="bulk")
    world.item((world.anna, "full"))
    assert timeline.tally(world.session, world.viewer(world.anna)) == {("linked", ""): 1, ("ignored", "bulk"): 1}
    assert timeline.tally(world.session, world.viewer(world.ben)) == {("linked", ""): 1}
    assert timeline.tally(world.session, world.viewer(world.mia)) == {("linked", ""): 1}


def test_an_opened_item_gives_content_to_owners_and_hides_private_mailboxes(world: World, jane) -> None:
    one = world.item((world.anna, "private"), (world.ben, "subject"), to=[("contact", jane.id)])
    mine = item.item(world.session, world.viewer(world.anna), one.id)
    assert (mine.text, mine.mine, len(mine.attachments)) == ("confidential words", True, 1)
    assert [s.owner for s in mine.seen] == ["Anna", "Ben"]
    assert mine.row.seen_in == 2
    for user in (world.mia, world.ada):
        theirs = item.item(world.session, world.viewer(user), one.id)
        assert (theirs.text, theirs.mine, theirs.attachments, theirs.message_id) == ("", False, (), None)
        assert [s.owner for s in theirs.seen] == ["Ben"]
        assert theirs.row.seen_in == 1
        assert theirs.row.subject == "E-mail with Jane Doe, 4 March"


def test_an_item_that_does_not_exist_for_the_viewer_is_not_found(world: World) -> None:
    one = world.item((world.anna, "private"), thread=world.thread())
    for user in (world.ben, world.mia, world.ada):
        with pytest.raises(NotFound):
            item.item(world.session, world.viewer(user), one.id)
        with pytest.raises(NotFound):
            item.thread(world.session, world.viewer(user), one.thread_id)


def test_a_thread_is_read_oldest_first_in_a_constant_number_of_statements(
    world: World, now, statements: list[str]
) -> None:
    costs = []
    for size in (2, 20):
        thread = world.thread()
        ids = [
            world.item((world.anna, "full"), thread=thread, at=now - timedelta(hours=size - n)).id for n in range(size)
        ]
        statements.clear()
        found = item.thread(world.session, world.viewer(world.anna), thread)
        costs.append(len(statements))
        assert [i.row.id for i in found.items] == ids
    assert costs[0] == costs[1]


def test_the_system_sees_that_everything_exists(world: World) -> None:
    for tier in ("private", "full"):
        world.item((world.anna, tier), status="unmatched")
    found = timeline.page(world.session, Viewer.system()).rows
    assert sorted(r.tier.word for r in found) == ["full", "metadata"]


@pytest.fixture
def jane(session: Session, world: World):  # type: ignore[no-untyped-def]
    return contacts.create(session, name="Jane", emails=["jane@acme.example"], now=world.now, actor_id=None)


@pytest.fixture
def acme(session: Session, world: World):  # type: ignore[no-untyped-def]
    return companies.create(session, name="Acme", domains=["acme.example"], now=world.now, actor_id=None)
