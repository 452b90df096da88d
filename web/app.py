"""The Flask application: built once per process around a ``Service``. Holds no state of its own but the sign-in brake.

Order matters: limits before anything reads a body, CSRF before any view, the gate after it.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, render_template, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from crm.errors import Conflict, CrmError, NotAllowed, NotFound, Refused
from web import auth, filters, meter, refusals, security, shell
from web.views import ALL, UPLOADS

if TYPE_CHECKING:
    from sync.service import Service

STATIC = Path(__file__).parent / "static"

SAYS = {
    400: ("That request can't be read", "Go back, reload the page, and try once more."),
    403: ("Not for you", "Ask an admin of your workspace if you need it."),
    404: ("Nothing here", "There is no such page, or it is not yours to open."),
    405: ("Not like this", "The page was opened in a way it is not made for. Go back and use its buttons."),
    413: ("Too big", "What was sent is larger than this page takes."),
    429: ("Too many tries", "Wait a little, then try again."),
    500: ("Something broke here", "It was not you. It has been noted with the time; try again, or tell an admin."),
}


def create_app(service: Service) -> Flask:
    """The web part over ``service``. Starts no thread and opens no connection until a request needs one."""
    app = Flask("web", root_path=str(Path(__file__).parent))
    https = service.settings.base_url.startswith("https://")
    app.config.update(
        SECRET_KEY=_session_key(service.settings.secret_keys[0]),
        SECRET_KEY_FALLBACKS=[_session_key(key) for key in service.settings.secret_keys[1:]],
        SESSION_COOKIE_NAME="crm_sync",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        MAX_FORM_MEMORY_SIZE=security.FORM_LIMIT,
        MAX_FORM_PARTS=2000,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=https,
        SEND_FILE_MAX_AGE_DEFAULT=31_536_000,
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions["crm_sync"] = service
    app.extensions["sign_in_brake"] = auth.Brake()
    app.extensions["lead_brake"] = auth.Brake()
    security.guard(app, https=https, upload_limits=UPLOADS)
    csrf = CSRFProtect(app)
    auth.gate(app)
    meter.install(app)
    for blueprint in ALL:
        app.register_blueprint(blueprint)
        if blueprint.name in ("api", "hooks", "capture"):
            csrf.exempt(blueprint)
    _templates(app)
    _errors(app)
    return app


def _templates(app: Flask) -> None:
    filters.install(app)
    app.jinja_env.globals.update(asset=asset, shell_facts=shell.facts, plural=filters.plural)

    @app.context_processor
    def who() -> dict[str, Any]:
        return {"person": g.get("person")}


def _errors(app: Flask) -> None:
    """Every error is a page in our words; what one may not see and what isn't there look the same."""

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[str | Response, int]:
        if error.code == 404:
            refusals.note()
        return _page(error.code or 500)

    @app.errorhandler(CSRFError)
    def stale(_error: CSRFError) -> tuple[str | Response, int]:
        return _page(
            400, "The page was open for too long", "Go back, reload it, and send it again. Nothing was changed."
        )

    @app.errorhandler(CrmError)
    def refused(error: CrmError) -> tuple[str | Response, int]:
        if isinstance(error, NotFound):
            refusals.note()
            return _page(404)
        code = 403 if isinstance(error, NotAllowed) else 409 if isinstance(error, Conflict) else 422
        assert isinstance(error, NotAllowed | Conflict | Refused | CrmError)
        return _page(code, "Not done", str(error))

    @app.errorhandler(Exception)
    def bug(error: Exception) -> tuple[str | Response, int]:
        app.logger.exception("%s %s failed with %s", request.method, request.endpoint, type(error).__name__)
        if app.testing:
            raise error
        return _page(500)


def _page(code: int, heading: str = "", says: str = "") -> tuple[str | Response, int]:
    """An error page, or problem+json under /api."""
    default = SAYS.get(code, ("Not done", "The request could not be carried out."))
    heading, says = heading or default[0], says or default[1]
    if request.path.startswith("/api/"):
        from web.problems import problem

        return problem(code, heading, says), code
    return render_template("error.html", heading=heading, says=says), code


def asset(name: str) -> str:
    """The address of a static file, with a mark of its content so that it may be kept for good."""
    return url_for("static", filename=name, v=_mark(name))


@cache
def _mark(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]


def _session_key(key: str) -> str:
    """A key of its own purpose, so that a leaked cookie secret is not the vault's."""
    return hashlib.sha256(b"crm-sync/session:" + key.encode()).hexdigest()
