"""Custom fields: values are checked by their type, an import and the forms meet, removing loses nothing; conversions
keep the contact and remember who made them."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from crm import contacts, csvimport, fields, lifecycle, record_lists
from crm.errors import NotFound, Refused
from crm.models import Contact, Field
from tests.crm.world import World


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("text", "  two words ", "two words"), ("number", "1,250.50", "1250.50"), ("number", "-3", "-3"),
        ("date", "2026-03-04", "2026-03-04"), ("choice", "GOLD", "gold"), ("checkbox", "on", "yes"),
        ("checkbox", "no", ""), ("url", "acme.example/a?b=1", "https://acme.example/a?b=1"), ("number", "", ""),
    ],
)  # fmt: skip
def test_a_value_is_kept_in_one_form(kind: str, typed: str, kept: str) -> None:
    assert fields.value_of(Field(name="f", label="F", type=kind, options=["gold", "silver"]), typed) == kept


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("number", "a lot"), ("number", "NaN"), ("number", "1e400"), ("date", "31.02.2026"), ("choice", "bronze"),
        ("checkbox", "maybe"), ("url", "javascript:alert(1)"), ("url", "https://"), ("url", "ftp://acme.example/x"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_with_the_fields_name(kind: str, typed: str) -> None:
    with pytest.raises(Refused, match=r"^F is "):
        fields.value_of(Field(name="f", label="F", type=kind, options=["gold", "silver"]), typed)


def test_fields_are_ordered_renamed_and_removed_without_losing_values(session: Session, now: datetime) -> None:
    by = {"actor_id": None, "now": now}
    tier, seats = (add(session, now, label=label) for label in ("Tier", "Seats"))
    jane = contacts.create(session, name="Jane", custom={"tier": "gold"}, **by)
    fields.move(session, seats.id, -1, **by)
    assert [f.label for f in fields.of(session, "contact")] == ["Seats", "Tier"]
    fields.change(session, tier.id, label="Level", **by)
    fields.remove(session, tier.id, **by)
    assert [f.label for f in fields.of(session, "contact")] == ["Seats"]
    fields.restore(session, tier.id, **by)
    assert fields.of(session, "contact")[1].label == "Level"
    assert contacts.by_id(session, jane.id).custom == {"tier": "gold"}
    with pytest.raises(Refused, match="already"):
        add(session, now, label="level")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": ""}, "label"), ({"label": "x" * 61}, "label"), ({"type": "picture"}, "type"),
        ({"type": "choice", "options": ["one"]}, "options"), ({"noun": "task"}, "noun"),
        ({"noun": "deal", "lifecycle": "lead"}, "lifecycle"),
    ],
)  # fmt: skip
def test_a_field_that_can_not_be_is_refused(
    session: Session, now: datetime, given: dict[str, object], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        add(session, now, **given)
    assert refused.value.field == field


def test_a_field_may_be_asked_of_one_lifecycle_only_and_stays_where_it_has_a_value(
    session: Session, now: datetime
) -> None:
    add(session, now, label="Budget", lifecycle="lead")
    add(session, now, label="Renewal", lifecycle="client", type="date")
    add(session, now, label="Tier")
    known = fields.of(session, "contact")
    assert [f.label for f in fields.asked(known, "lead", {})] == ["Budget", "Tier"]
    assert [f.label for f in fields.asked(known, "client", {"budget": "9"})] == ["Budget", "Renewal", "Tier"]


def test_an_import_fills_the_fields_there_are_by_their_rules_and_adds_those_there_are_not(
    session: Session, now: datetime
) -> None:
    add(session, now, label="Plan tier", type="choice", options=["Gold", "Silver"])
    text = b"name,email,Plan Tier,Region\nJane,jane@a.example,gold,North\nOmar,omar@a.example,bronze,South\n"
    mapping = {"Plan Tier": "custom.Plan Tier", "Region": "custom.Region"}
    done = csvimport.run(session, "contacts", text, mapping=mapping, filename="c.csv", actor_id=None, now=now)
    jane = contacts.by_address(session, "jane@a.example")
    assert jane is not None
    assert jane.custom == {"plan_tier": "Gold", "region": "North"}
    assert "Plan tier is one of Gold, Silver" in done.errors[0].text
    assert [(f.label, f.type) for f in fields.of(session, "contact")] == [("Plan tier", "choice"), ("Region", "text")]


def test_a_conversion_keeps_the_contact_and_is_remembered_and_taken_back(world: World, now: datetime) -> None:
    session, by = world.session, {"actor_id": world.anna.id, "now": now}
    jane = contacts.create(session, name="Jane", **by)
    first = lifecycle.convert(session, jane, "client", **by)
    second = lifecycle.convert(session, jane, "past_client", **by)
    assert lifecycle.convert(session, jane, "past_client", **by) is None
    assert steps(session, jane) == [("", "lead"), ("lead", "client"), ("client", "past_client")]
    with pytest.raises(NotFound):
        lifecycle.take_back(session, jane, first.id, **by)  # type: ignore[union-attr]
    assert lifecycle.take_back(session, jane, second.id, **by) == "client"  # type: ignore[union-attr]
    assert steps(session, jane) == [("", "lead"), ("lead", "client")]
    assert record_lists.of_contact(session, jane.id).conversions[1].actor == "Anna"
    with pytest.raises(Refused):
        lifecycle.convert(session, jane, "friend", **by)


def test_every_way_to_change_a_lifecycle_is_remembered(session: Session, now: datetime) -> None:
    text = b"name,email,lifecycle\nJane,jane@a.example,lead\n"
    csvimport.run(session, "contacts", text, filename="c.csv", actor_id=None, now=now)
    again = csvimport.run(
        session, "contacts", text.replace(b"lead", b"client"), filename="c.csv", actor_id=None, now=now
    )  # fmt: skip
    jane = contacts.by_address(session, "jane@a.example")
    assert jane is not None
    contacts.update(session, jane.id, {"lifecycle": "past_client"}, actor_id=None, now=now)
    assert steps(session, jane) == [("", "lead"), ("lead", "client"), ("client", "past_client")]
    contacts.update(session, jane.id, {"lifecycle": "client"}, actor_id=None, now=now)
    csvimport.undo(session, again.batch_id, actor_id=None, now=now)
    assert ("lead", "client") not in steps(session, jane)


def steps(session: Session, contact: Contact) -> list[tuple[str, str]]:
    return [(c.before, c.after) for c in record_lists.of_contact(session, contact.id).conversions]


def add(session: Session, now: datetime, **given: object) -> Field:
    wanted = {"noun": "contact", "label": "Field", "type": "text", **given}
    return fields.add(session, **wanted, actor_id=None, now=now)  # type: ignore[arg-type]
