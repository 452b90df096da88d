"""Mail and calendars that lie in files: mbox, Maildir, .eml, .ics, folders and zips of them, Google's Takeout.

The source is never changed. Cut, empty, binary and encrypted files are named and counted, and the rest is imported.
The files are looked for when the connector is opened, so one connector sees one state of the folders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from connectors.errors import BadItem, NeedsPerson, StreamGone, TryLater
from connectors.files.discovery import Container, Contents, discover
from connectors.protocol import Context, Usage
from connectors.types import Batch, Cursor, Stream


class ArchiveConnector:
    """The files below the configured paths. Has Counts and Fetches beside the connector's own."""

    def __init__(self, paths: Collection[Path], usage: Usage) -> None:
        self._paths = paths
        self.usage = usage
        self._contents: Contents | None = None

    def streams(self) -> list[Stream]:
        """A stream for each mbox file, Maildir folder, folder of mails, and calendar. Looks at the disk each time."""
        return [container.stream for container in self._look().containers]

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """See ``Connector.changes``. ``oldest`` applies to mail. Raises StreamGone for a file that is no more there,
        CursorExpired for one that was rewritten."""
        return self._guarded(self._container(stream).changes(since, oldest), "changes")

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """All remote ids of a stream, those of items that cannot be read included."""
        return self._container(stream).ids()

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The items named."""
        return self._guarded(self._container(stream).fetch(remote_ids), "fetch")

    def close(self) -> None:
        """Close the zips that were read."""
        if self._contents is not None:
            self._contents.close()
        self._contents = None

    def _look(self) -> Contents:
        self.close()
        self.usage.count("discover")
        try:
            self._contents = discover(self._paths)
        except BadItem as problem:
            raise NeedsPerson(str(problem), code=problem.code) from problem
        return self._contents

    def _container(self, stream: Stream) -> Container:
        contents = self._contents or self._look()
        for container in contents.containers:
            if container.stream.id == stream.id:
                return container
        raise StreamGone(f'"{stream.name}" is no longer in the archive.', permanent=True)

    def _guarded(self, batches: Iterator[Batch], name: str) -> Iterator[Batch]:
        """Count, and turn a disk that fails under way into "try later"."""
        try:
            for batch in batches:
                self.usage.count(name)
                yield batch
        except OSError as error:
            raise TryLater(f"The archive cannot be read now: {error.strerror}.") from error


class ArchiveProvider:
    """Opens ``config["paths"]``: files and folders on the machine the worker runs on."""

    name = "archive"
    title = "Files (mbox, Maildir, .eml, .ics, Takeout)"
    quota_hint = "No limits."

    def open(self, context: Context) -> ArchiveConnector:
        """Raises NeedsPerson when a path is missing."""
        paths = [Path(str(path)) for path in context.config["paths"]]
        for path in paths:
            if not path.exists():
                raise NeedsPerson(f'There is no file or folder "{path}"; correct the path.', code="missing")
        return ArchiveConnector(paths, context.usage)


PROVIDER: Final = ArchiveProvider()
