"""A small office for tests of the flow: a service on a given database with a clock of its own, users, mailboxes in
memory, and short ways to sync and to read what came of it. Everything goes through the real flow; nothing is
inserted by hand.
"""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from connectors.providers import memory
from connectors.types import RawCalendar, StreamKind, StreamRole
from crm import companies, contacts, deals, export, pipelines, users, workspace
from crm.database import Database
from crm.models import Account, Communication, Ledger, Link, Sighting, Stream
from crm.privacy import Viewer
from crm.settings import load
from crm.vault import Vault
from sync import accounts, outbox, passes
from sync.accounts import AccountSpec
from sync.passes import AccountReport, Options
from sync.service import Service

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
_ids = itertools.count(1)


@dataclass(eq=False)
class Clock:
    """A clock that stands still until it is told to go on."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float = 0, *, minutes: float = 0, days: float = 0) -> None:
        """Go on (or back)."""
        self.at += timedelta(seconds=seconds, minutes=minutes, days=days)


class PatientService(Service):
    """Waits by moving its clock."""

    def sleep(self, seconds: float) -> None:
        """No time passes but on the clock given."""
        self.now.advance(max(0.0, seconds))  # type: ignore[attr-defined]


def mail(
    sender: str = "Jane Doe <jane@acme.example>", to: str = "rep@ourco.example", subject: str = "Offer", *,
    id: str = "",
    text: str = "Please send the offer.", at: datetime = NOON - timedelta(days=1), cc: str = "", replies: str = "",
    **headers: str,
) -> bytes:  # fmt: skip
    """A plain mail. ``replies`` is the Message-ID answered; other headers by keyword, ``_`` for ``-``."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = id or f"<m{next(_ids)}@mail.example>"
    if cc:
        message["Cc"] = cc
    if replies:
        message["In-Reply-To"] = message["References"] = replies
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def event(
    uid: str, start: datetime, *, summary: str = "Kick-off", guests: tuple[str, ...] = ("jane@acme.example",),
    organizer: str = "rep@ourco.example", rrule: str = "", sequence: int = 0, extra: str = "", method: str = "",
    more: str = "",
) -> bytes:  # fmt: skip
    """An iCalendar object. ``extra`` are lines of the first VEVENT, ``more`` further VEVENTs."""
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rig//EN", *([f"METHOD:{method}"] if method else []),
        "BEGIN:VEVENT",
        f"UID:{uid}", f"DTSTAMP:{NOON - timedelta(days=9):%Y%m%dT%H%M%SZ}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
        f"DTEND:{start + timedelta(hours=1):%Y%m%dT%H%M%SZ}", f"SUMMARY:{summary}", f"SEQUENCE:{sequence}",
        f"ORGANIZER:mailto:{organizer}", *(f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{g}" for g in guests),
        *([f"RRULE:{rrule}"] if rrule else []), *(extra.splitlines() if extra else []), "END:VEVENT",
        *(more.splitlines() if more else []), "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def invitation(
    uid: str, start: datetime, sender: str, to: str, *, method: str = "REQUEST", id: str = "", **more: Any
) -> bytes:
    """A mail that carries an iCalendar part with a METHOD."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, f"{method.title()}: meeting"
    message["Date"] = format_datetime(NOON - timedelta(days=2))
    message["Message-ID"] = id or f"<inv-{method.lower()}-{uid}@mail.example>"
    message.set_content("You are invited.")
    ics = event(uid, start, method=method, **more)
    message.add_attachment(ics, maintype="text", subtype="calendar", filename="invite.ics", disposition="inline")
    message.get_payload()[1].set_param("method", method)  # type: ignore[index,union-attr]
    return message.as_bytes()


@dataclass(eq=False)
class Office:
    """The service and what tests do with it. ``rep``, ``ben`` and ``ada`` (admin) are users' ids."""

    service: Service
    clock: Clock
    rep: int = 0
    ben: int = 0
    ada: int = 0
    boxes: dict[int, memory.MemoryMailbox] = field(default_factory=dict)

    @classmethod
    def open(cls, database: Database, folder: Path, **environ: str) -> Office:
        """On a migrated database, with users and the default pipeline."""
        settings = load(
            {
                "CRM_SYNC_DATA_DIR": str(folder / "data"), "CRM_SYNC_DATABASE_URL": database.url,
                "CRM_SYNC_SECRET_KEY": "k" * 43, "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1", **environ,
            },
            env_file=folder / "none.env",
        )  # fmt: skip
        clock = Clock()
        office = cls(PatientService(settings, database, Vault(settings.secret_keys), clock), clock)
        with database.transaction() as session:
            for name, role in (("rep", "rep"), ("ben", "rep"), ("ada", "admin")):
                row = users.create(
                    session, email=f"{name}@ourco.example", name=name.title(), role=role, password=None, now=clock(),
                    actor_id=None,
                )  # fmt: skip
                setattr(office, name, row.id)
            pipelines.ensure_default(session)
        return office

    # -- mailboxes

    def mailbox(self, owner: str = "rep", *, calendar: bool = False, password: str = "", **spec: Any) -> int:
        """Connect a fresh mailbox in memory; returns the account's id."""
        box = memory.mailbox(f"box-{uuid.uuid4().hex}")
        box.password = password
        box.add_stream("Sent", role=StreamRole.SENT)
        box.add_stream("Junk", role=StreamRole.JUNK)
        if calendar:
            box.add_stream("cal", kind=StreamKind.CALENDAR, role=StreamRole.CALENDAR, name="Calendar")
        address = spec.pop("address", f"{owner}@ourco.example")
        wanted = AccountSpec("memory", f"{owner}@ourco.example", address, {"mailbox": box.name}, password, **spec)
        account_id = accounts.add(self.service, wanted, actor_id=None)
        self.boxes[account_id] = box
        return account_id

    def deliver(self, account_id: int, raw: bytes, *, stream: str = "INBOX", **more: Any) -> str:
        """Put a mail (or calendar object, for stream "cal") there; returns its remote id."""
        box = self.boxes[account_id]
        content = RawCalendar(raw) if stream == "cal" else raw
        more.setdefault("received_at", self.clock())
        return box.deliver(stream, content, **more)

    def sync(self, *chosen: int, drain: bool = True, options: Options | None = None) -> list[AccountReport]:
        """Sync and handle what follows."""
        reports = passes.run(self.service, chosen, drain=drain, options=options)
        outbox.drain(self.service)
        return reports

    def follow(self) -> None:
        """Handle the outbox."""
        outbox.drain(self.service)

    # -- records

    def contact(self, *emails: str, name: str = "Jane Doe", company: int | None = None, **more: Any) -> int:
        """Add a contact; rematching is left to ``follow``."""
        with self.service.db.transaction() as session:
            return contacts.create(
                session, name=name, emails=emails, company_id=company, now=self.clock(), actor_id=None, **more
            ).id

    def company(self, name: str, *domains: str) -> int:
        """Add a company."""
        with self.service.db.transaction() as session:
            return companies.create(session, name=name, domains=domains, now=self.clock(), actor_id=None).id

    def deal(self, title: str, *, company: int | None = None, people: tuple[int, ...] = (), **more: Any) -> int:
        """Add a deal in the first stage."""
        with self.service.db.transaction() as session:
            return deals.create(
                session, title=title, company_id=company, contact_ids=people, now=self.clock(), actor_id=None, **more
            ).id

    def setting(self, name: str, value: Any) -> None:
        """Set a workspace setting; what follows from it is left to ``follow``."""
        with self.service.db.transaction() as session:
            workspace.put(session, name, value, actor_id=None, now=self.clock())

    def viewer(self, name: str = "rep") -> Viewer:
        """One of the users."""
        return Viewer(getattr(self, name), "admin" if name == "ada" else "rep")

    # -- what came of it

    def log(self) -> list[dict[str, Any]]:
        """``log export`` without a viewer."""
        with self.service.db.reading() as session:
            return list(export.log_lines(session))

    def ledger(self) -> list[dict[str, Any]]:
        """``ledger export``."""
        with self.service.db.reading() as session:
            return list(export.ledger_lines(session))

    def states(self, stream: str = "INBOX") -> dict[str, str]:
        """Remote id -> state, or state:reason."""
        return {
            row["remote_id"]: row["state"] + (f":{row['reason']}" if row["reason"] else "")
            for row in self.ledger()
            if row["stream"] == stream
        }

    def rows(self, model: Any) -> list[Any]:
        """All rows of a model, by id."""
        with self.service.db.reading() as session:
            return list(session.scalars(select(model).order_by(model.id)))

    def account(self, account_id: int) -> Account:
        """The account's row as it stands."""
        with self.service.db.reading() as session:
            return session.get_one(Account, account_id)

    def stream(self, name: str = "INBOX") -> Stream:
        """The newest stream of that name."""
        return next(s for s in reversed(self.rows(Stream)) if s.name == name)

    def links(self) -> set[tuple[int, str, int, bool, bool]]:
        """(item, kind, target, pinned, tombstoned) of every link."""
        return {(k.communication_id, k.target_kind, k.target_id, k.pinned, k.tombstoned) for k in self.rows(Link)}

    def dump(self, *models: Any) -> dict[str, list[tuple[Any, ...]]]:
        """Whole tables, to compare before with after."""
        wanted = models or (Communication, Ledger, Link, Sighting)
        return {
            m.__tablename__: [tuple(getattr(r, c.name) for c in m.__table__.columns) for r in self.rows(m)]
            for m in wanted
        }
