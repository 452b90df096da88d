"""Calendars behind CalDAV: iCloud, Fastmail, Nextcloud, Zimbra, Radicale, and the calendar of an IMAP account.

An item is a calendar object resource, named by its href below the calendar. Changes come by sync-collection (RFC 6578)
where the server has it, else by comparing the calendar's ctag and then the etags. Only PROPFIND and REPORT are sent;
there is no way to change anything here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from caldav.collection import Calendar
from caldav.lib import error

from connectors.caldav_client import client, failures
from connectors.caldav_names import holds_events, href, is_gone, parts, quoted, title
from connectors.errors import CursorExpired, NeedsPerson, StreamGone
from connectors.files.batches import packed, unpacked
from connectors.protocol import Context
from connectors.types import (
    Batch,
    Change,
    Cursor,
    Failed,
    RawCalendar,
    Removed,
    Stream,
    StreamKind,
    StreamRole,
    Upsert,
)

BATCH: Final = 50
MAX_OBJECT: Final = 20_000_000
MAX_OBJECTS: Final = 500_000
_CTAG: Final = "{http://calendarserver.org/ns/}getctag"
_ETAG: Final = "{DAV:}getetag"


class CalDavConnector:
    """One signed-in calendar account. Has Counts and Fetches beside the connector's own."""

    def __init__(self, context: Context) -> None:
        self.usage = context.usage
        self._client: Any = client(context)
        self._remember: Callable[[str, Any], None] = context.remember
        self._found: list[Any] | None = None
        self._no_sync: set[str] = set(context.memory.get("caldav_no_sync", ()))

    def sign_in(self) -> None:
        """Find the calendars, which the first ``streams`` then need not ask for again. Raises NeedsPerson, TryLater."""
        with failures():
            self._found = self._calendars()
        if not self._found:
            raise NeedsPerson("There is no calendar at this address; correct the URL.", code="no_calendar")

    def streams(self) -> list[Stream]:
        """The calendars that can hold events, task lists left out."""
        with failures():
            calendars, self._found = self._found if self._found is not None else self._calendars(), None
            found = [calendar for calendar in calendars if holds_events(calendar)]
            return [Stream(self._id(one), title(one), StreamKind.CALENDAR, StreamRole.CALENDAR) for one in found]

    def changes(self, stream: Stream, since: Cursor | None, *, oldest: datetime | None = None) -> Iterator[Batch]:
        """See ``Connector.changes``. Calendars are listed whole: ``oldest`` does not bound a series."""
        del oldest
        then = unpacked(since) if since is not None else None
        calendar = self._calendar(stream)
        if (then is None or "token" in then) and stream.id not in self._no_sync:
            try:
                yield from self._by_token(stream, calendar, then)
            except _NoSync:
                self._no_sync.add(stream.id)
                self._remember("caldav_no_sync", sorted(self._no_sync))
            else:
                return
        yield from self._by_etags(stream, calendar, then)

    def ids(self, stream: Stream) -> Iterator[Collection[str]]:
        """The ids of all objects, by one PROPFIND."""
        with failures(stream.name):
            yield list(self._etags(self._calendar(stream)))

    def fetch(self, stream: Stream, remote_ids: Collection[str]) -> Iterator[Batch]:
        """The objects named; what is gone comes as Removed."""
        calendar = self._calendar(stream)
        total = len(remote_ids)
        for part in parts(list(remote_ids), BATCH):
            yield Batch(tuple(self._loaded(stream, calendar, part)), total=total)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # -- discovery

    def _calendars(self) -> list[Any]:
        """By the principal's home set (RFC 6764 section 6); the address may also be a home set or a calendar itself."""
        try:
            found = list(self._client.principal().get_calendars())
        except (error.NotFoundError, error.PropfindError, error.ResponseError):
            found = []
        if not found and urlsplit(str(self._client.url)).path in ("", "/"):
            self._client.url = self._client.url.join("/.well-known/caldav")
            self._client._principal = None
            found = list(self._client.principal().get_calendars())
        return found or self._here()

    def _here(self) -> list[Any]:
        kinds = self._client.propfind(str(self._client.url), ["{DAV:}resourcetype"], 0)
        if kinds.status >= 400:
            raise error.NotFoundError(url=str(self._client.url), reason=str(kinds.status))
        alone = any("calendar" in str(found.properties).lower() for found in kinds.results or ())
        return [Calendar(client=self._client, url=self._client.url)] if alone else []

    def _id(self, calendar: Any) -> str:
        """The path of the calendar's URL; the whole URL when it lies on another host."""
        same = urlsplit(str(calendar.url)).netloc == urlsplit(str(self._client.url)).netloc
        return unquote(str(calendar.url.path)) if same else str(calendar.url)

    def _calendar(self, stream: Stream) -> Any:
        if not stream.id.startswith(("/", "http")):
            raise StreamGone(f'There is no calendar "{stream.name}".', permanent=True)
        return Calendar(client=self._client, url=self._client.url.join(stream.id), name=stream.name)

    # -- changes by sync-token

    def _by_token(self, stream: Stream, calendar: Any, then: dict[str, Any] | None) -> Iterator[Batch]:
        token = then["token"] if then else None
        report = self._report(stream, calendar, token)
        gone = {href(calendar, url) for url in report.deleted_urls}
        changed = [name for one in report if (name := href(calendar, one.url)) and name not in gone]
        cursor = packed({"token": str(report.sync_token)})
        if token is not None and not changed and not gone:
            if str(report.sync_token) != token:
                yield Batch((), cursor)
            return
        yield from self._batches(stream, calendar, changed, sorted(gone - {""}), cursor, listing=token is None)

    def _report(self, stream: Stream, calendar: Any, token: str | None) -> Any:
        """The sync-collection report. Raises _NoSync where the server has none, CursorExpired for an old token."""
        with failures(stream.name):
            try:
                report = calendar.get_objects_by_sync_token(token, load_objects=False, disable_fallback=True)
            except error.AuthorizationError as found:
                if token is None and found.status != 401 and not is_gone(calendar):
                    raise _NoSync from found
                raise
            except (error.ReportError, error.ResponseError) as found:
                if is_gone(calendar):
                    raise error.NotFoundError(url=str(calendar.url), reason="404") from found
                if token is None:
                    raise _NoSync from found
                # A server that took this token's kind before and now refuses it has forgotten it.
                raise CursorExpired(f'"{stream.name}" no longer knows what changed; it is listed anew.') from found
        if not report.sync_token:
            raise _NoSync
        return report

    # -- changes by ctag and etags

    def _by_etags(self, stream: Stream, calendar: Any, then: dict[str, Any] | None) -> Iterator[Batch]:
        if then is not None and "etags" not in then:
            raise CursorExpired(f'"{stream.name}" is listed anew: its server no longer tells what changed.')
        with failures(stream.name):
            ctag = self._ctag(calendar)
            if then is not None and ctag and ctag == then.get("ctag"):
                return
            etags = self._etags(calendar)
        before: dict[str, str] = then["etags"] if then is not None else {}
        changed = [name for name, etag in etags.items() if not etag or before.get(name) != etag]
        gone = [name for name in before if name not in etags]
        if then is not None and not changed and not gone and ctag == then.get("ctag"):
            return
        cursor = packed({"ctag": ctag, "etags": etags})
        yield from self._batches(stream, calendar, changed, gone, cursor, listing=then is None)

    def _ctag(self, calendar: Any) -> str:
        answer = self._client.propfind(str(calendar.url), [_CTAG], 0)
        if answer.status >= 400:
            raise error.PropfindError(url=str(calendar.url), reason=str(answer.status), status=answer.status)
        values = (found.properties.get(_CTAG) for found in answer.results or ())
        return next((str(value) for value in values if value), "")

    def _etags(self, calendar: Any) -> dict[str, str]:
        answer = self._client.propfind(str(calendar.url), [_ETAG, "{DAV:}resourcetype"], 1)
        if answer.status >= 400:
            raise error.PropfindError(url=str(calendar.url), reason=str(answer.status), status=answer.status)
        etags = {
            name: str(found.properties.get(_ETAG) or "")
            for found in (answer.results or ())[:MAX_OBJECTS]
            if (name := href(calendar, calendar.url.join(found.href)))
        }
        return dict(sorted(etags.items()))

    # -- content

    def _batches(
        self,
        stream: Stream,
        calendar: Any,
        changed: list[str],
        gone: list[str],
        cursor: Cursor,
        *,
        listing: bool,
    ) -> Iterator[Batch]:
        total = len(changed)
        groups = parts(changed, BATCH)
        for number, part in enumerate(groups):
            last = number == len(groups) - 1 and not gone
            changes = tuple(self._loaded(stream, calendar, part))
            yield Batch(changes, cursor if last else None, listing=listing, final=listing and last, total=total)
        removals = parts(gone, 200)
        for number, names in enumerate(removals):
            last = number == len(removals) - 1
            removed = tuple(Removed(name, "gone") for name in names)
            yield Batch(removed, cursor if last else None, listing=listing, final=listing and last, total=total)
        if not groups and not removals:
            yield Batch((), cursor, listing=listing, final=listing, total=total)

    def _loaded(self, stream: Stream, calendar: Any, names: list[str]) -> Iterator[Change]:
        """The named objects with their content, by one report."""
        with failures(stream.name):
            urls = {name: calendar.url.join(quoted(name)) for name in names}
            found = {href(calendar, one.url): one.data for one in calendar.multiget(list(urls.values()))}
        for name in names:
            data = found.get(name)
            if not data:
                yield Removed(name, "gone")
            elif len(data) > MAX_OBJECT:
                yield Failed(name, f"The event is larger than {MAX_OBJECT // 1_000_000} MB.", "too_large")
            else:
                ics = data if isinstance(data, bytes) else str(data).encode()
                yield Upsert(name, raw=RawCalendar(ics), size=len(ics))


class _NoSync(Exception):
    """The server has no sync-collection report for this calendar."""


class CalDavProvider:
    """Opens ``config["caldav_url"]`` or ``config["url"]``, or finds the server of ``config["address"]``."""

    name = "caldav"
    title = "Calendar (CalDAV)"
    quota_hint = "Polled; most servers take a request a second."

    def open(self, context: Context) -> CalDavConnector:
        """Raises NeedsPerson, TryLater. Signs in at once, so that a wrong password is known here."""
        made = CalDavConnector(context)
        try:
            made.sign_in()
        except BaseException:
            made.close()
            raise
        return made


PROVIDER: Final = CalDavProvider()
