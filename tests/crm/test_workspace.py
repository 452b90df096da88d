"""Workspace settings: validated, audited, told to the outbox."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm import workspace
from crm.models import Account, Audit, Outbox
from crm.workspace import BadValue
from tests.crm.world import World


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("internal_domains", "OurCo.example, ourco.de", ["ourco.de", "ourco.example"]),
        ("internal_domains", ["@ourco.example"], ["ourco.example"]),
        ("never_log", ["Lawyer@Firm.example", "bank.example"], ["bank.example", "lawyer@firm.example"]),
        ("never_log", "@bank.example", ["bank.example"]), ("never_log", "", []),
        ("dropbox_address", "Log@OurCo.example", "log@ourco.example"), ("dropbox_address", "", None),
        ("creation_policy", "both_ways", "both_ways"), ("default_sharing", "Metadata", "metadata"),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"), ("currency", "eur", "EUR"),
        ("admin_content_access", "on", True), ("admin_content_access", False, False),
        ("link_threshold", "0.9", 0.9), ("review_after", "3", 3), ("phone_region", "gb", "GB"),
    ],
)  # fmt: skip
def test_values_are_kept_in_one_form(session: Session, now, name: str, given: object, stored: object) -> None:
    assert workspace.put(session, name, given, actor_id=None, now=now) == stored
    assert workspace.get(session, name) == stored
    assert workspace.all_(session)[name] == stored


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("nonsense", "1"), ("internal_domains", "gmail.com"), ("internal_domains", "not a domain"),
        ("never_log", "x@"), ("dropbox_address", "x"), ("creation_policy", "maybe"), ("default_sharing", "public"),
        ("time_zone", "Mars/Base"), ("currency", "XXY"), ("admin_content_access", "perhaps"), ("link_threshold", "2"),
        ("link_threshold", "much"), ("review_after", "1.5"), ("workspace_name", " "), ("currency", ["EUR", "GBP"]),
        ("link_threshold", "nan"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_one_sentence_that_names_the_setting(
    session: Session, now, name: str, given: object
) -> None:
    with pytest.raises(BadValue) as error:
        workspace.put(session, name, given, actor_id=None, now=now)
    assert str(error.value).startswith(f"{name}: ")
    assert str(error.value).endswith(".")


def test_a_change_is_audited_and_told_once_and_the_same_value_again_is_none(world: World, now) -> None:
    for _ in range(2):
        workspace.put(world.session, "never_log", ["bank.example"], actor_id=world.ada.id, now=now)
    events = world.session.scalars(select(Outbox).where(Outbox.event == "settings.changed")).all()
    assert [e.payload for e in events] == [{"name": "never_log", "from": [], "to": ["bank.example"]}]
    rows = world.session.scalars(select(Audit).where(Audit.action == "settings.put")).all()
    assert [(r.actor_id, r.detail["name"]) for r in rows] == [(world.ada.id, "never_log")]


def test_none_brings_the_default_back(session: Session, now) -> None:
    workspace.put(session, "currency", "EUR", actor_id=None, now=now)
    assert workspace.put(session, "currency", None, actor_id=None, now=now) == "GBP"


def test_internal_domains_are_chosen_else_configured_else_those_of_the_accounts(world: World, now) -> None:
    session = world.session
    session.add(Account(owner_id=world.anna.id, provider="memory", address="anna@gmail.com", created_at=now))
    session.flush()
    assert workspace.internal_domains(session) == ["ourco.example"]
    assert workspace.internal_domains(session, ["B.example", "a.example"]) == ["a.example", "b.example"]
    workspace.put(session, "internal_domains", "chosen.example", actor_id=None, now=now)
    assert workspace.internal_domains(session, ["a.example"]) == ["chosen.example"]


def test_every_setting_has_a_meaning_and_a_default_that_is_valid(session: Session, now) -> None:
    for declared in workspace.describe():
        assert declared.meaning.endswith(".")
        if declared.default not in (None, "", []):
            assert workspace.put(session, declared.name, declared.default, actor_id=None, now=now) == declared.default
