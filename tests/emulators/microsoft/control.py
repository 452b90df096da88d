"""``/control/...`` of the model: what another process (a scenario, a person) may order. All take and give JSON.

    POST /control/users      {"address": ..., "app_token": bool}      -> {"refresh_token", "access_token"}
    POST /control/deliver    {"user", "folder", "mime"}               -> {"id"}
    POST /control/folders    {"user", "name", "parent"}               -> {"id"}
    POST /control/move       {"user", "id", "folder"}
    POST /control/delete     {"user", "id"}
    POST /control/update     {"user", "id", "properties": {...}}
    POST /control/events     {"user", "start", "end", "interval", "count", "properties": {...}} -> {"id"}
    POST /control/events/delete  {"user", "id"}
    POST /control/faults     {"match", "status", "code", "headers", "times", "skip", "inner"}
    POST /control/token-error    {"name": one of identity.ERRORS}
    POST /control/manners    {any field of delta.Manners}
    POST /control/expire     {"status": 410 | 400 | 404}              forgets all delta tokens
    POST /control/clock      {"advance": seconds}
    POST /control/notify     {"times": n}                             -> {"statuses"}
    GET  /control/statistics                                          -> counts
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.emulators.microsoft.answers import Fault, Reply, Request, error

if TYPE_CHECKING:
    from tests.emulators.microsoft.server import Server


def answer(server: Server, request: Request) -> Reply:
    """Do what a control request orders."""
    name = request.path.removeprefix("/control/").replace("/", "_").replace("-", "_")
    handler = globals().get(f"_do_{name}")
    if handler is None:
        return error(404, "unknown_control")
    try:
        return Reply(body=handler(server, request.body) or {})
    except (KeyError, ValueError, TypeError) as wrong:
        return error(400, "bad_control", str(wrong))


def _do_users(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    address = str(asked["address"])
    server.user(address)
    return {
        "refresh_token": server.identity.issue_refresh(address),
        "access_token": server.identity.issue("" if asked.get("app_token") else address),
    }


def _do_deliver(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    held = asked.get("received")
    received = datetime.fromisoformat(held) if held else None
    return {"id": server.user(asked["user"]).deliver(asked["folder"], asked["mime"].encode(), received).id}


def _do_folders(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    return {"id": server.user(asked["user"]).create_folder(asked["name"], asked.get("parent", "msgfolderroot")).id}


def _do_move(server: Server, asked: dict[str, Any]) -> None:
    server.user(asked["user"]).move(asked["id"], asked["folder"])


def _do_delete(server: Server, asked: dict[str, Any]) -> None:
    server.user(asked["user"]).delete(asked["id"])


def _do_update(server: Server, asked: dict[str, Any]) -> None:
    server.user(asked["user"]).update(asked["id"], **asked["properties"])


def _do_events(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    server.user(asked["user"])
    start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
    more = asked.get("properties") or {}
    event = server.agendas[asked["user"]].add(
        start, end, interval=int(asked.get("interval", 0)), count=int(asked.get("count", 0)), **more
    )
    return {"id": event.id}


def _do_events_delete(server: Server, asked: dict[str, Any]) -> None:
    server.agendas[asked["user"]].delete(asked["id"])


def _do_faults(server: Server, asked: dict[str, Any]) -> None:
    reply = error(int(asked["status"]), str(asked.get("code", "fault")), headers=asked.get("headers") or {})
    server.faults.add(
        Fault(asked["match"], reply, int(asked.get("times", 1)), int(asked.get("skip", 0)), asked.get("inner"))
    )


def _do_token_error(server: Server, asked: dict[str, Any]) -> None:
    server.identity.ordered += [asked["name"]] * int(asked.get("times", 1))


def _do_manners(server: Server, asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        if not hasattr(server.manners, name):
            raise KeyError(name)
        setattr(server.manners, name, value)


def _do_expire(server: Server, asked: dict[str, Any]) -> None:
    server.tokens.expire(int(asked.get("status", 410)))


def _do_clock(server: Server, asked: dict[str, Any]) -> None:
    server.advance(float(asked["advance"]))


def _do_notify(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    return {"statuses": server.notices.deliver(int(asked.get("times", 1)))}


def _do_statistics(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    held = server.statistics
    return {
        "requests": held.requests,
        "by_name": dict(held.by_name),
        "throttled": held.throttled,
        "max_in_flight": dict(held.max_in_flight),
        "without_immutable": len(held.without_immutable),
        "token_requests": server.identity.token_requests,
        "problems": server.problems[:50],
    }
