"""Reading an mbox file of any size: mboxo, mboxrd, and what Thunderbird, Apple Mail and Gmail's export write.

One pass finds where messages lie and what identifies them; the content is then read from the end, newest first. A
separator is a "From " line with a date, after an empty line or before a header - not any line that starts with "From "
(RFC 4155, appendix A). Files may be cut anywhere.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

MAX_MESSAGE: Final = 200_000_000
_CHUNK: Final = 4 * 1024 * 1024
_LINE: Final = 1_000
_ID: Final = 16

_SEPARATOR: Final = re.compile(rb"From [^\r\n]*\d\d:\d\d[^\r\n]*\b(?:19|20)\d\d\b[^\r\n]*\r?\n")
_PLAIN: Final = re.compile(rb"From [^\r\n]*\r?\n")
_HEADER: Final = re.compile(rb">?[!-9;-~]{1,80}[ \t]*:|From ")
# Programs rewrite these in place when a flag changes; they are no part of a message's identity.
_STATUS: Final = re.compile(
    rb"^(?:X-)?(?:Mozilla-)?(?:Status2?|Keys|Keywords|UID):[^\n]*\n(?:[ \t][^\n]*\n)*", re.I | re.M
)
_QUOTED: Final = re.compile(rb"^>(>*From )", re.M)
_BOUNDARY: Final = re.compile(
    rb"^Content-Type:\s*multipart/[^\n]*(?:\n[ \t][^\n]*)*?boundary=\"?([^\";\r\n]+)", re.I | re.M
)


@dataclass(slots=True)
class Index:
    """Where the messages lie (start after the "From " line, end) and their identities, in file order.

    ``chain`` is a digest over all identities, ``flags`` one over the status lines: equal chains mean equal content.
    """

    starts: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("Q"))
    lines: array[int] = field(default_factory=lambda: array("Q"))
    digests: bytearray = field(default_factory=bytearray)
    chain: str = ""
    flags: str = ""

    def __len__(self) -> int:
        return len(self.starts)

    def ids(self) -> list[str]:
        """The remote ids: a digest of the content, with an ordinal from the second of exact duplicates on."""
        seen: Counter[bytes] = Counter()
        ids = []
        for at in range(0, len(self.digests), _ID):
            digest = bytes(self.digests[at : at + _ID])
            seen[digest] += 1
            ids.append(digest.hex() if seen[digest] == 1 else f"{digest.hex()}.{seen[digest]}")
        return ids

    def chain_of(self, count: int) -> str:
        """The chain over the first ``count`` messages."""
        return hashlib.sha256(self.digests[: count * _ID]).hexdigest()[:32]


def looks_like_mbox(head: bytes) -> bool:
    """Whether a file that begins so is an mbox."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    match = _PLAIN.match(start)
    return bool(match and (_SEPARATOR.match(start) or _HEADER.match(start[match.end() :])))


def index(handle: BinaryIO) -> Index:
    """Find all messages of an open file. Content is hashed as it passes; memory does not grow with message size."""
    found = Index()
    flags = hashlib.sha256()
    line = start = None
    for at, length in separators(handle):
        if start is not None and line is not None:
            _close(handle, found, line, start, at, flags)
        line, start = at, at + length
    if start is not None and line is not None:
        _close(handle, found, line, start, handle.seek(0, 2), flags)
    found.chain = found.chain_of(len(found))
    found.flags = flags.hexdigest()[:32]
    return found


def separators(handle: BinaryIO) -> Iterator[tuple[int, int]]:
    """(offset, length) of each separator line, in order."""
    handle.seek(0)
    head = handle.read(_LINE)
    lead = len(head) - len(head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
    first = _PLAIN.match(head, lead)
    if first is None:
        return
    yield lead, first.end() - lead
    # A file whose first separator has no date is written by a program that never writes one.
    dated = _SEPARATOR.match(head, lead) is not None
    base, rest, seen = 0, b"", 0
    handle.seek(0)
    while chunk := handle.read(_CHUNK):
        window = rest + chunk
        keep = 2 * _LINE if len(chunk) == _CHUNK else 0
        stop = max(len(window) - keep, 0)
        for at, length in _within(window, seen, stop, dated):
            if base + at > lead:
                yield base + at, length
        # Four bytes stay as what comes before a separator, the rest because one may reach into the next chunk.
        cut = max(stop - 4, 0)
        base, rest, seen = base + cut, window[cut:], stop - cut


def _within(window: bytes, first: int, stop: int, dated: bool) -> Iterator[tuple[int, int]]:
    at = window.find(b"\nFrom ", first)
    while 0 <= at < stop:
        match = (_SEPARATOR if dated else _PLAIN).match(window, at + 1, at + 1 + _LINE)
        if match is not None and _separates(window, at, match.end(), dated):
            yield at + 1, match.end() - at - 1
        at = window.find(b"\nFrom ", at + 1)


def _separates(window: bytes, at: int, end: int, dated: bool) -> bool:
    after_blank = window[max(at - 1, 0) : at] == b"\n" or window[max(at - 2, 0) : at] == b"\n\r"
    before_header = _HEADER.match(window, end) is not None or end == len(window)
    return (after_blank or before_header) if dated else (after_blank and before_header)


def _close(handle: BinaryIO, found: Index, line: int, start: int, end: int, flags: hashlib._Hash) -> None:
    """Take a message into the index. Called between reads of ``separators``, so the position is put back."""
    position = handle.tell()
    end = start + _length(handle, start, end)
    digest, status = _digest(handle, start, end)
    flags.update(status + b"\n")
    found.lines.append(line)
    found.starts.append(start)
    found.ends.append(end)
    found.digests += digest
    handle.seek(position)


def _length(handle: BinaryIO, start: int, end: int) -> int:
    """The length without the empty line that stands before the next separator: it belongs to the file, and a message
    is the same whether another has been appended after it or not."""
    handle.seek(max(end - 4, start))
    tail = handle.read(end - handle.tell())
    blank = 2 if tail.endswith(b"\n\r\n") else 1 if tail.endswith(b"\n\n") else 0
    return end - start - blank


def _digest(handle: BinaryIO, start: int, end: int) -> tuple[bytes, bytes]:
    handle.seek(start)
    head = handle.read(min(end - start, 65_536))
    body = re.search(rb"\r?\n\r?\n", head)
    cut = body.start() + 1 if body else len(head)
    status = b"".join(_STATUS.findall(head[:cut]))
    digest = hashlib.sha256(_STATUS.sub(b"", head[:cut]) + head[cut:])
    left = end - start - len(head)
    while left > 0 and (chunk := handle.read(min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()[:_ID], status


def message(handle: BinaryIO, start: int, end: int) -> bytes:
    """The message between two offsets, with quoted "From " lines as they were written."""
    handle.seek(start)
    return _QUOTED.sub(rb"\1", handle.read(end - start))


def separator(handle: BinaryIO, line: int, start: int) -> bytes:
    """The "From " line of a message."""
    handle.seek(line)
    return handle.read(start - line)


def is_cut(source: bytes) -> bool:
    """Whether a message ends before its end: inside its header, or without its closing boundary."""
    body = re.search(rb"\r?\n\r?\n", source)
    if body is None:
        return True
    boundary = _BOUNDARY.search(source, 0, body.start())
    return bool(boundary and b"--" + boundary[1].strip() + b"--" not in source)
