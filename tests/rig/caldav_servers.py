"""Real CalDAV servers for tests: Radicale and Xandikos, each on a loopback port of its own, in a thread.

Both are run as WSGI applications behind a layer that counts requests and can answer in the server's stead, for what
they will not do by themselves (throttle, fail, refuse).
"""

from __future__ import annotations

import base64
import http.client
import io
import shutil
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

USER, PASSWORD = "rep", "secret"
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass
class CalDavServer:
    """A running server. ``home`` is the path below which calendars are made; ``seen`` are the methods and paths asked.
    ``intercept`` may answer a request itself: it is given the method, the path and the body."""

    port: int
    home: str
    folder: Path
    seen: list[tuple[str, str]] = field(default_factory=list)
    intercept: Callable[[str, str, bytes], Answer | None] = lambda _method, _path, _body: None
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    def make_calendar(self, name: str, *, components: Iterable[str] = ("VEVENT",), title: str = "") -> str:
        """Make a calendar; returns its path."""
        kinds = "".join(f'<C:comp name="{kind}"/>' for kind in components)
        body = (
            '<?xml version="1.0"?><C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>'
            f"<D:displayname>{title or name}</D:displayname>"
            f"<C:supported-calendar-component-set>{kinds}</C:supported-calendar-component-set>"
            "</D:prop></D:set></C:mkcalendar>"
        )
        self.send("MKCALENDAR", f"{self.home}{name}/", body.encode())
        return f"{self.home}{name}/"

    def put(self, calendar: str, name: str, ics: bytes) -> None:
        """Store an object under a name."""
        self.send("PUT", f"{calendar}{name}", ics, {"Content-Type": "text/calendar; charset=utf-8"})

    def delete(self, calendar: str, name: str = "") -> None:
        """Delete an object, or the calendar itself."""
        self.send("DELETE", f"{calendar}{name}")

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """A request of the test itself; fails the test when the server refuses it."""
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        context = ssl._create_unverified_context()
        connection = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
            if self.scheme == "https"
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        )
        connection.request(method, quote(path), body, {"Authorization": f"Basic {secret}", **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {content[:300]!r}"
        return content

    def forget_tokens(self) -> None:
        """Let every sync-token given so far expire (Radicale keeps them in files)."""
        for held in self.folder.rglob("sync-token"):
            shutil.rmtree(held)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def radicale_server(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[CalDavServer]:
    """Radicale with one user and a password; over TLS when given a context."""
    from radicale import Application, config  # type: ignore[attr-defined]

    passwords = folder / "passwords"
    passwords.write_text(f"{USER}:{PASSWORD}\n")
    settings = config.load()
    settings.update(
        {
            "auth": {
                "type": "htpasswd",
                "htpasswd_filename": str(passwords),
                "htpasswd_encryption": "plain",
                "delay": "0",
            },
            "storage": {"filesystem_folder": str(folder / "data")},
            "logging": {"level": "critical"},
        },
        "test",
    )
    with _running(Application(settings), f"/{USER}/", folder, tls) as server:
        yield server


@contextmanager
def xandikos_server(folder: Path) -> Iterator[CalDavServer]:
    """Xandikos with one principal; it asks for no password."""
    from xandikos.web import SingleUserFilesystemBackend, XandikosApp
    from xandikos.wsgi_helpers import WellknownRedirector

    backend: Any = SingleUserFilesystemBackend(str(folder))
    backend.create_principal(f"/{USER}/", create_defaults=True)
    app = XandikosApp(backend, current_user_principal=f"/{USER}/")
    wrapped = WellknownRedirector(app.handle_wsgi_request, "/")
    with _running(wrapped, f"/{USER}/calendars/", folder) as server:
        yield server


@contextmanager
def _running(
    app: Callable[..., Iterable[bytes]], home: str, folder: Path, tls: ssl.SSLContext | None = None
) -> Iterator[CalDavServer]:
    held: list[CalDavServer] = []

    def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        held[0].seen.append((method, path))
        # Read here: Xandikos reads to the end of the stream, which a connection that stays open does not have.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        answer = held[0].intercept(method, path, body)
        if answer is None:
            return app(environ, start_response)
        start_response(answer[0], answer[1])
        return [answer[2]]

    with make_server("127.0.0.1", 0, counted, _Server, _Quiet) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        held.append(CalDavServer(server.server_port, home, folder, scheme="https" if tls else "http"))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield held[0]
        finally:
            server.shutdown()
            thread.join(10)
