"""Commands out, responses in: the one module that touches private members of imapclient and imaplib.

imapclient connects, negotiates TLS and signs in; after that this module reads and writes the connection itself, because
imaplib can neither pipeline commands nor understand VANISHED and ESEARCH, and imapclient's tokenizer costs more than
everything else together. Whatever the fast reader does not recognise goes to imapclient's parser.

Bounds everything a server can make grow: the bytes of one command's answer, a line, a literal, the time. Never logs
what it reads. Facts: RFC 9051 sections 2.2, 7 and 9; RFC 7162 (VANISHED, MODSEQ); RFC 4731 (ESEARCH); the traps of
imapclient are in docs (fetch("1:*") raises in 4.x; imaplib collects untagged data without bound).
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import io
import re
import socket
import ssl
import time
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

from connectors.imap.answers import Answer, Closed, Refused
from connectors.imap.bounded import LOGIN_BUDGET, Bounded
from connectors.imap.items import Item, merge, read_item
from connectors.protocol import Usage

LINE_LIMIT = 16_000_000
"""A UID SEARCH without ESEARCH answers in one line: 16 MB are 1.4 million UIDs. The byte budget binds first."""
LITERAL_LIMIT = 64_000_000
ANSWER_BUDGET = 16_000_000
MAX_UNTAGGED = 50_000
"""Responses kept of one command: short lines cost far more memory than their bytes."""
MAX_ITEMS = 250_000
_KEPT = frozenset(
    {"OK", "LIST", "STATUS", "SEARCH", "ESEARCH", "VANISHED", "NAMESPACE", "CAPABILITY", "EXISTS", "EXPUNGE"}
)
PATIENCE = 10
"""A command may take this many times the read timeout in all, however steadily the server drips."""
_BUFFER = 1 << 16

_LITERAL = re.compile(rb"\{(\d{1,15})\+?\}\r?\n\Z")
_TAGGED = re.compile(rb"([A-Za-z0-9]+) (OK|NO|BAD)(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_CAPABILITY = re.compile(r"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)
_FETCH = re.compile(rb"\* \d+ FETCH \(", re.IGNORECASE)
_UNTAGGED = re.compile(rb"\* (?:(\d{1,20}) )?([A-Za-z0-9-]+)(?: (.*))?\Z", re.DOTALL)


class _Reading:
    """Mixed into imaplib's classes: reads through ``Bounded`` from the first byte."""

    usage: Usage
    raw: Bounded
    sock: socket.socket

    def read(self, size: int) -> bytes:
        """imaplib's way of reading a literal, used before sign-in only. Raises Closed for one beyond all bounds, before
        anything of that size is set aside."""
        if size > LOGIN_BUDGET:
            raise Closed("flood")
        data: bytes = self.file.read(size)
        return data

    def bound(self, timeout: float | None) -> None:
        """(Re-)wrap the socket: after connecting and again after STARTTLS."""
        self.sock.settimeout(timeout)
        self.raw = Bounded(self.sock, self.usage)
        if timeout is not None:
            self.raw.deadline = time.monotonic() + timeout * PATIENCE
        reader = io.BufferedReader(self.raw, _BUFFER)
        try:
            self.file: Any = reader
        except AttributeError:  # read-only property from Python 3.14 on
            self._file: Any = reader


class _Plain(_Reading, IMAP4WithTimeout):  # type: ignore[misc]  # imapclient is untyped
    def __init__(self, host: str, port: int, timeout: float, usage: Usage) -> None:
        self.usage = usage
        super().__init__(host, port, timeout)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        super().open(host, port, timeout)
        self.bound(self._timeout)


class _Tls(_Reading, IMAP4_TLS):  # type: ignore[misc]  # imapclient is untyped
    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float, usage: Usage) -> None:
        self.usage = usage
        super().__init__(host, port, context, timeout)

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        super().open(host, port, timeout)
        self.bound(self._timeout)


class _Client(IMAPClient):  # type: ignore[misc]  # imapclient is untyped
    """imapclient over the bounded sockets."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, timeout: float, usage: Usage) -> None:
        self._usage = usage
        self._seconds = timeout
        super().__init__(
            host, port, ssl=tls is not None, ssl_context=tls, timeout=SocketTimeout(min(timeout, 15.0), timeout)
        )
        self._imap.debug = 0  # imapclient sets 5: every line read would be formatted for a log nobody may keep
        self.normalise_times = False

    def _create_IMAP4(self) -> Any:
        if self.ssl:
            return _Tls(self.host, self.port, self.ssl_context, self._seconds, self._usage)
        return _Plain(self.host, self.port, self._seconds, self._usage)


class Wire:
    """One connection. Commands may be sent ahead of reading their answers; answers come in the order of sending.

    FETCH data of every command gathers in ``items`` by UID until taken; FETCH data without a UID is dropped, since a
    sequence number names nothing here. ``exists`` is the last EXISTS told, ``throttled`` whether an OK carried
    [THROTTLED].
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, timeout: float, usage: Usage) -> None:
        """Connect and read the greeting. Raises OSError, ssl.SSLError, imaplib errors and Closed."""
        usage.connections += 1
        self._usage = usage
        self._timeout = timeout
        self.client = _Client(host, port, tls, timeout, usage)
        self._imap = self.client._imap
        usage.count("CAPABILITY")  # imaplib asks for it on connecting
        self._tags = 0
        self._capabilities: frozenset[str] | None = None
        self._done: dict[bytes, Refused | str] = {}
        self._waiting: dict[bytes, str] = {}
        self._untagged: list[tuple[int, str, bytes, tuple[bytes, ...]]] = []
        self.items: dict[int, Item] = {}
        self.exists: int | None = None
        self.throttled = False
        self._flags_told = False
        self.closed = False

    # -- before sign-in -------------------------------------------------------------------------------------------

    def starttls(self, context: ssl.SSLContext) -> None:
        """Upgrade the connection. Raises imapclient's errors and ssl.SSLError."""
        self._usage.count("STARTTLS")
        self.client.starttls(context)
        self._imap.bound(self._timeout)
        self._usage.count("CAPABILITY")  # imaplib asks anew under TLS, and what it was told before does not count
        self._capabilities = frozenset(self._imap.capabilities)

    def authenticate(self, mechanism: str, response: bytes) -> Answer:
        """AUTHENTICATE with one client response, in one round trip where SASL-IR is offered. A further challenge (the
        error report of XOAUTH2) is answered with an empty line. Raises Refused and Closed."""
        encoded = base64.b64encode(response)
        early = "SASL-IR" in self.capabilities()
        tag = self.send("AUTHENTICATE", mechanism.encode("ascii"), *((encoded,) if early else ()))
        replies = [b""] if early else [encoded, b""]
        while tag not in self._done:
            if self._step() and replies:
                self._write(replies.pop(0) + b"\r\n")
        return self.finish(tag, budget=LOGIN_BUDGET)

    @property
    def preauthenticated(self) -> bool:
        """Whether the greeting was PREAUTH."""
        return bool(self._imap.state == "AUTH")

    def capabilities(self) -> frozenset[str]:
        """What the server offers now, in upper case."""
        if self._capabilities is None:
            self._capabilities = frozenset(name.decode("ascii", "replace") for name in self.client.capabilities())
        return self._capabilities

    def adopt_capabilities(self, answer: Answer) -> None:
        """Take the capabilities told with the sign-in, or ask for them: they differ from those before it."""
        told = _CAPABILITY.search(answer.text)
        if told is None:
            answers = answer.named("CAPABILITY") or self.call("CAPABILITY").named("CAPABILITY")
            text = b" ".join(answers).decode("ascii", "replace")
        else:
            text = told.group(1)
        self._capabilities = frozenset(text.upper().split())

    # -- after sign-in --------------------------------------------------------------------------------------------

    def send(self, name: str, *arguments: bytes) -> bytes:
        """Write one command without waiting; returns its tag. ``name`` may be two words ("UID FETCH")."""
        self._tags += 1
        tag = b"S%d" % self._tags
        self._usage.count(name)
        self._write(b" ".join((tag, name.encode("ascii"), *arguments)) + b"\r\n")
        self._waiting[tag] = name
        return tag

    def _write(self, data: bytes) -> None:
        try:
            self._imap.send(data)
        except OSError as error:
            raise self._broken("eof") from error

    def finish(self, tag: bytes, *, budget: int = ANSWER_BUDGET) -> Answer:
        """Read until the command's tagged answer. Raises Refused for NO and BAD, and Closed."""
        raw = self._imap.raw
        raw.budget = budget
        raw.deadline = time.monotonic() + self._timeout * PATIENCE
        while tag not in self._done:
            self._step()
        self._waiting.pop(tag, None)
        outcome = self._done.pop(tag)
        untagged, self._untagged = tuple(self._untagged), []
        if isinstance(outcome, Refused):
            raise outcome
        return Answer(outcome, untagged)

    def call(self, name: str, *arguments: bytes, budget: int = ANSWER_BUDGET) -> Answer:
        """Send one command and wait for its answer."""
        return self.finish(self.send(name, *arguments), budget=budget)

    def idle(self, seconds: float, linger: float) -> frozenset[str]:
        """IDLE for up to ``seconds``; after the first word ``linger`` seconds more, so that a burst is one hint.
        Returns the names of the responses heard. Raises Refused and Closed (at once when the connection ends)."""
        raw = self._imap.raw
        raw.budget = LOGIN_BUDGET
        raw.deadline = time.monotonic() + seconds + linger + self._timeout * PATIENCE
        self._flags_told = False
        tag = self.send("IDLE")
        while tag not in self._done and not self._step():
            continue
        if tag not in self._done:
            patience = seconds
            while tag not in self._done and self._heard(patience):
                self._step()
                patience = linger
            self._write(b"DONE\r\n")
        heard = {name for _number, name, _rest, _literals in self.finish(tag).untagged}
        if self._flags_told:
            heard.add("FETCH")
        self.items.clear()
        return frozenset(heard)

    def _heard(self, seconds: float) -> bool:
        """Whether there is something to read within ``seconds``. Consumes nothing."""
        try:
            self._imap.sock.settimeout(max(seconds, 0.001))
            return bool(self._imap.file.peek(1)) or self._ended()
        except TimeoutError:
            return False
        except OSError as error:
            raise self._broken("eof") from error
        except Closed as error:
            raise self._broken(error.reason) from error
        finally:
            with contextlib.suppress(OSError):
                self._imap.sock.settimeout(self._timeout)

    def _ended(self) -> bool:
        raise self._broken("eof")

    def settle(self) -> None:
        """Read and drop the answers of commands whose sender lost interest."""
        for tag in list(self._waiting):
            with contextlib.suppress(Refused):
                self.finish(tag)
        self.items.clear()

    def forget(self, tag: bytes) -> None:
        """Drop the outcome of a command sent ahead whose answer has passed already."""
        if self._done.pop(tag, None) is not None:
            self._waiting.pop(tag, None)

    @property
    def busy(self) -> bool:
        """Whether answers are still to come."""
        return bool(self._waiting)

    def close(self) -> None:
        """Say LOGOUT without waiting and close the socket. Never raises."""
        if self.closed:
            return
        with contextlib.suppress(OSError, imaplib.IMAP4.error, Closed, ValueError):
            if not self._waiting:
                self._imap.send(b"S0 LOGOUT\r\n")
                self._usage.count("LOGOUT")
        self.closed = True
        with contextlib.suppress(OSError, ValueError):
            self._imap.shutdown()

    # -- reading --------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Read one response and file it; True for a continuation request."""
        line = self._line()
        if _FETCH.match(line):
            self._fetched(*self._literals(line))
        elif line.startswith(b"* "):
            self._other(*self._literals(line))
        elif not line.startswith(b"+"):
            self._tagged(line)
        return line.startswith(b"+")

    def _tagged(self, line: bytes) -> None:
        found = _TAGGED.match(line.rstrip(b"\r\n"))
        if not found or found.group(1) not in self._waiting:
            raise self._broken("garbage")
        tag, status = found.group(1), found.group(2).upper().decode("ascii")
        text = (found.group(3) or b"").decode("utf-8", "replace")
        self.throttled = self.throttled or "[THROTTLED]" in text.upper()
        self._done[tag] = text if status == "OK" else Refused(status, text, self._waiting[tag])

    def _other(self, line: bytes, literals: tuple[bytes | None, ...]) -> None:
        found = _UNTAGGED.match(line)
        if not found:
            raise self._broken("garbage")
        number, name, rest = int(found.group(1) or 0), found.group(2).upper().decode("ascii"), found.group(3) or b""
        if name == "BYE":
            raise self._broken("bye", rest.decode("utf-8", "replace"))
        if name == "EXISTS":
            self.exists = number
        if len(self._untagged) >= MAX_UNTAGGED:
            raise self._broken("flood")
        if name in _KEPT:
            self._untagged.append((number, name, rest, tuple(literal or b"" for literal in literals)))

    def _line(self) -> bytes:
        try:
            line: bytes = self._imap.file.readline(LINE_LIMIT)
        except TimeoutError as error:
            raise self._broken("timeout") from error
        except (OSError, ValueError) as error:
            raise self._broken("eof") from error
        except Closed as error:
            raise self._broken(error.reason) from error
        if not line.endswith(b"\n"):
            raise self._broken("flood" if len(line) >= LINE_LIMIT else "eof")
        return line

    def _literals(self, line: bytes) -> tuple[bytes, tuple[bytes | None, ...]]:
        """The whole response: its text with ``{n}`` where literals stood, and the literals (None: too large)."""
        if not line.endswith(b"}\r\n"):
            return line.rstrip(b"\r\n"), ()
        text, literals = b"", []
        while found := _LITERAL.search(line):
            text += line.rstrip(b"\r\n")
            literals.append(self._literal(int(found.group(1))))
            line = self._line()
        return text + line.rstrip(b"\r\n"), tuple(literals)

    def _literal(self, size: int) -> bytes | None:
        if size > self._imap.raw.budget + _BUFFER:
            raise self._broken("flood")
        try:
            if size <= LITERAL_LIMIT:
                data: bytes = self._imap.file.read(size)
            else:
                data = b""
                for start in range(0, size, _BUFFER):
                    self._imap.file.read(min(_BUFFER, size - start))
        except TimeoutError as error:
            raise self._broken("timeout") from error
        except (OSError, ValueError) as error:
            raise self._broken("eof") from error
        except Closed as error:
            raise self._broken(error.reason) from error
        if size > LITERAL_LIMIT:
            return None
        if len(data) != size:
            raise self._broken("eof")
        return data

    def _broken(self, reason: str, text: str = "") -> Closed:
        self.closed = True
        with contextlib.suppress(OSError, ValueError):
            self._imap.shutdown()
        return Closed(reason, text)

    # -- FETCH ----------------------------------------------------------------------------------------------------

    def _fetched(self, text: bytes, literals: tuple[bytes | None, ...]) -> None:
        self._flags_told = True
        found = read_item(text, literals)
        if found is None:
            return
        held = self.items.get(found.uid)
        if held is None:
            if len(self.items) >= MAX_ITEMS:
                raise self._broken("flood")
            self.items[found.uid] = found
        else:
            merge(held, found)
