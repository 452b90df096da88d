"""Names are found though they are mistyped, in any script, and the index follows every change of a name."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, erase, names
from crm.models import Contact, NameGram
from crm.vault import Vault

PEOPLE = (
    "Erik Dahl", "Anna Lindqvist", "Jürgen Groß", "Zoë O'Brien", "Иван Петров", "山田 太郎", "ليلى حداد", "김민준",
    "Νίκος Παπαδόπουλος", "María José García", "Bo", "Erika Dahlberg", "Katarzyna Wiśniewska",
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("erik dahl", "Erik Dahl"), ("Erick Dal", "Erik Dahl"), ("Eirk", "Erik Dahl"), ("dahl erik", "Erik Dahl"),
        ("Lindkvist", "Anna Lindqvist"), ("Lindqu", "Anna Lindqvist"), ("Ana Lindqvist", "Anna Lindqvist"),
        ("Jurgen Gross", "Jürgen Groß"), ("Obrien", "Zoë O'Brien"), ("Петорв", "Иван Петров"),
        ("Иваан", "Иван Петров"), ("山田", "山田 太郎"), ("ليلي حداد", "ليلى حداد"), ("김민", "김민준"),
        ("Παπαδοπουλος", "Νίκος Παπαδόπουλος"), ("Papadopoulos", ""), ("Garzia Maria", "María José García"),
        ("Wisniewska", "Katarzyna Wiśniewska"), ("Wiśnieska", "Katarzyna Wiśniewska"), ("Bo", "Bo"), ("", ""),
        ("...", ""), ("qqqqq", ""),
    ],
)  # fmt: skip
def test_a_mistyped_name_finds_who_was_meant_first(session: Session, people: None, typed: str, meant: str) -> None:
    found = names.near(session, typed)
    assert (found[0].name if found else "") == meant


def test_the_index_follows_a_change_a_merge_and_a_deletion(session: Session, now: datetime, vault: Vault) -> None:
    by = {"now": now, "actor_id": None}
    jane = contacts.create(session, name="Jane Doe", **by)
    acme = companies.create(session, name="Acme Engineering", **by)
    deal = deals.create(session, title="Harbour crane", **by)
    assert [(n.noun, n.id) for n in names.near(session, "Acme Enginering")] == [("company", acme.id)]
    assert [(n.noun, n.id) for n in names.near(session, "harbor crane")] == [("deal", deal.id)]
    contacts.update(session, jane.id, {"name": "Jane Whitfield"}, **by)
    assert names.near(session, "Doe") == []
    assert [n.id for n in names.near(session, "Witfield")] == [jane.id]
    contacts.delete(session, jane.id, vault=vault, **by)
    assert names.near(session, "Whitfield") == []
    contacts.restore(session, jane.id, vault=vault, **by)
    session.delete(session.get_one(Contact, jane.id))
    session.flush()
    left = select(func.count()).select_from(NameGram).where(NameGram.noun == "contact")
    assert session.scalar(left) == 0


def test_an_erased_persons_name_leaves_the_index_too(session: Session, now: datetime, vault: Vault) -> None:
    jane = contacts.create(session, name="Jane Whitfield", emails=["jane@a.example"], now=now, actor_id=None)
    erase.erase(session, jane.id, vault=vault, actor_id=None, now=now)
    assert session.scalar(select(func.count()).select_from(NameGram)) == 0


def test_short_and_long_words_are_scored_by_their_edits() -> None:
    assert names.score("erik", "Erik Dahl") == 100
    assert names.score("eri", "Erik Dahl") > names.score("erk", "Erik Dahl") > 0
    assert names.score("erik brown", "Erik Dahl") == 0


@pytest.fixture
def people(session: Session, now: datetime) -> None:
    for name in PEOPLE:
        contacts.create(session, name=name, now=now, actor_id=None)


@pytest.fixture
def vault() -> Vault:
    return Vault(("k" * 40,))
