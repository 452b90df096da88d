"""Errors of the API as RFC 9457 ``application/problem+json``. Never quotes content."""

from __future__ import annotations

import json

from flask import Response


def problem(status: int, title: str, detail: str = "", **more: object) -> Response:
    """One problem. ``more`` are extension members, such as ``field``."""
    body = {"type": "about:blank", "title": title, "status": status, **({"detail": detail} if detail else {}), **more}
    return Response(json.dumps(body), status, content_type="application/problem+json")
