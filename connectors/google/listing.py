"""A complete, resumable listing of a Gmail mailbox: newest mails first, then page after page, then spam and trash.

Every batch carries a cursor from which the listing goes on after a crash without paying for a mail twice. Mail that
arrives during a long listing is taken from the history in between, before the next old page. Page tokens may expire:
then the pages start again, and what this run did already is passed over.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import datetime

from connectors.errors import CursorExpired, TryLater
from connectors.google import labels, renames
from connectors.google.cursors import Position
from connectors.google.gmail import STREAM, Mailbox, bounded
from connectors.google.history import History
from connectors.google.payload import as_int
from connectors.types import Batch, Change, Upsert

HEAD = 50
"""Mails that come before all else, so that a person sees something at once."""

CUT = 100
"""Changes a batch. Two hundred and fifty are allowed; fewer lose less when a worker dies."""

LIVE_EVERY = 10
"""Pages of old mail between two looks at what is new."""

MAX_RESTARTS = 3

MAIN = "MAIN"
HIDDEN = ("SPAM", "TRASH")


class Listing:
    """One run over a mailbox, from the start or from where an earlier run was cut off."""

    def __init__(self, box: Mailbox, oldest: datetime | None) -> None:
        self.box = box
        self.oldest = oldest
        self.total: int | None = None
        self.done: set[str] = set()
        self.drafts: set[str] = set()
        self.chats: set[str] = set()
        self.recent: set[str] | None = None
        self._carried: dict[str, list[str]] | None = None
        self._stage_now = MAIN

    def run(self, since: Position | None) -> Iterator[Batch]:
        """All batches up to the final one. Raises CursorExpired when the start of the listing is too long ago."""
        position = since or self._begin()
        self._prepare()
        if since is not None:
            position = yield from self._live(position)
        elif not position.after:
            position = yield from self._head(position)
        restarts = 0
        while position.listing:
            try:
                position = yield from self._stage(position)
            except CursorExpired as error:
                restarts += 1
                if error.code != "page_token":
                    raise
                if restarts > MAX_RESTARTS:
                    raise TryLater("Gmail keeps losing the place in its listing.", retry_after=300.0) from error
                position = position.moved(page="", after="", stage=self._stage_now)
        renames.keep(self.box)
        yield Batch((), position.text(), listing=True, final=True, total=self.total)

    def _begin(self) -> Position:
        profile = self.box.profile()
        self.total = as_int(profile.get("messagesTotal")) or None
        return Position(str(profile.get("historyId") or ""), MAIN)

    def _prepare(self) -> None:
        """What a listing must know before it pays for content: labels, drafts, chats, and which mails are recent."""
        self.box.load_labels()
        self.drafts, self.chats = self.box.ids_with("DRAFT"), self.box.chats()
        if self.oldest is not None:
            query = f"after:{int(self.oldest.timestamp()) - 1}"
            self.recent = {one for ids in self.box.all_ids(query=query) for one in ids}

    def _head(self, position: Position) -> Generator[Batch, None, Position]:
        ids, _ = self.box.page("", size=HEAD)
        if ids and self.drafts.issuperset(ids):
            self.drafts = set()  # only drafts, or a service that lists all for any label: look at each
        position = position.moved(after=ids[-1] if ids else "")
        yield self._batch(self._changes(self._left(ids, "")), position)
        return position

    def _live(self, position: Position) -> Generator[Batch, None, Position]:
        """Apply what is new; the position's history moves, its place in the listing does not."""
        history = History(self.box)
        for reading in history.stretches(position.history):
            changes: list[Change] = []
            for change in history.changes(reading):
                changes.append(bounded(change, self.oldest))
                if len(changes) == CUT:
                    yield self._batch(changes, position)
                    changes = []
            position = position.moved(history=reading.until)
            if changes:
                yield self._batch(changes, position)
        return position

    def _stage(self, position: Position) -> Generator[Batch, None, Position]:
        """List one label (or, first, the mailbox) to its end. The answer is the position of the next stage."""
        self._stage_now = position.stage
        pages = 0
        while True:
            ids, token = self._page(position)
            for part in self._cuts(self._left(ids, position.after)):
                changes = self._hidden(part, position.stage) if position.stage in HIDDEN else self._changes(part)
                position = position.moved(after=part[-1])
                yield self._batch(changes, position)
            if not token:
                return position.moved(stage=self._next(position.stage), page="", after="")
            position = position.moved(page=token, after="")
            pages += 1
            if pages % LIVE_EVERY == 0:
                position = yield from self._live(position)

    def _page(self, position: Position) -> tuple[list[str], str]:
        if position.stage not in HIDDEN:
            return self.box.page(position.page)
        return self.box.page(position.page, label=position.stage, everything=True)

    @staticmethod
    def _next(stage: str) -> str:
        order = (MAIN, *HIDDEN, "")
        return order[order.index(stage) + 1] if stage in order else ""

    def _left(self, ids: list[str], after: str) -> list[str]:
        """The ids of a page that are still to do: those behind ``after``. What came in before it is in the history."""
        rest = ids[ids.index(after) + 1 :] if after in ids else ids
        return [one for one in rest if one not in self.done and one not in self.chats]

    @staticmethod
    def _cuts(ids: Sequence[str]) -> list[Sequence[str]]:
        return [ids[start : start + CUT] for start in range(0, len(ids), CUT)]

    def _changes(self, ids: Sequence[str]) -> list[Change]:
        """Content for what is new and recent; labels for what is stored; a reason for the rest."""
        known = set(self.box.context.known(STREAM.id, ids))
        skipped: list[Change] = [Upsert(one, skip="draft", content_id=one) for one in ids if one in self.drafts]
        if self.recent is not None:
            old = [one for one in ids if one not in self.recent | self.drafts | known]
            skipped += [Upsert(one, skip="too_old", content_id=one) for one in old]
        rows = {change.remote_id for change in skipped}
        stored = [self._stored(one) for one in ids if one in known and one not in rows]
        fetched = [
            bounded(change, self.oldest)
            for change in self.box.get([one for one in ids if one not in known and one not in rows])
        ]
        return [*skipped, *stored, *fetched]

    def _stored(self, remote_id: str) -> Change:
        """A mail that is in the log: its labels of now, learnt by listing each label once, not by a get."""
        if self._carried is None:
            self._carried = self.box.carried()
        return self.box.described(remote_id, {"labelIds": self._carried.get(remote_id, [])})

    def _hidden(self, ids: Sequence[str], label: str) -> list[Change]:
        """Rows for spam or trash: ids, and why they are not read."""
        return [Upsert(one, skip=labels.SKIPS[label], content_id=one, labels=(label,)) for one in ids]

    def _batch(self, changes: Sequence[Change], position: Position) -> Batch:
        self.done.update(change.remote_id for change in changes)
        return Batch(tuple(changes), position.text(), listing=True, total=self.total)
