"""Writes a corpus: directory CSVs, mails, calendar files, accounts and truth, streamed scene by scene."""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections.abc import Iterator
from email.header import Header
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TextIO

from tests.corpus import scenes_errors, scenes_noise, scenes_people
from tests.corpus.scenes import SCENES
from tests.corpus.world import BLOCKED, BLOCKED_DOMAIN, DROPBOX, NOW, OUR_DOMAIN, REPS, SHARED, Mail, Scene, Seat

MODULES = (scenes_people, scenes_noise, scenes_errors)
PER_FOLDER = 2_000
CONTACTS = ("email", "other_emails", "name", "phone", "title", "company", "company_domain", "created_at")
COMPANIES = ("name", "domains")
DEALS = ("title", "number", "product", "company", "company_domain", "contacts", "stage", "created_at", "closed_at")


def scenes(seed: int) -> Iterator[Scene]:
    """Scenes without end, each a function of seed and number."""
    rates = [registered.rate for registered in SCENES]
    for number in itertools.count(1):
        made = Scene(seed, number)
        chosen = random.Random(f"pick:{seed}:{number}").choices(SCENES, rates)[0]
        made.trap = chosen.trap
        chosen.make(made)
        yield made


def write(folder: Path, items: int, seed: int) -> dict[str, int]:
    """Write about ``items`` items (the last scene is finished). Returns counts of items, contacts, companies and
    deals."""
    for name in ("directory", "mail", "events"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "accounts.json").write_text(json.dumps(accounts(), indent=1), encoding="utf-8")
    with _Tables(folder) as tables, (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for made in scenes(seed):
            tables.add(made)
            _write_scene(folder, made, truth, tables.counts)
            if tables.counts["items"] >= items:
                break
    return tables.counts


def accounts() -> dict[str, Any]:
    """Our side: the reps' mailboxes, a team mailbox and the logging address."""
    boxes = [{"address": address, "aliases": [], "kind": "mailbox"} for address, _ in REPS]
    boxes += [
        {"address": SHARED, "aliases": [], "kind": "shared"},
        {"address": DROPBOX, "aliases": [], "kind": "dropbox"},
    ]
    return {
        "accounts": boxes,
        "internal_domains": [OUR_DOMAIN],
        "never_log": [BLOCKED, BLOCKED_DOMAIN],
        "dropbox": DROPBOX,
        "now": NOW.isoformat(),
    }


def _write_scene(folder: Path, made: Scene, truth: TextIO, counts: dict[str, int]) -> None:
    for mail in made.mails:
        _write_file(folder / "mail", counts, "eml", eml(mail))
        truth.write(json.dumps(mail.truth, ensure_ascii=False) + "\n")
    for meeting in made.meetings:
        if meeting.ics:
            _write_file(folder / "events", counts, "ics", meeting.ics.encode())
        for row in meeting.truth:
            counts["items"] += 1
            truth.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_file(folder: Path, counts: dict[str, int], kind: str, content: bytes) -> None:
    counts["items"] += kind == "eml"
    counts["files"] += 1
    place = folder / f"{counts['files'] // PER_FOLDER:04d}"
    place.mkdir(exist_ok=True)
    (place / f"{counts['files']}.{kind}").write_bytes(content)


def _word(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=10_000).encode()


def _box(seat: Seat) -> str:
    address, name = seat
    if not name:
        return address
    return f'"{name}" <{address}>' if name.isascii() else f"{_word(name)} <{address}>"


def eml(mail: Mail) -> bytes:
    """The mail as bytes: header words encoded, addresses with international domains raw, the body in UTF-8."""
    parents = " ".join(mail.parents)
    fields = [
        ("Message-ID", mail.message_id), ("Date", format_datetime(mail.at)), ("From", _box(mail.sender)),
        ("To", ", ".join(map(_box, mail.to))), ("Cc", ", ".join(map(_box, mail.cc))), ("Subject", _word(mail.subject)),
        ("In-Reply-To", mail.parents[-1] if mail.parents else ""), ("References", parents), *mail.headers,
        ("MIME-Version", "1.0"),
    ]  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    body = mail.body.replace("\n", "\r\n") + "\r\n"
    plain = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
    return (head + (_with_calendar(plain, mail.calendar) if mail.calendar else plain)).encode()


def _with_calendar(plain: str, calendar: str) -> str:
    """A text part and an iTIP part, as calendars send them."""
    edge = "part-of-the-corpus"
    method = "REPLY" if "METHOD:REPLY" in calendar else "REQUEST"
    kind = f'Content-Type: text/calendar; method={method}; charset="utf-8"'
    top = f'Content-Type: multipart/alternative; boundary="{edge}"'
    return f"{top}\r\n\r\n--{edge}\r\n{plain}--{edge}\r\n{kind}\r\n\r\n{calendar}\r\n--{edge}--\r\n"


class _Tables:
    """The three CSV files, open while scenes come."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            name: (folder / "directory" / f"{name}.csv").open("w", encoding="utf-8", newline="")
            for name in ("contacts", "companies", "deals")
        }
        columns = {"contacts": CONTACTS, "companies": COMPANIES, "deals": DEALS}
        self._rows = {name: csv.DictWriter(file, columns[name]) for name, file in self._files.items()}
        for rows in self._rows.values():
            rows.writeheader()
        self.counts = {"items": 0, "contacts": 0, "companies": 0, "deals": 0, "files": 0}

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def _add(self, name: str, row: dict[str, Any]) -> None:
        self.counts[name] += 1
        self._rows[name].writerow(row)

    def add(self, made: Scene) -> None:
        """The directory rows of one scene."""
        for company in made.companies:
            self._add("companies", {"name": company.name, "domains": ";".join(company.listed)})
        for person in filter(lambda p: p.known, made.people):
            company = person.company
            self._add("contacts", {
                "email": person.rows[0], "other_emails": ";".join(person.rows[1:]), "name": person.name,
                "phone": person.phone, "title": person.title, "company": company.name if company else "",
                "company_domain": company.listed[0] if company and company.listed else "", "created_at": "2024-01-01",
            })  # fmt: skip
        for deal in made.deals:
            self._add("deals", {
                "title": deal.title, "number": deal.number, "product": deal.product, "company": deal.company.name,
                "company_domain": deal.company.listed[0], "contacts": ";".join(p.rows[0] for p in deal.contacts),
                "stage": "Proposal" if deal.closed is None else "Won" if deal.won else "Lost",
                "created_at": deal.created.isoformat(), "closed_at": deal.closed.isoformat() if deal.closed else "",
            })  # fmt: skip
