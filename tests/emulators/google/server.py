"""The HTTP front of the model, with or without TLS, in a thread of this process or as a process of its own."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.emulators.google import api, batches, control, oauth, push
from tests.emulators.google.api import Result
from tests.emulators.google.errors import Refused
from tests.emulators.google.world import World

MAX_BODY = 64 * 1024 * 1024
HTML = b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title></html>"


class Server:
    """Serves ``world`` on 127.0.0.1. ``tls`` is (certificate file, key file). Use as a context manager."""

    def __init__(self, world: World | None = None, *, port: int = 0, tls: tuple[str, str] | None = None) -> None:
        self.world = world or World()
        handler = type("Handler", (_Handler,), {"world": self.world})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._http.server_port}"

    @property
    def port(self) -> int:
        return self._http.server_port

    def settings(self) -> dict[str, Any]:
        """What a Context's settings must hold to reach this server."""
        return {"google_endpoint": self.url, "google_auth_url": f"{self.url}/o/oauth2/v2/auth",
                "google_token_url": f"{self.url}/token", "google_client_id": oauth.CLIENT_ID,
                "google_client_secret": oauth.CLIENT_SECRET, "ca_bundle": None}  # fmt: skip

    def serve_forever(self) -> None:
        self._http.serve_forever(poll_interval=0.05)

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    world: World
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve("GET", b"")

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        self._serve("POST", self.rfile.read(length))

    def _serve(self, method: str, body: bytes) -> None:
        try:
            result = self._answer(method, body)
        except Refused as refused:
            result = Result(refused.status, {}, json.dumps(refused.body()).encode())
        except Exception as error:
            result = Result(500, {"X-Model-Fault": "1"}, json.dumps({"model_fault": repr(error)}).encode())
            self.world.model_faults.append(repr(error))
        self._write(result)

    def _answer(self, method: str, body: bytes) -> Result:
        path = urlsplit(self.path).path
        token = self.headers.get("Authorization", "")
        if path.startswith("/control/") and method == "POST":
            found = control.run(self.world, path.removeprefix("/control/"), json.loads(body or b"{}"))
            return Result(200, {}, json.dumps(found).encode())
        if path in ("/batch", "/batch/gmail/v1") and method == "POST":
            return batches.answer(self.world, self.headers.get("Content-Type", ""), token, body)
        oauth_answer = self._oauth(method, path, body)
        if oauth_answer is not None:
            return Result(*oauth_answer)
        return api.answer(self.world, api.parsed(method, self.path, token, body))

    def _oauth(self, method: str, path: str, body: bytes) -> oauth.Answer | None:
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        with self.world.lock:
            if path == "/o/oauth2/v2/auth":
                if method == "GET":
                    return oauth.consent_form(self.world, urlsplit(self.path).query)
                return oauth.consent(self.world, form)
            if path == "/oauth2/v1/certs" and method == "GET":
                return 200, {}, json.dumps(push.certificates()).encode()
            if path in ("/token", "/revoke") and method == "POST":
                self.world.count(path[1:], path)
                fault = self.world.fault_for(path[1:], path)
                if fault:
                    return oauth.problem(fault.reason, fault.message, fault.status)
                return oauth.token(self.world, form) if path == "/token" else oauth.revoke(self.world, form)
        return None

    def _write(self, result: Result) -> None:
        body = result.body
        kind = result.fault.kind if result.fault else ""
        if kind == "html":
            result, body = Result(502, {"Content-Type": "text/html"}, HTML), HTML
        elif kind == "truncate":
            body = body[: len(body) // 2]
        self.send_response(result.status)
        for name, value in {"Content-Type": "application/json; charset=UTF-8", **result.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "reset":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The model keeps counts; it prints nothing."""
