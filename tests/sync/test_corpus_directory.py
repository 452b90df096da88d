"""The directory of a corpus: the same people, companies and domains as the importer makes of the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.corpus_directory import Records, moment, read_records

FILES = {
    "companies": "name,domains\nAcme,acme.example;gmail.com\nBeta,joint.example\n"
    "Gamma,joint.example\nUni,uni-bonn.de\n",
    "contacts": (
        "email,other_emails,first_name,last_name,name,phone,company,company_domain\n"
        "jane@acme.example,J@ACME.example;j2@acme.example,Jane,Doe,,030 1;030 2,Acme Ltd,\n"
        "Jane@acme.example,j3@acme.example,,,Jane Doe,,,\n"
        "ann@joint.example,,,,Ann Poe,,Gamma,joint.example\n"
        "sam@joint.example,,,,Sam Roe,,Other,joint.example\n"
        "new@new.example,,,,New One,,New Works,new.example\n"
        ",,,,Nina Nomail,,Acme,mail.acme.example\n"
    ),
    "deals": (
        "title,number,company,company_domain,contacts,stage,created_at,closed_at\n"
        "Renewal,D-1,Acme,,jane@acme.example;J2@acme.example;nobody@x.example,Won,2026-01-10,"
        "2026-02-10T12:00:00+02:00\n"
        "Rollout,,New Works,new.example,new@new.example,Proposal,2026-01-11,\n"
        "Odd,,,,,Closed Lost,,\n"
    ),
}


def test_rows_are_one_person_only_when_their_primary_addresses_are_equal(records: Records) -> None:
    assert [contact.name for contact in records.contacts] == [
        "Jane Doe",
        "Ann Poe",
        "Sam Roe",
        "New One",
        "Nina Nomail",
    ]
    addresses = [entry.address for entry in records.contacts[0].addresses]
    assert addresses == ["jane@acme.example", "j@acme.example", "j2@acme.example", "j3@acme.example"]
    assert records.contacts[0].phones == ("030 1", "030 2")


def test_freemail_domains_of_a_row_are_ignored_and_schools_kept(records: Records) -> None:
    domains = {company.name: [entry.domain for entry in company.domains] for company in records.companies}
    assert domains["Acme"] == ["acme.example", "mail.acme.example"]
    assert domains["Uni"] == ["uni-bonn.de"]


def test_companies_are_found_by_domain_then_by_name_without_the_legal_form_and_made_once(records: Records) -> None:
    names = {company.id: company.name for company in records.companies}
    assert [names.get(contact.company or 0, "") for contact in records.contacts] == [
        "Acme",
        "Gamma",
        "",
        "New Works",
        "Acme",
    ]
    assert sorted(names.values()) == ["Acme", "Beta", "Gamma", "New Works", "Uni"]
    assert records.deals[1].company == records.contacts[3].company


def test_records_are_named_as_the_export_names_them(records: Records) -> None:
    assert records.labels["contact", 1] == "jane@acme.example"
    assert records.labels["contact", 5] == "name:Nina Nomail"
    assert records.labels["company", 1] == "acme.example"


def test_deals_have_their_people_and_times(records: Records) -> None:
    renewal, rollout, odd = records.deals
    assert (renewal.contacts, renewal.number, renewal.closed) == (frozenset({1}), "D-1", True)
    assert renewal.closed_at == moment("2026-02-10T10:00:00+00:00")
    assert (rollout.closed, rollout.closed_at) == (False, None)
    assert (odd.closed, odd.company) == (True, None)


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_records(tmp_path) == Records()


@pytest.fixture
def records(tmp_path: Path) -> Records:
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return read_records(tmp_path)
