"""Flags without MODSEQ: digests per block of UIDs tell which blocks changed since they were last seen.

A block's digest is the sum of a checksum per message, so batches can be added in any order. Only for servers without
CONDSTORE; a removed message makes its block differ once, which costs a few repeated flags and nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

from connectors.imap.cursor import BLOCK, Position
from connectors.types import Change, Upsert

_MODULUS = 1 << 48


def digest(uid: int, flags: frozenset[str]) -> int:
    """One message's share of its block's digest."""
    text = f"{uid} {' '.join(sorted(flags))}".encode()
    return (zlib.crc32(text) << 16 | zlib.adler32(text) & 0xFFFF) + 1


def add(digests: dict[int, int], uid: int, flags: frozenset[str]) -> None:
    """Count a message in, in place."""
    block = uid // BLOCK
    digests[block] = (digests.get(block, 0) + digest(uid, flags)) % _MODULUS


def with_flags(position: Position, changes: Iterable[Change]) -> Position:
    """The position with the flags of newly handed-over mails counted in; unchanged where MODSEQ does the work."""
    if position.tier != "none":
        return position
    digests = dict(position.digests)
    for change in changes:
        if isinstance(change, Upsert):
            add(digests, int(change.remote_id.rpartition(":")[2]), change.flags)
    return replace(position, digests=digests)


def of(flags: dict[int, frozenset[str]]) -> dict[int, int]:
    """Digests of all blocks the messages are in."""
    digests: dict[int, int] = {}
    for uid, held in flags.items():
        add(digests, uid, held)
    return digests
