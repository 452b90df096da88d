"""What each answer of Microsoft Graph that is not a success means for the caller: one table, providers.md 3.3.

Judges by status and by the error codes found anywhere in the answer (``error.code`` and the chain of inner errors,
compared without case); never by an answer's text, and never puts that text into a message, for it may quote content.
Source: Graph "Error responses and resource types", "Throttling guidance", "Continuous access evaluation".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from connectors.errors import (
    BadItem,
    ConnectorError,
    CursorExpired,
    NeedsPerson,
    OperatorFault,
    StreamGone,
    TryLater,
)

MAX_CHAIN = 8
MAX_WAIT = 3600.0

CURSOR_CODES = frozenset(
    [
        "syncstatenotfound",
        "resyncrequired",
        "invalidsyncstatedata",
        "syncstateinvalid",
        "errorinvalidsyncstatedata",
        "fullsyncrequired",
        "errorsyncstatenotfound",
        "invaliddeltatoken",
    ]
)
THROTTLE_CODES = frozenset(
    [
        "applicationthrottled",
        "mailboxconcurrency",
        "activitylimitreached",
        "toomanyrequests",
        "errorserverbusy",
        "errortoomanyobjectsopened",
        "errorexceededconnectioncount",
    ]
)
NO_MAILBOX_CODES = frozenset(
    [
        "mailboxnotenabledforrestapi",
        "mailboxnotsupportedforrestapi",
        "errormailboxnotenabledforrestapi",
        "errornonprimarysmtpaddress",
        "errornonexistentmailbox",
        "errormailboxstoreunavailableforrestapi",
    ]
)
GONE_CODES = frozenset(["erroritemnotfound", "itemnotfound", "errorfoldernotfound", "resourcenotfound"])
CANNOT_PUSH = "extensionerror"
STALE_SEARCH = "errorexecutesearchstaledata"
BAD_ID_CODES = frozenset(["errorinvalididmalformed", "errorinvalidid", "errorinvalididnotanitemattachmentid"])
QUOTA_CODES = frozenset(["quotalimitreached", "errorquotaexceeded", "insufficientstorage"])


_CODE = re.compile(r"^[A-Za-z0-9._-]{1,80}$")


class Scope(Enum):
    """What a request was about: decides who is concerned when it is refused or finds nothing."""

    ACCOUNT = "account"
    STREAM = "stream"
    ITEM = "item"


class TokenRejected(NeedsPerson):
    """The access token was refused; worth one forced refresh, and a person's matter when it happens again."""


class Gone(ConnectorError):
    """The item asked for is not there (404 on an item). Always handled inside this package."""


class Unsupported(OperatorFault):
    """The request itself was not understood (400, 405, 501). Callers that have a plainer form try that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, outer or inside a $batch. Header names are lower case; ``body`` is {} for anything else than
    a JSON object."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


def codes(body: Mapping[str, Any]) -> tuple[str, ...]:
    """All error codes of an answer, lower case, outermost first; what does not look like a code is left out."""
    found: list[str] = []
    node: Any = body.get("error")
    for _ in range(MAX_CHAIN):
        if not isinstance(node, Mapping):
            found.append(str(node or ""))
            break
        found.append(str(node.get("code") or ""))
        node = node.get("innerError") or node.get("innererror")
    return tuple(code.casefold() for code in found if _CODE.match(code))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the server asks us to wait (``Retry-After`` in seconds or as a date), or None. At most an hour."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_WAIT) if seconds == seconds else None


def claims(headers: Mapping[str, str]) -> str:
    """The claims a conditional-access challenge asks for, as JSON text; "" where there is no challenge."""
    found = re.search(r'claims="([A-Za-z0-9+/=_-]{1,8192})"', headers.get("www-authenticate", ""))
    if not found:
        return ""
    text = found.group(1)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def failure(answer: Answer, scope: Scope, now: datetime) -> ConnectorError:
    """The error a refused request stands for. ``now`` (UTC) serves Retry-After dates only."""
    names = codes(answer.body)
    known = set(names)
    code = names[0] if names else f"http_{answer.status}"
    wait = retry_after(answer.headers, now)
    if answer.status == 410 or (400 <= answer.status < 500 and known & CURSOR_CODES):
        return CursorExpired("Microsoft no longer knows our place in this folder; it is listed again.", code=code)
    if answer.status == 429 or known & THROTTLE_CODES:
        return TryLater("Microsoft asked us to slow down.", retry_after=wait, throttled=True, code=code)
    if CANNOT_PUSH in known and answer.status not in (503, 504):
        return StreamGone("Microsoft cannot notify us of changes in this mailbox; it is polled.", code=CANNOT_PUSH)
    if answer.status == 507 or known & QUOTA_CODES:
        return BadItem("The mailbox is full and Microsoft refused this item.", code=code)
    if answer.status >= 500 and answer.status != 501:
        return TryLater("Microsoft's service answered with an error.", retry_after=wait, code=code)
    if answer.status in (423, 408, 425, 409) or STALE_SEARCH in known:
        return TryLater("Microsoft says that this is locked or stale for the moment.", retry_after=wait, code=code)
    return _refusal(answer, scope, code, known)


def _refusal(answer: Answer, scope: Scope, code: str, known: set[str]) -> ConnectorError:
    if answer.status in (401, 403) and ("insufficient_claims" in _challenge(answer) or claims(answer.headers)):
        return NeedsPerson(
            "Your organisation asks for another sign-in (conditional access): reconnect this account.",
            code="claims_challenge",
        )
    if answer.status == 401:
        return TokenRejected("Microsoft refused our access: reconnect this account.", code=code)
    if known & NO_MAILBOX_CODES:
        return NeedsPerson(
            "This account has no Exchange Online mailbox that Graph can read (on-premises or without a licence): "
            "ask your administrator.",
            code=code,
        )
    if answer.status == 403:
        return _forbidden(scope, code)
    if answer.status == 404 or known & GONE_CODES:
        return _missing(scope, code)
    if known & BAD_ID_CODES:
        return _malformed(scope, code)
    return Unsupported(f"Microsoft did not accept our request ({code}): tell the maintainers.", code=code)


def _challenge(answer: Answer) -> str:
    return answer.headers.get("www-authenticate", "").casefold()


def _forbidden(scope: Scope, code: str) -> ConnectorError:
    if scope is Scope.ACCOUNT:
        return NeedsPerson(
            "A permission is missing (reading mail or calendars): reconnect this account and agree to all of them.",
            code=code,
        )
    return StreamGone("Microsoft refuses access to this folder or calendar.", code=code)


def _missing(scope: Scope, code: str) -> ConnectorError:
    if scope is Scope.ITEM:
        return Gone("The item is no longer there.", code=code)
    if scope is Scope.STREAM:
        return StreamGone("This folder or calendar no longer exists.", permanent=True, code=code)
    return NeedsPerson("Microsoft does not know this mailbox: check the address.", code=code)


def _malformed(scope: Scope, code: str) -> ConnectorError:
    if scope is Scope.STREAM:
        return StreamGone("Microsoft does not know the id of this folder or calendar.", code=code)
    return BadItem("Microsoft does not accept the id of this item.", code=code)
