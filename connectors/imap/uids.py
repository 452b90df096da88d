"""Sets of UIDs as ranges: small in memory and in a cursor, cheap to compare.

A UID is a 32-bit number (RFC 9051 section 2.3.1.1); sets on the wire are ``1:5,9`` (section 9, sequence-set). Never
expands a range that a server sent: such a range may be ``12:*``.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

MAX_UID = 0xFFFFFFFF
MAX_ENCODED_RANGES = 200_000
MAX_DECODED_BYTES = 4_000_000
_SHORT = 1500


class UidSet:
    """An immutable set of UIDs, held as sorted, disjoint, non-touching ranges. ``len`` is the number of UIDs."""

    __slots__ = ("_count", "ranges")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self.ranges = _normal(ranges)
        self._count = sum(high - low + 1 for low, high in self.ranges)

    @classmethod
    def of(cls, uids: Iterable[int]) -> UidSet:
        """The set of single UIDs, in any order."""
        return cls(_runs(sorted(uids)))

    @classmethod
    def parse(cls, text: str) -> UidSet:
        """Read a sequence-set (``1:5,9,12:*``); ``*`` is the largest UID. Raises ValueError on anything else."""
        return cls(_range(piece) for piece in text.split(",") if piece)

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UidSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(tuple(self.ranges))

    def __contains__(self, uid: int) -> bool:
        at = bisect_right(self.ranges, (uid, MAX_UID + 1)) - 1
        return at >= 0 and self.ranges[at][0] <= uid <= self.ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def descending(self) -> Iterator[int]:
        """The UIDs from the highest to the lowest."""
        for low, high in reversed(self.ranges):
            yield from range(high, low - 1, -1)

    @property
    def lowest(self) -> int:
        """The lowest UID; 0 when empty."""
        return self.ranges[0][0] if self.ranges else 0

    @property
    def highest(self) -> int:
        """The highest UID; 0 when empty."""
        return self.ranges[-1][1] if self.ranges else 0

    def __or__(self, other: UidSet) -> UidSet:
        return UidSet([*self.ranges, *other.ranges])

    def __and__(self, other: UidSet) -> UidSet:
        return UidSet(_overlaps(self.ranges, other.ranges))

    def __sub__(self, other: UidSet) -> UidSet:
        return UidSet(_without(self.ranges, other.ranges))

    def between(self, low: int, high: int) -> UidSet:
        """The part of the set within ``low``..``high``, both included."""
        return self & UidSet([(low, high)]) if low <= high else UidSet()

    def text(self) -> str:
        """As a sequence-set for a command; "" when empty."""
        return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in self.ranges)

    def encode(self) -> str:
        """Compact text for a cursor: the sequence-set, or ``z`` and base64 of its compressed form when that is long.
        Beyond ``MAX_ENCODED_RANGES`` the lowest UIDs are left out, which costs only that their removal is noticed by
        the coverage audit instead of at once."""
        kept = self.ranges[-MAX_ENCODED_RANGES:]
        text = UidSet(kept).text() if len(kept) < len(self.ranges) else self.text()
        if len(text) <= _SHORT:
            return text
        return "z" + base64.b64encode(zlib.compress(_deltas(kept), 6)).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> UidSet:
        """The opposite of ``encode``. Raises ValueError."""
        if not text.startswith("z"):
            return cls.parse(text)
        try:
            packed = base64.b64decode(text[1:], validate=True)
            raw = zlib.decompressobj().decompress(packed, MAX_DECODED_BYTES)
        except (binascii.Error, zlib.error) as error:
            raise ValueError("broken UID set") from error
        return cls(_undelta(raw))


def _range(piece: str) -> tuple[int, int]:
    low, _, high = piece.partition(":")
    first = MAX_UID if low == "*" else int(low)
    last = first if not high else MAX_UID if high == "*" else int(high)
    if not (0 < first <= MAX_UID and 0 < last <= MAX_UID):
        raise ValueError(f"not a UID range: {piece[:40]!r}")
    return (first, last) if first <= last else (last, first)


def _runs(ordered: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for uid in ordered:
        if runs and uid <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return runs


def _normal(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def _overlaps(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    here = there = 0
    while here < len(left) and there < len(right):
        low, high = max(left[here][0], right[there][0]), min(left[here][1], right[there][1])
        if low <= high:
            yield low, high
        if left[here][1] < right[there][1]:
            here += 1
        else:
            there += 1


def _without(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    ends = [high for _low, high in right]
    for low, high in left:
        at = bisect_left(ends, low)
        while at < len(right) and right[at][0] <= high and low <= high:
            if low < right[at][0]:
                yield low, right[at][0] - 1
            low = right[at][1] + 1
            at += 1
        if low <= high:
            yield low, high


def _deltas(ranges: list[tuple[int, int]]) -> bytes:
    """Variable-length gaps and lengths: mostly one byte each, which compress well."""
    out = bytearray()
    last = 0
    for low, high in ranges:
        for number in (low - last, high - low):
            while number > 0x7F:
                out.append(0x80 | number & 0x7F)
                number >>= 7
            out.append(number)
        last = high
    return bytes(out)


def _undelta(raw: bytes) -> Iterator[tuple[int, int]]:
    number = shift = last = 0
    gap: int | None = None
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            continue
        if gap is None:
            gap = number
        else:
            low = last + gap
            last = low + number
            if last > MAX_UID:
                raise ValueError("broken UID set")
            yield low, last
            gap = None
        number = shift = 0
