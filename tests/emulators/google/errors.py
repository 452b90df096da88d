"""Refusals in Google's own shape: status, reason in ``errors[]``, and the newer ``status`` and ``details``."""

from __future__ import annotations

from typing import Any

STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 410: "GONE",
            429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}  # fmt: skip


class Refused(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, reason: str, message: str = "", *, retry_after: int | None = None,
                 details: bool = False) -> None:  # fmt: skip
        super().__init__(message or reason)
        self.status = status
        self.reason = reason
        self.message = message or reason
        self.headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        self.details = details

    def body(self) -> dict[str, Any]:
        """The JSON of the answer, in the old or in the new form."""
        status = STATUSES.get(self.status, "UNKNOWN")
        if self.details:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": self.reason}
            return {"error": {"code": self.status, "message": self.message, "status": status, "details": [info]}}
        entry = {"domain": "global", "reason": self.reason, "message": self.message}
        found: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [entry]}
        if status != "UNKNOWN" and self.reason != "failedPrecondition":
            found["status"] = status
        return {"error": found}


def not_found() -> Refused:
    return Refused(404, "notFound", "Requested entity was not found.")
