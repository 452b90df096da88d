"""For machines that watch: liveness, readiness, metrics; and htmx's own file. No content, no names in labels."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sync import readiness
from web import auth, door, htmx

blueprint = Blueprint("ops", __name__)


@blueprint.get("/healthz")
@auth.public
def alive() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/static/htmx.js")
@auth.public
def htmx_script() -> Response:
    """htmx from its wheel; the file changes only with the installed version, which is in the ETag."""
    response = Response(htmx.source(), mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=86400"
    response.add_etag()
    return response


@blueprint.get("/metrics")
@auth.public
def metrics() -> Response:
    """Prometheus text; labels are endpoints, methods and states, never people or content."""
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@blueprint.get("/readyz")
@auth.public
def ready() -> tuple[Response, int]:
    """Whether requests can be served: the database answers and is migrated, the queue answers."""
    checks = readiness.checks(door.service())
    well = all(checks.values())
    return jsonify(status="ok" if well else "not ready", **checks), 200 if well else 503
