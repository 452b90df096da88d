"""Signatures: phones, addresses and titles, bounded."""

from __future__ import annotations

from matching.signature import addresses, e164s, phone_key, phones, region_of, title

BLOCK = """Jane Doe
Head of Purchasing
Acme GmbH | Hauptstr. 1 | 10115 Berlin
Tel. +49 (0)30 123 4567  Mobil 0171 2345678
jane.doe@acme.example | www.acme.example | no-reply@acme.example
"""


def test_national_and_international_spellings_have_one_key() -> None:
    assert phone_key("+49 (0)30 123 4567") == phone_key("030 1234567") == phone_key("0049-30-1234567")
    assert phone_key("12 34") == ""


def test_the_phones_of_a_block_are_found_with_its_region() -> None:
    found = {phone_key(phone) for phone in phones(BLOCK, "DE")}
    assert {phone_key("+49301234567"), phone_key("01712345678")} <= found
    assert "+491712345678" in set(e164s(BLOCK, "DE"))


def test_a_text_of_numbers_is_bounded() -> None:
    assert len(list(phones("+44 20 7946 0958\n" * 5_000))) <= 6


def test_addresses_of_people_only() -> None:
    assert list(addresses(BLOCK)) == ["jane.doe@acme.example"]


def test_the_title_is_the_line_that_reads_like_one() -> None:
    assert title(BLOCK, "Jane Doe") == "Head of Purchasing"
    assert title("Jane Doe\nGeschäftsführerin\nAcme") == "Geschäftsführerin"
    assert title("Best wishes\nJane") == ""


def test_the_region_follows_the_country_domain() -> None:
    assert (region_of("acme.de"), region_of("acme.co.uk"), region_of("acme.com", "GB")) == ("DE", "GB", "GB")
