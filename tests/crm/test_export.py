"""The exports: exactly the contract's shape, in order, within what the viewer may see."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
from sqlalchemy.orm import Session

from crm import companies, contacts, deals, export
from crm.models import Ledger, Question, Stream, Suggestion
from tests.crm.world import World

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def check(name: str, lines: list[dict[str, object]]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))
    for line in lines:
        validator.validate(json.loads(json.dumps(line)))


def test_a_line_has_the_shape_and_names_of_the_contract(session: Session, world: World, now) -> None:
    jane = contacts.create(
        session, name="Jane Doe", emails=["Jane@Acme.example", "j@x.example"], now=now, actor_id=None
    )
    kim = contacts.create(session, name="Kim Lee", now=now, actor_id=None)
    acme = companies.create(session, name="Acme", domains=["acme.example", "acme.co"], now=now, actor_id=None)
    deal = deals.create(session, title="Acme renewal", now=now, actor_id=None)
    to = [("deal", deal.id), ("contact", kim.id), ("company", acme.id), ("contact", jane.id)]
    item = world.item((world.anna, "subject"), thread=world.thread(), to=to)
    reason = [{"signal": "similar-name", "weight": 0.4, "says": "similar name at the same company"}]
    session.add(
        Suggestion(communication_id=item.id, target_kind="contact", target_id=kim.id, score=0.4, evidence=reason)
    )
    session.add(Question(communication_id=item.id, kind="deal", group_key="thread:1", reason="several_open_deals"))
    session.flush()
    (line,) = export.log_lines(session)
    check("log-export", [line])
    assert line["thread"] == f"t{item.thread_id}"
    assert line["occurred_at"] == "2026-03-04T12:00:00Z"
    assert (line["subject"], line["text"], line["visibility"]) == ("Secret subject", "confidential words", "full")
    assert line["accounts"] == ["anna@ourco.example"]
    assert line["contacts"] == ["jane@acme.example", "name:Kim Lee"]
    assert (line["companies"], line["deals"]) == (["acme.example"], ["Acme renewal"])
    assert [e["target"] for e in line["evidence"]] == [
        "company:acme.example", "contact:jane@acme.example", "contact:name:Kim Lee", "deal:Acme renewal",
    ]  # fmt: skip
    assert line["suggestions"] == [{"target": "contact:name:Kim Lee", "score": 0.4, "says": reason[0]["says"]}]
    assert line["questions"] == ["deal"]


def test_without_a_viewer_everything_is_there_and_private_content_is_left_out(session: Session, world: World) -> None:
    for tier in ("private", "metadata", "full"):
        world.item((world.anna, tier), status="unmatched")
    lines = list(export.log_lines(session))
    check("log-export", lines)
    assert [(line["visibility"], line["subject"], line["text"]) for line in lines] == [
        ("private", "", ""),
        ("full", "Secret subject", "confidential words"),
        ("full", "Secret subject", "confidential words"),
    ]
    assert lines[0]["attachments"] == []


def test_with_a_viewer_lines_are_what_they_may_see(session: Session, world: World) -> None:
    for tier in ("private", "metadata", "subject", "full"):
        world.item((world.anna, tier))
    for user in (world.ben, world.mia, world.ada):
        lines = list(export.log_lines(session, as_user=world.viewer(user)))
        check("log-export", lines)
        assert [line["visibility"] for line in lines] == ["metadata", "subject", "full"]
        assert [line["subject"] for line in lines] == [
            "E-mail with Jane Doe, 4 March",
            "Secret subject",
            "Secret subject",
        ]
        assert [line["text"] for line in lines] == ["", "", "confidential words"]
    assert len(list(export.log_lines(session, as_user=world.viewer(world.anna)))) == 4


def test_a_private_mailbox_is_not_named_to_others(session: Session, world: World) -> None:
    world.item((world.anna, "private"), (world.ben, "full"))
    for user, accounts in ((world.mia, ["ben"]), (world.ada, ["ben"]), (world.anna, ["anna", "ben"])):
        (line,) = export.log_lines(session, as_user=world.viewer(user))
        assert line["accounts"] == [f"{name}@ourco.example" for name in accounts]


def test_lines_come_in_order_and_in_chunks_without_a_statement_per_line(
    session: Session, world: World, now, monkeypatch, statements: list[str]
) -> None:
    made = [world.item((world.anna, "full"), at=now - timedelta(hours=n % 7)).id for n in range(30)]
    monkeypatch.setattr(export, "CHUNK", 7)
    statements.clear()
    lines = list(export.log_lines(session))
    assert sorted(line["id"] for line in lines) == sorted(made)
    keys = [(line["occurred_at"], line["id"]) for line in lines]
    assert keys == sorted(keys)
    assert len(statements) <= 15 * 5 + 1
    later = list(export.log_lines(session, since=now - timedelta(hours=2)))
    assert {line["occurred_at"] for line in later} == {f"2026-03-04T{h}:00:00Z" for h in (10, 11, 12)}


def test_a_deleted_record_is_not_named(session: Session, world: World, now) -> None:
    deal = deals.create(session, title="Gone", now=now, actor_id=None)
    world.item((world.anna, "full"), to=[("deal", deal.id)])
    deals.delete(session, deal.id, actor_id=None, now=now)
    (line,) = export.log_lines(session)
    assert (line["deals"], line["evidence"]) == ([], [])


def test_the_ledger_export_has_its_shape(session: Session, world: World, now) -> None:
    account = world.accounts[world.anna.id]
    stream = Stream(account_id=account.id, remote_id="INBOX", name="INBOX")
    session.add(stream)
    session.flush()
    for n, (state, reason) in enumerate((("stored", None), ("skipped", "bulk"), ("quarantined", "unparseable"))):
        row = Ledger(
            account_id=account.id, stream_id=stream.id, remote_id=f"17:{n}", state=state, reason=reason, seen_at=now
        )
        session.add(row)
    session.flush()
    lines = list(export.ledger_lines(session))
    check("ledger-export", lines)
    assert [(line["stream"], line["remote_id"], line["state"]) for line in lines] == [
        ("INBOX", "17:0", "stored"),
        ("INBOX", "17:1", "skipped"),
        ("INBOX", "17:2", "quarantined"),
    ]
