"""One pass over a folder: what changed since the position, then what is left of the first listing.

New mail does not wait for the end of a long listing: every few batches, and at the end, the pass looks whether the
server has told of more messages, and fetches those first. Makes no judgement of its own beyond that order.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

from connectors.imap import incremental, listing
from connectors.imap.cursor import Position
from connectors.imap.fetch import Wanted
from connectors.imap.session import Opened, Session
from connectors.types import Batch

BATCHES_BETWEEN_LOOKS = 20


class Pass:
    """``name`` is the folder's name on the wire; ``position`` None starts a first listing."""

    def __init__(self, session: Session, name: bytes, wanted: Wanted, position: Position | None) -> None:
        self._session = session
        self._name = name
        self._wanted = wanted
        self._position = position

    def run(self) -> Iterator[Batch]:
        """Yield batches until level. Raises ConnectorError."""
        if self._position is None:
            opened = self._session.examine(self._name)
            position = listing.start(opened, self._session.tier)
        else:
            opened, position = yield from self._catch_up(self._position)
        while not position.complete and not position.empty_since:
            position = yield from self._list(opened, position)
            if self._session.grown:
                opened, position = yield from self._catch_up(position)

    def _catch_up(self, position: Position) -> Generator[Batch, None, tuple[Opened, Position]]:
        opened = self._session.examine(self._name, position)
        incremental.check(position, opened)
        run = incremental.Incremental(self._session, self._of(opened), position, opened)
        yield from run.run()
        return opened, run.position

    def _list(self, opened: Opened, position: Position) -> Generator[Batch, None, Position]:
        """Go on with the listing; returns early when new mail has arrived."""
        run = listing.Listing(self._session, self._of(opened), position, opened.exists)
        for count, batch in enumerate(run.run(), 1):
            yield batch
            if count % BATCHES_BETWEEN_LOOKS == 0 and self._session.grown:
                break
        return run.position

    def _of(self, opened: Opened) -> Wanted:
        return replace(self._wanted, prefix=f"{opened.uidvalidity}:")
