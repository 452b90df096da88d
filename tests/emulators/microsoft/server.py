"""The HTTPS server of the model: routing, authorization, throttling, batches, links, statistics, control.

One origin serves the authority (``/{tenant}/oauth2/...``) and Graph (``/v1.0/...``). Everything listens on 127.0.0.1.
``/control/...`` (no authorization, for other processes) takes JSON: see ``control``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import trustme

from tests.emulators.microsoft import control, delta, schema
from tests.emulators.microsoft.agenda import Agenda
from tests.emulators.microsoft.answers import Faults, Refusal, Reply, Request, Statistics, error
from tests.emulators.microsoft.calendar_routes import CalendarRoutes
from tests.emulators.microsoft.identity import Identity
from tests.emulators.microsoft.mail_routes import MailRoutes
from tests.emulators.microsoft.mailbox import Mailbox
from tests.emulators.microsoft.notices import Notices

CONCURRENT = 4
WINDOW = timedelta(minutes=10)
PER_WINDOW = 10_000
MAX_BATCH = 20


class Server:
    """The model. Use as a context manager, or ``start`` and ``stop``."""

    def __init__(self, *, port: int = 0, tls_dir: Path | None = None, now: Callable[[], datetime] | None = None):
        self.offset = timedelta(0)
        self._clock = now or (lambda: datetime.now(UTC))
        self.identity = Identity(self.now)
        self.mailboxes: dict[str, Mailbox] = {}
        self.agendas: dict[str, Agenda] = {}
        self.tokens = delta.Tokens()
        self.manners = delta.Manners()
        self.faults = Faults()
        self.statistics = Statistics()
        self.notices = Notices(self.now)
        self.problems: list[str] = []
        self.per_window = PER_WINDOW
        self.link_origin = ""
        self._mail = MailRoutes(self.tokens, self.manners)
        self._calendars = CalendarRoutes(self.tokens, self.manners)
        self._lock = threading.Lock()
        self._flight: Counter[str] = Counter()
        self._recent: dict[str, deque[datetime]] = {}
        self._temporary = None if tls_dir else tempfile.TemporaryDirectory(prefix="graph-model-")
        self.tls_dir = tls_dir or Path(self._temporary.name if self._temporary else ".")
        self._http = _listener(self, port)
        self._thread: threading.Thread | None = None

    def now(self) -> datetime:
        """The model's clock: the one given, plus what ``advance`` added."""
        return self._clock() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self.offset += timedelta(seconds=seconds)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"https://127.0.0.1:{self._http.server_address[1]}"

    @property
    def ca_bundle(self) -> str:
        """The PEM file of the CA."""
        return str(self.tls_dir / "ca.pem")

    def settings(self, **more: Any) -> dict[str, Any]:
        """Connector settings that point here."""
        return {
            "graph_endpoint": self.origin,
            "microsoft_authority": self.origin,
            "microsoft_tenant": "common",
            "microsoft_client_id": self.identity.client_id,
            "microsoft_client_secret": self.identity.client_secret,
            "ca_bundle": self.ca_bundle,
            **more,
        }

    def user(self, address: str) -> Mailbox:
        """The mailbox of an address, made when it is new."""
        if address not in self.mailboxes:
            self.mailboxes[address] = Mailbox(address, self.now)
            self.agendas[address] = Agenda(address, self.now)
            self.identity.users.append(address)
            for held in (self.mailboxes[address], self.agendas[address]):
                held.listeners.append(lambda what, _where, change, a=address: self.notices.note(a, what, change))
        return self.mailboxes[address]

    def start(self) -> Server:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and remove the certificates made."""
        self._http.shutdown()
        self._http.server_close()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    # requests ----------------------------------------------------------------------------------------------------

    def handle(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply:
        """Answer one request."""
        split = urlsplit(target)
        query = {unquote(k): v for k, v in parse_qsl(split.query, keep_blank_values=True)}
        path = unquote(split.path)
        request = Request(method, path, query, headers, _body(raw, headers))
        if path.startswith("/control/"):
            return control.answer(self, request)
        if not path.startswith("/v1.0/"):
            return self.faults.take(request) or self.identity.answer(request, self.origin) or error(404, "NotFound")
        request.path = path.removeprefix("/v1.0")
        try:
            return self._graph(request)
        except Refusal as refusal:
            return refusal.reply

    def _graph(self, request: Request) -> Reply:
        with self._lock:
            self.statistics.requests += 1
            self.statistics.lines.append(f"{request.method} {request.path}")
        if not request.immutable:
            self.statistics.without_immutable.append(request.path)
        if reply := self.faults.take(request):
            return reply
        user = self.identity.who(request.headers.get("authorization", ""))
        if user is None:
            return error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.",
                         {"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'})  # fmt: skip
        request.user = user
        if request.path == "/$batch":
            return self._batch(request)
        return self._counted(request)

    def _batch(self, request: Request) -> Reply:
        asked = request.body.get("requests") or []
        if len(asked) > MAX_BATCH:
            raise Refusal(400, "BadRequest", "Too many requests in the batch.")
        replies = []
        for one in asked:
            split = urlsplit(str(one["url"]))
            query = {unquote(k): v for k, v in parse_qsl(split.query, keep_blank_values=True)}
            headers = {str(k).casefold(): str(v) for k, v in (one.get("headers") or {}).items()}
            inner = Request(str(one["method"]), unquote(split.path), query, headers, one.get("body") or {},
                            request.user, inner=True)  # fmt: skip
            if not inner.immutable:
                self.statistics.without_immutable.append(inner.path)
            try:
                reply = self.faults.take(inner) or self._counted(inner)
            except Refusal as refusal:
                reply = refusal.reply
            body: Any = base64.b64encode(reply.raw).decode() if reply.raw is not None else reply.body
            replies.append({"id": one["id"], "status": reply.status, "headers": reply.headers, "body": body})
        if self.manners.shuffled:
            replies.reverse()
        return Reply(body={"responses": replies})

    def _counted(self, request: Request) -> Reply:
        """Answer within the limits of the mailbox: 4 at a time, 10,000 in ten minutes."""
        address, rest, base = self._target(request)
        with self._lock:
            self._flight[address] += 1
            self.statistics.by_name[_family(rest)] += 1
            flying = self._flight[address]
            self.statistics.max_in_flight[address] = max(self.statistics.max_in_flight[address], flying)
            refused = flying > CONCURRENT or self._exhausted(address)
        try:
            if refused:
                self.statistics.throttled += 1
                inner = "MailboxConcurrency" if flying > CONCURRENT else "RequestLimit"
                return error(429, "ApplicationThrottled", inner=inner, headers={"Retry-After": "10"})
            request.path = rest
            if self.manners.latency:
                time.sleep(self.manners.latency)
            return self._answered(request, address, base)
        finally:
            with self._lock:
                self._flight[address] -= 1

    def _exhausted(self, address: str) -> bool:
        recent, now = self._recent.setdefault(address, deque()), self.now()
        while recent and recent[0] <= now - WINDOW:
            recent.popleft()
        recent.append(now)
        return len(recent) > self.per_window

    def _target(self, request: Request) -> tuple[str, str, str]:
        """The mailbox a request is about, its path below it, and the address its links begin with."""
        origin = f"{self.link_origin or self.origin}/v1.0"
        if found := re.match(r"^/users(?:/([^/]+)|\('([^']+)'\))(/.*)?$", request.path, re.IGNORECASE):
            address = (found.group(1) or found.group(2)).casefold()
            if request.user and address != request.user:
                raise Refusal(403, "ErrorAccessDenied", "Access is denied.")
            if address not in self.mailboxes:
                raise Refusal(404, "ErrorInvalidUser", "The requested user is invalid.")
            return address, found.group(3) or "", f"{origin}/users/{address}"
        if found := re.match(r"^/me(/.*)?$", request.path, re.IGNORECASE):
            if not request.user:
                raise Refusal(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
            return request.user, found.group(1) or "", f"{origin}/me"
        return request.user, request.path, origin

    def _answered(self, request: Request, address: str, base: str) -> Reply:
        if reply := self.notices.answer(request, address, base):
            return reply
        mailbox = self.mailboxes.get(address)
        if mailbox is None:
            return error(404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox.")
        if request.path == "":
            return Reply(body=_me(mailbox))
        reply = self._mail.answer(mailbox, request, base)
        reply = reply or self._calendars.answer(self.agendas[address], request, base)
        if reply is None:
            return error(400, "BadRequest", "Resource not found for the segment.")
        self._check(request.path, reply)
        return reply

    def _check(self, path: str, reply: Reply) -> None:
        """Hold the answer against the schema."""
        kind = {"mailFolders": "mailFolder", "messages": "message", "calendars": "calendar", "events": "event",
                "calendarView": "event", "instances": "event", "attachments": "fileAttachment"}  # fmt: skip
        name = next((kind[k] for k in reversed(re.findall(r"[a-zA-Z]+", path)) if k in kind), "")
        if reply.status != 200 or not name or reply.raw is not None:
            return
        for item in reply.body.get("value", [reply.body])[:5]:
            self.problems += schema.problems(name, item)


def _me(mailbox: Mailbox) -> dict[str, Any]:
    return {
        "id": mailbox.id,
        "displayName": mailbox.name,
        "mail": mailbox.address,
        "userPrincipalName": mailbox.address,
        "proxyAddresses": [f"SMTP:{mailbox.address}", *(f"smtp:{one}" for one in mailbox.proxies)],
    }


def _family(path: str) -> str:
    """A path without its ids, for counting."""
    kept = [part for part in re.sub(r"\('[^']*'\)", "", path).split("/") if part and len(part) < 40]
    return "/".join(kept)


def _body(raw: bytes, headers: dict[str, str]) -> dict[str, Any]:
    if not raw:
        return {}
    if "json" in headers.get("content-type", ""):
        found = json.loads(raw)
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))


def certificates(directory: Path) -> ssl.SSLContext:
    """A CA (``ca.pem``) and a certificate for 127.0.0.1 and localhost in ``directory``; the server's TLS context."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def _listener(server: Server, port: int) -> ThreadingHTTPServer:
    context = certificates(server.tls_dir)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def log_message(self, format: str, *args: Any) -> None:
            return

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.casefold(): value for name, value in self.headers.items()}
            reply = server.handle(self.command, self.path, headers, self.rfile.read(length))
            data = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            data = b"" if reply.status == 204 else data
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(data)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if reply.cut else data)
            if reply.cut:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    class Listener(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            return

        def shutdown_request(self, request: Any) -> None:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_WR)
            self.close_request(request)

    return Listener(("127.0.0.1", port), Handler)
