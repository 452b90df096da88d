"""Where Google and Microsoft post that something changed: no session, no CSRF token, an answer at once, and only a
nudge.

Who may post is settled by a signed token or by a secret that only the provider was told; see ``sync.hooks``.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from sync import hooks
from web import auth, door

blueprint = Blueprint("hooks", __name__, url_prefix="/hooks")


@blueprint.post("/google")
@blueprint.post("/google/<int:account_id>")
@auth.public
def google(account_id: int | None = None) -> Response:
    """Pub/Sub about a mailbox, or a calendar's channel."""
    status = hooks.google(door.service(), dict(request.headers), request.get_data(), account_id)
    return Response(status=status)


@blueprint.post("/microsoft")
@blueprint.post("/microsoft/<int:account_id>")
@auth.public
def microsoft(account_id: int | None = None) -> Response:
    """Graph: the question whether the address is ours, change notices, lifecycle notices."""
    if (token := request.args.get("validationToken")) is not None:
        said = hooks.validation(token)
        return Response(status=400) if said is None else Response(said, 200, content_type="text/plain; charset=utf-8")
    return Response(status=hooks.microsoft(door.service(), request.get_data(), account_id))
