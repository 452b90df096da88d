"""Counts of requests for /metrics, by endpoint, method and status. No path, no name, no content ever becomes a
label."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

REQUESTS = Counter("crm_sync_web_requests_total", "Requests answered.", ("endpoint", "method", "status"))
SECONDS = Histogram("crm_sync_web_request_seconds", "Time to answer.", ("endpoint",))


def install(app: Flask) -> None:
    """Count every request of ``app``."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.endpoint or "none"
        REQUESTS.labels(endpoint, request.method, str(response.status_code)).inc()
        if "started" in g:
            SECONDS.labels(endpoint).observe(time.perf_counter() - g.started)
        return response
