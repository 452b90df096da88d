"""Writes the demo's files (Maildirs, calendars, CSVs) and pulls them through the real commands' functions. Touches
only its own data folder."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from crm import contacts, csvimport, lead_forms, pipelines, users, workspace
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.demo import history, leads, story, traps
from sync.demo.letters import Letter
from sync.demo.world import ADMIN, COMPANIES, DROPBOX, OWN, PASSWORD, REPS, SOURCES, STAGES, TEAM, Rep, World, build
from sync.passes import AccountReport
from sync.service import Service


@dataclass(slots=True)
class Written:
    """What lies in the files: the check's expectation. ``mails`` counts files, ``boxes`` the files of each person."""

    mails: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    message_ids: set[str] = field(default_factory=set)


def write(root: Path, world: World, now: datetime) -> Written:
    """Maildir++ folders and calendars for each of the team, and the directory's CSVs, under ``root``."""
    if root.exists():
        shutil.rmtree(root)
    found = traps.build(world, now)
    letters = [*story.everyday(world, now), *found.letters]
    written = deliver(root, [*letters, *leads.letters(world, letters, now)])
    for meeting, owners in found.meetings:
        for rep in owners:
            place = root / rep.name.split()[0].lower() / "calendar"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{meeting.uid.partition('@')[0]}.ics").write_text(meeting.ics(now - timedelta(days=30)), encoding="utf-8")
    directory(root, world, now)
    return written


def deliver(root: Path, letters: Iterable[Letter]) -> Written:
    """Put letters into the Maildirs of whoever has them."""
    written = Written()
    for letter in letters:
        data = letter.bytes_()
        for rep, folder in letter.boxes:
            _deliver(root / rep.name.split()[0].lower() / "Maildir", folder, data, letter.at, written.mails)
            written.mails += 1
            written.boxes[rep.address] += 1
        written.message_ids.add(letter.message_id)
    return written


def _deliver(maildir: Path, folder: str, data: bytes, at: datetime, number: int) -> None:
    place = maildir if folder == "INBOX" else maildir / f".{folder}"
    for part in ("cur", "new", "tmp"):
        (place / part).mkdir(parents=True, exist_ok=True)
    path = place / "cur" / f"{int(at.timestamp())}.M{number}.demo:2,S"
    path.write_bytes(data)
    os.utime(path, (at.timestamp(), at.timestamp()))


def directory(root: Path, world: World, now: datetime) -> None:
    """The CSVs of companies, contacts, deals and tasks, in ``root``/directory."""
    folder = root / "directory"
    folder.mkdir(parents=True, exist_ok=True)
    companies = [
        {"name": name, "domains": domain + (";nordhavn-group.example" if domain == "nordhavn.example" else ""), "industry": "Trade"}
        for name, domain, _ in COMPANIES
    ]
    people = [
        {
            "email": p.address, "name": p.name, "title": p.title, "phone": p.phone, "company": p.company,
            "company_domain": p.domain, "owner": p.rep.address, "lifecycle": history.lifecycle(i), "source": SOURCES[i % 5],
            "created_at": (now - timedelta(days=20 + i * 5)).isoformat(),
            "other_emails": "info@brightwell.example" if p.domain == "brightwell.example" else "",
        }
        for i, p in enumerate(p for p in world.people if p.known)
    ]  # fmt: skip
    deals = [
        {
            "title": d.title, "number": d.number, "company": d.company, "company_domain": d.domain,
            "contacts": ";".join(p.address for p in d.people), "stage": STAGES[0], "value": d.value, "currency": d.currency,
            "expected_close": (now + timedelta(days=(n * 13) % 150 - 6 - (d.closed or 0))).date().isoformat(),
            "owner": d.rep.address, "source": d.source, "created_at": (now - timedelta(days=d.age)).isoformat(),
        }
        for n, d in enumerate(world.deals)
    ]  # fmt: skip
    tasks = [
        {"title": f"Follow up with {p.name}", "due": (now + timedelta(days=n % 9 - 3)).date().isoformat(), "owner": p.rep.address,
         "contact": p.address, "deal": "", "type": "call"}
        for n, p in enumerate(world.people[:18]) if p.known
    ] + history.next_steps(world, now)  # fmt: skip
    for name, rows in (("companies", companies), ("contacts", people), ("deals", deals), ("tasks", tasks)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def people(service: Service, root: Path) -> None:
    """Users, settings and the directory, by the same imports a customer uses."""
    now = service.now()
    with service.db.transaction() as session:
        pipelines.ensure_default(session)
        for person in (*TEAM, ADMIN):
            users.create(session, email=person.address, name=person.name, role=person.role, password=PASSWORD, now=now, actor_id=None)
        workspace.put(session, "internal_domains", [OWN], actor_id=None, now=now)
        workspace.put(session, "never_log", ["secret-law.example"], actor_id=None, now=now)
        workspace.put(session, "dropbox_address", DROPBOX, actor_id=None, now=now)
        workspace.put(session, "workspace_name", "Harbourline", actor_id=None, now=now)
    for kind in ("companies", "contacts", "deals", "tasks"):
        with service.db.transaction() as session:
            csvimport.run(session, kind, root / "directory" / f"{kind}.csv", actor_id=None, now=now)
    history.play(service, build(), now)
    with service.db.transaction() as session:
        _website(session, now)
        erik = contacts.by_address(session, next(p.address for p in build().people if p.domain == "nordhavn.example"))
        if erik is not None:
            contacts.add_address(session, erik.id, "erik@nordhavn-group.example", actor_id=None, now=now)


def _website(session: Session, now: datetime) -> None:
    """A form on the demo's website whose leads go to the reps in turn."""
    ids = {user.email: user.id for user in users.all_(session)}
    lead_forms.save(
        session, None, name="Talk to us", source="website", people=[ids[rep.address] for rep in REPS],
        task_title="Call {contact}", task_days=0, actor_id=ids[ADMIN.address], now=now,
    )  # fmt: skip


def pull(service: Service, root: Path) -> list[AccountReport]:
    """Connect each mailbox as an archive account and sync until level."""
    for rep in TEAM:
        folder = root / rep.name.split()[0].lower()
        if folder.exists():
            accounts.add(service, _spec(rep, folder), actor_id=None)
    outbox.drain(service)
    reports = passes.run(service, drain=True)
    outbox.drain(service)
    return reports


def _spec(rep: Rep, folder: Path) -> AccountSpec:
    paths = [str(p) for p in (folder / "Maildir", folder / "calendar") if p.exists()]
    return AccountSpec("archive", rep.address, rep.address, {"paths": paths}, aliases=rep.aliases, sharing="full")
