"""Addresses: one form, families, and what is not a person."""

from __future__ import annotations

import pytest

from matching.addresses import Sort, canonical, family, is_person, is_role, one_domain, real_sender, sort
from matching.types import Party


@pytest.mark.parametrize(
    ("written", "one"),
    [
        (" Jane@Acme.Example ", "jane@acme.example"),
        ("mailto:Jane%40x@acme.example?subject=hi", "jane@x@acme.example"),
        ("MAILTO:jane@acme.example", "jane@acme.example"),
        ("<jane@acme.example>", "jane@acme.example"),
        ("Jane Doe <jane@acme.example>", "jane@acme.example"),
        ('"jane.doe"@acme.example', "jane.doe@acme.example"),
        ("'jane@acme.example'", "jane@acme.example"),
        ("jane@acme.example.", "jane@acme.example"),
        ("jane@XN--MLLER-KVA.example", "jane@müller.example"),
        ("jane@Müller.example", "jane@müller.example"),
        ("jose\u0301@acme.example", "jos\u00e9@acme.example"),
        ("/O=Org/OU=Unit/CN=Recipients/CN=Jane", "/o=org/ou=unit/cn=recipients/cn=jane"),
    ],
)
def test_an_address_has_one_form(written: str, one: str) -> None:
    assert canonical(written) == one
    assert canonical(one) == one


@pytest.mark.parametrize(
    "nothing", ["", "  ", "jane", "@acme.example", "jane@", "a@b c", "x" * 2_000 + "@acme.example"]
)
def test_what_is_no_address_has_no_form_so_that_nothing_matches_by_it(nothing: str) -> None:
    assert canonical(nothing) == ""


def test_domains_have_one_form() -> None:
    assert one_domain("@Acme.Example.") == "acme.example"
    assert one_domain("xn--mller-kva.example") == "müller.example"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("jane+x@acme.example", "jane@acme.example", True),
        ("j.a.ne@gmail.com", "jane+y@googlemail.com", True),
        ("j.ane@acme.example", "jane@acme.example", False),
        ("jane@gmail.com", "jane@gmx.de", False),
        ("+4420@sms.example", "@sms.example", False),
    ],
)
def test_families_forget_plus_tags_everywhere_and_dots_at_google_only(left: str, right: str, same: bool) -> None:
    assert (family(left) == family(right)) is same


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("jane@acme.example", Sort.PERSON),
        ("jane.post@acme.example", Sort.PERSON),
        ("post.anna@acme.example", Sort.PERSON),
        ("info@acme.example", Sort.ROLE),
        ("Vertrieb-Nord@acme.example".lower(), Sort.ROLE),
        ("returns@shop.example", Sort.PERSON),
        ("buchhaltung@acme.example", Sort.ROLE),
        ("no-reply@acme.example", Sort.NO_REPLY),
        ("do_not.reply@acme.example", Sort.NO_REPLY),
        ("noreply-billing@acme.example", Sort.NO_REPLY),
        ("ne-pas-repondre@acme.example", Sort.NO_REPLY),
        ("nao-responda@acme.example", Sort.NO_REPLY),
        ("mailer-daemon@acme.example", Sort.BOUNCE),
        ("bounces+123-jane=acme.example@send.example", Sort.BOUNCE),
        ("list-owner+jane=acme.example@lists.example", Sort.BOUNCE),
        ("prvs=1234=jane@acme.example", Sort.BOUNCE),
        ("0100018f2d7c4e3a-5b1c-4f7e-9a2d-000000@mail.example", Sort.BOUNCE),
        ("reply+aaa7d2f9c1@reply.tool.example", Sort.RELAY),
        ("reply-8f3b2c1d9e@tool.example", Sort.RELAY),
        ("c_188@resource.calendar.google.com", Sort.RESOURCE),
        ("x@group.calendar.google.com", Sort.RESOURCE),
        ("room-berlin@ourco.example", Sort.RESOURCE),
        ("/o=org/ou=x/cn=recipients/cn=jane", Sort.X500),
        ("imceaex-_o=org_cn=recipients@relay.example", Sort.X500),
    ],
)
def test_what_stands_behind_an_address(address: str, kind: Sort) -> None:
    assert sort(address) is kind
    assert is_person(address) is (kind in (Sort.PERSON, Sort.ROLE))


def test_role_words_that_are_names_count_only_when_they_stand_alone() -> None:
    assert is_role("post@acme.example")
    assert not is_role("ar.kumar@acme.example")


def test_a_plain_sender_is_the_real_one() -> None:
    parties = [Party("from", "jane@acme.example", "Jane"), Party("reply_to", "other@acme.example")]
    assert real_sender(parties) == parties[0]


def test_x_original_from_beats_reply_to_beats_a_rewritten_from() -> None:
    rewritten = Party("from", "list@ourco.example", "Jane Doe via List")
    reply = Party("reply_to", "jane@acme.example")
    original = Party("original_from", "jane@acme.example", "Jane")
    assert real_sender([rewritten, reply, original]) == original
    found = real_sender([rewritten, reply])
    assert found is not None
    assert (found.address, found.name) == ("jane@acme.example", "Jane Doe")
    assert real_sender([rewritten]) == rewritten
