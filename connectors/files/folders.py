"""Containers with a file per mail: a Maildir, and any folder of .eml files.

An item is its file; the cursor knows each file with its signature, so a second look costs one listing. Maildir names
carry the flags behind a colon (https://cr.yp.to/proto/maildir.html), or behind what a Windows copy made of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.errors import BadItem
from connectors.files import mails
from connectors.files.batches import batches, packed, unpacked
from connectors.files.mbox import MAX_MESSAGE
from connectors.files.sources import Source
from connectors.types import Batch, Change, Cursor, Failed, Removed, Stream, Upsert

_INFO: Final = re.compile(r"[:;!_,]2,([A-Za-z]*)$")
_LETTERS: Final = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "T": "\\Deleted", "D": "\\Draft"}


@dataclass(frozen=True, slots=True)
class Item:
    """A file that should be a mail. ``problem`` is set for one that is known not to be."""

    key: str
    source: Source
    flags: frozenset[str] = frozenset()
    problem: BadItem | None = None

    def state(self, *, by_name: bool) -> str:
        """What changes when the item does; in a Maildir files never change, their names do."""
        return "".join(sorted(self.flags)) if by_name else self.source.signature


class Folder:
    """One stream of single files."""

    def __init__(self, stream: Stream, items: Iterable[Item], *, maildir: bool = False) -> None:
        self.stream = stream
        self._maildir = maildir
        self._items = {item.key: item for item in items}

    def changes(self, since: Cursor | None, oldest: datetime | None) -> Iterator[Batch]:
        """See ``Connector.changes``. Newest first by the files' times."""
        order = sorted(self._items.values(), key=_age, reverse=True)
        now = {item.key: item.state(by_name=self._maildir) for item in order}
        cursor = packed({"files": now})
        if since is None:
            found: Iterator[Change] = (self._change(item, oldest) for item in order)
            yield from batches(found, cursor, len(order), listing=True)
            return
        then = unpacked(since).get("files", {})
        if then != now:
            yield from batches(self._later(order, then, now, oldest), cursor, len(order), listing=False)

    def _later(
        self, order: list[Item], then: dict[str, str], now: dict[str, str], oldest: datetime | None
    ) -> Iterator[Change]:
        for item in order:
            if item.key not in then or (not self._maildir and then[item.key] != now[item.key]):
                yield self._change(item, oldest)
            elif then[item.key] != now[item.key]:
                yield Upsert(item.key, flags=item.flags)
        for key in then:
            if key not in now:
                yield Removed(key, "gone")

    def ids(self) -> Iterator[Collection[str]]:
        """All remote ids, in one collection."""
        yield list(self._items)

    def fetch(self, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The items named; what is gone comes as Removed."""
        found: Iterator[Change] = (
            self._change(self._items[key], None) if key in self._items else Removed(key, "gone") for key in remote_ids
        )
        return batches(found, None, len(self._items), listing=False)

    def _change(self, item: Item, oldest: datetime | None) -> Change:
        try:
            if item.problem is not None:
                raise item.problem
            source = _content(item.source)
            return mails.judged(mails.upsert(item.key, source, flags=item.flags), oldest)
        except BadItem as problem:
            return Failed(item.key, str(problem), problem.code)


def _age(item: Item) -> tuple[float, str]:
    return item.source.modified, item.key


def _content(source: Source) -> bytes:
    if source.size > MAX_MESSAGE:
        raise BadItem(f"The mail is larger than {MAX_MESSAGE // 1_000_000} MB.", code="too_large")
    with source.open() as handle:
        content = handle.read(MAX_MESSAGE)
    return _apple(content) if source.rel.lower().endswith(".emlx") else content


def _apple(content: bytes) -> bytes:
    """Apple's .emlx: a line with the length, the mail, a property list."""
    match = re.match(rb"\s*(\d{1,10})[ \t]*\r?\n", content)
    return content[match.end() : match.end() + int(match[1])] if match else content


def maildir_item(prefix: str, source: Source) -> Item:
    """The item of a file in ``cur`` or ``new``; its id is the unique part of the name, below the Maildir's id."""
    name = source.rel.rpartition("/")[2]
    match = _INFO.search(name)
    unique = name[: match.start()] if match else name
    flags = frozenset(_LETTERS[letter] for letter in (match[1] if match else "") if letter in _LETTERS)
    return Item(f"{prefix}/{unique}", source, flags)
