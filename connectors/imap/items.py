"""FETCH responses read into items: fast for the attributes of the hot path, imapclient's parser for the rest.

Takes text that ``wire`` has framed already (``{n}`` where a literal stood) and never raises on what a server sent: a
response that cannot be read gives an item marked garbled, or none when it names no UID. Facts: RFC 9051 section 7.5.2,
RFC 7162 (MODSEQ), RFC 8474 (EMAILID, THREADID), Gmail's IMAP extensions (X-GM-*).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from imapclient.exceptions import ProtocolError
from imapclient.response_parser import parse_fetch_response, parse_response

_ANY_UID = re.compile(rb"\bUID (\d{1,10})\b")
_ATTRIBUTE = re.compile(
    rb"""(?:(UID|RFC822\.SIZE|X-GM-MSGID|X-GM-THRID)\ (\d{1,20})
    |(FLAGS|MODSEQ|EMAILID|THREADID)\ \(([^()"{]*)\)
    |(X-GM-LABELS)\ \(((?:[^()"{]|"(?:[^"\\]|\\.)*")*)\)
    |INTERNALDATE\ "([^"]*)"
    |(BODY\[[^\]]*\](?:<\d+>)?)\ (?:\{(\d+)\}|"((?:[^"\\]|\\.)*)"|NIL))([ )])""",
    re.VERBOSE,
)


@dataclass(slots=True)
class Item:
    """What FETCH told of one message so far. ``bodies`` is keyed by section as answered (``BODY[1]<0>``); a value of
    None means NIL or a literal too large to keep. ``structure`` is imapclient's nested BODYSTRUCTURE."""

    uid: int
    flags: bytes | None = None
    date: str = ""
    size: int = -1
    modseq: int = 0
    content_id: str = ""
    thread_id: str = ""
    labels: bytes = b""
    bodies: dict[bytes, bytes | None] = field(default_factory=dict)
    structure: Any = None
    garbled: bool = False


def read_item(text: bytes, literals: Sequence[bytes | None]) -> Item | None:
    """One FETCH response as an item; None when it names no UID."""
    return _quick(text, literals) or _thorough(text, literals)


def _quick(text: bytes, literals: Sequence[bytes | None]) -> Item | None:
    """Read a FETCH response made only of the attributes we ask for on the hot path; None when there is another."""
    at = text.index(b"(") + 1
    end = len(text)
    item = Item(0)
    taken = 0
    match = _ATTRIBUTE.match
    while at < end:
        found = match(text, at)
        if found is None:
            return None
        at = found.end()
        number_name, number, list_name, held, _labels, labels, date, section, size, string, closing = found.groups()
        if number_name is not None:
            _number(item, number_name, int(number))
        elif list_name is not None:
            _list(item, list_name, held)
        elif date is not None:
            item.date = date.decode("ascii", "replace")
        elif section is not None:
            if size is not None:
                if taken == len(literals):
                    return None
                item.bodies[section] = literals[taken]
                taken += 1
            else:
                item.bodies[section] = None if string is None else _unquoted(string)
        else:
            item.labels = labels
        if closing == b")":
            break
    return item if at == end and item.uid else None


def _number(item: Item, name: bytes, number: int) -> None:
    if name == b"UID":
        item.uid = number
    elif name == b"RFC822.SIZE":
        item.size = number
    elif name == b"X-GM-MSGID":
        item.content_id = str(number)
    else:
        item.thread_id = str(number)


def _list(item: Item, name: bytes, held: bytes) -> None:
    if name == b"FLAGS":
        item.flags = held
    elif name == b"MODSEQ":
        item.modseq = int(held) if held.isdigit() and len(held) <= 20 else 0
    elif name == b"EMAILID":
        item.content_id = held.decode("ascii", "replace")
    else:
        item.thread_id = held.decode("ascii", "replace")


def _thorough(text: bytes, literals: Sequence[bytes | None]) -> Item | None:
    """Read any FETCH response with imapclient's parser; a garbled one keeps at most its UID."""
    data = _as_imaplib(text[2:], literals)
    found = _ANY_UID.search(text)
    try:
        parsed = parse_fetch_response(data, normalise_times=False, uid_is_key=False)
        ((_seq, attributes),) = parsed.items()
        return _from_imapclient(attributes) if isinstance(attributes.get(b"UID"), int) else None
    except (ProtocolError, ValueError, TypeError, IndexError, AttributeError, AssertionError, RecursionError):
        return Item(int(found.group(1)), garbled=True) if found else None


def _from_imapclient(attributes: dict[bytes, Any]) -> Item:
    item = Item(attributes[b"UID"])
    for name, value in attributes.items():
        if name == b"FLAGS":
            item.flags = b" ".join(_bytes(flag) for flag in value or ())
        elif name == b"INTERNALDATE" and value is not None:
            item.date = value.strftime("%d-%b-%Y %H:%M:%S %z")
        elif name == b"RFC822.SIZE" and isinstance(value, int):
            item.size = value
        elif name in (b"MODSEQ", b"EMAILID", b"THREADID") and value:
            _list(item, name, _bytes(value[0]))
        elif name in (b"X-GM-MSGID", b"X-GM-THRID"):
            _number(item, name, int(value))
        elif name == b"X-GM-LABELS":
            item.labels = b" ".join(b'"%s"' % _bytes(label) for label in value or ())
        elif name == b"BODYSTRUCTURE":
            item.structure = value
        elif name.startswith(b"BODY["):
            item.bodies[name] = None if value is None else _bytes(value)
    return item


def _bytes(value: object) -> bytes:
    """imapclient turns what looks like a number into one."""
    return value if isinstance(value, bytes) else str(value).encode("ascii", "replace")


def _as_imaplib(text: bytes, literals: Sequence[bytes | None]) -> list[Any]:
    """Cut the text at its literals, the way imaplib hands responses over. Leaves out the word FETCH."""
    number, _, rest = text.partition(b" ")
    text = number + b" " + rest.partition(b" ")[2]
    out: list[Any] = []
    for literal in literals:
        size = 0 if literal is None else len(literal)
        found = re.search(rb"\{\d+\+?\}", text)
        if found is None:
            break
        out.append((text[: found.start()] + b"{%d}" % size, literal or b""))
        text = text[found.end() :]
    return [*out, text]


def merge(held: Item, found: Item) -> None:
    """Add to ``held`` what a later response told of the same message."""
    for name in ("flags", "structure"):
        if getattr(found, name) is not None:
            setattr(held, name, getattr(found, name))
    for name in ("date", "content_id", "thread_id", "labels", "modseq"):
        if getattr(found, name):
            setattr(held, name, getattr(found, name))
    if found.size >= 0:
        held.size = found.size
    held.garbled = held.garbled or found.garbled
    held.bodies.update(found.bodies)


def _unquoted(string: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", string) if b"\\" in string else string


def words(rest: bytes, literals: Sequence[bytes] = ()) -> tuple[Any, ...]:
    """Parse an untagged response's text (LIST, STATUS, NAMESPACE) into nested tuples of bytes, ints and None.
    Raises ValueError on what cannot be parsed."""
    data: list[Any] = _as_imaplib(b"0 X " + rest, literals)
    try:
        return tuple(parse_response(data))[1:]
    except (ProtocolError, TypeError, IndexError, RecursionError) as error:
        raise ValueError("unreadable response") from error
