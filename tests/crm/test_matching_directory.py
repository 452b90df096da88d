"""The directory out of SQL: the same decisions as from memory, with a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from crm.correspondence import facts_of
from crm.directory import load
from crm.models import (
    Account,
    Address,
    Communication,
    Company,
    CompanyDomain,
    Contact,
    ContactPhone,
    Deal,
    DealContact,
    Link,
    Participant,
    Pipeline,
    Ruling,
    Stage,
    Thread,
    User,
)
from crm.phones import e164
from matching import correspondence
from matching.addresses import family
from matching.cast import cast
from matching.decide import decide_all
from matching.directory import Correspondence
from matching.types import Decision, Item, Target
from sync.corpus import Corpus, read_corpus
from sync.evaluate import directory_of
from tests.corpus.write import write


def test_sql_and_memory_decide_alike(session: Session, corpus: Corpus, now: datetime) -> None:
    items = stored(session, corpus, now)
    memory = directory_of(corpus)
    memory = memory.knowing(correspondence.facts_of(items, memory, corpus.rules))
    from_memory = {d.item: d for d in decide_all(items, memory, corpus.rules)}
    from_sql = {d.item: d for d in decide_all(items, load(session, items), corpus.rules)}
    assert len(from_sql) == len(items) > 300
    assert [different(a, from_sql[i]) for i, a in from_memory.items() if from_sql[i] != a] == []


def test_the_number_of_statements_does_not_grow_with_the_batch(
    session: Session, corpus: Corpus, now: datetime, statements: list[str]
) -> None:
    items = stored(session, corpus, now)
    counts = []
    for size in (10, 80):
        statements.clear()
        load(session, items[:size])
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 30


def test_facts_leave_out_crowds_and_what_is_kept_out(session: Session, now: datetime) -> None:
    rows = [
        ("inbound", "unmatched", 1),
        ("outbound", "review", 1),
        ("inbound", "ignored", 1),
        ("outbound", "unmatched", 30),
    ]
    for at, (direction, status, people) in enumerate(rows, 1):
        session.add(communication(at, None, direction, status, now))
        session.flush()
        for number in range(people):
            address = "x@new.example" if number == 0 else f"y{number}@new.example"
            role = "from" if direction == "inbound" else "to"
            session.add(Participant(communication_id=at, role=role, canonical=address))
    session.flush()
    facts = facts_of(session, {"x@new.example"})
    assert facts.total == {"x@new.example": Correspondence(1, 1, 0)}
    assert facts.in_thread["x@new.example", "i1"] == Correspondence(1, 0, 0)


def test_deleted_and_merged_records_are_gone_and_nothing_points_at_them(
    session: Session, corpus: Corpus, now: datetime
) -> None:
    items = stored(session, corpus, now)
    company = session.get_one(Company, corpus.records.contacts[0].company)
    company.deleted_at = now
    session.get_one(Contact, 2).merged_into = 1
    session.get_one(Contact, 3).deleted_at = now
    session.flush()
    linked = {link.target for d in decide_all(items, load(session, items), corpus.rules) for link in d.links}
    assert not linked & {Target("company", company.id), Target("contact", 2), Target("contact", 3)}


def test_pins_tombstones_and_rulings_are_read(session: Session, corpus: Corpus, now: datetime) -> None:
    items = stored(session, corpus, now)
    first, second = items[0], items[1]
    for item, pinned in ((first, True), (second, False)):
        session.add(Link(communication_id=item.id, target_kind="contact", target_id=1, method="decided", score=1.0,
                         pinned=pinned, tombstoned=not pinned, created_at=now))  # fmt: skip
    session.add(Ruling(scope="address", value="new@far.example", verdict="attach", target_kind="contact", target_id=1,
                       user_id=1, created_at=now))  # fmt: skip
    session.flush()
    probe = replace(first, parties=(*first.parties, replace(first.parties[0], address="new@far.example")))
    found = load(session, [probe, second])
    assert [pin.attached for pin in (*found.pins(first.id), *found.pins(second.id))] == [True, False]
    (ruling,) = found.rulings("address", "new@far.example")
    assert ruling.target == Target("contact", 1)
    assert ruling.mailboxes == {"", "rita@ourco.example", "sales@ourco.example", "log@ourco.example"}


def different(memory: Decision, sql: Decision) -> str:
    return f"{memory}\n{sql}\n"


def communication(at: int, thread: int | None, direction: str | None, status: str, now: datetime) -> Communication:
    return Communication(
        id=at, key=f"m:{at}", kind="email", thread_id=thread, direction=direction, occurred_at=now, status=status,
        created_at=now, updated_at=now,
    )  # fmt: skip


def stored(session: Session, corpus: Corpus, now: datetime) -> list[Item]:
    """The corpus's records and items as rows; the items with their threads' row ids."""
    _store_people(session, corpus, now)
    _store_deals(session, corpus, now)
    memory = directory_of(corpus)
    decisions = {d.item: d for d in decide_all(corpus.items.values(), memory, corpus.rules)}
    threads = {name: at for at, name in enumerate(sorted({i.thread for i in corpus.items.values()}), 1)}
    session.execute(insert(Thread), [{"id": at, "subject": "", "created_at": now} for at in threads.values()])
    items = [replace(item, thread=f"t{threads[item.thread]}") for item in corpus.items.values()]
    session.execute(insert(Communication), [
        {"id": i.id, "key": f"m:{i.id}", "kind": i.kind, "thread_id": int(i.thread[1:]), "occurred_at": i.occurred_at,
         "direction": decisions[i.id].direction or None, "status": str(decisions[i.id].status), "created_at": now,
         "updated_at": now}
        for i in items
    ])  # fmt: skip
    session.execute(insert(Participant), [row for item in items for row in _participants(item, memory, corpus)])
    return items


def _participants(item: Item, memory: object, corpus: Corpus) -> Sequence[dict[str, object]]:
    outside = {p.address for p in cast(item, memory, corpus.rules).counterparties}  # type: ignore[arg-type]
    return [
        {
            "communication_id": item.id,
            "role": p.role,
            "canonical": p.address,
            "name": p.name,
            "own": p.address not in outside,
        }
        for p in item.parties
    ]


def _store_people(session: Session, corpus: Corpus, now: datetime) -> None:
    for at, address in enumerate(corpus.own.accounts, 1):
        session.add(User(id=at, email=address, name=address, role="rep", created_at=now))
        session.flush()
        session.add(Account(owner_id=at, provider="imap", address=address, created_at=now))
    for kind, addresses in (("shared", corpus.own.shared), ("dropbox", corpus.own.dropbox)):
        session.add_all(Account(owner_id=1, provider="imap", address=a, kind=kind, created_at=now) for a in addresses)
    records = corpus.records
    session.add_all(Company(id=c.id, name=c.name, created_at=now) for c in records.companies)
    session.flush()
    session.add_all(CompanyDomain(company_id=c.id, domain=e.domain) for c in records.companies for e in c.domains)
    session.add_all(Contact(id=c.id, name=c.name, company_id=c.company, created_at=now) for c in records.contacts)
    session.flush()
    for contact in records.contacts:
        session.add_all(ContactPhone(contact_id=contact.id, raw=p, e164=e164(p)) for p in contact.phones)
        for position, entry in enumerate(contact.addresses):
            session.add(Address(contact_id=contact.id, raw=entry.address, canonical=entry.address,
                                family=family(entry.address), position=position))  # fmt: skip
    session.flush()


def _store_deals(session: Session, corpus: Corpus, now: datetime) -> None:
    session.add(Pipeline(id=77, name="Test pipeline"))
    session.flush()
    session.add(Stage(id=77, pipeline_id=77, name="Open"))
    session.flush()
    for deal in corpus.records.deals:
        session.add(Deal(
            id=deal.id, title=deal.title, number=deal.number, company_id=deal.company, pipeline_id=77, stage_id=77,
            status="won" if deal.closed else "open", created_at=deal.created_at or now, closed_at=deal.closed_at,
        ))  # fmt: skip
    session.flush()
    session.add_all(DealContact(deal_id=d.id, contact_id=c) for d in corpus.records.deals for c in sorted(d.contacts))
    session.flush()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("corpus")
    write(folder, 400, 11)
    return read_corpus(folder)
