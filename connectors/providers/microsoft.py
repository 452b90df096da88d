"""Microsoft 365: mail and calendars of one mailbox through Graph. The parts lie in ``connectors.microsoft``.

Configuration of an account: ``address`` (the mailbox), ``app_only`` (true: the application's own secret opens the
mailbox by its address, no refresh token is held). Never writes to the mailbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.microsoft import folders, mail, oauth
from connectors.microsoft.calendar import Calendar
from connectors.microsoft.graph import Graph, segment
from connectors.microsoft.identity import Identity
from connectors.microsoft.moves import Moves
from connectors.protocol import Connector, Context
from connectors.types import Batch, Cursor, Stream, StreamKind


class MicrosoftMailbox:
    """One connected mailbox. Implements Connector, Counts, Fetches and Downloads."""

    def __init__(self, context: Context) -> None:
        context = _remembering(context)
        address = str(context.config.get("address") or "")
        app_only = bool(context.config.get("app_only"))
        self.usage = context.usage
        self._context = context
        self._identity = Identity(context, app_only=app_only)
        root = f"/users/{segment(address)}" if app_only else "/me"
        self._root, self._address = root, address
        self._graph = Graph(context, self._identity, mailbox=address or "me", root=root)
        self._moves = Moves(context)
        self._counts: dict[str, int | None] = {}

    def sign_in(self) -> None:
        """Have a valid access token. Raises NeedsPerson, OperatorFault, TryLater."""
        self._identity.token()
        self.usage.connections += 1

    def own_addresses(self) -> Collection[str]:
        """Further addresses of the mailbox (its proxy addresses), as far as the directory tells them. One request."""
        found = oauth.of_mailbox(self._graph, self._root, self._address)
        return (found.address, *found.aliases)

    def streams(self) -> Iterator[Stream]:
        """Mail folders, then calendars."""
        for stream in folders.streams(self._graph):
            self._counts[stream.id] = stream.count
            yield stream

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """See ``connectors.protocol.Connector.changes``."""
        if stream.kind is StreamKind.CALENDAR:
            return self._calendar(stream).changes(since, oldest)
        return self._folder(stream).changes(since, oldest)

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """Every remote id of the stream (a calendar: of its window)."""
        return self._calendar(stream).ids() if stream.kind is StreamKind.CALENDAR else self._folder(stream).ids()

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """Items by remote id, with content."""
        if stream.kind is StreamKind.CALENDAR:
            return self._calendar(stream).fetch(remote_ids)
        return self._folder(stream).fetch(remote_ids)

    def download(self, stream: Stream, remote_id: str, part: str, limit: int) -> bytes:
        """An attachment's bytes, at most ``limit``. Raises BadItem when it is larger or gone."""
        del stream  # the id of a message is enough
        return mail.download(self._graph, remote_id, part, limit)

    def close(self) -> None:
        """Give the connections back. Never raises."""
        self._graph.close()

    def _folder(self, stream: Stream) -> mail.Folder:
        return mail.Folder(self._graph, self._context, stream, self._moves, self._counts.get(stream.id))

    def _calendar(self, stream: Stream) -> Calendar:
        return Calendar(self._graph, self._context, stream)


def _remembering(context: Context) -> Context:
    """The context with a memory that shows at once what is remembered: the given one may be a copy of what was known
    when the connector was opened."""
    memory = dict(context.memory)

    def remember(key: str, value: Any) -> None:
        memory[key] = value
        context.remember(key, value)

    return replace(context, memory=memory, remember=remember)


class Microsoft:
    """Opens Microsoft 365 mailboxes."""

    name = "microsoft"
    title = "Microsoft 365"
    quota_hint = "10,000 requests in 10 minutes and 4 at a time for each mailbox"

    def open(self, context: Context) -> Connector:
        """Sign in. Raises NeedsPerson, OperatorFault, TryLater; all waits are bounded."""
        mailbox = MicrosoftMailbox(context)
        mailbox.sign_in()
        return mailbox


PROVIDER = Microsoft()
