"""Whatever people decide can be taken back, in any order, and then everything is as it was; what they pinned stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import addresses, companies, contacts, export, merges
from crm.database import Database
from crm.errors import CrmError, NotFound, Refused
from crm.models import Company, Contact, Decision, Link, Question, ReviewState, Ruling, Suggestion
from crm.privacy import Viewer
from sync import decisions, rematch
from tests.rig.office import NOON, Office, event, mail

ADDRESSES = ("new@acme.example", "someone@nobody.example", "jane.private@mail.example", "jane@acme.example")
DOMAINS = ("acme.example", "nobody.example")
KEYS = ("address:new@acme.example", "address:someone@nobody.example")
few = settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))

target = st.one_of(
    st.tuples(st.just("contact"), st.integers(0, 1)), st.tuples(st.just("company"), st.integers(0, 1)),
    st.tuples(st.just("deal"), st.integers(0, 1)),
)  # fmt: skip
reach = st.one_of(
    st.just(("item", "")), st.sampled_from(ADDRESSES).map(lambda a: ("address", a)),
    st.sampled_from(DOMAINS).map(lambda d: ("domain", d)), st.integers(0, 3).map(lambda n: ("thread", n)),
)  # fmt: skip
items = st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True)
step = st.one_of(
    st.tuples(st.just("attach"), items, target, reach),
    st.tuples(st.just("detach"), items, target, reach),
    st.tuples(st.just("ignore"), items, st.sampled_from(("ignore", "not_a_contact", "private", "never_log")), reach),
    st.tuples(st.just("create"), items, st.sampled_from(ADDRESSES), st.booleans()),
    st.tuples(st.just("add"), items, st.integers(0, 1), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("snooze"), st.sampled_from(KEYS), st.integers(1, 9)),
    st.tuples(st.just("assign"), st.sampled_from(KEYS), st.booleans()),
)


@few
@given(st.lists(step, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_undoing_decisions_in_any_order_restores_the_exact_former_state(
    world: World, steps: list[tuple[Any, ...]], random: Any
) -> None:
    with world.going_back() as session:
        before = _state(session)
        made = [d for one in steps if (d := _do(world, session, one)) is not None]
        random.shuffle(made)
        for decision in made:
            decisions.undo(session, world.viewer, decision, vault=world.office.service.vault, now=NOON)
        assert not _differences(before, _state(session))
        _again(session)
        assert not _differences(before, _state(session))


@few
@given(st.lists(step, min_size=1, max_size=5))
def test_deciding_everything_again_after_decisions_changes_nothing(world: World, steps: list[tuple[Any, ...]]) -> None:
    with world.going_back() as session:
        for one in steps:
            _do(world, session, one)
        before = _state(session)
        _again(session)
        assert not _differences(before, _state(session))


@few
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_the_order_in_which_threads_are_decided_again_does_not_matter(world: World, random: Any, size: int) -> None:
    found = []
    for shuffled in (False, True):
        with world.going_back() as session:
            contacts.create(session, name="New One", emails=[ADDRESSES[0], ADDRESSES[1]], now=NOON, actor_id=None)
            companies.add_domain(session, world.companies[1], "nobody.example", actor_id=None, now=NOON)
            scope = rematch.everything(session)
            threads, series = sorted(scope.threads), sorted(scope.series)
            if shuffled:
                random.shuffle(threads)
            for start in range(0, len(threads), size):
                rematch.decide(session, threads[start : start + size], (), NOON, dry_run=False)
            rematch.decide(session, (), series, NOON, dry_run=False)
            found.append(_state(session))
    assert not _differences(*found)


@few
@given(st.lists(step, min_size=1, max_size=4), st.permutations(range(4)))
def test_no_change_of_identity_moves_what_people_pinned(
    world: World, steps: list[tuple[Any, ...]], order: list[int]
) -> None:
    changes: list[Callable[[Session], Any]] = [
        lambda s: contacts.create(s, name="Else", emails=["else@acme.example", ADDRESSES[2]], now=NOON, actor_id=None),
        lambda s: companies.add_domain(s, world.companies[1], "mail.acme.example", actor_id=None, now=NOON),
        lambda s: companies.delete(s, world.companies[0], actor_id=None, now=NOON),
        lambda s: contacts.update(s, world.people[1], {"name": "Jane Doe"}, actor_id=None, now=NOON),
    ]
    with world.going_back() as session:
        for one in steps:
            _do(world, session, one)
        before = _pinned(session)
        for n in order:
            changes[n](session)
            _again(session)
        assert _pinned(session) == before


@few
@given(st.lists(step, max_size=3), st.booleans())
def test_merging_and_taking_it_back_is_as_if_nothing_had_been(
    world: World, steps: list[tuple[Any, ...]], forth: bool
) -> None:
    with world.going_back() as session:
        for one in steps:
            _do(world, session, one)
        before = _state(session)
        keep, gone = world.people if forth else reversed(world.people)
        decision = merges.merge(session, "contact", keep, gone, actor_id=world.viewer.user_id, now=NOON)
        _again(session)
        assert _differences(before, _state(session))
        decisions.undo(session, world.viewer, decision.id, vault=world.office.service.vault, now=NOON)
        _again(session)
        assert not _differences(before, _state(session))


def test_an_answer_names_who_gave_it_at_once_and_after_every_rematch(world: World) -> None:
    with world.going_back() as session:
        _do(world, session, ("attach", [0], ("company", 1), ("address", ADDRESSES[1])))
        says = [e["says"] for k in session.scalars(select(Link)) for e in k.evidence if e["signal"] == "decided"]
        assert says
        assert all("Rep" in sentence for sentence in says)


def test_an_answer_that_attaches_ends_the_one_that_put_aside(world: World) -> None:
    with world.going_back() as session:
        _do(world, session, ("ignore", [0], "not_a_contact", ("address", ADDRESSES[1])))
        _do(world, session, ("attach", [0], ("company", 1), ("address", ADDRESSES[1])))
        rulings = session.scalars(select(Ruling).where(Ruling.value == ADDRESSES[1], Ruling.active.is_(True))).all()
        assert [r.verdict for r in rulings] == ["attach"]


def test_a_teammates_private_answer_is_not_ended_by_mine(world: World) -> None:
    with world.going_back() as session:
        ben = Viewer(world.office.ben, "admin")
        ids = world.items
        decisions.ignore(session, ben, ids, scope="address", value=ADDRESSES[1], verdict="private", now=NOON)
        decisions.ignore(session, world.viewer, ids, scope="address", value=ADDRESSES[1], verdict="ignore", now=NOON)
        rulings = session.scalars(select(Ruling).where(Ruling.active.is_(True))).all()
        assert sorted(r.verdict for r in rulings) == ["ignore", "private"]


def test_a_meeting_alone_is_put_aside_like_a_thread(world: World) -> None:
    with world.going_back() as session:
        meeting = next(line["id"] for line in export.log_lines(session) if line["kind"] == "meeting")
        decisions.ignore(session, world.viewer, [meeting], scope="item", value="", now=NOON)
        assert next(line["status"] for line in export.log_lines(session) if line["id"] == meeting) == "ignored"


def test_a_contact_merged_since_is_not_deleted_by_taking_its_making_back(world: World) -> None:
    with world.going_back() as session:
        created = _do(world, session, ("create", [0], ADDRESSES[1], False))
        assert created is not None
        contact = session.get_one(Decision, created).payload["contact"]
        merge = merges.merge(session, "contact", world.people[0], contact, actor_id=None, now=NOON)
        vault = world.office.service.vault
        with pytest.raises(Refused, match="Take the merge back first"):
            decisions.undo(session, world.viewer, created, vault=vault, now=NOON)
        merges.unmerge(session, merge.id, actor_id=None, now=NOON)
        decisions.undo(session, world.viewer, created, vault=vault, now=NOON)
        assert contacts.by_id(session, world.people[0]).deleted_at is None


def test_a_stranger_can_neither_decide_nor_take_back(world: World) -> None:
    with world.going_back() as session:
        ben = Viewer(world.office.ben, "rep")
        with pytest.raises(NotFound):
            decisions.attach(session, ben, [9_999_999], ("contact", world.people[0]), now=NOON)
        done = _do(world, session, ("attach", [0], ("contact", 0), ("item", "")))
        assert done is not None
        with pytest.raises(NotFound):
            decisions.undo(session, ben, done, vault=world.office.service.vault, now=NOON)


def test_nothing_is_attached_to_what_is_not_there(world: World) -> None:
    with world.going_back() as session:
        before = _state(session)
        for wrong in (("contact", 9_999), ("company", 9_999), ("deal", 9_999), ("user", 1)):
            with pytest.raises(CrmError):
                decisions.attach(session, world.viewer, world.items, wrong, now=NOON)
        assert not _differences(before, _state(session))


# -- helpers


@dataclass(frozen=True, repr=False)
class World:
    """An office with mail, and its records; what is done in ``going_back`` leaves no trace."""

    office: Office
    people: tuple[int, int]
    companies: tuple[int, int]
    deals: tuple[int, int]
    items: list[int]

    @property
    def viewer(self) -> Viewer:
        return self.office.viewer()

    @contextmanager
    def going_back(self) -> Iterator[Session]:
        """A session whose work is rolled back."""
        with self.office.service.db.engine.connect() as connection:
            info = {"internal_domains": ()}
            with Session(bind=connection, expire_on_commit=False, info=info) as session:
                yield session
                session.rollback()


def _do(world: World, session: Session, one: tuple[Any, ...]) -> int | None:
    """Carry out a step; None where the verb refuses it."""
    verb, *rest = one
    viewer = world.viewer
    try:
        if verb in ("snooze", "assign"):
            key, value = rest
            if verb == "snooze":
                return decisions.snooze(session, viewer, key, NOON + timedelta(days=value), now=NOON).decision_id
            return decisions.assign(session, viewer, key, world.office.ben if value else None, now=NOON).decision_id
        ids = [world.items[n % len(world.items)] for n in rest[0]]
        if verb == "create":
            name = "Acme Two" if rest[2] else ""
            return decisions.create_and_attach(
                session, viewer, ids, name="New Person", address=rest[1], company_name=name, now=NOON
            ).decision_id
        if verb == "add":
            return decisions.add_address(session, viewer, ids, world.people[rest[1]], rest[2], now=NOON).decision_id
        scope, value = _reach(session, rest[2])
        if verb == "ignore":
            return decisions.ignore(
                session, viewer, ids, scope=scope, value=value, verdict=rest[1], now=NOON
            ).decision_id
        kind, n = rest[1]
        aim = kind, {"contact": world.people, "company": world.companies, "deal": world.deals}[kind][n]
        does = decisions.attach if verb == "attach" else decisions.detach
        return does(session, viewer, ids, aim, scope=scope, value=value, now=NOON).decision_id
    except CrmError:
        return None


def _reach(session: Session, wanted: tuple[str, Any]) -> tuple[str, str]:
    scope, value = wanted
    if scope != "thread":
        return scope, value
    threads = sorted(rematch.everything(session).threads)
    return scope, f"t{threads[value % len(threads)]}"


def _again(session: Session) -> None:
    scope = rematch.everything(session)
    session.flush()
    rematch.decide(session, sorted(scope.threads), sorted(scope.series), NOON, dry_run=False)
    session.expire_all()


def _state(session: Session) -> dict[str, Any]:
    """All that people can see of it: without row ids and the times rows were written."""
    session.flush()
    session.expire_all()
    live = [Contact.deleted_at.is_(None), Contact.merged_into.is_(None)]
    people = list(session.scalars(select(Contact).where(*live).order_by(Contact.id)))
    return {
        "log": list(export.log_lines(session)),
        "links": sorted(
            (k.communication_id, k.target_kind, k.target_id, k.method, k.score, str(k.evidence), k.pinned, k.tombstoned)
            for k in session.scalars(select(Link))
        ),
        "questions": sorted(
            (q.communication_id, q.kind, q.group_key, q.reason, str(q.candidates))
            for q in session.scalars(select(Question))
        ),
        "suggestions": sorted(
            (s.communication_id, s.target_kind, s.target_id, s.score, str(s.evidence), s.lost)
            for s in session.scalars(select(Suggestion))
        ),
        "rulings": sorted(session.scalars(select(Ruling.id).where(Ruling.active.is_(True)))),
        "states": sorted(
            (r.group_key, r.user_id, str(r.snoozed_until), str(r.assignee_id))
            for r in session.scalars(select(ReviewState))
        ),
        "people": [(c.id, c.name, [a.canonical for a in addresses.of(session, c.id)]) for c in people],
        "companies": sorted(
            session.scalars(select(Company.id).where(Company.deleted_at.is_(None), Company.merged_into.is_(None)))
        ),
    }


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is in one and not in the other, by name."""
    return [
        (name, [r for r in before[name] if r not in after[name]], [r for r in after[name] if r not in before[name]])
        for name in before
        if before[name] != after[name]
    ]


def _pinned(session: Session) -> list[tuple[Any, ...]]:
    query = select(Link).where(Link.pinned.is_(True) | Link.tombstoned.is_(True))
    return sorted(
        (k.id, k.communication_id, k.target_kind, k.target_id, k.pinned, k.tombstoned, str(k.evidence), k.score)
        for k in session.scalars(query)
    )


# -- fixtures


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two contacts, companies and deals; mails of them, of a colleague nobody knows, of strangers, and a meeting."""
    folder = tmp_path_factory.mktemp("decisions")
    shutil.copyfile(sqlite_template, folder / "crm.db")
    database = Database(f"sqlite:///{folder / 'crm.db'}")
    office = Office.open(database, folder)
    acme, beta = office.company("Acme", "acme.example"), office.company("Beta", "beta.example")
    jane = office.contact("jane@acme.example", company=acme)
    bo = office.contact("bo@beta.example", name="Bo Berg", company=beta)
    deals = (office.deal("Renewal", company=acme, people=(jane,)), office.deal("Pilot", company=acme, people=(jane,)))
    box = office.mailbox(calendar=True)
    _mails(office, box)
    office.sync()
    ids = [line["id"] for line in office.log()]
    yield World(office, (jane, bo), (acme, beta), deals, ids)
    database.dispose()


def _mails(office: Office, box: int) -> None:
    office.deliver(box, mail(id="<a@x.example>", subject="Renewal and pilot"))
    office.deliver(box, mail("New One <new@acme.example>", id="<b@x.example>", replies="<a@x.example>"))
    office.deliver(box, mail("New One <new@acme.example>", id="<c@x.example>", subject="Hello"))
    office.deliver(box, mail("Someone <someone@nobody.example>", id="<d@x.example>", subject="Question"))
    office.deliver(box, mail("Someone <someone@nobody.example>", id="<e@x.example>", subject="Question again"))
    office.deliver(box, mail("Jane Doe <jane.private@mail.example>", id="<f@x.example>", subject="From home"))
    office.deliver(box, mail("Bo <bo@beta.example>", id="<g@x.example>", cc="jane@acme.example, new@acme.example"))
    office.deliver(box, mail("No <no-reply@shop.example>", id="<h@x.example>", subject="Receipt"))
    start = NOON + timedelta(days=2)
    office.deliver(box, event("m1", start, guests=("someone@nobody.example",)), stream="cal")
