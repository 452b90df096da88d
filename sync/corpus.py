"""A labelled corpus as matching sees it: own side, directory, items and truth, out of the files that docs/matching.md
lays out. Reads files only.

Mails and events go through the same parser and the same translation as in the sync flow. A file that can't be read is
counted, never fatal.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.calendar import Occurrence, Version, expand, merge_series, parse_calendar
from connectors.errors import BadItem
from connectors.mailparse.ids import message_id as normalised
from connectors.mime import classify, parse_message
from connectors.types import Envelope, RawMessage
from matching.addresses import canonical, host_of, one_domain
from matching.domains import shared_kind
from matching.memory import OwnSide
from matching.rules import Rules, forbidden
from matching.types import Item
from sync.corpus_directory import Records, moment, read_records
from sync.items import item_from_envelope, item_from_event
from sync.threads import ThreadIndex

MAX_FILE = 50_000_000
AHEAD = timedelta(days=366)
UNKNOWN = "unknown"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[str, str]


@dataclass(slots=True)
class Corpus:
    """``items`` by their truth key: ("mail", message id) or (uid, recurrence id or ""). ``unreadable`` names files
    with the reason."""

    own: OwnSide
    rules: Rules
    records: Records
    items: dict[Key, Item] = field(default_factory=dict)
    truth: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def read_corpus(folder: Path) -> Corpus:
    """Everything of a corpus. Raises ValueError when ``truth.jsonl`` or ``accounts.json`` is missing or malformed."""
    told = _accounts(folder / "accounts.json")
    corpus = Corpus(own_side(told), rules_of(told), read_records(folder / "directory"))
    corpus.truth = _truth(folder / "truth.jsonl")
    reader = _Items(corpus, moment(str(told.get("now") or "")))
    for path in sorted((folder / "mail").rglob("*.eml")):
        reader.mail(path)
    for path in sorted((folder / "events").rglob("*.ics")):
        reader.calendar(path)
    reader.finish()
    return corpus


def _accounts(path: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not isinstance(told, dict):
        raise ValueError(f"{path.name}: not an object")
    return told


def own_side(told: Mapping[str, Any]) -> OwnSide:
    """Who we are, out of accounts.json; without ``internal_domains`` they are the accounts' own, freemail excluded."""
    accounts: dict[str, str] = {}
    team: dict[str, set[str]] = {"shared": set(), "dropbox": set()}
    for account in told.get("accounts", ()):
        addresses = {canonical(a) for a in (account["address"], *account.get("aliases", ()))}
        kind = account.get("kind", "mailbox")
        if kind in team:
            team[kind] |= addresses
        else:
            accounts.update(dict.fromkeys(addresses, canonical(account["address"])))
    hosts = {host_of(address) for address in accounts}
    given = {one_domain(domain) for domain in told.get("internal_domains") or ()}
    domains = given or {host for host in hosts if host and not shared_kind(host)}
    return OwnSide(accounts, frozenset(team["shared"]), frozenset(team["dropbox"]), frozenset(domains))


def rules_of(told: Mapping[str, Any]) -> Rules:
    """The rules of a corpus: the defaults, with its never-log list and logging address."""
    dropbox = told.get("dropbox") or ()
    boxes = [dropbox] if isinstance(dropbox, str) else list(dropbox)
    return Rules(
        never_log=forbidden(list(told.get("never_log") or ())),
        dropbox=frozenset(filter(None, map(canonical, boxes))),
        shared_domains=frozenset(map(one_domain, told.get("shared_domains") or ())),
    )


def _truth(path: Path) -> dict[Key, Mapping[str, Any]]:
    found: dict[Key, Mapping[str, Any]] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                row = json.loads(line)
                key = ("mail", normalised(str(row["message_id"]))) if row.get("message_id") else _meeting_key(row)
                found[key] = row
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    return found


def _meeting_key(row: Mapping[str, Any]) -> Key:
    return str(row["ical_uid"]), str(row.get("recurrence_id") or "")


def named_instance(at: datetime | date | None) -> str:
    """A recurrence id as the contract writes it: UTC ``2026-03-04T09:00:00Z``, or a date for whole days; "" for
    none."""
    if at is None:
        return ""
    if isinstance(at, datetime):
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.isoformat()


class _Items:
    """Gathers mails and events, then names their threads."""

    def __init__(self, corpus: Corpus, now: datetime | None) -> None:
        self._corpus = corpus
        self._now = now or datetime(2100, 1, 1, tzinfo=UTC)
        self._threads = ThreadIndex()
        self._versions: dict[str, list[Version]] = defaultdict(list)

    def mail(self, path: Path) -> None:
        """Read one mail; what is the same message twice counts once."""
        try:
            envelope = parse_message(RawMessage(source=path.read_bytes()[:MAX_FILE]))
            item = self._item(envelope)
        except BadItem as error:
            self._corpus.unreadable.append((path.name, str(error)))
            return
        key = ("mail", envelope.message_id or path.name)
        uids = [uid for part in envelope.calendars for uid in self._invitation(part, envelope)]
        self._threads.add(item.message_id, (*item.parents, *(f"uid:{uid}" for uid in uids)))
        self._corpus.items.setdefault(key, replace(item, ical_uid=uids[0] if uids else ""))

    def _item(self, envelope: Envelope) -> Item:
        return replace(
            item_from_envelope(
                envelope,
                classify(envelope),
                id=len(self._corpus.items) + 1,
                thread="",
                mailboxes=(),
                occurred_at=envelope.date or self._now,
            ),
            body="",
        )

    def _invitation(self, part: bytes, envelope: Envelope) -> Iterator[str]:
        """The meetings an iTIP part speaks of."""
        try:
            parsed = parse_calendar(part)
        except BadItem:
            return
        sender = canonical(envelope.from_[0].address) if envelope.from_ else ""
        for event in parsed.events if parsed.method else ():
            yield event.uid
            self._versions[event.uid].append(Version(event, sender or UNKNOWN, envelope.date or self._now))

    def calendar(self, path: Path) -> None:
        """Read one calendar file."""
        try:
            parsed = parse_calendar(path.read_bytes()[:MAX_FILE])
        except BadItem as error:
            self._corpus.unreadable.append((path.name, str(error)))
            return
        for event in parsed.events:
            if event.kind == "default":
                self._versions[event.uid].append(Version(event))

    def finish(self) -> None:
        """Expand the meetings and name the threads, now that everything is known."""
        for uid, versions in sorted(self._versions.items()):
            self._threads.add(f"uid:{uid}")
            merged = merge_series(versions).values()
            events = [replace(m.event, status="cancelled") if m.cancelled else m.event for m in merged]
            for instance in expand(events, start=EPOCH, end=self._now + AHEAD).instances if events else ():
                self._meeting(uid, instance)
        for key, item in self._corpus.items.items():
            own = f"uid:{item.ical_uid}" if item.kind == "meeting" else item.message_id
            self._corpus.items[key] = replace(item, thread=self._threads.thread(own) or f"item:{item.id}")

    def _meeting(self, uid: str, instance: Occurrence) -> None:
        item = item_from_event(
            instance.event,
            id=len(self._corpus.items) + 1,
            thread="",
            mailboxes=(),
            occurred_at=instance.start,
        )
        self._corpus.items[uid, named_instance(instance.recurrence_id)] = replace(item, body="")
