"""What the writer wrote, apart from the history below (or between) and the signature.

A judgement by line marks: quote signs, attribution lines ("On ... wrote:"), separators, header blocks of quoted
mails. Inline and bottom-posted answers keep their lines in order. The words lie in ``mailparse.phrases``.
Never raises, never loses a line: new + signature + quoted hold every non-blank line. Bounded: text beyond
``MAX_LINES`` lines is counted as quoted history without being judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.mailparse.phrases import (
    ATTRIBUTION_START,
    CLOSING,
    FORWARDED,
    FROM,
    NOTICE,
    NOTICE_WORDS,
    ORIGINAL,
    SENT,
    SENT_FROM,
    SUBJECT,
    TO,
    VERBS,
)

MAX_LINES = 20_000
ATTRIBUTION_LINES = 5
SIGNATURE_LINES = 14
NOTICE_LINES = 40

_DELIMITER = re.compile(r"^(?:--|_{2,}|[—–]+|\*{3,})$")
_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+")
_REACH = re.compile(
    r"^(?:(?:e-?mail|mail|m|t|tel|telefon|phone|mobile?|mob|cell|fax|f|p|o|w|web|www|skype)\W{0,3}[\s:]\s*)?"
    r"(?:<?[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+>?|(?:https?://|www\.)\S+|\+?[\d][\d\s()./-]{6,20}(?:x\d{1,5})?|"
    r"\(\d{2,5}\)\s?[\d\s./-]{5,16})$", re.I)
_DIGIT = re.compile(r"\d")
_NOTES_DATE = re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\s+(?:at\s+)?\d{1,2}:\d\d")
_COLONS = frozenset({":", "："})
_AFTER_COLON = " \t*_\r\xa0\u200b"
_MARKS = frozenset(">-_=*~—")
_VERB_ENDS = ("wrote", "wrote ----", "schrieb", "écrit", "escribió", "scritto", "escreveu", "schreef")
_NO_COLON = re.compile(r"^(?:-{2,}\s*)?(?:on|le|am|el|il|em|op)\s.{10,200}\s(?:wrote|schrieb|écrit|escribió|scritto|"
                       r"escreveu|schreef)\s*(?:-{2,})?$", re.I)
_BLANKS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Split:
    """``new`` is what was written for this mail, ``quoted`` the history, ``signature`` the block that ends ``new``."""

    new: str
    quoted: str
    signature: str


def split(text: str) -> Split:
    """Cut ``text`` (lines ended by LF, CRLF or CR) into its three parts, each without outer blank lines."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    marks = marked(lines)
    new = _join(lines, marks, "N")
    return Split(new, _join(lines, marks, "Q"), _join(lines, marks, "S"))


def marked(lines: list[str]) -> str:
    """One letter per line: N new, Q quoted, S signature."""
    marks = ["N"] * len(lines)
    near = _near_colons(lines[:MAX_LINES])
    done = 0
    for n, line in enumerate(lines):
        if n < done:
            continue
        bare = line.strip()
        if not bare or n < MAX_LINES and not (n in near or bare[0] in _MARKS or ":" in bare or "：" in bare
                                              or bare.endswith(_VERB_ENDS)):
            continue
        length, rest = _opens(lines, n, bare, n in near) if n < MAX_LINES else (0, True)
        if rest:
            marks[n:] = "Q" * (len(lines) - n)
            break
        done = n + length
        marks[n:done] = "Q" * length
    _unmarked_history(lines, marks)
    _sign(lines, marks)
    return "".join(marks)


def _near_colons(lines: list[str]) -> frozenset[int]:
    """Lines from which a line that ends in a colon is at most ``ATTRIBUTION_LINES`` - 1 away: attributions start there."""
    ends = [n for n, line in enumerate(lines) if line.rstrip(_AFTER_COLON)[-1:] in _COLONS]
    return frozenset(k for n in ends for k in range(max(0, n - ATTRIBUTION_LINES + 1), n + 1))


def _join(lines: list[str], marks: str, mark: str) -> str:
    if mark not in marks:
        return ""
    text = "\n".join(line.rstrip() for line, m in zip(lines, marks, strict=True) if m == mark).strip("\n")
    return _BLANKS.sub("\n\n", text) if mark == "N" else text


def _opens(lines: list[str], n: int, line: str, near: bool) -> tuple[int, bool]:
    """How many lines from ``n`` on are quoted marks, and whether all the rest is history. ``line`` is stripped;
    ``near`` says that a line ending in a colon is close."""
    first = line[0]
    if first == ">":
        return 1 + _wrapped(lines, n, line), False
    if first in _MARKS and _separator(lines, n, line):
        return 0, True
    colon = line.find(":", 0, 40) if ":" in line else line.find("：", 0, 40)
    if colon > 0 and _header_block(lines, n, line[:colon]):
        return 0, True
    if line.endswith(_VERB_ENDS) and _NO_COLON.match(line) and _says_who_wrote(line):
        return 1, not _quote_follows(lines, n + 1)
    return _attribution(lines, n, line) if near else (0, False)


def _wrapped(lines: list[str], n: int, line: str) -> int:
    """1 where the next line is the broken-off end of a long quoted line, with quote signs again below it."""
    if len(line) < 60 or line[-1] in ".?!:" or n + 2 >= len(lines) or not lines[n + 2].startswith(">"):
        return 0
    following = lines[n + 1].strip()
    return 1 if following and following[0] != ">" else 0


def _separator(lines: list[str], n: int, line: str) -> bool:
    """``-----Original Message-----`` and its kin, or a rule right above a quoted mail's header block."""
    words = line.strip("-_=*~— \t>:")
    if words and _NO_COLON.match(line):
        return True
    if words:
        return len(words) < 120 and (line.startswith(("--", "__", "==", "**", "—", "*")) or line.endswith("--")) and (
            _holds(words, ORIGINAL) or _holds(words, FORWARDED))
    if len(line) < 4:
        return False
    following = _next(lines, n)
    if following < 0:
        return False
    head, found, _ = lines[following].strip().replace("：", ":").partition(":")
    return bool(found) and _header_block(lines, following, head)


def _holds(text: str, phrases: tuple[str, ...]) -> bool:
    text = text.lower()
    return any([phrase in text for phrase in phrases])


def _next(lines: list[str], n: int) -> int:
    """The next line that is not blank, within three; -1 where there is none."""
    for k in range(n + 1, min(n + 4, len(lines))):
        if lines[k].strip():
            return k
    return -1


def _key(head: str) -> str:
    return head.strip(" \t*_>#|").lower()


def _header_block(lines: list[str], n: int, head: str) -> bool:
    """A From line with two more header lines close below: the head of a quoted mail. Or Lotus Notes' date and To."""
    key = _key(head)
    if key in FROM:
        return _kinds(lines, n) >= 3 or (_kinds(lines, n) == 2 and _ADDRESS.search(lines[n]) is not None)
    if key in SENT or key in SUBJECT:
        return _kinds(lines, n) >= 3 and any(
            _key(line.replace("：", ":").partition(":")[0]) in FROM for line in lines[n : n + 5])
    if key == "to" and n:
        return _NOTES_DATE.search(lines[n - 1]) is not None and _kinds(lines, n, 40) >= 2
    return False


def _kinds(lines: list[str], n: int, span: int = 8) -> int:
    """How many kinds of header (from, sent, to, subject) stand on the lines from ``n`` on."""
    kinds = set()
    for line in lines[n : n + span]:
        head, found, _ = line.replace("：", ":").partition(":")
        if found and len(head) < 30:
            key = _key(head)
            for kind, names in enumerate((FROM, SENT, TO, SUBJECT)):
                if key in names:
                    kinds.add(kind)
    return len(kinds)


def _attribution(lines: list[str], n: int, line: str) -> tuple[int, bool]:
    """``On <date>, <who> wrote:`` on up to five lines. What follows decides: quote signs, or all of the rest."""
    if not ATTRIBUTION_START.match(line) and "@" not in line and not _holds(line, VERBS):
        return 0, False
    joined = ""
    for k in range(n, min(n + ATTRIBUTION_LINES, len(lines))):
        piece = lines[k].strip()
        if not piece and joined:
            break
        joined = f"{joined} {piece}"
        if len(joined) > 500:
            break
        if piece.rstrip(_AFTER_COLON)[-1:] in _COLONS and _says_who_wrote(joined):
            return k - n + 1, not _quote_follows(lines, k + 1)
    return 0, False


def _says_who_wrote(line: str) -> bool:
    """A verb of writing with a date or an address; or a date with an address alone."""
    address = "@" in line and _ADDRESS.search(line) is not None
    if _holds(line, VERBS):
        return address or _DIGIT.search(line) is not None
    return address and _DIGIT.search(line) is not None and ATTRIBUTION_START.match(line) is not None and "<" in line


def _quote_follows(lines: list[str], n: int) -> bool:
    for line in lines[n : n + 4]:
        if line.strip():
            return line.lstrip().startswith(">")
    return False


def _sign(lines: list[str], marks: list[str]) -> None:
    """Mark the signature: the tail of the new lines from a delimiter, a "sent from", or a closing phrase on."""
    new = [n for n, mark in enumerate(marks) if mark == "N" and lines[n].strip()]
    start = _signature(lines, new)
    if start is None:
        return
    for n in range(start, len(lines)):
        if marks[n] == "N":
            marks[n] = "S"


def _unmarked_history(lines: list[str], marks: list[str]) -> None:
    """What stands below a lone "Sent from my ..." line is history that a mobile client left unmarked."""
    for n in range(1, len(lines) - 2):
        lone = marks[n] != "Q" and 6 < len(lines[n]) < 120 and not lines[n - 1].strip() and not lines[n + 1].strip()
        if lone and SENT_FROM.match(lines[n].strip()) and any(line.strip() for line in lines[n + 2 :]):
            marks[n] = "S"
            marks[n + 1 :] = ["Q"] * (len(marks) - n - 1)
            return


def _signature(lines: list[str], new: list[int]) -> int | None:
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
        if _DELIMITER.match(line) or SENT_FROM.match(line) or (
            n != new[0] and at and len(line) < 60 and CLOSING.match(line) and _name_follows(lines[tail[-at]])
        ):
            best, told = n, True
    if not told:
        block = _contact_block(lines, tail)
        best = best if block is None or block == new[0] else block
    return best


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
