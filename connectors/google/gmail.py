"""The Gmail mailbox as a stream: a resumable listing first, the history afterwards; each mail is fetched once.

Algorithm: providers.md 2.2. The history id is read before the listing; the newest mails come before all else; drafts,
spam and trash are found by listing their label, which costs five units for 500 instead of twenty each; chats are left
out. Read-only. Sources: Gmail API reference and the sync guide (developers.google.com/workspace/gmail/api/guides/sync).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connectors.errors import BadItem, ConnectorError, CursorExpired, StreamGone
from connectors.google import endpoints, labels, payload
from connectors.google.batch import Batches
from connectors.google.calls import Calls
from connectors.google.failures import Refusal, error_of
from connectors.types import Change, Failed, Removed, Stream, StreamKind, StreamRole, Upsert

STREAM = Stream("mailbox", "mailbox", StreamKind.MAIL, StreamRole.ALL)
FIELDS = "id,threadId,labelIds,historyId,internalDate,sizeEstimate,payload"
PAGE = 500


class Mailbox:
    """One person's Gmail. ``service`` is the client of google-api-python-client, without credentials."""

    def __init__(self, calls: Calls, service: Any) -> None:
        self.calls = calls
        self.context = calls.context
        self.users = service.users()
        self.messages = self.users.messages()  # the client builds a resource anew, at 3 ms, each time it is asked for
        self.attachments = self.messages.attachments()
        self.batches = Batches(calls, endpoints.batch_url(calls.context.settings))
        self.names: dict[str, str] = {}

    def profile(self) -> dict[str, Any]:
        """``emailAddress``, ``messagesTotal``, ``historyId``. One unit."""
        return self.calls.gmail("getProfile", self.users.getProfile(userId="me"))

    def send_as(self) -> list[str]:
        """Addresses that mail of this mailbox may come from; one that waits for its owner's proof is left out. One
        unit."""
        name = "settings.sendAs.list"
        request = self.users.settings().sendAs().list(userId="me")
        answer = self.calls.once(request, error_of, lambda: self.calls.pay(name))  # a courtesy: not worth a second try
        found = [entry for entry in answer.get("sendAs") or () if isinstance(entry, dict)]
        proven = [
            one for one in found if one.get("isPrimary") or one.get("verificationStatus", "accepted") == "accepted"
        ]
        return [str(one["sendAsEmail"]) for one in proven if one.get("sendAsEmail")]

    def load_labels(self) -> None:
        """Learn the names of all labels. One unit. Where they are not to be had, ids stand for names: no mail waits for
        that."""
        try:
            answer = self.calls.gmail("labels.list", self.users.labels().list(userId="me"))
        except (StreamGone, BadItem):
            answer = {}
        found = [entry for entry in answer.get("labels") or () if isinstance(entry, dict) and entry.get("id")]
        self.names = {str(entry["id"]): str(entry.get("name") or entry["id"]) for entry in found}

    def names_for(self, label_ids: Collection[str]) -> tuple[str, ...]:
        """Names of labels. The list is asked for when it was not yet, and once more for a label made since."""
        strange = [label for label in label_ids if label not in self.names]
        if strange:
            self.load_labels()
            self.names = {label: label for label in strange} | self.names
        return labels.names_of(label_ids, self.names)

    def page(
        self, token: str, *, size: int = 0, label: str = "", query: str = "", everything: bool = False
    ) -> tuple[list[str], str]:
        """One page of message ids, newest first, and the token of the next ("" at the end). Five units.

        Raises CursorExpired (code "page_token") when the page token is refused."""
        given: dict[str, Any] = {"userId": "me", "maxResults": size or PAGE, "fields": "messages/id,nextPageToken"}
        given |= {"pageToken": token} if token else {}
        given |= {"labelIds": [label]} if label else {}
        given |= {"q": query} if query else {}
        given |= {"includeSpamTrash": True} if everything else {}

        def translate(found: Refusal) -> ConnectorError:
            if token and found.status in (400, 404, 410):
                return CursorExpired("The place in the listing is no longer known to Gmail.", code="page_token")
            return error_of(found)

        answer = self.calls.gmail("messages.list", self.messages.list(**given), translate)
        entries = [entry for entry in answer.get("messages") or () if isinstance(entry, dict)]
        ids = [str(entry["id"]) for entry in entries if entry.get("id")]
        return list(dict.fromkeys(ids)), str(answer.get("nextPageToken") or "")

    def all_ids(self, *, label: str = "", query: str = "", everything: bool = False) -> Iterator[list[str]]:
        """Every id of a listing, page by page."""
        token = ""
        while True:
            ids, token = self.page(token, label=label, query=query, everything=everything)
            yield ids
            if not token:
                return

    def ids_with(self, label: str) -> set[str]:
        """The ids that carry a system label; none where the mailbox has no such label."""
        try:
            return {one for ids in self.all_ids(label=label) for one in ids}
        except BadItem:
            return set()

    def carried(self) -> dict[str, list[str]]:
        """The label ids of every visible mail, learnt by listing each label (five units for 500), not by gets."""
        found: dict[str, list[str]] = {}
        for label in sorted(set(self.names) - {labels.CHAT, *labels.INVISIBLE}):
            for one in self.ids_with(label):
                found.setdefault(one, []).append(label)
        return found

    def chats(self) -> set[str]:
        """Ids of chats, which are no mails; asked for only where the mailbox has that label."""
        return self.ids_with(labels.CHAT) if labels.CHAT in self.names else set()

    def ids(self) -> Iterator[Collection[str]]:
        """Every id that owes a ledger row: spam, trash and drafts included, chats not."""
        self.load_labels()
        chats = self.chats()
        for ids in self.all_ids(everything=True):
            yield [one for one in ids if one not in chats]

    def get(self, ids: Sequence[str]) -> Iterator[Change]:
        """Fetch mails in full. Gone ones come as Removed, unreadable ones as Failed. Twenty units each."""

        def build(one: str) -> Any:
            return self.messages.get(userId="me", id=one, format="full", fields=FIELDS)

        for answer in self.batches.run("messages.get", ids, build):
            if isinstance(answer.error, StreamGone) and answer.error.permanent:
                yield Removed(answer.key, "gone")
            elif answer.error is not None:
                yield Failed(answer.key, str(answer.error), answer.error.code)
            elif answer.found is not None and labels.CHAT not in label_ids(answer.found):
                yield self.upsert(answer.key, answer.found)

    def upsert(self, remote_id: str, found: dict[str, Any]) -> Change:
        """One fetched mail as a change."""
        try:
            raw = None if labels.skip_of(label_ids(found)) else self._raw(remote_id, found)
            return self.described(remote_id, found, raw)
        except BadItem as error:
            return Failed(remote_id, str(error), error.code)

    def described(self, remote_id: str, found: dict[str, Any], raw: Any = None) -> Upsert:
        """A mail's labels, thread and date around ``raw``; with a reason and no content where labels hide it."""
        carried = label_ids(found)
        return Upsert(
            remote_id,
            raw,
            flags=labels.flags_of(carried),
            labels=self.names_for(carried),
            content_id=remote_id,
            thread_id=str(found.get("threadId") or ""),
            received_at=received_at(found),
            size=payload.as_int(found.get("sizeEstimate")),
            skip=labels.skip_of(carried),
        )

    def _raw(self, remote_id: str, found: dict[str, Any]) -> Any:
        tree = found.get("payload")
        if not isinstance(tree, dict):
            raise BadItem("Gmail delivered this mail without its content.", remote_id=remote_id)
        bodies = {leaf.path: self.attachment(remote_id, leaf.attachment_id) for leaf in payload.missing(tree)}
        return payload.raw_message(tree, bodies)

    def attachment(self, remote_id: str, attachment_id: str) -> bytes:
        """The decoded bytes of one attachment. Twenty units. Raises BadItem when Gmail has it no more."""
        request = self.attachments.get(userId="me", messageId=remote_id, id=attachment_id)
        try:
            answer = self.calls.gmail("messages.attachments.get", request)
        except StreamGone as error:
            raise BadItem("Gmail no longer has this part of the mail.", remote_id=remote_id, code="gone") from error
        return payload.decode(answer.get("data"))

    def download(self, remote_id: str, part: str, limit: int) -> bytes:
        """An attachment's bytes by its part path. Forty units, because attachment ids change with every get.

        Raises BadItem when it is gone or larger than ``limit``."""
        request = self.messages.get(userId="me", id=remote_id, format="full", fields="payload")
        try:
            tree = self.calls.gmail("messages.get", request).get("payload")
        except StreamGone as error:
            raise BadItem("The mail is no longer at Gmail.", remote_id=remote_id, code="gone") from error
        found = next((leaf for leaf in payload.leaves(tree or {}) if leaf.path == part), None)
        if found is None:
            raise BadItem("The mail has no such attachment.", remote_id=remote_id, code="no_part")
        if found.size > limit:
            raise BadItem("The attachment is larger than allowed.", remote_id=remote_id, code="too_large")
        data = found.data or (self.attachment(remote_id, found.attachment_id) if found.attachment_id else b"")
        if len(data) > limit:
            raise BadItem("The attachment is larger than allowed.", remote_id=remote_id, code="too_large")
        return data


def bounded(change: Change, oldest: datetime | None) -> Change:
    """A fetched mail older than the window keeps its row and gives up its content."""
    if isinstance(change, Upsert) and oldest and change.received_at and change.received_at < oldest and not change.skip:
        return replace(change, raw=None, skip="too_old")
    return change


def label_ids(found: dict[str, Any]) -> list[str]:
    """The label ids that came with a message."""
    given = found.get("labelIds")
    return [str(label) for label in given] if isinstance(given, list) else []


def received_at(found: dict[str, Any]) -> datetime | None:
    """``internalDate`` (epoch milliseconds as text) in UTC."""
    millis = payload.as_int(found.get("internalDate"))
    try:
        return datetime.fromtimestamp(millis / 1000, UTC) if millis else None
    except (OverflowError, ValueError, OSError):
        return None
