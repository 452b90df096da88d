"""A signed-in connection with what it can do: extensions, sync tier, the folder that is open.

Opens folders with EXAMINE only, so nothing here can change the source. An extension that the server announces but
answers with BAD is remembered as disabled for the account, and the tier falls. Facts: RFC 9051 section 6.3.3, RFC 7162
(CONDSTORE, QRESYNC), RFC 5161 (ENABLE), RFC 2971 (ID), RFC 4731 (ESEARCH).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.errors import ConnectorError, StreamGone, TryLater
from connectors.imap import failures, login
from connectors.imap.answers import Answer, Closed, Refused, quoted
from connectors.imap.cursor import Position
from connectors.imap.failures import Phase
from connectors.imap.items import Item
from connectors.imap.uids import MAX_UID, UidSet
from connectors.imap.wire import ANSWER_BUDGET
from connectors.protocol import Context

QRESYNC, CONDSTORE, NONE = "qresync", "condstore", "none"
FOLDER_TRIES = 3
THROTTLED_PAUSE = 5.0
PER_CHANGE = 200
"""Bytes that a changed message's flags may take in an answer."""
_NUMBER_CODE = re.compile(rb"\[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) (\d{1,20})\]", re.IGNORECASE)
_NOMODSEQ = re.compile(rb"\[NOMODSEQ\]", re.IGNORECASE)
_BUSY = frozenset({"INUSE", "SERVERBUG", "CORRUPTION", "LIMIT"})
_ABSENT = frozenset({"NONEXISTENT", "TRYCREATE", "CANNOT", "NOPERM", ""})


@dataclass(frozen=True, slots=True)
class Opened:
    """What EXAMINE told. ``modseq`` is 0 where the folder has none. ``vanished`` and ``changed`` are QRESYNC's."""

    uidvalidity: int
    uidnext: int
    exists: int
    modseq: int
    vanished: UidSet
    changed: tuple[Item, ...]

    @property
    def level(self) -> tuple[int, int, int]:
        """The state to compare with a cursor's."""
        return self.uidnext, self.exists, self.modseq


class Session:
    """One worker's connection. Raises ConnectorError from every method; reconnecting is the caller's."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.wire = login.connect(context)
        asked = {str(name).upper() for name in context.config.get("disable", ())}
        remembered = {str(name).upper() for name in context.memory.get("disabled") or ()}
        self.disabled = asked | remembered
        self._asked = asked
        self.opened_name: bytes | None = None
        self.qresynced = False
        self.epoch = 0
        self._exists_then = 0
        try:
            self._introduce()
        except ConnectorError:
            self.wire.close()
            raise

    def _introduce(self) -> None:
        """ID and ENABLE, before the first SELECT; both in one round trip."""
        tags = []
        if self.has("ID"):
            tags.append(self.wire.send("ID", b'("name" "crm-sync")'))
        wanted = b"QRESYNC" if self.tier == QRESYNC else b"CONDSTORE" if self.tier == CONDSTORE else b""
        if wanted and self.has("ENABLE"):
            tags.append(self.wire.send("ENABLE", wanted))
        for tag in tags:
            try:
                self.wire.finish(tag)
            except Refused as refused:
                if refused.command == "ENABLE":
                    self.disable(wanted.decode("ascii"))
            except Closed as closed:
                raise failures.lost(closed) from closed

    def has(self, extension: str) -> bool:
        """Whether the server offers the extension and it was not found broken."""
        return extension in self.wire.capabilities() and extension not in self.disabled

    @property
    def tier(self) -> str:
        """The best way of finding changes that this server supports."""
        if self.has("QRESYNC") and self.has("ENABLE") and "CONDSTORE" not in self.disabled:
            return QRESYNC
        return CONDSTORE if self.has("CONDSTORE") or self.has("QRESYNC") else NONE

    @property
    def gmail(self) -> bool:
        """Whether Gmail's extension (X-GM-MSGID, X-GM-THRID, X-GM-LABELS) is there."""
        return self.has("X-GM-EXT-1")

    def disable(self, extension: str) -> None:
        """Do without an extension from now on, on this account."""
        self.disabled.add(extension)
        self.context.remember("disabled", sorted(self.disabled - self._asked))

    def ask(self, name: str, *arguments: bytes, budget: int = ANSWER_BUDGET) -> Answer:
        """Send a command and wait. Raises Refused for NO and BAD, TryLater for a lost connection."""
        try:
            answer = self.wire.call(name, *arguments, budget=budget)
        except Closed as closed:
            raise failures.lost(closed) from closed
        self.slow_down()
        return answer

    def call(self, name: str, *arguments: bytes, budget: int = ANSWER_BUDGET, phase: Phase = Phase.COMMAND) -> Answer:
        """The same, with refusals turned into errors."""
        try:
            return self.ask(name, *arguments, budget=budget)
        except Refused as refused:
            raise self.error(refused, phase) from refused

    def error(self, refused: Refused, phase: Phase = Phase.COMMAND) -> ConnectorError:
        """What a refusal means for this account, its history included."""
        found = failures.refusal(refused, phase)
        return login.unconnected(found, self.context) if found.code == "not_connected" else found

    def slow_down(self) -> None:
        """Pause when the server said [THROTTLED] with an OK."""
        if self.wire.throttled:
            self.wire.throttled = False
            self.context.sleep(THROTTLED_PAUSE)

    # -- folders --------------------------------------------------------------------------------------------------

    def examine(self, name: bytes, position: Position | None = None) -> Opened:
        """Open a folder read-only; with a position and QRESYNC, also learn what changed since. Raises StreamGone where
        it cannot be opened, after three tries when the server says it is busy."""
        self.settle()
        for attempt in range(1, FOLDER_TRIES + 1):
            try:
                return self._examine(name, position)
            except Refused as refused:
                if refused.status == "BAD" and self._lower():
                    return self.examine(name, position)
                if refused.code not in _BUSY or attempt == FOLDER_TRIES:
                    raise self._unopened(name, refused) from refused
                self.context.sleep(float(attempt))
        raise AssertionError("unreachable")

    def _examine(self, name: bytes, position: Position | None) -> Opened:
        self.opened_name = None
        parameters: tuple[bytes, ...] = ()
        if self.tier == QRESYNC and position and position.modseq:
            parameters = (b"(QRESYNC (%d %d))" % (position.uidvalidity, position.modseq),)
        elif self.tier != NONE:
            parameters = (b"(CONDSTORE)",)
        self.qresynced = parameters[:1] != () and parameters[0].startswith(b"(QRESYNC")
        changes = PER_CHANGE * len(position.known) if position and self.qresynced else 0
        answer = self.ask("EXAMINE", quoted(name), *parameters, budget=ANSWER_BUDGET + changes)
        self.opened_name = name
        if self.context.memory.get("not_connected_since"):
            self.context.remember("not_connected_since", None)
        return self._read_opened(answer)

    def _read_opened(self, answer: Answer) -> Opened:
        told = {"UIDVALIDITY": 0, "UIDNEXT": 0, "HIGHESTMODSEQ": 0}
        for text in (*answer.named("OK"), answer.text.encode("utf-8")):
            for key, number in _NUMBER_CODE.findall(text):
                told[key.upper().decode("ascii")] = int(number)
            if _NOMODSEQ.search(text):
                told["HIGHESTMODSEQ"] = 0
        counts = [number for number, kind, _rest, _literals in answer.untagged if kind == "EXISTS"]
        changed = tuple(self.wire.items.values())
        self.wire.items.clear()
        exists = counts[-1] if counts else 0
        self._exists_then = self.wire.exists = exists
        return Opened(told["UIDVALIDITY"], told["UIDNEXT"], exists, told["HIGHESTMODSEQ"], vanished(answer), changed)

    def _lower(self) -> bool:
        """Fall one tier after BAD; False when there is none below."""
        if self.tier == NONE:
            return False
        self.disable("QRESYNC" if self.tier == QRESYNC else "CONDSTORE")
        return True

    def _unopened(self, name: bytes, refused: Refused) -> ConnectorError:
        """The error for a folder that does not open; looks whether it is listed still."""
        found = self.error(refused, Phase.SELECT)
        if not isinstance(found, StreamGone) or refused.code not in _ABSENT:
            return found
        listed = self.call("LIST", b'""', quoted(name)).named("LIST")
        if any(not _unselectable(row) for row in listed):
            return found
        return StreamGone("The folder is no longer on the server.", permanent=True, code="folder_gone")

    def send(self, name: str, *arguments: bytes) -> bytes:
        """Send a command ahead; returns its tag. Raises TryLater for a lost connection."""
        try:
            return self.wire.send(name, *arguments)
        except Closed as closed:
            raise failures.lost(closed) from closed

    def leave(self) -> list[bytes]:
        """Close the open folder (UNSELECT, sent ahead); returns the tags to forget. Where that is not offered the
        folder stays open."""
        if self.opened_name is None or not self.has("UNSELECT"):
            return []
        self.opened_name = None
        return [self.send("UNSELECT")]

    @property
    def grown(self) -> bool:
        """Whether the server has told of more messages than there were when the folder was opened."""
        return (self.wire.exists or 0) > self._exists_then

    def settle(self) -> None:
        """Get over commands whose answers nobody waits for any more. Whoever iterates still has lost the connection:
        ``epoch`` tells it."""
        self.epoch += 1
        try:
            self.wire.settle()
        except Closed as closed:
            raise failures.lost(closed) from closed

    # -- ids ------------------------------------------------------------------------------------------------------

    def everything(self, exists: int) -> UidSet:
        """All UIDs of the open folder. An empty answer for a folder that holds messages is not believed, since it would
        remove them all. Raises TryLater."""
        if not exists:
            return UidSet()
        found = self.search(b"ALL", exists)
        if not found:
            raise TryLater("The mail server lists no messages in a folder that has some.", code="garbage")
        return found

    def search(self, criteria: bytes, exists: int) -> UidSet:
        """UIDs that fit, by ESEARCH where there is one. ``exists`` bounds the answer. Raises TryLater."""
        budget = 1_000_000 + 24 * max(exists, self.wire.exists or 0)
        if self.has("ESEARCH"):
            try:
                return _esearch(self.ask("UID SEARCH", b"RETURN (ALL)", criteria, budget=budget))
            except Refused as refused:
                if refused.status != "BAD":
                    raise self.error(refused) from refused
                self.disable("ESEARCH")
        try:
            return _searched(self.ask("UID SEARCH", criteria, budget=budget))
        except Refused as refused:
            if criteria != b"ALL":
                raise self.error(refused) from refused
            return _searched(self.call("UID SEARCH", b"1:*", budget=budget))


def _unselectable(row: bytes) -> bool:
    flags = row.partition(b")")[0].lower()
    return b"\\noselect" in flags or b"\\nonexistent" in flags


def vanished(answer: Answer) -> UidSet:
    """The UIDs of all VANISHED responses; ranges are kept as ranges, however wide."""
    found = UidSet()
    for rest in answer.named("VANISHED"):
        text = rest.rpartition(b" ")[2].decode("ascii", "replace")
        try:
            found = found | UidSet.parse(text)
        except ValueError:
            continue  # a malformed hint (seen at iCloud): the count check finds what it would have named
    return found


def _esearch(answer: Answer) -> UidSet:
    if not answer.named("ESEARCH"):
        return _searched(answer)
    for rest in answer.named("ESEARCH"):
        found = re.search(rb"\bALL ([0-9:,*]+)", rest)
        if found:
            return _checked(found.group(1))
    return UidSet()


def _searched(answer: Answer) -> UidSet:
    """A plain SEARCH answer; with neither kind the server said nothing, which is not the same as no messages."""
    if not answer.named("SEARCH"):
        raise TryLater("The mail server did not answer a search.", code="garbage")
    uids: list[int] = []
    for rest in answer.named("SEARCH"):
        uids.extend(int(word) for word in rest.partition(b"(")[0].split() if word.isdigit() and len(word) <= 10)
    return UidSet.of(uid for uid in uids if 0 < uid <= MAX_UID)


def _checked(text: bytes) -> UidSet:
    try:
        return UidSet.parse(text.decode("ascii"))
    except ValueError as error:
        raise TryLater("The mail server's answer to a search makes no sense.", code="garbage") from error
