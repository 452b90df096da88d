"""One Gmail mailbox: messages, labels, a history log that forgets, and page tokens that can expire."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from tests.emulators.google.errors import Refused, not_found
from tests.emulators.google.payloads import Tree, encode

SYSTEM = ("CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "CATEGORY_FORUMS", "CATEGORY_UPDATES",
          "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL", "STARRED", "UNREAD")  # fmt: skip
PAGE_LIMIT = 500


@dataclass
class Mail:
    id: str
    thread: str
    tree: Tree
    labels: set[str]
    millis: int
    history: int
    number: int


@dataclass
class Record:
    id: int
    kind: str
    message: str
    thread: str
    changed: list[str]
    carried: list[str]


@dataclass
class Mailbox:
    """``tell_labels`` says whether history entries carry the labels of their message, as Gmail's do.
    ``lag`` hides that many of the newest history records and messages, as a replica behind would."""

    address: str
    mails: dict[str, Mail] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=lambda: {name: name for name in SYSTEM})
    records: list[Record] = field(default_factory=list)
    forgotten: int = 0
    now: int = 1_000_000
    tell_labels: bool = True
    lag: int = 0
    empty_pages: int = 0
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    watch: dict[str, Any] | None = None
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(1))  # type: ignore[type-arg]

    def label(self, name: str) -> str:
        """The id of the label called ``name``, made if need be."""
        for label_id, known in self.labels.items():
            if known == name:
                return label_id
        label_id = f"Label_{len(self.labels)}"
        self.labels[label_id] = name
        return label_id

    def deliver(self, raw: bytes, labels: list[str], *, thread: str = "", millis: int | None = None) -> Mail:
        """A new message. Its date is that of the mail unless given."""
        number = next(self._numbers)
        mail_id = f"{0x18F0000000000000 + number * 0x1_0001:016x}"
        tree = Tree(raw)
        if millis is None:
            millis = _millis(tree, number)
        mail = Mail(mail_id, thread or mail_id, tree, set(labels), millis, 0, number)
        self.mails[mail_id] = mail
        self._record("messagesAdded", mail, [])
        return mail

    def relabel(self, mail_id: str, add: list[str], remove: list[str]) -> None:
        mail = self._mail(mail_id)
        added, removed = [x for x in add if x not in mail.labels], [x for x in remove if x in mail.labels]
        mail.labels = (mail.labels | set(added)) - set(removed)
        if added:
            self._record("labelsAdded", mail, added)
        if removed:
            self._record("labelsRemoved", mail, removed)

    def delete(self, mail_id: str) -> None:
        mail = self._mail(mail_id)
        del self.mails[mail_id]
        self._record("messagesDeleted", mail, [])

    def expire_history(self) -> None:
        self.now += 10
        self.forgotten = self.now

    def expire_pages(self) -> None:
        self.pages.clear()

    def _record(self, kind: str, mail: Mail, changed: list[str]) -> None:
        self.now += 7
        mail.history = self.now
        self.records.append(Record(self.now, kind, mail.id, mail.thread, changed, sorted(mail.labels)))

    def _mail(self, mail_id: str) -> Mail:
        if mail_id not in self.mails:
            raise not_found()
        return self.mails[mail_id]

    # What the API shows

    def profile(self) -> dict[str, Any]:
        threads = {mail.thread for mail in self.mails.values()}
        return {"emailAddress": self.address, "messagesTotal": len(self.mails), "threadsTotal": len(threads),
                "historyId": str(self._visible_until())}  # fmt: skip

    def label_list(self) -> dict[str, Any]:
        return {"labels": [
            {"id": i, "name": n, "type": "system" if i in SYSTEM else "user"} for i, n in self.labels.items()
        ]}  # fmt: skip

    def listing(self, given: dict[str, list[str]]) -> dict[str, Any]:
        """users.messages.list: newest first; spam and trash only when asked for."""
        size = _size(given, 100)
        wanted = set(given.get("labelIds", []))
        for label in wanted - set(self.labels):
            raise Refused(400, "invalidArgument", f"Invalid label: {label}")
        shown = [m for m in self._newest() if wanted <= m.labels and self._matches(m, given)]
        start = self._start(given, ("labelIds", "q", "includeSpamTrash"))
        rest = [m for m in shown if start is None or (m.millis, m.number) < tuple(start)]
        page, more = rest[:size], len(rest) > size
        found: dict[str, Any] = {"resultSizeEstimate": len(shown)}
        if page:
            found["messages"] = [{"id": m.id, "threadId": m.thread} for m in page]
        if more:
            found["nextPageToken"] = self._token(
                given, ("labelIds", "q", "includeSpamTrash"), [page[-1].millis, page[-1].number]
            )
        return found

    def _newest(self) -> list[Mail]:
        hidden = self._hidden_ids()
        mails = [m for m in self.mails.values() if m.id not in hidden]
        return sorted(mails, key=lambda m: (-m.millis, -m.number))

    def _matches(self, mail: Mail, given: dict[str, list[str]]) -> bool:
        wanted = set(given.get("labelIds", []))
        if given.get("includeSpamTrash", ["false"])[0] != "true" and (mail.labels & {"SPAM", "TRASH"}) - wanted:
            return False
        return all(_search(mail, term) for term in given.get("q", [""])[0].split())

    def history(self, given: dict[str, list[str]]) -> dict[str, Any]:
        """users.history.list."""
        start_text = given.get("startHistoryId", [""])[0]
        if not start_text.isdigit():
            raise Refused(400, "invalidArgument", "Missing or invalid startHistoryId")
        if int(start_text) < self.forgotten:
            raise not_found()
        until = self._visible_until()
        after = self._start(given, ("startHistoryId",)) or [int(start_text)]
        records = [r for r in self.records if after[0] < r.id <= until]
        found: dict[str, Any] = {"historyId": str(until)}
        if self.empty_pages and records:
            self.empty_pages -= 1
            found["nextPageToken"] = self._token(given, ("startHistoryId",), after)
            return found
        size = _size(given, 100)
        page = records[:size]
        if page:
            found["history"] = [self._entry(r) for r in page]
        if len(records) > size:
            found["nextPageToken"] = self._token(given, ("startHistoryId",), [page[-1].id])
        return found

    def _entry(self, record: Record) -> dict[str, Any]:
        short: dict[str, Any] = {"id": record.message, "threadId": record.thread}
        message = {**short, "labelIds": record.carried} if self.tell_labels else short
        entry: dict[str, Any] = {"message": message}
        if record.changed:
            entry["labelIds"] = record.changed
        return {"id": str(record.id), "messages": [short], record.kind: [entry]}

    def get(self, mail_id: str, given: dict[str, list[str]]) -> dict[str, Any]:
        """users.messages.get in all four formats."""
        if not re.fullmatch(r"[0-9a-f]{1,16}", mail_id):
            raise Refused(400, "invalidArgument", "Invalid id value")
        mail = self._mail(mail_id)
        found: dict[str, Any] = {
            "id": mail.id, "threadId": mail.thread, "labelIds": sorted(mail.labels), "snippet": "",
            "historyId": str(mail.history), "internalDate": str(mail.millis), "sizeEstimate": len(mail.tree.raw),
        }  # fmt: skip
        form = given.get("format", ["full"])[0]
        if form == "full":
            found["payload"] = mail.tree.full()
        elif form == "metadata":
            found["payload"] = mail.tree.metadata(given.get("metadataHeaders", []))
        elif form == "raw":
            found["raw"] = encode(mail.tree.raw)
        return found

    def attachment(self, mail_id: str, attachment_id: str) -> dict[str, Any]:
        data = self._mail(mail_id).tree.attachments.get(attachment_id)
        if data is None:
            raise Refused(400, "invalidArgument", "Invalid attachment token")
        return {"size": len(data), "data": encode(data)}

    def _visible_until(self) -> int:
        if not self.lag or len(self.records) <= self.lag:
            return self.now if not self.lag else self.forgotten
        return self.records[-self.lag - 1].id

    def _hidden_ids(self) -> set[str]:
        return {r.message for r in self.records[-self.lag :] if r.kind == "messagesAdded"} if self.lag else set()

    def _token(self, given: dict[str, list[str]], bound: tuple[str, ...], place: list[int]) -> str:
        token = f"{len(self.pages) + 1:08d}{abs(hash(json.dumps(place))) % 10**12:012d}"
        self.pages[token] = {"place": place, "bound": {name: given.get(name) for name in bound}}
        return token

    def _start(self, given: dict[str, list[str]], bound: tuple[str, ...]) -> list[int] | None:
        token = given.get("pageToken", [""])[0]
        if not token:
            return None
        page = self.pages.get(token)
        if page is None or page["bound"] != {name: given.get(name) for name in bound}:
            raise Refused(400, "invalidArgument", "Invalid pageToken")
        place: list[int] = page["place"]
        return place


def _millis(tree: Tree, number: int) -> int:
    try:
        at = parsedate_to_datetime(str(tree.message["Date"]))
        return int(at.timestamp() * 1000)
    except (TypeError, ValueError):
        return 1_767_225_600_000 + number * 60_000


def _size(given: dict[str, list[str]], default: int) -> int:
    return max(1, min(int(given.get("maxResults", [str(default)])[0]), PAGE_LIMIT))


def _search(mail: Mail, term: str) -> bool:
    minus, term = term.startswith("-"), term.lstrip("-")
    name, _, value = term.partition(":")
    if name == "after":
        hit = mail.millis >= int(value) * 1000
    elif name == "before":
        hit = mail.millis < int(value) * 1000
    elif name == "in":
        hit = {"chats": "CHAT", "drafts": "DRAFT"}.get(value, value.upper()) in mail.labels
    elif name == "rfc822msgid":
        hit = value.strip("<>") in str(mail.tree.message["Message-ID"])
    else:
        raise Refused(400, "badRequest", f"The model knows no search term {name}")
    return hit != minus
