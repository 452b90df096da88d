"""One connected Google account: the mailbox and the calendars, behind the one protocol of all connectors.

Sorts calls to the Gmail or the Calendar part and knows what was consented to. A person without Gmail still has a
calendar, and the other way round: what is not allowed is left out of the streams and remembered, with its reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from connectors.errors import BadItem, ConnectorError, NeedsPerson, OperatorFault, StreamGone
from connectors.google import cursors, endpoints, renames
from connectors.google.calendar import Calendars
from connectors.google.calls import Calls
from connectors.google.gmail import STREAM, Mailbox, bounded
from connectors.google.history import History
from connectors.google.http import Transport
from connectors.google.listing import CUT, Listing
from connectors.google.session import Session
from connectors.protocol import Context
from connectors.types import Batch, Change, Cursor, Stream, StreamKind

GMAIL_RIGHTS = ("https://mail.google.com/", "auth/gmail.")
CALENDAR_RIGHTS = ("auth/calendar",)
REFUSED = "calendar_refused"
VERIFIED = "verified_token"


class GoogleConnector:
    """Implements Connector, Counts, Fetches and Downloads. Not thread-safe."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.usage = context.usage
        self.session = Session(context)
        self._verified = ""
        self.transport = Transport(context.settings, self.session.token)
        self._address = str(context.config.get("address") or self.session.subject or "").lower()
        self.calls = Calls(context, self.transport, lambda: self._address)
        self.mailbox = Mailbox(self.calls, endpoints.service(context.settings, "gmail", self.transport))
        self.calendars = Calendars(self.calls, endpoints.service(context.settings, "calendar", self.transport))

    def address(self) -> str:
        """The account's address as Google has it: one Gmail unit, or one calendar request where only calendars were
        granted. Raises ConnectorError."""
        if self._may(GMAIL_RIGHTS):
            return str(self.mailbox.profile().get("emailAddress") or "")
        return self.calendars.owner()

    def own_addresses(self) -> Collection[str]:
        """The addresses this person sends from, as far as they are proven theirs. One unit; nothing without Gmail."""
        return self.mailbox.send_as() if self._may(GMAIL_RIGHTS) else ()

    def streams(self) -> Iterator[Stream]:
        """The mailbox, where mail was consented to, and every calendar of the person's list."""
        if self._may(GMAIL_RIGHTS):
            self._verify()
            yield STREAM
        if not self._may(CALENDAR_RIGHTS):
            return
        try:
            yield from self.calendars.streams()
        except (StreamGone, OperatorFault, NeedsPerson) as error:
            if isinstance(error, NeedsPerson) and error.code != "scopes":
                raise
            if not self._may(GMAIL_RIGHTS):
                raise
            self._refused(error)
        else:
            if self.context.memory.get(REFUSED):
                self.context.remember(REFUSED, "")

    def _verify(self) -> None:
        """Make sure once, for every new refresh token, that it is this person's. One unit, then remembered.

        Raises NeedsPerson when someone signed in to Google as another person than the account's."""
        expected = str(self.context.config.get("address") or "")
        mark = self.session.mark()
        before = self._verified or str(self.context.memory.get(VERIFIED) or "")
        if not expected or not mark or mark == before:
            return
        if before in self.session.marks:  # Google put this token in the place of one that was verified
            self._remember_verified(mark)
            return
        found = self.address()
        if found and plain(found) != plain(expected):
            says = f"You signed in to Google as {found}, but this account is {expected}: connect as {expected}."
            raise NeedsPerson(says, code="wrong_user")
        self._remember_verified(mark)

    def _remember_verified(self, mark: str) -> None:
        self._verified = mark
        self.context.remember(VERIFIED, mark)

    def _refused(self, error: ConnectorError) -> None:
        """Mail goes on without the calendars; the reason is remembered for the account's page."""
        if self.context.memory.get(REFUSED) != str(error):
            self.context.remember(REFUSED, str(error))

    def _may(self, rights: tuple[str, ...]) -> bool:
        scopes = self.session.scopes
        return scopes is None or any(right in scope for right in rights for scope in scopes)

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """Per the protocol; mail and calendars have cursors of different make."""
        if stream.kind is StreamKind.CALENDAR:
            yield from self.calendars.changes(stream, since, oldest)
            return
        if stream.id != STREAM.id:
            raise StreamGone("Gmail has one stream, the whole mailbox.", permanent=True, code="no_stream")
        position = cursors.read(since) if since is not None else None
        if position is None or position.listing:
            yield from Listing(self.mailbox, oldest).run(position)
        else:
            yield from self._since(position, oldest)

    def _since(self, position: cursors.Position, oldest: datetime | None) -> Iterator[Batch]:
        history = History(self.mailbox)
        for reading in history.stretches(position.history):
            changes: list[Change] = []
            for change in history.changes(reading):
                if len(changes) == CUT:
                    yield Batch(tuple(changes))
                    changes = []
                changes.append(bounded(change, oldest))
            if changes or reading.until != position.history:
                position = position.moved(history=reading.until)
                yield Batch(tuple(changes), position.text())
        renamed = list(renames.changes(self.mailbox))
        for start in range(0, len(renamed), CUT):
            yield Batch(tuple(renamed[start : start + CUT]))

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """All ids that owe a ledger row, in pages."""
        yield from self.calendars.ids(stream) if stream.kind is StreamKind.CALENDAR else self.mailbox.ids()

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """Items again by id."""
        if stream.kind is StreamKind.CALENDAR:
            yield from self.calendars.fetch(stream, remote_ids)
            return
        wanted = list(dict.fromkeys(remote_ids))
        for start in range(0, len(wanted), CUT):
            yield Batch(tuple(self.mailbox.get(wanted[start : start + CUT])))

    def download(self, stream: Stream, remote_id: str, part: str, limit: int) -> bytes:
        """An attachment's bytes. Raises BadItem when it is gone or larger than ``limit``."""
        if stream.kind is StreamKind.CALENDAR:
            raise BadItem("Events have no attachments here.", remote_id=remote_id, code="no_part")
        return self.mailbox.download(remote_id, part, limit)

    def close(self) -> None:
        """Give the connections back."""
        self.transport.close()
        self.session.close()


def plain(address: str) -> str:
    """An address as Google tells people apart: case, dots and the old domain name do not matter at Gmail."""
    name, _, host = address.strip().lower().rpartition("@")
    host = "gmail.com" if host == "googlemail.com" else host
    return f"{name.replace('.', '') if host == 'gmail.com' else name}@{host}"
