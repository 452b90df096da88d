"""A small SMTP server on loopback, over the standard library's socketserver, with the conditions that matter: it takes
mails, asks for a password, offers STARTTLS, refuses at any step for a while or for good, or hangs up after the text.
Strict where servers are: bare line feeds, lines over 998 octets and 8-bit text are refused.

Speaks as much of RFC 5321 as smtplib needs. Keeps what it took in ``mails``.
"""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class SmtpServer:
    """What it does, and what it got. ``answers`` says for a command (MAIL, RCPT, DATA, TEXT) another answer, as often
    as the list is long; ``hang_up_after_text`` closes the line without an answer."""

    port: int = 0
    password: str = ""
    tls: ssl.SSLContext | None = None
    answers: dict[str, list[str]] = field(default_factory=dict)
    hang_up_after_text: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    connections: int = 0
    secured: int = 0

    def answer(self, command: str, usual: str) -> str:
        """The next answer to a command."""
        waiting = self.answers.get(command)
        return waiting.pop(0) if waiting else usual


class _Line(socketserver.StreamRequestHandler):
    rig: SmtpServer

    def handle(self) -> None:
        self.rig.connections += 1
        self._say("220 rig ESMTP")
        rcpt, private = "", False
        while line := self.rfile.readline(2000).decode("latin-1").strip():
            word = line.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                more = ["250-STARTTLS"] if self.rig.tls and not private else []
                self._say("250-rig", *more, "250-AUTH PLAIN", "250 8BITMIME")
            elif word == "STARTTLS":
                self._say("220 go on")
                self._secure()
                private = True
            elif word == "AUTH":
                given = base64.b64decode(line.split(" ")[2]).decode().split("\0")[2]
                self._say("235 in" if given == self.rig.password else "535 no")
            elif word == "MAIL":
                self._say(self.rig.answer("MAIL", "250 ok"))
            elif word == "RCPT":
                rcpt = line.partition(":")[2].strip("<> ")
                self._say(self.rig.answer("RCPT", "250 ok"))
            elif word == "DATA":
                usual = self.rig.answer("DATA", "354 go on")
                self._say(usual)
                if usual.startswith("354") and not self._text(rcpt):
                    return
            else:
                self._say("250 ok" if word != "QUIT" else "221 bye")
                if word == "QUIT":
                    return

    def _text(self, rcpt: str) -> bool:
        lines = []
        while (line := self.rfile.readline(100_000)) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        proper = all(line.endswith(b"\r\n") and len(line) <= 1000 and line.isascii() for line in lines)
        answer = self.rig.answer("TEXT", "250 taken" if proper else "554 bare line feed, long line or 8 bit")
        if answer.startswith("250"):
            self.rig.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))  # type: ignore[arg-type]
            self.rig.to.append(rcpt)
        if self.rig.hang_up_after_text:
            self.rig.hang_up_after_text -= 1
            return False
        self._say(answer)
        return True

    def _secure(self) -> None:
        assert self.rig.tls
        self.request = self.rig.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
        self.rig.secured += 1

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that broke is a client's business."""


@contextmanager
def smtp_server(**conditions: Any) -> Iterator[SmtpServer]:
    """Serve on a free loopback port."""
    rig = SmtpServer(**conditions)
    handler = type("Line", (_Line,), {"rig": rig})
    with _Server(("127.0.0.1", 0), handler) as server:
        rig.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield rig
        finally:
            server.shutdown()
            thread.join(5)
