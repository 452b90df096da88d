"""winmail.dat (MS-OXTNEF): the names of what it carries, and its body where the mail has no other.

Read with tnefparse, which raises many kinds of errors on damaged input: all of them mean "unreadable" here and are
reported to the caller, never raised. Bounds: ``MAX_TNEF`` bytes, ``MAX_INSIDE`` attachments.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tnefparse import TNEF

from connectors.types import Attachment

MAX_TNEF = 30_000_000
MAX_INSIDE = 200

# It logs names and values out of the mail it reads.
logging.getLogger("tnefparse").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Inside:
    """``readable`` is False where the container is damaged; the rest is then empty."""

    readable: bool
    attachments: tuple[Attachment, ...] = ()
    text: str = ""
    html: str = ""


def opened(data: bytes, part: str) -> Inside:
    """What lies in a winmail.dat; ``part`` names the container in the attachments' handles."""
    if len(data) > MAX_TNEF:
        return Inside(False)
    try:
        box = TNEF(data, do_checksum=False)
        inside = tuple(
            Attachment(str(item.long_filename() or item.name or "").strip("\0"), "application/octet-stream",
                       len(item.data or b""), f"{part}/{n}")
            for n, item in enumerate(box.attachments[:MAX_INSIDE])
        )
        return Inside(True, inside, _text(box.body), _text(box.htmlbody))
    except Exception:  # noqa: BLE001 - a third-party reader of hostile binary input; every failure means one thing
        return Inside(False)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace") if max(value[:1], b"") >= b"\x80" else value.decode("cp1252",
            "replace")
    return value.strip("\0") if isinstance(value, str) else ""
