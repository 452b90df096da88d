"""One UID for a meeting, whichever system wrote it down.

Exchange and Outlook write UIDs of their own ([MS-OXCICAL] 2.1.3.1.1.20.26, [MS-OXOCAL] 2.2.1.27): a global object id,
with the date of the instance in bytes 16 to 19, and around a foreign UID as its payload after "vCal-Uid". Both can be
undone; a UID that was replaced by an unrelated one cannot, and stays another meeting (docs/adr).
"""

from __future__ import annotations

import re
from typing import Final

GLOBAL_ID: Final = "040000008200e00074c5b7101a82e008"
_WRAPPED: Final = b"vCal-Uid\x01\x00\x00\x00"
_HEX: Final = re.compile(r"^(?:[0-9a-fA-F]{2}){40,2000}$")
_OUTLOOK: Final = re.compile(rf"({GLOBAL_ID})[0-9A-F]{{8}}([0-9A-F]{{48,}})$", re.I)


def canonical_uid(uid: str) -> str:
    """The UID without what Exchange and Outlook put around it: all instances of a series have one."""
    plain = unwrapped(uid)
    match = _OUTLOOK.match(plain)
    return f"{match[1]}00000000{match[2]}" if match else plain


def unwrapped(uid: str) -> str:
    """The UID a foreign system gave, taken out of a global object id; any other UID as it is."""
    if not (_HEX.match(uid) and uid[: len(GLOBAL_ID)].casefold() == GLOBAL_ID):
        return uid
    data = bytes.fromhex(uid)
    found = data.find(_WRAPPED)
    if found < 0:
        return uid
    inner = data[found + len(_WRAPPED) :].split(b"\x00", 1)[0].decode("utf-8", "replace").strip()
    return inner or uid
