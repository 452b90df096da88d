"""Creating contacts: policies, vetoes, and particulars with their source."""

from __future__ import annotations

import pytest

from matching.creation import Action, Policy, Proposal, propose
from matching.directory import Correspondence
from matching.rules import Rules, forbidden
from matching.types import Item, Mark
from tests.matching.desk import Desk, mail

STRANGER = "bob.burns@acme.example"


@pytest.mark.parametrize(
    ("policy", "facts", "action"),
    [
        (Policy.NONE, Correspondence(5, 5, 5), Action.NOTHING),
        (Policy.SUGGEST, Correspondence(5, 5, 5), Action.SUGGEST),
        (Policy.WROTE_TO, Correspondence(outbound=1), Action.CREATE),
        (Policy.WROTE_TO, Correspondence(inbound=9), Action.SUGGEST),
        (Policy.BOTH_WAYS, Correspondence(1, 1), Action.CREATE),
        (Policy.BOTH_WAYS, Correspondence(outbound=3), Action.SUGGEST),
        (Policy.BOTH_WAYS, Correspondence(meetings=1), Action.CREATE),
        (Policy.ALL, Correspondence(inbound=1), Action.CREATE),
    ],
)
def test_policies(policy: Policy, facts: Correspondence, action: Action) -> None:
    assert offered(policy=policy, facts=facts).action is action


@pytest.mark.parametrize(
    ("address", "veto"),
    [
        ("pal@ourco.example", "own side"),
        ("info@acme.example", "role address"),
        ("no-reply@acme.example", "not a person"),
        ("jane@acme.example", "already a contact"),
        ("x@clinic.example", "never logged"),
    ],
)
def test_vetoes_beat_every_policy(address: str, veto: str) -> None:
    found = offered(address, policy=Policy.ALL)
    assert (found.action, found.veto) == (Action.NOTHING, veto)


def test_deleted_contacts_are_not_made_again() -> None:
    assert offered(do_not_recreate=True).veto == "deleted before"


def test_bulk_senders_are_no_contacts() -> None:
    assert offered(items=[mail(STRANGER, marks=[Mark.BULK])]).veto == "bulk or automatic sender"
    assert offered(items=[mail(STRANGER, marks=[Mark.BULK]), mail(STRANGER)]).veto == ""


def test_particulars_come_with_their_source() -> None:
    signature = "Bob Burns\nHead of Purchasing\nTel. +44 20 7946 0958"
    items = [mail(f"Burns, Bob <{STRANGER}>", signature=signature), mail(f"Dr. Bob Burns <{STRANGER}>")]
    found = offered(items=items)
    assert found.name is not None
    assert found.title is not None
    assert found.phone is not None
    assert (found.name.value, found.name.source) == ("Bob Burns", "header")
    assert (found.title.value, found.title.source) == ("Head of Purchasing", "signature")
    assert found.phone.source == "signature"
    assert (found.company, found.company_domain) == (1, "acme.example")


def test_a_new_company_is_offered_by_its_work_domain_only() -> None:
    new = offered("x@mail.newco.example")
    free = offered("x@gmx.de")
    assert (new.company, new.company_domain) == (None, "newco.example")
    assert (free.company, free.company_domain) == (None, "")


def offered(
    address: str = STRANGER, *, policy: Policy = Policy.SUGGEST, facts: Correspondence = Correspondence(1, 1, 0),
    items: list[Item] | None = None, do_not_recreate: bool = False,
) -> Proposal:  # fmt: skip
    desk = Desk(Rules(never_log=forbidden(["clinic.example"])))
    acme = desk.company("Acme", "acme.example")
    desk.contact("Jane Doe", "jane@acme.example", company=acme)
    seen = items if items is not None else [mail(address)]
    return propose(address, seen, facts, policy, desk.directory(), desk.rules, do_not_recreate=do_not_recreate)
