"""What the model keeps: mailboxes with folders and messages, and a log of what changed in which folder.

Ids come in two forms, as in Exchange: the immutable one, and the ordinary one that changes when an item moves.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

WELL_KNOWN = {
    "msgfolderroot": "Top of Information Store",
    "inbox": "Inbox",
    "sentitems": "Sent Items",
    "drafts": "Drafts",
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "Archive",
    "outbox": "Outbox",
    "conversationhistory": "Conversation History",
}
_counter = itertools.count(1)


def make_id(prefix: str = "AAkALg") -> str:
    """An opaque, case-sensitive, URL-safe id as Exchange's."""
    number = next(_counter)
    digest = hashlib.sha256(f"{prefix}{number}".encode()).digest()
    return f"{prefix}{base64.urlsafe_b64encode(digest[:27]).decode()}{number:08d}AAA="


def stamp(moment: datetime) -> str:
    """A DateTimeOffset as Graph writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Folder:
    """A mail folder; ``well_known`` is "" for those of the user."""

    id: str
    name: str
    parent: str
    well_known: str = ""
    hidden: bool = False
    messages: set[str] = field(default_factory=set)


@dataclass
class Message:
    """A message: its Graph properties but for those that depend on where it is, its attachments with their bytes."""

    id: str
    folder: str
    properties: dict[str, Any]
    attachments: list[dict[str, Any]] = field(default_factory=list)
    been: set[str] = field(default_factory=set)
    created: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def ordinary_id(self) -> str:
        """The id a client gets that does not ask for immutable ones."""
        digest = hashlib.sha256((self.id + self.folder).encode()).digest()
        return f"AAMkAD{base64.urlsafe_b64encode(digest[:27]).decode()}AAA="


@dataclass(frozen=True)
class Entry:
    """One line of the change log: something happened to a message in (or out of) a folder. ``kind`` is "there",
    "flags" or "gone"."""

    sequence: int
    folder: str
    message: str
    kind: str
    at: datetime


class Mailbox:
    """One user's mail. All methods are safe to call from several threads."""

    def __init__(self, address: str, now: Callable[[], datetime], name: str = "") -> None:
        self.address = address
        self.name = name or address
        self.id = str(uuid.uuid5(uuid.NAMESPACE_DNS, address))
        self.now = now
        self.lock = threading.RLock()
        self.folders: dict[str, Folder] = {}
        self.messages: dict[str, Message] = {}
        self.log: list[Entry] = []
        self.sequence = 0
        self.aba_defect = True
        self.proxies: list[str] = []
        self.listeners: list[Callable[[str, str, str], None]] = []
        root = self._folder(WELL_KNOWN["msgfolderroot"], "", "msgfolderroot")
        for well_known, shown in list(WELL_KNOWN.items())[1:]:
            self._folder(shown, root.id, well_known)

    def _folder(self, name: str, parent: str, well_known: str = "") -> Folder:
        folder = Folder(make_id("AAMkADfld"), name, parent, well_known)
        self.folders[folder.id] = folder
        return folder

    def create_folder(self, name: str, parent: str = "msgfolderroot") -> Folder:
        """A new folder below a folder named by id, well-known name or display name."""
        with self.lock:
            return self._folder(name, self.folder(parent).id)

    def folder(self, key: str) -> Folder:
        """A folder by id, well-known name (any case) or display name. Raises KeyError."""
        if key in self.folders:
            return self.folders[key]
        for folder in self.folders.values():
            if folder.well_known == key.casefold() and folder.well_known:
                return folder
        for folder in self.folders.values():
            if folder.name == key:
                return folder
        raise KeyError(key)

    def message(self, key: str) -> Message:
        """A message by either id or its Message-ID. Raises KeyError."""
        if key in self.messages:
            return self.messages[key]
        for message in self.messages.values():
            if message.ordinary_id == key or message.properties.get("internetMessageId") == key:
                return message
        raise KeyError(key)

    def _note(self, folder: str, message: str, kind: str) -> None:
        self.sequence += 1
        self.log.append(Entry(self.sequence, folder, message, kind, self.now()))
        change = {"there": "created", "flags": "updated", "gone": "deleted"}[kind]
        for listener in list(self.listeners):
            listener(f"messages/{message}", folder, change)

    def add(
        self, folder: str, properties: Mapping[str, Any], attachments: list[dict[str, Any]] | None = None
    ) -> Message:
        """Put a message (Graph properties) into a folder."""
        with self.lock:
            place = self.folder(folder)
            now = self.now()
            held = {**_defaults(self, now), **properties}
            message = Message(make_id(), place.id, held, attachments or [], {place.id}, now)
            message.properties["hasAttachments"] = any(not a["isInline"] for a in message.attachments)
            self.messages[message.id] = message
            place.messages.add(message.id)
            self._note(place.id, message.id, "there")
            return message

    def deliver(self, folder: str, data: bytes, received: datetime | None = None) -> Message:
        """Put a mail (RFC 5322 bytes) into a folder."""
        properties, attachments = from_mime(data, received or self.now())
        if self.folder(folder).well_known == "sentitems":
            properties.pop("internetMessageHeaders", None)
        return self.add(folder, properties, attachments)

    def move(self, key: str, folder: str) -> Message:
        """Move a message. With the known defect, coming back to a folder it has been in is not announced there."""
        with self.lock:
            message, place = self.message(key), self.folder(folder)
            self.folders[message.folder].messages.discard(message.id)
            self._note(message.folder, message.id, "gone")
            message.folder = place.id
            place.messages.add(message.id)
            if not (self.aba_defect and place.id in message.been):
                self._note(place.id, message.id, "there")
            message.been.add(place.id)
            return message

    def delete(self, key: str) -> None:
        """Delete a message for good."""
        with self.lock:
            message = self.message(key)
            self.folders[message.folder].messages.discard(message.id)
            del self.messages[message.id]
            self._note(message.folder, message.id, "gone")

    def update(self, key: str, **properties: Any) -> Message:
        """Change properties of a message."""
        with self.lock:
            message = self.message(key)
            message.properties.update(properties, lastModifiedDateTime=stamp(self.now()))
            message.properties["changeKey"] = make_id("CQ")
            only_flags = set(properties) <= {"isRead", "flag", "categories"}
            self._note(message.folder, message.id, "flags" if only_flags else "there")
            return message

    def render(self, message: Message, *, immutable: bool) -> dict[str, Any]:
        """All properties of a message as Graph shows them, without ``$select``."""
        head = {
            "@odata.etag": f'W/"{message.properties["changeKey"]}"',
            "id": message.id if immutable else message.ordinary_id,
            "parentFolderId": message.folder,
            "createdDateTime": stamp(message.created),
        }
        return {**head, **message.properties}


def _defaults(mailbox: Mailbox, now: datetime) -> dict[str, Any]:
    me = {"emailAddress": {"name": mailbox.name, "address": mailbox.address}}
    return {
        "lastModifiedDateTime": stamp(now),
        "changeKey": make_id("CQ"),
        "categories": [],
        "receivedDateTime": stamp(now),
        "sentDateTime": stamp(now),
        "hasAttachments": False,
        "internetMessageId": f"<{uuid.uuid4()}@model.example>",
        "subject": "",
        "bodyPreview": "",
        "importance": "normal",
        "conversationId": make_id("AAQk"),
        "isRead": False,
        "isDraft": False,
        "inferenceClassification": "focused",
        "body": {"contentType": "html", "content": "<html><body></body></html>"},
        "sender": me,
        "from": me,
        "toRecipients": [],
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
    }


def from_mime(data: bytes, received: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Graph properties and attachments of a mail, as Exchange would show them on delivery."""
    mail: EmailMessage = email.message_from_bytes(data, policy=email.policy.default)  # type: ignore[assignment]
    body = mail.get_body(("html", "plain"))
    kind = "html" if body is not None and body.get_content_type() == "text/html" else "text"
    content = body.get_content() if body is not None else ""
    sender = (_people(mail, "From") or [{"emailAddress": {"name": "", "address": ""}}])[0]
    try:
        sent = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        sent = received
    references = str(mail.get("References") or mail.get("In-Reply-To") or mail.get("Message-ID") or uuid.uuid4())
    thread = hashlib.sha256(references.split()[0].encode()).digest()[:18]
    properties = {
        "receivedDateTime": stamp(received),
        "sentDateTime": stamp(sent if sent.tzinfo else sent.replace(tzinfo=UTC)),
        "subject": str(mail.get("Subject") or ""),
        "from": sender,
        "sender": (_people(mail, "Sender") or [sender])[0],
        "toRecipients": _people(mail, "To"),
        "ccRecipients": _people(mail, "Cc"),
        "bccRecipients": _people(mail, "Bcc"),
        "replyTo": _people(mail, "Reply-To"),
        "body": {"contentType": kind, "content": content},
        "bodyPreview": content[:200],
        "conversationId": "AAQk" + base64.urlsafe_b64encode(thread).decode(),
        "internetMessageHeaders": [{"name": str(k), "value": str(v)} for k, v in mail.raw_items()],
    }
    if mail["Message-ID"]:
        properties["internetMessageId"] = str(mail["Message-ID"]).strip()
    return properties, [_attachment(part) for part in mail.iter_attachments()]


def _people(mail: EmailMessage, header: str) -> list[dict[str, Any]]:
    held = getaddresses([str(value) for value in mail.get_all(header, [])])
    return [{"emailAddress": {"name": name or address, "address": address}} for name, address in held if address]


def _attachment(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True) or b""
    if not isinstance(content, bytes):
        content = b""
    return attachment(
        part.get_filename() or "untitled",
        part.get_content_type(),
        content,
        inline="inline" in part.get("Content-Disposition", ""),
        content_id=part.get("Content-ID"),
    )


def attachment(
    name: str, content_type: str, content: bytes, *, inline: bool = False, content_id: str | None = None
) -> dict[str, Any]:
    """A file attachment with its bytes."""
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "id": make_id("AAMkATT"),
        "lastModifiedDateTime": stamp(datetime(2026, 1, 1, tzinfo=UTC)),
        "name": name,
        "contentType": content_type,
        "size": len(content),
        "isInline": inline,
        "contentId": content_id,
        "contentLocation": None,
        "contentBytes": base64.b64encode(content).decode(),
    }


def ticking(start: datetime) -> Callable[[], datetime]:
    """A clock that advances a second a call, so that deliveries have an order."""
    ticks = itertools.count()
    return lambda: start + timedelta(seconds=next(ticks))
