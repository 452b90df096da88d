"""Where a signature starts: a delimiter, "Sent from my ...", a closing phrase, contact lines, a legal notice.

A judgement over the lines that are new; the words lie in ``phrases``. Never raises.
"""

from __future__ import annotations

import re

from connectors.mailparse.phrases import CLOSING, NOTICE, NOTICE_WORDS, SENT_FROM, SENT_FROM_STARTS

SIGNATURE_LINES = 14
NOTICE_LINES = 40
SENT_FROM_LINES = 8
"""How far from the end each of them may start."""

_MARKS = frozenset("-_*—–")
_DELIMITER = re.compile(r"^(?:--|_{2,}|[—–]+|\*{3,})$")
_REACH = re.compile(
    r"^(?:(?:e-?mail|mail|m|t|tel|telefon|phone|mobile?|mob|cell|fax|f|p|o|w|web|www|skype)\W{0,3}[\s:]\s*)?"
    r"(?:<?[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+>?|(?:https?://|www\.)\S+|\+?[\d][\d\s()./-]{6,20}(?:x\d{1,5})?|"
    r"\(\d{2,5}\)\s?[\d\s./-]{5,16})$", re.I)


def start(lines: list[str], new: list[int]) -> int | None:
    """Where the signature starts among the non-blank new lines, or None.

    From below: a legal notice, a delimiter, "Sent from", a closing phrase, else a block of contact lines.
    """
    notice = _notice(lines, new)
    tail = new[:notice][-SIGNATURE_LINES:]
    best = new[notice] if notice < len(new) else None
    told = False
    for at, n in enumerate(reversed(tail)):
        line = lines[n].strip()
        if len(line) > 100:
            break
        phrase = n != new[0] and at and line.count(" ") < 7 and CLOSING.match(line)
        if _closes(line, at) or (phrase and _name_follows(lines[tail[-at]])):
            best, told = n, True
    if not told:
        block = _contact_block(lines, tail)
        best = best if block is None or block == new[0] else block
    return best


def _closes(line: str, above_end: int) -> bool:
    """A signature delimiter, or a mobile client's line near the end."""
    if line[0] in _MARKS and _DELIMITER.match(line):
        return True
    return above_end < SENT_FROM_LINES and sent_from(line)


def sent_from(line: str) -> bool:
    return line.lower().lstrip(" *_-<([").startswith(SENT_FROM_STARTS) and SENT_FROM.match(line) is not None


def _name_follows(line: str) -> bool:
    """A closing is followed by a name or another closing, not by a sentence."""
    line = line.strip()
    return len(line) <= 60 and len(line.split()) <= 7 and line[-1] not in "?:;" and not line.endswith("...")


def _notice(lines: list[str], new: list[int]) -> int:
    """The index in ``new`` where a legal notice at the end starts (its paragraph's first line), else its length."""
    last = new[-NOTICE_LINES:]
    text = "\n".join([lines[n] for n in last])
    if not any(word in text for word in NOTICE_WORDS):
        return len(new)
    for at in range(max(1, len(new) - NOTICE_LINES), len(new)):
        if NOTICE.search(lines[new[at]]):
            while at > 1 and new[at - 1] == new[at] - 1 and not CLOSING.match(lines[new[at - 1]]):
                at -= 1
            return at
    return len(new)


def _contact_block(lines: list[str], tail: list[int]) -> int | None:
    """The last paragraph, when it is a name with an address, phone number or site below it."""
    if not tail:
        return None
    block = [tail[-1]]
    for n in reversed(tail[:-1]):
        if n != block[0] - 1:
            break
        block.insert(0, n)
    texts = [lines[n].strip() for n in block]
    short = 2 <= len(block) <= 10 and all(len(text) <= 70 for text in texts) and texts[0][-1] not in ".?!:;,"
    reach = sum(1 for text in texts[1:] if _REACH.match(text))
    return block[0] if short and len(texts[0].split()) <= 6 and reach else None
