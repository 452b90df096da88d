"""Who wrote the originals that a mail forwards inline: Gmail, Outlook, Apple Mail and Lotus Notes marks.

Only forwards count: a forward's subject or mark must be there; a reply's quoted history is not one. Never raises.
"""

from __future__ import annotations

import re

from connectors.mailparse import addresses
from connectors.mailparse.phrases import FORWARD_SUBJECT, FORWARDED, FROM, SENT, SUBJECT, TO
from connectors.types import Mailbox

MAX_LINES = 20_000
MAX_FORWARDS = 10

_MAILTO = re.compile(r"[<\[(]\s*mailto:([^\s>\])]+)\s*[>\])]", re.I)
_SCANDINAVIAN = re.compile(r"^\s*vs\s*:", re.I)
"""VS: is a forward in Danish and Norwegian, a reply in Finnish: the language of the header block tells."""
_NOTES = re.compile(r"^\s*(\S.{0,200}@\S{1,200}) on \d{1,2}[/.]\d{1,2}[/.]\d{2,4} \d{1,2}:\d\d")
_LINKED = re.compile(r"([^\s<>]+@[^\s<>]+)\s*<(?:mailto:)?\1>", re.I)


def senders(subject: str, quoted: str) -> tuple[Mailbox, ...]:
    """The From of each forwarded original in ``quoted`` (what ``quoting.split`` cut off), outermost first.

    Empty where the mail is no forward: neither its subject nor the head of its quoted part says so.
    """
    lines = quoted.split("\n", MAX_LINES)[:MAX_LINES]
    if not _is_forward(subject, lines):
        return ()
    out: list[Mailbox] = []
    for n, line in enumerate(lines):
        value = _from_line(line)
        if value and _headed(lines, n):
            value = _LINKED.sub(r"<\1>", _MAILTO.sub(r"<\1>", value.replace("*", "")))
            found = [box for box in addresses.mailboxes(_whole(lines, n, value)) if "@" in box.address]
            out += [box for box in found[:1] if box not in out]
            if len(out) >= MAX_FORWARDS:
                break
    return tuple(out)


def _is_forward(subject: str, lines: list[str]) -> bool:
    if FORWARD_SUBJECT.match(subject):
        return True
    head = "\n".join([line for line in lines[:12] if line.strip()][:2]).lower()
    if _SCANDINAVIAN.match(subject):
        return "fra:" in "\n".join(lines[:12]).lower()
    return any(phrase in head for phrase in FORWARDED)


def _from_line(line: str) -> str:
    """The value of a From line in any known language, or of Lotus Notes' "who on date" line, else ""."""
    notes = _NOTES.match(line) if "@" in line else None
    if notes:
        return notes[1]
    head, found, value = line.replace("：", ":").partition(":")
    if not found or len(head) > 30 or head.strip(" \t>*_|").lower() not in FROM:
        return ""
    return value.strip(" \t*")


def _whole(lines: list[str], n: int, value: str) -> str:
    """A From value whose address was wrapped to the next line is put together."""
    if "@" in value or n + 1 >= len(lines):
        return value
    following = lines[n + 1].strip(" \t>*")
    return f"{value} <{following.strip('<>')}>" if "@" in following and ":" not in following else value


def _headed(lines: list[str], n: int) -> bool:
    """At least one more header line stands close to the From line."""
    for line in lines[max(0, n - 3) : n] + lines[n + 1 : n + 6]:
        head, found, _ = line.replace("：", ":").partition(":")
        if found and len(head) < 30 and head.strip(" \t>*_|").lower() in SENT | TO | SUBJECT:
            return True
    return False
