"""What a connector is. A provider is one module under ``connectors/providers`` that exposes ``PROVIDER``.

Delivery is at least once: a batch may come again after a crash, in the same or another cut, and every
consumer keys by ``remote_id``. The start cursor is read before the listing starts, so nothing that
arrives meanwhile is missed. A connector only reads: there is no method here that changes the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from connectors.types import Batch, Cursor, Stream, Upsert


@dataclass(slots=True)
class Usage:
    """Counts what a connector spent, exactly: ``requests`` are commands or HTTP requests, ``units`` quota units."""

    requests: int = 0
    units: int = 0
    bytes_in: int = 0
    connections: int = 0
    by_name: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, units: int = 0) -> None:
        """Add one request called ``name`` (e.g. "UID FETCH", "messages.get")."""
        self.requests += 1
        self.units += units
        self.by_name[name] = self.by_name.get(name, 0) + 1


def nothing_known(stream: str, remote_ids: Collection[str]) -> Collection[str]:
    """The default of ``Context.known``: no item of this stream is stored yet."""
    return ()


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector is given besides its configuration.

    ``now`` is the only clock (UTC). ``sleep`` waits (seconds). ``save_secret`` stores a rotated secret before it is
    used, returning False when another process was first (re-read ``secret`` then). ``acquire`` takes ``units`` from a
    shared token bucket named by key and waits if it must. ``remember`` keeps small per-account facts (disabled
    extensions, tested tiers) between runs; ``memory`` holds them. ``known(stream_id, remote_ids)`` answers which of
    the ids are stored already, so that a relisting pays for none twice."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    config: Mapping[str, Any]
    secret: Callable[[], str]
    save_secret: Callable[[str], bool]
    acquire: Callable[[str, int], None]
    memory: Mapping[str, Any]
    remember: Callable[[str, Any], None]
    settings: Mapping[str, Any]
    usage: Usage = field(default_factory=Usage)
    known: Callable[[str, Collection[str]], Collection[str]] = nothing_known


class Connector(Protocol):
    """One connected account. Not thread-safe; one worker uses it at a time and closes it."""

    usage: Usage

    def streams(self) -> Iterable[Stream]:
        """All folders and calendars that can hold items, switched on or not. Raises ConnectorError."""
        ...

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """Yield what changed since the cursor, newest first on a first listing (``since`` None).

        ``oldest`` bounds the window by received date: older items come as ``Upsert(skip="too_old")`` with no content.
        Content is fetched lazily while iterating. Stops when level. The generator may be abandoned at any point.
        Raises CursorExpired, TryLater, NeedsPerson, OperatorFault, StreamGone.
        """
        ...

    def close(self) -> None:
        """Give connections back. Never raises."""
        ...


@runtime_checkable
class Counts(Protocol):
    """Can list every id of a stream cheaply: for the coverage audit and for folders that are switched off."""

    def ids(self, stream: Stream) -> Iterator[Collection[str]]: ...


@runtime_checkable
class Fetches(Protocol):
    """Can fetch items by remote id again: quarantine retries, requeued gaps, "import anyway"."""

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]: ...


@runtime_checkable
class Downloads(Protocol):
    """Can bring an attachment's decoded bytes on demand, at most ``limit`` bytes."""

    def download(self, stream: Stream, remote_id: str, part: str, limit: int) -> bytes: ...


@runtime_checkable
class Watches(Protocol):
    """Can wait for a hint that something changed. A hint only: a sync must always find everything itself."""

    def wait(self, stream: Stream, timeout: float) -> bool: ...


@runtime_checkable
class OwnAddresses(Protocol):
    """Can tell further addresses of the same person, as the provider has them. One cheap request."""

    def own_addresses(self) -> Collection[str]: ...


class Provider(Protocol):
    """What a provider module exposes as ``PROVIDER``."""

    name: str
    title: str
    quota_hint: str

    def open(self, context: Context) -> Connector:
        """Connect and sign in, or raise ConnectorError. All waits are bounded."""
        ...


__all__ = ["Batch", "Connector", "Context", "Counts", "Downloads", "Fetches", "Provider", "Upsert", "Usage", "Watches"]
