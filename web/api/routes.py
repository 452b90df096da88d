"""The table of routes, and the blueprint and openapi.json made of it. To add a route, add a row."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, jsonify

from crm import tokens
from crm.errors import Conflict, CrmError, NotAllowed, NotFound, Refused
from web import auth, problems, refusals
from web.api import asking, reading, shape, writing

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

PAGED = {"limit": "integer", "cursor": "string"}
TEXT, NUMBER, TEXTS = {"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": "string"}}
ABOUT = {"contact_id": NUMBER, "company_id": NUMBER, "deal_id": NUMBER}


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``query`` maps parameters to their type; ``sends`` the members of the body to their schema."""

    method: str
    path: str
    scope: str
    handler: Callable[..., Any]
    query: dict[str, str] = field(default_factory=dict)
    sends: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first sentence of the handler's docstring."""
        return (self.handler.__doc__ or "").split(". ")[0].strip().rstrip(".")


ROUTES = (
    Route("GET", "/contacts", "contacts:read", reading.list_contacts, {**PAGED, "q": "string", "owner": "integer",
    "company": "integer", "lifecycle": "string"}),
    Route("GET", "/contacts/<int:contact_id>", "contacts:read", reading.one_contact),
    Route("POST", "/contacts", "contacts:write", writing.create_contact,
          sends={"name": TEXT, "emails": TEXTS, "phones": TEXTS, "title": TEXT, "company": TEXT, "lifecycle": TEXT,
          "owner_id": NUMBER}),
    Route("GET", "/companies", "contacts:read", reading.list_companies, {**PAGED, "q": "string", "owner": "integer"}),
    Route("GET", "/companies/<int:company_id>", "contacts:read", reading.one_company),
    Route("GET", "/deals", "deals:read", reading.list_deals,
          {**PAGED, "q": "string", "owner": "integer", "company": "integer", "contact": "integer", "stage": "integer",
          "status": "string"}),
    Route("GET", "/tasks", "tasks:read", reading.list_tasks,
          {"limit": "integer", "owner": "integer", "contact": "integer", "company": "integer", "deal": "integer",
          "done": "boolean"}),
    Route("POST", "/tasks", "tasks:write", writing.create_task,
          sends={"title": TEXT, "type": TEXT, "notes": TEXT, "due": TEXT, "due_at": TEXT, "owner_id": NUMBER,
          **ABOUT}, needs=("title",)),
    Route("GET", "/log", "log:read", reading.list_log,
          {**PAGED, "q": "string", "kind": "string", "direction": "string", "status": "string", "reason": "string",
          "contact": "integer",
           "company": "integer", "deal": "integer", "thread": "integer", "address": "string", "since": "string",
           "until": "string"}),
    Route("GET", "/log/<int:item_id>", "log:read", reading.one_item),
    Route("GET", "/explain", "log:read", reading.explain, {"id": "string"}),
    Route("POST", "/calls", "log:write", writing.create_call,
          sends={"text": TEXT, "at": TEXT, "minutes": NUMBER, "outcome": TEXT, **ABOUT}),
    Route("POST", "/notes", "log:write", writing.create_note,
          sends={"text": TEXT, "at": TEXT, "activity": TEXT, "link": TEXT, **ABOUT}, needs=("text",)),
    Route("GET", "/review", "review:read", reading.list_review, {"limit": "integer", "tab": "string"}),
    Route("GET", "/review/group", "review:read", reading.one_group, {"key": "string"}),
)  # fmt: skip


def _view(route: Route) -> Callable[..., Response]:
    def view(**values: Any) -> Response:
        asking.admit(route.scope)
        found = route.handler(**values)
        status, text = found if isinstance(found, tuple) else (200, shape.text(found))
        return Response(text, status, content_type="application/json")

    return auth.public(view)


for _route in ROUTES:
    blueprint.add_url_rule(
        _route.path, f"{_route.method.lower()}_{_route.handler.__name__}", _view(_route), methods=[_route.method]
    )


@blueprint.errorhandler(asking.Problem)
def problem(error: asking.Problem) -> Response:
    """Our own refusals."""
    response = problems.problem(
        error.status, error.title, error.detail, **({"field": error.field} if error.field else {})
    )
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="crm-sync"'
    return response


@blueprint.errorhandler(CrmError)
def refused(error: CrmError) -> Response:
    """What crm would not do; what one may not see is not there."""
    if isinstance(error, NotFound):
        refusals.note()
        return problems.problem(404, "Not found", str(error))
    if isinstance(error, Refused):
        return problems.problem(422, "Refused", str(error), **({"field": error.field} if error.field else {}))
    status = 409 if isinstance(error, Conflict) else 403 if isinstance(error, NotAllowed) else 422
    return problems.problem(status, "Not done", str(error))


@blueprint.get("/openapi.json")
@auth.public
def openapi() -> Response:
    """The description of this API, made of the table."""
    return jsonify(describe())


def describe() -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        path = re.sub(r"<int:(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, re.findall(r"<int:(\w+)>", route.path))
    return {
        "openapi": "3.1.0",
        "info": {"title": "crm-sync", "version": "1"},
        "servers": [{"url": "/api/v1"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": f"Scopes: {', '.join(tokens.SCOPES)}"}
            },
            "schemas": {
                "Problem": {
                    "type": "object",
                    "properties": {"title": TEXT, "status": NUMBER, "detail": TEXT, "field": TEXT},
                }
            },
        },
    }


def _operation(route: Route, path_names: list[str]) -> dict[str, Any]:
    parameters = [{"name": n, "in": "path", "required": True, "schema": NUMBER} for n in path_names]
    parameters += [{"name": n, "in": "query", "schema": {"type": kind}} for n, kind in route.query.items()]
    failed = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    found: dict[str, Any] = {
        "operationId": route.handler.__name__, "summary": route.summary, "description": f"Scope: {route.scope}",
        "parameters": parameters, "responses": {"201" if route.method == "POST" else "200": {"description": "Done"},
        "default": failed},
    }  # fmt: skip
    if route.method == "POST":
        parameters.append({"name": "Idempotency-Key", "in": "header", "schema": TEXT})
        schema = {"type": "object", "properties": route.sends, "required": list(route.needs)}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found
