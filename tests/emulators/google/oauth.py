"""Google's OAuth as far as a web client sees it: a consent form, codes with PKCE, refresh with rotation, revocation."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode

from tests.emulators.google.world import CLIENT_ID, CLIENT_SECRET, Grant, World

FORM = """<!doctype html><meta charset="utf-8"><title>Model sign-in</title>
<h1>Sign in with the model of Google</h1><p>{client} wants to:</p>
<form method="post"><input type="hidden" name="request" value="{request}">
<label>Account <select name="user">{users}</select></label>
<fieldset><legend>Rights</legend>{scopes}</fieldset>
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></form>"""

Answer = tuple[int, dict[str, str], bytes]


def page(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/html; charset=utf-8"}, text.encode()


def problem(error: str, description: str = "", status: int = 400, **more: str) -> Answer:
    body = {"error": error, "error_description": description or error, **more}
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def consent_form(world: World, query: str) -> Answer:
    """GET of the authorization address: Google's checks of the client, then the form."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    if given.get("client_id") != CLIENT_ID:
        return page(401, "<h1>Error 401: invalid_client</h1>")
    if given.get("response_type") != "code" or not given.get("redirect_uri") or not given.get("scope"):
        return page(400, "<h1>Error 400: invalid_request</h1>")
    hint = given.get("login_hint", "")
    users = "".join(
        f"<option{' selected' if address == hint else ''}>{html.escape(address)}</option>" for address in world.people
    )
    scopes = "".join(
        f'<label><input type="checkbox" name="scope" value="{html.escape(s)}" checked>{html.escape(s)}</label>'
        for s in given["scope"].split()
    )
    request = html.escape(query, quote=True)
    return page(200, FORM.format(client=html.escape(CLIENT_ID), request=request, users=users, scopes=scopes))


def consent(world: World, form: dict[str, list[str]]) -> Answer:
    """POST of the form: back to the application with a code, or with what went wrong."""
    given = {name: values[0] for name, values in parse_qs(form["request"][0]).items()}
    back = {"state": given["state"]} if "state" in given else {}
    if form.get("answer", ["deny"])[0] != "allow" or not form.get("scope"):
        return redirect(given["redirect_uri"], {**back, "error": "access_denied"})
    code = f"4/{secrets.token_urlsafe(16)}"
    scopes = " ".join(form["scope"])
    world.codes[code] = {**given, "user": form["user"][0], "scope": scopes}
    return redirect(given["redirect_uri"], {**back, "code": code, "scope": scopes})


def redirect(address: str, given: dict[str, str]) -> Answer:
    joint = "&" if "?" in address else "?"
    return 302, {"Location": f"{address}{joint}{urlencode(given)}"}, b""


def token(world: World, form: dict[str, list[str]]) -> Answer:
    """POST to the token endpoint."""
    given = {name: values[0] for name, values in form.items()}
    kind = given.get("grant_type", "")
    if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        return _delegated(world, given)
    if given.get("client_id") != CLIENT_ID:
        return problem("invalid_client", "The OAuth client was not found.", 401)
    if given.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET:
        return problem("invalid_client", "Unauthorized", 401)
    if kind == "refresh_token":
        return _refreshed(world, given)
    if kind == "authorization_code":
        return _exchanged(world, given)
    return problem("unsupported_grant_type", f"Invalid grant_type: {kind}")


def _refreshed(world: World, given: dict[str, str]) -> Answer:
    old = given.get("refresh_token", "")
    grant = world.refresh_tokens.get(old)
    if grant is None:
        return problem("invalid_grant", "Token has been expired or revoked.")
    broken = world.people[grant.user].broken
    if broken:
        return problem(broken["error"], status=broken.get("status", 400), **broken.get("more", {}))
    more = {}
    if world.rotate:
        del world.refresh_tokens[old]
        more["refresh_token"] = world.new_refresh(grant)
    return issued(world, grant, more)


def _exchanged(world: World, given: dict[str, str]) -> Answer:
    code = world.codes.pop(given.get("code", ""), None)
    if code is None:
        return problem("invalid_grant", "Malformed auth code.")
    if code["redirect_uri"] != given.get("redirect_uri"):
        return problem("redirect_uri_mismatch", "Bad Request")
    challenge = code.get("code_challenge", "")
    digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    if challenge and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
        return problem("invalid_grant", "Invalid code verifier.")
    grant = Grant(code["user"], frozenset(code["scope"].split()))
    more = {"refresh_token": world.new_refresh(grant)} if code.get("access_type") == "offline" else {}
    return issued(world, grant, more)


def _delegated(world: World, given: dict[str, str]) -> Answer:
    """Domain-wide delegation; the signature is taken on trust, the claims are not."""
    try:
        part = given["assertion"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (KeyError, IndexError, ValueError):
        return problem("invalid_grant", "Invalid JWT.")
    if claims.get("sub") not in world.people:
        return problem("unauthorized_client", "Client is unauthorized to retrieve access tokens.", 401)
    return issued(world, Grant(claims["sub"], frozenset(claims["scope"].split())), {})


def issued(world: World, grant: Grant, more: dict[str, str]) -> Answer:
    body: dict[str, Any] = {
        "access_token": world.new_access(grant), "expires_in": world.token_life, "token_type": "Bearer",
        "scope": " ".join(sorted(grant.scopes)), **more,
    }  # fmt: skip
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def revoke(world: World, form: dict[str, list[str]]) -> Answer:
    given = form.get("token", [""])[0]
    grant = world.refresh_tokens.get(given) or world.access_tokens.get(given)
    if grant is None:
        return problem("invalid_token", "Token expired or revoked")
    world.revoke(grant.user)
    return 200, {"Content-Type": "application/json"}, b"{}"
