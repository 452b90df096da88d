"""A CalDAV client with limits: the caldav library's, on a session of our own.

The session bounds every answer in size and time, counts requests, sends no password over an open line, follows no
redirect to one, and trusts the configured certificates beside the system's. ``failures`` turns what the library raises
into connector errors. RFC 4791 (CalDAV), 6578 (sync-collection), 6764 (discovery).
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import niquests
from caldav.davclient import DAVClient
from caldav.lib import error

from connectors.errors import CursorExpired, NeedsPerson, StreamGone, TryLater
from connectors.protocol import Context, Usage

MAX_ANSWER: Final = 200_000_000
MAX_SECONDS: Final = 300.0
TIMEOUT: Final = 30
_CHUNK: Final = 1024 * 1024
_VALID_TOKEN: Final = "{DAV:}valid-sync-token"  # noqa: S105 - the name of an XML element


class Refused(niquests.exceptions.RequestException):
    """A request or an answer that goes against a limit of ours. The text is for a person."""


class BoundedSession(niquests.Session):
    """What the library sends its requests through."""

    def __init__(self, usage: Usage, *, origin: str, plain: bool) -> None:
        """``origin`` is the host of the configured address; ``plain`` allows http to it and wherever it leads."""
        super().__init__()
        self._origin = origin
        self.trust_env = False  # no .netrc: the account's own password or none
        self.max_redirects = 5
        self._usage = usage
        self._plain = plain

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        """One request with its redirects, the answer read within the limits. Raises Refused and niquests' errors."""
        self._usage.count(str(method))
        started = time.monotonic()
        answer = super().request(method, url, *args, **{**kwargs, "stream": True})
        content = bytearray()
        for chunk in answer.iter_content(_CHUNK):
            content += chunk
            if len(content) > MAX_ANSWER or time.monotonic() - started > MAX_SECONDS:
                answer.close()
                raise Refused("The calendar server's answer is too large or too slow.")
        self._usage.bytes_in += len(content)
        # The library reads ``content`` and ``text``; both are derived from this.
        answer._content = bytes(content)
        return answer

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Every hop comes through here, redirects included."""
        parts = urlsplit(str(request.url))
        if parts.scheme != "https" and not (self._plain or is_loopback(parts.hostname or "")):
            raise Refused("The calendar's address is not encrypted (http); use its https address.")
        if parts.hostname != self._origin and not is_private(self._origin) and is_private(parts.hostname or ""):
            raise Refused("The calendar server leads to an address inside our own network; that is not followed.")
        return super().send(request, **kwargs)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_private(host: str) -> bool:
    """Whether any address of a host is not public. A host without addresses is not: connecting will tell."""
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(address).is_global for address in found)


def client(context: Context) -> Any:
    """The library's client for the account. Raises NeedsPerson, TryLater.

    ``config``: ``caldav_url`` or ``url`` (else the domain of ``address`` is asked by DNS and well-known address);
    ``caldav_username``, ``username`` or ``address``; ``auth`` "bearer" or "xoauth2" where the secret is a token;
    ``timeout`` in seconds; ``security`` "none" allows plain http. ``settings``: ``ca_bundle``.
    """
    config = context.config
    url = str(config.get("caldav_url") or config.get("url") or "")
    address = str(config.get("address") or "")
    username = str(config.get("caldav_username") or config.get("username") or address)
    bearer = str(config.get("auth", "")) in ("bearer", "xoauth2")
    if not url and "@" not in address:
        raise NeedsPerson("The calendar has no address; enter its URL.", code="config")
    with failures(), _url_errors():
        made: Any = DAVClient(
            url=url or address.rpartition("@")[2],
            username=username,
            password=context.secret(),
            auth_type="bearer" if bearer else None,
            timeout=int(config.get("timeout") or TIMEOUT),
            ssl_verify_cert=_trusted(str(context.settings.get("ca_bundle") or "")),
            enable_rfc6764=not url,
        )
    made.session.close()
    plain = str(config.get("security", "")) == "none"
    made.session = BoundedSession(context.usage, origin=str(made.url.hostname or ""), plain=plain)
    context.usage.connections += 1
    return made


@contextmanager
def _url_errors() -> Iterator[None]:
    """The library and urllib raise ValueError for addresses that are none."""
    try:
        yield
    except ValueError as found:
        raise NeedsPerson("The calendar's address is not a usable URL; correct it.", code="config") from found


def _trusted(bundle: str) -> bool | str:
    """True for the system's certificates; with a bundle, those certifi carries and the bundle's as one PEM text."""
    return f"{certifi.contents()}\n{Path(bundle).read_text(encoding='utf-8')}" if bundle else True


@contextmanager
def failures(stream: str = "") -> Iterator[None]:
    """Turn what the library and its transport raise into connector errors. ``stream`` is the calendar's name where the
    failure can be its alone."""
    try:
        yield
    except error.RateLimitError as found:
        raise TryLater(
            "The calendar server asks to slow down.", retry_after=found.retry_after_seconds, throttled=True
        ) from found
    except error.DAVError as found:
        raise _of_answer(found, stream) from found
    except Refused as found:
        raise NeedsPerson(str(found), code="refused") from found
    except niquests.exceptions.SSLError as found:
        raise NeedsPerson("The calendar server's certificate is not trusted.", code="certificate") from found
    except (niquests.exceptions.InvalidURL, niquests.exceptions.MissingSchema) as found:
        raise NeedsPerson("The calendar's address is not a usable URL; correct it.", code="config") from found
    except (niquests.exceptions.RequestException, OSError) as found:
        raise TryLater("The calendar server cannot be reached.", code="unreachable") from found
    except SyntaxError as found:  # what lxml raises for an answer that is no XML
        raise TryLater("The calendar server's answer cannot be read.", code="garbage") from found


def _of_answer(found: error.DAVError, stream: str) -> Exception:
    """By the status, and by the precondition that a 403 or 409 or 412 names (RFC 6578 section 3.2)."""
    status = found.status or _status_in(found)
    if _VALID_TOKEN in found.preconditions or (status == 412 and stream):
        return CursorExpired(f'"{stream}" no longer knows what changed since the last sync; it is listed anew.')
    if status == 401:
        return NeedsPerson("The calendar server did not accept the user name or password.", code="wrong_password")
    if isinstance(found, error.NotFoundError) or status in (403, 404, 410):
        if stream:
            gone = status != 403
            text = f'The calendar "{stream}" no longer exists.' if gone else f'The calendar "{stream}" is refused.'
            return StreamGone(text, permanent=gone)
        return NeedsPerson("There is no calendar at this address; correct the URL.", code="no_calendar")
    if status is not None and 400 <= status < 500 and status not in (408, 423, 425, 429):
        return NeedsPerson("The address does not answer as a calendar server; correct the URL.", code="no_calendar")
    return TryLater("The calendar server is out of order now.", code="server_error")


def _status_in(found: error.DAVError) -> int | None:
    """The library puts the status of some failures into the text only."""
    words = str(found.reason or "").split()
    return next((int(word) for word in words[:3] if len(word) == 3 and word.isdigit()), None)
