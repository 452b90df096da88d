"""The API: bearer tokens with scopes, what their owner may see, cursors, problems in one shape, and posts that happen
once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from crm import contacts, tokens
from crm.privacy import Viewer
from sync.service import Service
from tests.web.conftest import NOW, Person, Team
from tests.web.seed import Seeded

Caller = Callable[..., Any]


def test_without_a_token_nothing_is_told(app: Flask, mailed: Seeded) -> None:
    client = app.test_client()
    for headers in ({}, {"Authorization": "Bearer crm_wrong"}, {"Authorization": "Basic eDp5"}):
        response = client.get("/api/v1/contacts", headers=headers)
        assert response.status_code == 401
        assert response.content_type == "application/problem+json"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_cookie_opens_nothing_in_the_api(priya: Person) -> None:
    assert priya.client.get("/api/v1/contacts").status_code == 401


def test_a_token_opens_its_scopes_only_and_nothing_once_revoked(
    service: Service, call: Caller, team: Team, mailed: Seeded
) -> None:
    assert call("GET", "/contacts", scopes=["log:read"]).status_code == 403
    with service.db.transaction() as session:
        token, text = tokens.create(session, team.priya, name="x", scopes=["contacts:read"], now=NOW)
        assert token.hash not in text
    assert call("GET", "/contacts", text=text).status_code == 200
    with service.db.transaction() as session:
        tokens.revoke(session, team.priya, token.id, now=NOW)
    assert call("GET", "/contacts", text=text).status_code == 401


def test_lists_go_on_where_they_stopped(call: Caller, mailed: Seeded) -> None:
    seen, cursor = [], ""
    while True:
        page = call("GET", f"/contacts?limit=2&cursor={cursor}").get_json()
        seen += [row["name"] for row in page["items"]]
        if not (cursor := page["next"]):
            break
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 6
    log = call("GET", "/log?limit=3").get_json()
    older = call("GET", f"/log?limit=3&cursor={log['next']}").get_json()
    assert {r["id"] for r in log["items"]}.isdisjoint(r["id"] for r in older["items"])


def test_the_log_is_told_as_far_as_the_owner_of_the_token_may_see(call: Caller, team: Team, mailed: Seeded) -> None:
    mine, theirs = (call("GET", "/log?limit=200", user=user).get_json()["items"] for user in (team.jonas, team.priya))
    budget = next(row for row in mine if row["subject"] == "Between us: the budget")
    shown = next(row for row in theirs if row["id"] == budget["id"])
    assert shown["tier"] == "metadata"
    assert "budget" not in shown["subject"]
    assert call("GET", f"/log/{budget['id']}", user=team.priya).get_json()["text"] == ""
    second = next(row for row in mine if row["subject"] == "Second try")
    assert call("GET", f"/log/{second['id']}", user=team.priya).status_code == 404
    assert "Second try" not in {row["subject"] for row in theirs}


def test_times_are_utc_with_z(call: Caller, mailed: Seeded) -> None:
    row = call("GET", "/log?limit=1").get_json()["items"][0]
    assert row["occurred_at"].endswith("Z")


def test_explain_and_review_answer_as_the_pages_do(call: Caller, mailed: Seeded) -> None:
    assert call("GET", "/explain?id=m20@mail.example").get_json()["where"] == "log"
    queue = call("GET", "/review").get_json()
    assert queue["counts"]["people"] == len(queue["items"])
    group = call("GET", "/review/group?key=address:anna.l@nordhavn.example").get_json()
    assert group["candidates"][0]["label"] == "New contact at Nordhavn AB"
    assert call("GET", "/review/group?key=address:marc.oye@gmail.com").status_code == 404


def test_a_contact_is_made_once_however_often_it_is_sent(
    call: Caller, service: Service, mailed: Seeded, team: Team
) -> None:
    body = {"name": "Taro Yamada", "emails": ["taro.yamada@kitayama.example"], "company": "Kitayama"}
    first = call("POST", "/contacts", json=body, headers={"Idempotency-Key": "k1"})
    again = call("POST", "/contacts", json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    other = call("POST", "/contacts", json={**body, "name": "Else"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 409
    with service.db.reading() as session:
        assert contacts.count(session, Viewer(team.priya, "rep"), contacts.Filter(text="kitayama")) == 1
    rows = call("GET", f"/log?contact={first.get_json()['id']}").get_json()["items"]
    assert len(rows) == 2, "the mails that waited are attached"


def test_tasks_calls_and_notes_are_written(call: Caller, mailed: Seeded) -> None:
    assert (
        call("POST", "/tasks", json={"title": "Ring Erik", "due": "2026-03-06", "contact_id": mailed.erik}).status_code
        == 201
    )
    assert "Ring Erik" in {row["title"] for row in call("GET", f"/tasks?contact={mailed.erik}").get_json()["items"]}
    made = call(
        "POST",
        "/calls",
        json={"text": "Wants it by Friday.", "minutes": 14, "outcome": "reached", "contact_id": mailed.erik},
    )
    assert made.status_code == 201
    row = call("GET", f"/log/{made.get_json()['id']}").get_json()
    assert row["row"]["subject"] == "Call, 14 min"
    assert row["text"] == "Wants it by Friday."
    assert call("POST", "/notes", json={"text": "Prefers mornings.", "deal_id": mailed.deal}).status_code == 201


def test_a_chat_and_a_click_on_the_website_stand_in_the_log_as_what_they_are(
    call: Caller, priya: Person, mailed: Seeded
) -> None:
    about = {"contact_id": mailed.erik}
    clicked = {"text": "Looked at the prices", "activity": "click", "link": "https://ourco.example/prices"}
    assert call("POST", "/notes", json=clicked | about).status_code == 201
    assert call("POST", "/notes", json={"text": "Asked about Malmö", "activity": "chat"} | about).status_code == 201
    assert call("POST", "/notes", json={"text": "Prefers mornings"} | about).status_code == 201
    page = priya.get(f"/contacts/{mailed.erik}?kind=activity")
    assert "Website: Looked at the prices" in page
    assert "Chat: Asked about Malmö" in page
    assert "Prefers mornings" not in page


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/contacts?limit=0", None, "limit"),
        ("GET", "/contacts?owner=abc", None, "owner"),
        ("GET", "/log?since=yesterday", None, "since"),
        ("GET", "/review?tab=nonsense", None, "tab"),
        ("GET", "/explain", None, "id"),
        ("POST", "/contacts", {"name": 5}, "name"),
        ("POST", "/contacts", {"emails": ["no address"]}, "email"),
        ("POST", "/tasks", {"title": None}, "title"),
        ("POST", "/tasks", {"title": "x", "due_at": "2026-03-06"}, "due_at"),
        ("POST", "/notes", {"text": "x"}, "contact_id"),
        ("POST", "/notes", {"text": "x", "contact_id": 1, "activity": "dance"}, "activity"),
        ("POST", "/notes", {"text": "x", "contact_id": 1, "link": "javascript:alert(1)"}, "link"),
    ],
)
def test_what_is_wrong_is_named(call: Caller, mailed: Seeded, method: str, path: str, body: Any, field: str) -> None:
    response = call(method, path, json=body)
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert response.get_json()["field"] == field


def test_what_is_not_there_is_a_problem_too(call: Caller, mailed: Seeded) -> None:
    for path in ("/contacts/9999", "/log/9999", "/nowhere"):
        response = call("GET", path)
        assert response.status_code == 404
        assert response.content_type == "application/problem+json"


def test_the_description_names_every_route(call: Caller, app: Flask, mailed: Seeded) -> None:
    described = call("GET", "/openapi.json").get_json()
    told = {(method.upper(), path) for path, operations in described["paths"].items() for method in operations}
    real = {
        (method, rule.rule.removeprefix("/api/v1").replace("<int:", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert told == real


def test_a_token_made_on_ones_page_is_shown_once(priya: Person, app: Flask) -> None:
    page = priya.post("/me/tokens", 200, name="Import", scope=["contacts:read"])
    text = page.partition('class="mono">crm_')[2].partition("<")[0]
    assert len(text) > 30
    assert "crm_" + text not in priya.get("/me")
    headers = {"Authorization": f"Bearer crm_{text}"}
    assert app.test_client().get("/api/v1/contacts", headers=headers).status_code == 200


@pytest.fixture
def call(app: Flask, service: Service, team: Team) -> Caller:
    """Call the API with a token of a user (Priya unless told) and scopes (all unless told)."""

    def send(
        method: str, path: str, *, user: int = 0, scopes: list[str] | None = None, text: str = "", **options: Any
    ) -> Any:
        if not text:
            with service.db.transaction() as session:
                _, text = tokens.create(session, user or team.priya, name="t", scopes=scopes or tokens.SCOPES, now=NOW)
        headers = {"Authorization": f"Bearer {text}", **options.pop("headers", {})}
        return app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **options)

    return send


@pytest.fixture
def mailed(service: Service, team: Team, mail_template: tuple[Path, Seeded]) -> Seeded:
    """The seeded mail."""
    return mail_template[1]
