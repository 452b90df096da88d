"""The people of a Workspace, listed for an admin who connects them all, over the model server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import NeedsPerson, OperatorFault
from connectors.google import directory
from connectors.google.directory import Member, members
from tests.connectors.google_rig import ADDRESS, Rig
from tests.connectors.test_google_oauth import service_account


def test_everyone_with_a_mailbox_is_listed_with_aliases(rig: Rig) -> None:
    found = listed(rig)
    assert [member.address for member in found] == ["ann@ourco.example", "bob@ourco.example", ADDRESS]
    assert found[0] == Member("ann@ourco.example", "Ann", "/Sales", ("alias.ann@ourco.example",))


def test_suspended_people_and_those_without_mail_are_left_out(rig: Rig) -> None:
    rig.world.people["ann@ourco.example"].suspended = True
    rig.world.people["bob@ourco.example"].has_gmail = False
    assert [member.address for member in listed(rig)] == [ADDRESS]


def test_a_filter_of_the_directory_narrows_the_list(rig: Rig) -> None:
    assert [member.address for member in listed(rig, query="orgUnitPath=/Sales")] == ["ann@ourco.example"]


def test_all_pages_are_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "PAGE", 1)
    assert len(listed(rig)) == 3


def test_who_is_no_administrator_is_told_so(rig: Rig) -> None:
    with pytest.raises(NeedsPerson, match="administrator") as caught:
        listed(rig, admin="ann@ourco.example")
    assert caught.value.code == "not_admin"


def test_a_filter_google_does_not_take_is_a_fault_of_the_set_up(rig: Rig) -> None:
    with pytest.raises(OperatorFault) as caught:
        listed(rig, query="colour=blue")
    assert caught.value.code == "bad_filter"


def test_only_the_directory_scope_is_asked_for(rig: Rig) -> None:
    listed(rig)
    assert {grant.scopes for grant in rig.world.access_tokens.values()} == {frozenset([directory.SCOPE])}


def listed(rig: Rig, *, admin: str = ADDRESS, query: str = "") -> list[Member]:
    given: dict[str, Any] = {"admin": admin, "query": query, "now": lambda: rig.time, "sleep": rig.sleep}
    return list(members(rig.settings, json.dumps(service_account()), **given))


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        made.person.admin = True
        made.world.add_user("ann@ourco.example").unit = "/Sales"
        made.world.add_user("bob@ourco.example")
        yield made
