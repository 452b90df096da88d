"""The headers every answer carries, and the limits every request meets.

Content-Security-Policy without inline script or style; nothing is loaded from elsewhere; private pages are not kept by
caches. Limits are per endpoint, because a CSV is bigger than a form. Source: OWASP Secure Headers, MDN on CSP.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

FORM_LIMIT = 512 * 1024
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guard(app: Flask, *, https: bool, upload_limits: dict[str, int]) -> None:
    """Install the limits before anything reads the body, and the headers after everything.

    ``upload_limits`` maps endpoints to bytes; all others take ``FORM_LIMIT``.
    """

    @app.before_request
    def limit_body() -> None:
        request.max_content_length = upload_limits.get(request.endpoint or "", FORM_LIMIT)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in FIXED.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", "; ".join(f"{k} {v}" for k, v in POLICY.items()))
        response.headers.setdefault("X-Frame-Options", "DENY")
        if https:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if "Cache-Control" not in response.headers or g.get("private"):
            response.headers["Cache-Control"] = "no-store"
        return response
