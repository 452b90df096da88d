"""What a refusal of Google means for us: status, reason and OAuth error -> one of ``connectors.errors``.

Tables: providers.md 3.1 (Gmail), 3.2 (Calendar), 3.4 (OAuth). The reason lies in ``error.errors[].reason`` (old form)
or in ``error.details[].reason`` and ``error.status`` (new form); all are read. Never quotes what Google said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.errors import BadItem, ConnectorError, CursorExpired, NeedsPerson, OperatorFault, StreamGone, TryLater

MAX_WAIT = 24 * 3600.0
"""Seconds: no answer makes us wait longer."""

LONG_WAIT = 3600.0
"""Seconds to leave Google alone when a day's quota is spent."""

RATE = {"ratelimitexceeded", "userratelimitexceeded", "rate_limit_exceeded", "resource_exhausted"}
DAY = {"dailylimitexceeded", "quotaexceeded"}
SCOPE = {"insufficientpermissions", "access_token_scope_insufficient", "insufficient_scope"}
API_OFF = {"accessnotconfigured", "service_disabled"}
EXPIRED = {"fullsyncrequired", "updatedmintoolongago"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with a status of 300 or more. ``reasons`` are lower case, ``wait`` is Retry-After in seconds."""

    status: int
    reasons: frozenset[str]
    message: str
    wait: float | None = None


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object in ``content``, or an empty one."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def refusal(status: int, content: bytes, headers: Mapping[str, str], now: datetime) -> Refusal:
    """Read what Google answered; tolerates every shape, an HTML page of a proxy included."""
    error = json_object(content).get("error")
    reasons: set[str] = set()
    message = ""
    if isinstance(error, dict):
        message = str(error.get("message") or "")
        reasons.add(str(error.get("status") or ""))
        for name in ("errors", "details"):
            entries = error.get(name)
            found = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
            reasons.update(str(entry.get("reason") or "") for entry in found)
    elif isinstance(error, str):
        reasons.add(error)
    wait = retry_after(headers.get("retry-after", ""), now)
    return Refusal(status, frozenset(r.lower() for r in reasons if r), message.lower(), wait)


def retry_after(value: str, now: datetime) -> float | None:
    """A Retry-After header (seconds or an HTTP date) as seconds from ``now``, at most a day; None where unusable."""
    try:
        return min(max(float(value), 0.0), MAX_WAIT)
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), MAX_WAIT)


def error_of(found: Refusal) -> ConnectorError:
    """The error for a refusal that means the same in Gmail and in Calendar."""
    return _limits(found) or _rights(found) or _of_status(found)


def _limits(found: Refusal) -> ConnectorError | None:
    if found.status not in (403, 429):
        return None
    if found.reasons & DAY:
        return TryLater(
            "Google's quota of this project is used up for now.",
            retry_after=found.wait or LONG_WAIT, throttled=True, code="quota_exceeded",
        )  # fmt: skip
    if found.status == 429 or found.reasons & RATE:
        return TryLater(
            "Google asks us to slow down for this account.",
            retry_after=found.wait, throttled=True, code="rate_limited",
        )  # fmt: skip
    return None


def _rights(found: Refusal) -> ConnectorError | None:
    reasons = found.reasons
    if reasons & API_OFF or "has not been used in project" in found.message:
        return OperatorFault(
            "The Gmail or Calendar API is switched off in the Google project: switch it on there.", code="api_off"
        )
    if reasons & SCOPE or "insufficient authentication scopes" in found.message:
        return NeedsPerson(
            "The consent given to Google does not cover this: connect again and tick every box.", code="scopes"
        )
    if "domainpolicy" in reasons:
        return NeedsPerson("Your organisation's administrator does not allow this app to read Gmail.", code="policy")
    if "failedprecondition" in reasons or ("failed_precondition" in reasons and "mail service" in found.message):
        return NeedsPerson("This Google account has no Gmail: the mail service is not enabled for it.", code="no_gmail")
    return None


def _of_status(found: Refusal) -> ConnectorError:
    if found.status == 401:
        return NeedsPerson("Google no longer accepts this sign-in: connect the account again.", code="revoked")
    if found.status in (404, 410):
        return StreamGone("Google says that this does not exist any more.", permanent=True, code="not_found")
    if found.status == 403:
        return StreamGone("Google refuses to show this to the account.", code="forbidden")
    if found.status >= 500 or found.status == 408:
        return TryLater("Google has a passing fault.", retry_after=found.wait, code="backend")
    if found.status == 400 and "inner request count" in found.message:
        return OperatorFault("A batch sent to Google was too large (a fault of this service).", code="batch_size")
    if found.status == 400:
        return BadItem("Google does not accept this request.", code="invalid_argument")
    return TryLater(f"Google gave an answer that makes no sense here ({found.status}).", code="unexpected")


def of_history(found: Refusal) -> ConnectorError:
    """The error for ``history.list``: a start too old, or no start at all, means a new listing."""
    if found.status == 404 or (found.status == 400 and "historyid" in found.message):
        return CursorExpired("Gmail no longer keeps the history since the last sync.", code="history_expired")
    return error_of(found)


def of_calendar(found: Refusal, *, with_token: bool) -> ConnectorError:
    """The error for a Calendar call; ``with_token`` says that it carried a sync token."""
    if (with_token and found.status == 410) or found.reasons & EXPIRED:
        return CursorExpired("Google Calendar wants a full sync.", code="full_sync")
    if found.status == 400 and "sync token cannot be used with" in found.message:
        return OperatorFault("A sync token was mixed with other parameters (our fault).", code="token_parameters")
    if found.status == 400 and with_token and "sync token" in found.message:
        return CursorExpired("Google Calendar does not know the sync token.", code="full_sync")
    if "timerangeempty" in found.reasons:
        return OperatorFault("An empty time range was asked of Google Calendar (our fault).", code="empty_range")
    if "notacalendaruser" in found.reasons:
        return StreamGone("This Google account has no calendar.", permanent=False, code="no_calendar")
    if found.status == 404:
        return StreamGone("This calendar was deleted, or is no longer shared.", permanent=True, code="calendar_gone")
    return error_of(found)


OPERATOR = {"invalid_client", "deleted_client", "unauthorized_client", "redirect_uri_mismatch", "invalid_scope",
            "unsupported_grant_type", "invalid_request", "disabled_client"}  # fmt: skip
PERSON = {
    "access_denied": "You did not allow Google to share your mail: connect again and accept.",
    "admin_policy_enforced": "Your organisation's administrator blocks this app: ask for it to be trusted.",
    "org_internal": "This Google app is only for people of another organisation.",
    "account_selection_required": "Choose a Google account and connect again.",
    "consent_required": "Google asks for your consent again: connect the account again.",
}
OPERATOR_SAYS = {
    "invalid_client": "Google does not accept the OAuth client: check its id and secret.",
    "deleted_client": "The OAuth client was deleted at Google: make a new one and set its id and secret.",
    "unauthorized_client": "The OAuth client or service account is not authorised: check domain-wide delegation.",
    "redirect_uri_mismatch": "The redirect address is not registered at Google: add it to the OAuth client.",
}


def oauth(status: int, answer: Mapping[str, Any]) -> ConnectorError:
    """The error for a refusal of the token endpoint or of the consent page. Branches on ``error``, never on texts."""
    error = str(answer.get("error") or "")
    subtype = str(answer.get("error_subtype") or "")
    if error == "invalid_grant" and subtype in ("invalid_rapt", "rapt_required"):
        return NeedsPerson(
            "Your organisation asks you to sign in to Google again: connect again.", code="reauth_policy"
        )
    if error == "invalid_grant":
        return NeedsPerson(
            "Google's consent has ended (revoked, expired, or the password was changed): connect again.",
            code="invalid_grant",
        )
    if error in PERSON:
        return NeedsPerson(PERSON[error], code=error)
    if error in OPERATOR:
        says = OPERATOR_SAYS.get(error, "Google does not accept how this service asks for tokens.")
        return OperatorFault(says, code=error)
    if status == 429:
        return TryLater("Google's token endpoint asks us to slow down.", throttled=True, code="token_rate")
    return TryLater("Google's token endpoint has a passing fault.", code=error or "token_endpoint")
