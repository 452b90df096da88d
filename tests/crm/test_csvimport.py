"""CSV import: dedupe, warnings, errors by line, preview, undo."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import contacts, csvimport, pipelines, users
from crm.errors import Refused
from crm.models import Address, Company, CompanyDomain, Contact, Deal, DealContact, DealStageChange, Field, Outbox, Task

CONTACTS = (
    "email,other_emails,first_name,last_name,name,phone,title,company,company_domain,owner,lifecycle,source,created_at\n"
    "jane@acme.example,j.doe@gmail.com; Jane.D@acme.example,Jane,Doe,,+44 20 7946 0958,Buyer,Acme Ltd,acme.example,"
    "rep@ourco.example,lead,fair,2026-01-05\n"
    "bob@beta.example,,,,Bob Beta,,,Beta,beta.example,,client,,\n"
)


def run(session: Session, kind: str, text: str, now, **more):  # type: ignore[no-untyped-def]
    return csvimport.run(session, kind, text, actor_id=None, now=now, **more)


def test_contacts_come_with_company_owner_addresses_and_date(session: Session, now, rep) -> None:
    result = run(session, "contacts", CONTACTS, now)
    assert result.counts == {"rows": 2, "created": 2, "updated": 0, "unchanged": 0, "failed": 0}
    jane = contacts.by_address(session, " JANE@Acme.example ")
    assert jane is not None
    assert (jane.name, jane.title, jane.owner_id, jane.source) == ("Jane Doe", "Buyer", rep.id, "fair")
    assert jane.created_at.isoformat() == "2026-01-05T00:00:00+00:00"
    assert [a.canonical for a in contacts.addresses(session, jane.id)] == [
        "jane@acme.example", "j.doe@gmail.com", "jane.d@acme.example",
    ]  # fmt: skip
    company = session.get_one(Company, jane.company_id)
    assert company.name == "Acme Ltd"
    assert session.scalars(select(CompanyDomain.domain)).all() == ["acme.example", "beta.example"]


def test_importing_the_same_file_again_changes_nothing(session: Session, now, rep) -> None:
    run(session, "contacts", CONTACTS, now)
    again = run(session, "contacts", CONTACTS, now)
    assert again.counts["unchanged"] == 2
    assert again.counts["created"] == again.counts["updated"] == 0
    assert session.scalar(select(func.count(Contact.id))) == 2


def test_rows_are_one_person_only_when_their_primary_addresses_are_equal(session: Session, now, rep) -> None:
    text = (
        "email,other_emails,name\na@x.example,team@x.example,Ann\nb@x.example,team@x.example,Ben\nteam@x.example,,Tea\n"
    )
    result = run(session, "contacts", text, now)
    assert result.counts["created"] == 3
    assert [w.line for w in result.warnings] == [3, 4]
    assert "shared address" in result.warnings[0].text
    holders = session.scalars(select(Address.contact_id).where(Address.canonical == "team@x.example"))
    assert len(set(holders)) == 3


def test_a_repeated_primary_address_in_one_file_is_one_contact(session: Session, now) -> None:
    result = run(session, "contacts", "email,name,title\na@x.example,Ann,\nA@X.example,Ann,Boss\n", now)
    assert (result.counts["created"], result.counts["updated"]) == (1, 1)
    assert session.scalar(select(Contact.title)) == "Boss"


def test_bad_rows_are_named_by_line_and_the_others_go_on(session: Session, now, rep) -> None:
    text = (
        "email,name,lifecycle,created_at\nnot an address,A,,\nok@x.example,B,,\n,,,\nc@x.example,C,friend,\n"
        "d@x.example,D,,04/03/2026\n,,lead,\nrep@ourco.example,Me,,\ne@x.example,E,,,too,many\n"
    )
    result = run(session, "contacts", text, now)
    assert [e.line for e in result.errors] == [2, 5, 6, 7, 8, 9]
    assert result.counts["failed"] == 6
    assert result.counts["created"] == 1
    assert "04/03/2026" in result.errors[2].text
    assert "our own side" in result.errors[4].text


def test_a_freemail_domain_of_a_company_is_ignored_with_a_warning(session: Session, now) -> None:
    result = run(session, "companies", "name,domains\nAcme,acme.example; gmail.com\n", now)
    assert session.scalars(select(CompanyDomain.domain)).all() == ["acme.example"]
    assert ["gmail.com" in w.text for w in result.warnings] == [True]


def test_companies_are_one_by_name_whatever_the_legal_form_and_two_when_only_the_domain_is_equal(
    session: Session, now
) -> None:
    text = "name,domains,industry\nAcme Ltd,acme.example,\nACME Limited,acme.co,Steel\nAcme Agency,acme.example,\n"
    result = run(session, "companies", text, now)
    assert (result.counts["created"], result.counts["updated"]) == (2, 1)
    assert "also a domain of" in result.warnings[0].text


def test_an_unknown_owner_is_a_warning_and_nobody(session: Session, now) -> None:
    result = run(session, "contacts", "email,owner\na@x.example,ghost@ourco.example\n", now)
    assert "no user" in result.warnings[0].text
    assert session.scalar(select(Contact.owner_id)) is None


def test_deals_get_stage_status_people_value_and_history(session: Session, now) -> None:
    run(session, "contacts", CONTACTS, now)
    text = (
        "title,number,company,contacts,stage,value,currency,expected_close,created_at,closed_at,lost_reason\n"
        'Acme renewal,D-1,Acme,jane@acme.example;nobody@x.example,proposal,"£12,500.00",,2026-05-01,2026-01-10,,\n'
        "Acme pilot,,Acme,jane@acme.example,WON,9.000,EUR,,2026-01-01,2026-02-01,\n"
        "Bad stage,,Acme,,Dreaming,,,,,,\n"
    )
    result = run(session, "deals", text, now)
    assert result.counts["created"] == 2
    assert "Lead, Qualified, Proposal" in result.errors[0].text
    assert any("nobody@x.example" in w.text for w in result.warnings)
    renewal, pilot = session.scalars(select(Deal).order_by(Deal.id)).all()
    assert (renewal.status, str(renewal.value), renewal.currency) == ("open", "12500.00", "GBP")
    assert (pilot.status, str(pilot.value), pilot.closed_at.date().isoformat()) == ("won", "9000.00", "2026-02-01")
    assert session.scalar(select(func.count(DealContact.id))) == 2
    changes = select(DealStageChange).where(DealStageChange.deal_id == pilot.id).order_by(DealStageChange.at)
    assert [c.at.date().isoformat() for c in session.scalars(changes)] == ["2026-01-01", "2026-02-01"]
    assert run(session, "deals", text, now).counts["unchanged"] == 2


def test_tasks_are_imported_once(session: Session, now, rep) -> None:
    run(session, "contacts", CONTACTS, now)
    text = "title,due,owner,contact,type,done_at\nCall Jane,2026-03-10,rep@ourco.example,jane@acme.example,Call,\n"
    assert run(session, "tasks", text, now).counts["created"] == 1
    task = session.scalars(select(Task)).one()
    assert (task.type, task.due_all_day, task.owner_id) == ("call", True, rep.id)
    assert run(session, "tasks", text, now).counts["unchanged"] == 1
    done = text.replace("Call,\n", "Call,2026-03-09T10:00\n")
    assert run(session, "tasks", done, now).counts["updated"] == 1


def test_a_preview_counts_the_same_and_leaves_nothing(session: Session, now, rep) -> None:
    shown = csvimport.preview(session, "contacts", CONTACTS, actor_id=None, now=now)
    assert shown.dry_run
    assert shown.batch_id is None
    assert session.scalar(select(func.count(Contact.id))) == 0
    assert session.scalar(select(func.count(Outbox.id)).where(Outbox.event == "identity.changed")) == 0
    assert run(session, "contacts", CONTACTS, now).counts == shown.counts


def test_mapped_extra_columns_become_custom_fields(session: Session, now) -> None:
    mapping = {"E-Mail": "email", "Segment": "custom.Segment"}
    run(session, "contacts", "E-Mail;Segment;Other\na@x.example;Gold;z\n", now, mapping=mapping)
    assert session.scalar(select(Contact.custom)) == {"segment": "Gold"}
    assert session.scalars(select(Field.label)).all() == ["Segment"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_are_read(
    session: Session, now, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(f"email{delimiter}name\r\na@x.example{delimiter}Jürgen Größ\r\n".encode(encoding))
    csvimport.run(session, "contacts", path, actor_id=None, now=now)
    assert session.scalar(select(Contact.name)) == "Jürgen Größ"


@pytest.mark.parametrize("text", ["", "\n\n", "foo,bar\n1,2\n", "email,email\na,b\n", "name,name \nx,y\n"])
def test_a_file_that_is_none_is_refused_with_a_sentence(session: Session, now, text: str) -> None:
    with pytest.raises(csvimport.BadFile) as error:
        run(session, "contacts", text, now)
    assert str(error.value).endswith(".")


def test_undo_takes_back_exactly_what_the_import_did(session: Session, now, rep) -> None:
    old = contacts.create(session, name="Jane", emails=["jane@acme.example"], title="Clerk", now=now, actor_id=None)
    before = (old.name, old.title, old.company_id, old.owner_id)
    result = run(session, "contacts", CONTACTS, now)
    assert (result.counts["created"], result.counts["updated"]) == (1, 1)
    undone = csvimport.undo(session, result.batch_id, actor_id=None, now=now)
    assert undone.kept == []
    session.refresh(old)
    assert (old.name, old.title, old.company_id, old.owner_id) == before
    assert session.scalars(select(Address.canonical)).all() == ["jane@acme.example"]
    assert session.scalar(select(func.count(Company.id))) == 0
    assert session.scalar(select(func.count(Contact.id))) == 1
    with pytest.raises(Refused):
        csvimport.undo(session, result.batch_id, actor_id=None, now=now)


def test_undo_leaves_and_names_what_somebody_changed_since(session: Session, now, rep) -> None:
    result = run(session, "contacts", CONTACTS, now)
    jane = contacts.by_address(session, "jane@acme.example")
    contacts.update(session, jane.id, {"title": "Director"}, actor_id=None, now=now)
    undone = csvimport.undo(session, result.batch_id, actor_id=None, now=now)
    assert undone.removed == {"contact": 1, "company": 1}
    assert sorted(undone.kept) == [
        "company 'Acme Ltd' is used by a contact that stays",
        "contact 'Jane Doe' was changed since",
    ]
    assert len(contacts.addresses(session, jane.id)) == 3


def test_undo_of_deals_takes_their_people_and_history_along(session: Session, now, rep) -> None:
    run(session, "contacts", CONTACTS, now)
    result = run(session, "deals", "title,company,contacts,stage\nOne,Acme,jane@acme.example,Lead\n", now)
    csvimport.undo(session, result.batch_id, actor_id=None, now=now)
    for table in (Deal, DealContact, DealStageChange):
        assert session.scalar(select(func.count(table.id))) == 0


def test_matching_is_told_what_an_import_touched(session: Session, now, rep) -> None:
    run(session, "contacts", CONTACTS, now)
    payloads = session.scalars(select(Outbox.payload).where(Outbox.event == "identity.changed")).all()
    assert payloads[0]["addresses"] == [
        "bob@beta.example",
        "j.doe@gmail.com",
        "jane.d@acme.example",
        "jane@acme.example",
    ]
    assert payloads[0]["domains"] == ["acme.example", "beta.example"]


def test_a_large_file_costs_few_statements_per_row(session: Session, now, statements) -> None:
    text = "email,name\n" + "".join(f"p{i}@x{i % 50}.example,Person {i}\n" for i in range(2_000))
    run(session, "contacts", text, now)
    assert len([s for s in statements if not s.startswith("INSERT")]) < 100


@pytest.fixture
def rep(session: Session, now):  # type: ignore[no-untyped-def]
    """The user whom the files name as an owner."""
    pipelines.ensure_default(session)
    return users.create(
        session, email="rep@ourco.example", name="Rep", role="rep", password=None, now=now, actor_id=None
    )
