"""What archives hold in the wild: quoted separators, cut and hostile files, Takeout, flags, calendars."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import CursorExpired, NeedsPerson, StreamGone
from connectors.files import mbox, sources
from connectors.protocol import Usage
from connectors.providers.archive import PROVIDER, ArchiveConnector
from connectors.types import Change, Failed, RawCalendar, RawMessage, Removed, Stream, StreamKind, StreamRole, Upsert
from tests.connectors.contract import mail, make_context, name

FROM = b"From jane@acme.example Wed Mar  4 09:12:00 2026\n"


def test_a_line_that_starts_with_from_is_no_separator_unless_it_has_a_date(tmp_path: Path) -> None:
    body = b"Subject: a\n\nHello,\n\nFrom the desk of Jane\n>From quoted\n>>From twice quoted\n\n"
    write(tmp_path / "a.mbox", FROM + body + FROM + b"Subject: b\n\nSecond\n")
    texts = [change.raw.source for change in content(tmp_path)]
    assert [text.split(b"\n")[0] for text in texts] == [b"Subject: b", b"Subject: a"]
    assert b"\nFrom the desk of Jane\nFrom quoted\n>From twice quoted\n" in texts[1]


def test_separators_are_found_across_the_borders_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.mbox", b"".join(FROM + mail(n, size=n * 37) + b"\n" for n in range(60)))
    whole = [change.remote_id for change in content(tmp_path)]
    monkeypatch.setattr(mbox, "_CHUNK", 4096)
    assert [change.remote_id for change in content(tmp_path)] == whole and len(set(whole)) == 60


def test_exact_duplicates_are_two_items_with_stable_ids(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", (FROM + mail(1) + b"\n") * 3)
    ids = [change.remote_id for change in content(tmp_path)]
    assert len(set(ids)) == 3 and ids == [change.remote_id for change in content(tmp_path)]


def test_an_appended_mail_costs_one_item_and_keeps_all_ids(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", FROM + mail(1) + b"\n")
    first, cursor = changes(tmp_path)
    write(tmp_path / "a.mbox", FROM + mail(1) + b"\n" + FROM + mail(2) + b"\n")
    later, _ = changes(tmp_path, cursor)
    assert [names(later), names(first)] == [[name(2)], [name(1)]]
    assert first[0].remote_id in {change.remote_id for change in content(tmp_path)}


def test_a_rewritten_mbox_is_listed_anew(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", FROM + mail(1) + b"\n" + FROM + mail(2) + b"\n")
    _, cursor = changes(tmp_path)
    write(tmp_path / "a.mbox", FROM + mail(2) + b"\n" + FROM + mail(3) + b"\n")
    with pytest.raises(CursorExpired):
        changes(tmp_path, cursor)


def test_a_flag_written_into_an_mbox_in_place_is_a_flag_and_no_new_mail(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", FROM + b"X-Mozilla-Status: 0000\n" + mail(1) + b"\n")
    first, cursor = changes(tmp_path)
    write(tmp_path / "a.mbox", FROM + b"X-Mozilla-Status: 0005\n" + mail(1) + b"\n")
    (later,) = changes(tmp_path, cursor)[0]
    assert isinstance(later, Upsert) and later.raw is None
    assert later.remote_id == first[0].remote_id and later.flags == {"\\Seen", "\\Flagged"}


def test_a_cut_mbox_is_named_and_the_rest_imported(tmp_path: Path) -> None:
    multipart = b"Message-ID: <cut@x.example>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b--\n"
    write(tmp_path / "a.mbox", (FROM + mail(1) + b"\n" + FROM + multipart)[:-6])
    found, _ = changes(tmp_path)
    assert [(c.remote_id, c.code) for c in found if isinstance(c, Failed)] == [(f"{tmp_path.name}/a.mbox", "cut")]
    assert set(names(found)) == {name(1), "<cut@x.example>"}


@pytest.mark.parametrize(
    ("file", "data", "code"),
    [
        ("a.mbox", b"", "empty"),
        ("a.mbox", os.urandom(5000), "not_a_mail"),
        ("a.eml", b"", "empty"),
        ("a.eml", b"\0\1\2" * 500, "not_a_mail"),
        ("a.ics", b"", "empty"),
        ("a.ics", b"\0\1\2" * 500, "not_a_calendar"),
        ("a.zip", b"PK\3\4 cut", "damaged"),
        ("a.bin", b"\0\1\2" * 500, "not_a_mail"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_imported(
    tmp_path: Path, file: str, data: bytes, code: str
) -> None:
    write(tmp_path / file, data)
    write(tmp_path / "good.eml", mail(1))
    found = everything(tmp_path)
    assert [(c.remote_id, c.code) for c in found if isinstance(c, Failed)] == [(f"{tmp_path.name}/{file}", code)]
    assert names(found) == [name(1)]


def test_an_encrypted_zip_member_is_named_and_the_others_imported(tmp_path: Path) -> None:
    packed = zipped({"open.eml": mail(1), "locked.eml": mail(2)})
    place = packed.rindex(b"PK\1\2")
    locked = bytearray(packed)
    locked[place + 8] |= 1
    write(tmp_path / "a.zip", bytes(locked))
    found = everything(tmp_path)
    assert [(c.remote_id, c.code) for c in found if isinstance(c, Failed)] == [
        (f"{tmp_path.name}/a.zip/locked.eml", "encrypted")
    ]
    assert names(found) == [name(1)]


def test_a_zip_bomb_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SMALL", 100_000)
    write(tmp_path / "a.zip", zipped({"bomb.eml": b"Subject: x\n\n" + b"0" * 2_000_000, "good.eml": mail(1)}))
    found = everything(tmp_path)
    assert [c.code for c in found if isinstance(c, Failed)] == ["zip_bomb"] and names(found) == [name(1)]


def test_a_zip_with_too_many_members_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MEMBERS", 3)
    write(tmp_path / "a.zip", zipped({f"{n}.eml": mail(n) for n in range(5)}))
    assert [c.code for c in everything(tmp_path) if isinstance(c, Failed)] == ["zip_bomb"]


def test_a_zip_within_a_zip_is_read_and_one_deeper_is_named(tmp_path: Path) -> None:
    inner = zipped({"deep.eml": mail(2), "deeper.zip": zipped({"deepest.eml": mail(3)})})
    write(tmp_path / "a.zip", zipped({"top.eml": mail(1), "inner.zip": inner}))
    found = everything(tmp_path)
    assert sorted(names(found)) == [name(1), name(2)]
    assert [c.code for c in found if isinstance(c, Failed)] == ["too_deep"]


def test_names_in_a_zip_never_lead_out_of_it(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.zip", zipped({"../../evil.eml": mail(1), "/abs.eml": mail(2)}))
    found = everything(tmp_path / "in")
    assert {c.remote_id for c in found} == {"in/a.zip/evil.eml", "in/a.zip/abs.eml"}
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside" / "secret.eml", mail(1))
    write(tmp_path / "in" / "good.eml", mail(2))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "link.eml").symlink_to(tmp_path / "outside" / "secret.eml")
    assert names(everything(tmp_path / "in")) == [name(2)]


def test_gmails_takeout_gives_labels_and_leaves_spam_trash_and_drafts_without_content(tmp_path: Path) -> None:
    labelled = {1: '"Inbox,Clients/Acme",Opened', 2: "Spam", 3: "Papierkorb", 4: "Drafts", 5: "Sent,Unread,Starred"}
    data = b"".join(
        FROM + f"X-GM-THRID: 17\nX-Gmail-Labels: {labels}\n".encode() + mail(n) + b"\n"
        for n, labels in labelled.items()
    )
    packed = zipped({"Takeout/Mail/All mail Including Spam and Trash.mbox": data, "Takeout/archive_browser.html": b"<"})
    write(tmp_path / "takeout.zip", packed)
    (stream,) = connector(tmp_path).streams()
    assert stream.role is StreamRole.ALL
    found = [change for change in everything(tmp_path) if isinstance(change, Upsert)]
    assert [change.skip for change in found] == ["", "draft", "trash", "spam", ""]
    assert [change.raw is None for change in found] == [False, True, True, True, False]
    assert found[0].flags == {"\\Flagged"} and found[0].labels == ("Sent", "Unread", "Starred")
    assert found[-1].labels == ("Inbox,Clients/Acme", "Opened") and found[-1].flags == {"\\Seen"}
    assert found[0].thread_id == "17"


@pytest.mark.parametrize(
    ("folder", "role", "on"),
    [
        ("Sent", StreamRole.SENT, True),
        ("Gesendete Elemente", StreamRole.SENT, True),
        ("Junk E-Mail", StreamRole.JUNK, False),
        ("Corbeille", StreamRole.TRASH, False),
        ("Entwürfe", StreamRole.DRAFTS, False),
        ("Sent to lawyer", StreamRole.OTHER, True),
    ],
)
def test_a_folders_role_is_told_by_its_whole_name(tmp_path: Path, folder: str, role: StreamRole, on: bool) -> None:
    write(tmp_path / "mail" / folder / "a.eml", mail(1))
    (stream,) = connector(tmp_path).streams()
    assert (stream.role, stream.default_on) == (role, on)


def test_maildir_subfolders_and_flags_are_read(tmp_path: Path) -> None:
    for part in ("cur", "new", "tmp", ".Sent.2026/cur", ".Sent.2026/new"):
        (tmp_path / "Maildir" / part).mkdir(parents=True)
    write(tmp_path / "Maildir" / "cur" / "1.host:2,FS", mail(1))
    write(tmp_path / "Maildir" / ".Sent.2026" / "new" / "2.host", mail(2))
    write(tmp_path / "Maildir" / "tmp" / "3.host", mail(3))
    write(tmp_path / "Maildir" / "dovecot-uidlist", b"3 V1")
    opened = connector(tmp_path / "Maildir")
    assert [stream.name for stream in opened.streams()] == ["Maildir", "Maildir/Sent/2026"]
    found = everything(tmp_path / "Maildir")
    assert [(c.remote_id, sorted(c.flags)) for c in found if isinstance(c, Upsert)] == [
        ("Maildir/1.host", ["\\Flagged", "\\Seen"]),
        ("Maildir/.Sent.2026/2.host", []),
    ]


def test_an_exported_calendar_gives_an_item_for_each_uid_and_tells_what_changed(tmp_path: Path) -> None:
    write(tmp_path / "work.ics", calendar({"a": "One", "b": "Two"}))
    (stream,) = connector(tmp_path / "work.ics").streams()
    assert stream.kind is StreamKind.CALENDAR and stream.name == "work"
    first, cursor = changes(tmp_path / "work.ics")
    assert [change.remote_id for change in first] == ["work.ics#a", "work.ics#b"]
    assert all(isinstance(c.raw, RawCalendar) and b"VTIMEZONE" in c.raw.ics for c in first if isinstance(c, Upsert))
    assert changes(tmp_path / "work.ics", cursor) == ([], cursor)
    write(tmp_path / "work.ics", calendar({"a": "One", "c": "Three, new"}))
    later, _ = changes(tmp_path / "work.ics", cursor)
    assert [(type(change), change.remote_id) for change in later] == [(Upsert, "work.ics#c"), (Removed, "work.ics#b")]


def test_a_folder_of_single_events_is_one_calendar_and_takeouts_files_are_one_each(tmp_path: Path) -> None:
    for uid in ("a", "b"):
        write(tmp_path / "vdir" / f"{uid}.ics", calendar({uid: uid}))
        write(tmp_path / "Takeout" / "Calendar" / f"{uid}.ics", calendar({uid: uid}))
    assert [stream.name for stream in connector(tmp_path / "vdir").streams()] == ["vdir"]
    assert [s.name for s in connector(tmp_path / "Takeout").streams()] == ["Takeout/Calendar/a", "Takeout/Calendar/b"]


def test_mail_and_calendars_of_one_folder_are_streams_with_names_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.eml", mail(1))
    write(tmp_path / "x" / "a.ics", calendar({"a": "One"}))
    streams = connector(tmp_path / "x").streams()
    assert [(s.name, s.kind) for s in streams] == [("x", StreamKind.MAIL), ("x (calendar)", StreamKind.CALENDAR)]
    assert len({s.id for s in streams}) == 2


def test_items_that_failed_are_fetched_again_by_their_name(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", b"")
    opened = connector(tmp_path)
    (stream,) = opened.streams()
    (batch,) = opened.fetch(stream, [f"{tmp_path.name}/a.mbox", "nothing"])
    assert [type(change) for change in batch.changes] == [Failed, Removed]
    assert list(opened.ids(stream)) == [[f"{tmp_path.name}/a.mbox"]]


def test_the_time_of_arrival_is_told_by_the_top_received_field_then_by_date(tmp_path: Path) -> None:
    received = b"Received: from a by b; Tue, 03 Mar 2026 10:00:00 +0100\r\n"
    write(tmp_path / "a.eml", received + mail(1))
    write(tmp_path / "b.eml", mail(2))
    found = {c.remote_id[-5:]: c.received_at for c in everything(tmp_path) if isinstance(c, Upsert)}
    assert {key: str(at) for key, at in found.items()} == {
        "a.eml": "2026-03-03 09:00:00+00:00",
        "b.eml": "2026-03-04 09:12:00+00:00",
    }


def test_a_missing_path_needs_a_person_and_a_missing_file_is_a_stream_gone(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="no file or folder"):
        PROVIDER.open(make_context({"paths": [str(tmp_path / "nothing")]}))
    write(tmp_path / "a.mbox", FROM + mail(1))
    with pytest.raises(StreamGone):
        connector(tmp_path).changes(Stream("b.mbox", "b"), None)


def test_the_archive_is_only_read(tmp_path: Path) -> None:
    write(tmp_path / "a.mbox", FROM + mail(1))
    write(tmp_path / "a.zip", zipped({"b.eml": mail(2)}))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")}
    everything(tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*")} == before


def calendar(events: dict[str, str]) -> bytes:
    """A calendar with a time zone and an event for each UID."""
    zone = "BEGIN:VTIMEZONE\r\nTZID:X\r\nEND:VTIMEZONE\r\n"
    bodies = "".join(
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20260304T090000Z\r\nSUMMARY:{summary}\r\nEND:VEVENT\r\n"
        for uid, summary in events.items()
    )
    return f"BEGIN:VCALENDAR\r\n{zone}{bodies}END:VCALENDAR\r\n".encode()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of the files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for file, data in files.items():
            packed.writestr(file, data)
    return target.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write a file, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def connector(path: Path) -> ArchiveConnector:
    """A connector on one path."""
    return ArchiveConnector([path], Usage())


def everything(path: Path) -> list[Change]:
    """All changes of a first listing of all streams."""
    opened = connector(path)
    return [c for stream in opened.streams() for batch in opened.changes(stream, None) for c in batch.changes]


def content(path: Path) -> list[Any]:
    """The upserts of a first listing."""
    return [change for change in everything(path) if isinstance(change, Upsert)]


def changes(path: Path, since: str | None = None) -> tuple[list[Change], str | None]:
    """The changes of the one stream below a path, and the cursor."""
    opened = connector(path)
    (stream,) = opened.streams()
    batches = list(opened.changes(stream, since))
    return [c for batch in batches for c in batch.changes], batches[-1].cursor if batches else since


def names(found: list[Change]) -> list[str]:
    """Message-IDs, in order."""
    raws = [c.raw for c in found if isinstance(c, Upsert) and isinstance(c.raw, RawMessage)]
    return [
        line[11:].strip().decode() for raw in raws for line in raw.source.split(b"\n") if line[:11] == b"Message-ID:"
    ]
