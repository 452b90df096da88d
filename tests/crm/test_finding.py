"""One box finds people, companies and deals by name, mistyped name, address, phone, domain and number, and says why."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, finding, workspace
from crm.errors import NotAllowed
from crm.privacy import Viewer
from crm.vault import Vault

REP = Viewer(1, "rep")


@pytest.mark.parametrize(
    ("typed", "noun", "name", "reason"),
    [
        ("erik dahl", "contact", "Erik Dahl", "name"), ("Erick Dal", "contact", "Erik Dahl", "a name like it"),
        (" ERIK@Nordhavn.example ", "contact", "Erik Dahl", "erik@nordhavn.example"),
        ("e.dahl@home", "contact", "Erik Dahl", "e.dahl@home.example"),
        ("+46 40 555 01 20", "contact", "Erik Dahl", "+46 40 555 01 20"),
        ("0046405550120", "contact", "Erik Dahl", "+46 40 555 01 20"),
        ("(040) 555-0120", "contact", "Erik Dahl", "+46 40 555 01 20"),
        ("040 555 0199", "contact", "Erik Dahl", "040/555 0199"), ("ext 99", "contact", "", ""),
        ("nordhavn.exa", "company", "Nordhavn AB", "nordhavn.example"),
        ("Nordhaven", "company", "Nordhavn AB", "a name like it"),
        ("anyone@nordhavn.example", "company", "Nordhavn AB", "nordhavn.example"),
        ("P-2044", "deal", "Harbour crane", "P-2044"),
        ("habrour crane", "deal", "Harbour crane", "a name like it"),
        ("Иваан Петров", "contact", "Иван Петров", "a name like it"),
        ("100%", "deal", "", ""), ("a_b", "contact", "", ""), ("@", "contact", "", ""), ("''; --", "contact", "", ""),
    ],
)  # fmt: skip
def test_each_way_finds_the_record_and_says_why(
    session: Session, base: None, typed: str, noun: str, name: str, reason: str
) -> None:
    found = finding.records(session, REP, typed)[noun]
    assert ((found[0].name, found[0].reason) if found else ("", "")) == (name, reason)


def test_a_whole_address_comes_before_a_name_and_detail_says_who_it_is(session: Session, base: None) -> None:
    found = finding.records(session, REP, "erik@nordhavn.example")
    assert [(h.name, h.detail) for h in found["contact"]] == [("Erik Dahl", "Nordhavn AB · erik@nordhavn.example")]
    assert [h.detail for h in found["company"]] == ["Shipping · nordhavn.example"]


def test_a_whole_number_comes_before_one_that_holds_it(session: Session, base: None, now: datetime) -> None:
    contacts.create(session, name="Aaron Longer", phones=["+46 40 555 01 20 99"], now=now, actor_id=None)
    found = finding.records(session, REP, "040 555 01 20")["contact"]
    assert [h.name for h in found] == ["Erik Dahl", "Aaron Longer"]


def test_what_is_deleted_or_taken_off_is_not_found_and_a_stranger_finds_nothing(
    session: Session, base: None, now: datetime
) -> None:
    erik = finding.records(session, REP, "erik dahl")["contact"][0].id
    contacts.delete(session, erik, vault=Vault(("k" * 40,)), actor_id=None, now=now)
    for typed in ("erik dahl", "erik@nordhavn.example", "+46 40 555 01 20"):
        assert finding.records(session, REP, typed)["contact"] == [], typed
    with pytest.raises(NotAllowed):
        finding.records(session, Viewer(9, "guest"), "erik")


def test_a_search_costs_the_same_statements_however_many_fit(
    session: Session, base: None, now: datetime, statements: list[str]
) -> None:
    counts = []
    for more in (0, 40):
        for n in range(more):
            contacts.create(session, name=f"Erik Dahl {n}", emails=[f"erik{n}@x.example"], now=now, actor_id=None)
        session.flush()
        statements.clear()
        assert finding.records(session, REP, "erik")["contact"]
        counts.append(len(statements))
    assert counts == [3, 3]


@pytest.fixture
def base(session: Session, now: datetime) -> None:
    by = {"now": now, "actor_id": None}
    workspace.put(session, "phone_region", "SE", **by)
    firm = companies.create(session, name="Nordhavn AB", domains=["nordhavn.example"], industry="Shipping", **by)
    erik = contacts.create(
        session, name="Erik Dahl", emails=["erik@nordhavn.example", "e.dahl@home.example"], company_id=firm.id,
        phones=["+46 40 555 01 20"], **by,
    )  # fmt: skip
    contacts.set_phones(session, erik.id, ["+46 40 555 01 20", "040/555 0199"])
    contacts.create(session, name="Иван Петров", **by)
    deals.create(session, title="Harbour crane", number="P-2044", company_id=firm.id, **by)
