"""Duplicates: what makes two contacts one, and how well it does on the febrl sets."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import pytest

from matching.directory import AddressEntry, ContactRecord
from matching.duplicates import find

FEBRL = Path(__file__).parents[3] / "shared" / "corpora" / "lists" / "febrl" / "dataset1.csv"


def test_the_same_address_family_makes_a_pair() -> None:
    (found,) = find([contact(1, "Jane Doe", "j.doe@gmail.com"), contact(2, "J", "jdoe+x@googlemail.com")])
    assert (found.left, found.right, found.score) == (1, 2, 0.95)
    assert found.reasons == ("both have jdoe@gmail.com",)


def test_the_same_name_at_one_company_makes_a_pair_and_at_two_does_not() -> None:
    assert find([contact(1, "Jane Doe", company=1), contact(2, "DOE, Jane", company=1)])
    assert not find([contact(1, "Jane Doe", company=1), contact(2, "Jane Doe", company=2)])


def test_a_role_address_in_common_says_nothing() -> None:
    assert not find([contact(1, "Jane Doe", "info@acme.example"), contact(2, "John Roe", "info@acme.example")])


def test_a_phone_in_common_counts_for_like_names_only() -> None:
    assert find([contact(1, "Jane Doe", phone="+44 20 7946 0958"), contact(2, "Jane D. Doe", phone="020 7946 0958")])
    assert not find([contact(1, "Jane Doe", phone="+44 20 7946 0958"), contact(2, "Bob Burns", phone="020 7946 0958")])


def test_the_order_of_the_contacts_does_not_matter() -> None:
    people = [contact(at, name, f"p{at % 3}@acme.example", company=at % 2) for at, name in
              enumerate(["Jane Doe", "Doe Jane", "Bob Burns", "Robert Burns", "Jane Doe"], 1)]  # fmt: skip
    assert find(people) == find(people[::-1])
    assert all(pair.left < pair.right for pair in find(people))


@pytest.mark.skipif(not FEBRL.exists(), reason="the corpora folder is not beside the repository")
def test_most_febrl_duplicates_are_found_and_hardly_anything_else() -> None:
    people, truth = febrl()
    found = {(pair.left, pair.right) for pair in find(people)}
    assert len(found & truth) / len(found) >= 0.98
    assert len(found & truth) / len(truth) >= 0.9


def febrl() -> tuple[list[ContactRecord], set[tuple[int, int]]]:
    """febrl persons as contacts: its social security number stands for the phone, its postcode for the company."""
    with FEBRL.open(encoding="utf-8", newline="") as file:
        rows = [{k.strip(): (v or "").strip() for k, v in row.items()} for row in csv.DictReader(file)]
    people = [
        contact(
            at, f"{row['given_name']} {row['surname']}", phone=f"+61{row['soc_sec_id']}", company=int(row["postcode"])
        )
        for at, row in enumerate(rows, 1)
    ]
    groups: dict[str, list[int]] = {}
    for at, row in enumerate(rows, 1):
        groups.setdefault(row["rec_id"].split("-")[1], []).append(at)
    return people, {pair for members in groups.values() for pair in combinations(members, 2)}


def contact(at: int, name: str, *addresses: str, company: int | None = None, phone: str = "") -> ContactRecord:
    entries = tuple(AddressEntry(at, address) for address in addresses)
    return ContactRecord(at, name, entries, company, (), (phone,) if phone else ())
