"""Files of records: kept within limits, refused with a clear sentence, taken back, merged, exported and erased with
their person."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm import contacts, csvimport, deals, erase, files, merges, record_lists
from crm.errors import NotFound, Refused
from crm.models import Contact, RecordFile
from crm.privacy import Viewer
from crm.vault import Vault
from tests.crm.world import World

PDF = b"%PDF-1.7 a quote"
VAULT = Vault(("k" * 40,))


def test_a_file_is_listed_with_who_put_it_there_and_opened_as_it_was(
    world: World, jane: Contact, now: datetime
) -> None:
    number = put(world, jane, "Offer 2026.pdf", PDF)
    (row,) = record_lists.of_contact(world.session, jane.id).files
    assert (row.id, row.name, row.type, row.size, row.author) == (
        number, "Offer 2026.pdf", "application/pdf", len(PDF), "Anna"
    )  # fmt: skip
    assert files.by_id(world.session, world.viewer(world.mia), number).content == PDF


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tool.exe", b"MZ\x90", "of a kind that is not kept"), ("page.html", b"<html>", "of a kind that is not kept"),
        ("draw.svg", b"<svg/>", "of a kind that is not kept"), ("noending", b"abc", "of a kind that is not kept"),
        ("offer.pdf", b"MZ\x90", "its content is something else"),
        ("a.txt", b"ab\0cd", "its content is something else"),
        ("empty.txt", b"", "this one is empty"), ("", b"abc", "this one is empty"),
        ("big.txt", b"a" * (files.SIZE_MAX + 1), "10 MB at most"),
    ],
)  # fmt: skip
def test_what_can_not_be_kept_is_refused_at_the_field(
    world: World, jane: Contact, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(Refused, match=says) as refused:
        put(world, jane, name, content)
    assert refused.value.field == "file"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"), (r"C:\Users\x\offer.pdf", "offer.pdf"), ("a\r\nb\x00.txt", "ab.txt"),
        ("Angebot für Müller.pdf", "Angebot für Müller.pdf"), ("見積り.xlsx", "見積り.xlsx"),
        ("n" * 300 + ".pdf", "n" * (files.NAME_MAX - 4) + ".pdf"),
    ],
)  # fmt: skip
def test_a_name_is_a_name_and_no_path(raw: str, kept: str) -> None:
    assert files.file_name(raw) == kept


def test_deleting_is_taken_back_for_a_month_and_then_the_content_is_gone(
    world: World, jane: Contact, now: datetime
) -> None:
    session, anna = world.session, world.viewer(world.anna)
    number = put(world, jane, "a.pdf", PDF)
    files.delete(session, anna, number, now=now)
    with pytest.raises(NotFound):
        files.by_id(session, anna, number)
    files.restore(session, anna, number, now=now + timedelta(days=29))
    assert files.by_id(session, anna, number).content == PDF
    files.delete(session, anna, number, now=now)
    files.add(session, anna, ("contact", jane.id), name="b.txt", content=b"b", now=now + timedelta(days=31))
    session.expire_all()
    assert session.get_one(RecordFile, number).content == b""
    with pytest.raises(NotFound):
        files.restore(session, anna, number, now=now + timedelta(days=31))


def test_files_go_with_a_merge_and_back_with_its_undo(world: World, jane: Contact, now: datetime) -> None:
    session, by = world.session, {"actor_id": None, "now": now}
    other = contacts.create(session, name="J. Doe", **by)
    number = put(world, other, "a.pdf", PDF)
    decision = merges.merge(session, "contact", jane.id, other.id, **by)
    assert [f.id for f in record_lists.of_contact(session, jane.id).files] == [number]
    merges.unmerge(session, decision.id, **by)
    assert [f.id for f in record_lists.of_contact(session, other.id).files] == [number]


def test_files_are_in_the_export_of_a_person_and_gone_with_their_erasure(
    world: World, jane: Contact, now: datetime
) -> None:
    session = world.session
    put(world, jane, "a.pdf", PDF)
    gone = put(world, jane, "b.txt", b"b")
    files.delete(session, world.viewer(world.anna), gone, now=now)
    (given,) = erase.export_person(session, jane.id)["files"]
    assert (given["name"], b64decode(given["content"])) == ("a.pdf", PDF)
    done = erase.erase(session, jane.id, vault=VAULT, actor_id=None, now=now)
    assert done.counts["files"] == 2
    assert session.scalar(select(func.count(RecordFile.id))) == 0


def test_an_import_is_not_undone_under_a_file_somebody_put_there(world: World, now: datetime) -> None:
    session = world.session
    text = b"name,email\nJane Doe,jane@acme.example\n"
    done = csvimport.run(session, "contacts", text, filename="c.csv", actor_id=None, now=now)
    jane = contacts.by_address(session, "jane@acme.example")
    assert jane is not None
    put(world, jane, "a.pdf", PDF)
    undone = csvimport.undo(session, done.batch_id, actor_id=None, now=now)
    assert any("files that somebody put there" in line for line in undone.kept)
    assert contacts.by_id(session, jane.id)


def test_a_record_put_away_takes_its_files_out_of_sight(world: World, now: datetime) -> None:
    session, by = world.session, {"actor_id": None, "now": now}
    deal = deals.create(session, title="Crane", **by)
    number = files.add(session, world.viewer(world.anna), ("deal", deal.id), name="q.pdf", content=PDF, now=now)
    deals.delete(session, deal.id, **by)
    with pytest.raises(NotFound):
        files.by_id(session, world.viewer(world.anna), number)
    with pytest.raises(NotFound):
        files.add(session, world.viewer(world.anna), ("deal", deal.id), name="q.pdf", content=PDF, now=now)


def put(world: World, contact: Contact, name: str, content: bytes) -> int:
    viewer: Viewer = world.viewer(world.anna)
    return files.add(world.session, viewer, ("contact", contact.id), name=name, content=content, now=world.now)


@pytest.fixture
def jane(session: Session, world: World) -> Contact:
    return contacts.create(session, name="Jane Doe", emails=["jane@acme.example"], now=world.now, actor_id=None)
