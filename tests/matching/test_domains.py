"""Domains: registrable parts by the public suffix list, and the tables of shared ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from matching.domains import is_within, registrable, shared_kind
from matching.tables import table

LISTS = Path(__file__).parents[3] / "shared" / "corpora" / "lists"


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("mail.acme.co.uk", "acme.co.uk"),
        ("acme.example", "acme.example"),
        ("a.b.acme.example", "acme.example"),
        ("shop.müller.de", "müller.de"),
        ("team.github.io", "team.github.io"),
        ("co.uk", "co.uk"),
        ("acme.onmicrosoft.com", "acme.onmicrosoft.com"),
        ("x.acme.onmicrosoft.com", "acme.onmicrosoft.com"),
        ("", ""),
    ],
)
def test_the_registrable_part_of_a_host(host: str, domain: str) -> None:
    assert registrable(host) == domain


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("gmail.com", "freemail"), ("mail.gmx.de", "freemail"), ("t-online.de", "isp"), ("cs.mit.edu", "school"),
        ("ox.ac.uk", "school"), ("unsw.edu.au", "school"), ("uni-bonn.de", "school"), ("acme.ac", ""),
        ("onmicrosoft.com", "hosted"), ("acme.onmicrosoft.com", ""), ("acme.school", ""), ("acme.example", ""),
    ],
)  # fmt: skip
def test_shared_domains_are_told_from_work_domains(host: str, kind: str) -> None:
    assert shared_kind(host) == kind


def test_a_set_of_domains_covers_their_subdomains() -> None:
    assert is_within("a.clinic.example", frozenset({"clinic.example"}))
    assert not is_within("myclinic.example", frozenset({"clinic.example"}))


def test_the_tables_hold_one_clean_entry_a_line_and_none_twice_between_kinds() -> None:
    freemail, isp = table("freemail"), table("isp")
    assert all(domain == domain.strip().lower() and "." in domain for domain in freemail | isp | table("school"))
    assert len(freemail) > 300
    assert {"gmail.com", "web.de", "qq.com", "proton.me"} <= freemail


@pytest.mark.skipif(not LISTS.exists(), reason="the corpora folder is not beside the repository")
def test_nearly_all_of_our_freemail_table_is_known_to_a_public_list_and_its_big_ones_are_in_ours() -> None:
    public = set((LISTS / "freemail-willwhite" / "data" / "free.txt").read_text().split())
    ours = table("freemail")
    assert len(ours & public) / len(ours) > 0.6
    big = {"gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "aol.com", "gmx.net", "mail.ru", "web.de", "qq.com"}
    assert big & public <= ours


@pytest.mark.skipif(not LISTS.exists(), reason="the corpora folder is not beside the repository")
def test_the_public_suffix_vectors_hold() -> None:
    wrong = []
    for host, expected in _vectors((LISTS / "publicsuffix" / "tests" / "tests.txt").read_text(encoding="utf-8")):
        if not host.startswith(".") and registrable(host.lower()) != expected:
            wrong.append((host, expected, registrable(host.lower())))
    assert not wrong


def _vectors(text: str) -> list[tuple[str, str]]:
    """Host and registrable domain; a host that is itself a suffix is its own here."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("//")]
    return [(host, (host if domain == "null" else domain).lower()) for host, domain in rows if host != "null"]
