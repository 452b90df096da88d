"""Sign-in, first set-up, sessions, roles, CSRF and the headers every answer carries."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from crm import users
from crm.database import Database
from sync.service import Service
from tests.web.conftest import NOW, PASSWORD, Person, Team
from web.app import create_app


def test_a_new_workspace_leads_to_the_set_up_of_its_first_admin(stranger: Person, service: Service) -> None:
    assert stranger.client.get("/").headers["Location"].startswith("/sign-in")
    assert stranger.client.get("/sign-in").headers["Location"] == "/set-up"
    stranger.post("/set-up", name="Ada", email="Ada@OurCo.example", password=PASSWORD, time_zone="Europe/London")
    with service.db.reading() as session:
        (user,) = users.all_(session)
    assert (user.email, user.role, user.time_zone) == ("ada@ourco.example", "admin", "Europe/London")
    assert "Today" in stranger.get("/")


def test_there_is_no_set_up_once_somebody_has_an_account(stranger: Person, team: Team) -> None:
    stranger.get("/set-up", 404)
    stranger.post("/set-up", 404, name="Eve", email="eve@evil.example", password=PASSWORD, time_zone="UTC")


def test_a_refused_set_up_keeps_what_was_typed_but_not_the_password(stranger: Person) -> None:
    page = stranger.post("/set-up", 422, name="Ada", email="not an address", password=PASSWORD, time_zone="UTC")
    assert 'value="Ada"' in page
    assert "is not an e-mail address" in page
    assert PASSWORD not in page


def test_a_wrong_password_and_an_unknown_address_say_the_same(stranger: Person, team: Team) -> None:
    wrong = stranger.post("/sign-in", 422, email="ada@ourco.example", password="no such password")
    unknown = stranger.post("/sign-in", 422, email="nobody@ourco.example", password="no such password")
    assert "match an account here" in wrong
    plain = [
        re.sub(r'name="csrf_token" value="[^"]+"', "", page) for page in (wrong.replace("ada@", "nobody@"), unknown)
    ]
    assert plain[0] == plain[1]


def test_guessing_is_slowed_down_even_with_the_right_password_at_last(stranger: Person, team: Team) -> None:
    for _ in range(8):
        stranger.post("/sign-in", 422, email="ada@ourco.example", password="guess guess guess")
    assert "Too many tries" in stranger.post("/sign-in", 429, email="ada@ourco.example", password=PASSWORD)


def test_after_the_sign_in_one_is_back_where_one_wanted_to_go_but_never_elsewhere(stranger: Person, team: Team) -> None:
    inside = stranger.post("/sign-in?back=/audit", email="ada@ourco.example", password=PASSWORD)
    assert inside == "/audit"
    for evil in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        assert stranger.post(f"/sign-in?back={evil}", email="ada@ourco.example", password=PASSWORD) == "/"


def test_pages_are_behind_the_sign_in(stranger: Person, app: Flask, team: Team) -> None:
    open_ = {
        "auth.sign_in_page",
        "auth.set_up_page",
        "ops.alive",
        "ops.ready",
        "ops.metrics",
        "ops.htmx_script",
        "static",
        "home.favicon",
        "feed.calendar",
        "capture.page",
    }
    for rule in app.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint in open_ or rule.endpoint.startswith("api."):
            continue
        path = _path(rule)
        response = stranger.client.get(path)
        assert (response.status_code, response.headers.get("Location", "")[:8]) == (303, "/sign-in"), rule


def _path(rule: Rule) -> str:
    """An address the rule matches: 1 for numbers, the first of a choice, x for text."""
    values = {
        n: 1 if isinstance(c, IntegerConverter) else min(getattr(c, "items", ["x"]))
        for n, c in rule._converters.items()
    }
    return rule.build(values)[1]


def test_what_a_role_may_not_open_is_not_there(priya: Person, mina: Person, admin: Person) -> None:
    for path in ("/people", "/people/new", "/people/1", "/settings"):
        priya.get(path, 404)
        mina.get(path, 404)
        admin.get(path)


def test_a_new_role_ends_the_sessions_of_before(admin: Person, priya: Person, team: Team) -> None:
    priya.get("/")
    admin.post(f"/people/{team.priya}/role", role="manager")
    assert priya.client.get("/").status_code == 303


def test_one_who_left_can_not_come_back(admin: Person, priya: Person, team: Team, stranger: Person) -> None:
    admin.post(f"/people/{team.priya}/leave", to=str(team.jonas))
    assert priya.client.get("/").status_code == 303
    stranger.post("/sign-in", 422, email="priya@ourco.example", password=PASSWORD)


def test_the_last_admin_stays(admin: Person, team: Team) -> None:
    assert "last administrator" in admin.post(f"/people/{team.admin}/role", 422, role="rep")


def test_a_post_without_the_token_changes_nothing(admin: Person, app: Flask, team: Team) -> None:
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods or rule.endpoint.startswith(("api.", "hooks.", "capture.")):
            continue
        path = _path(rule)
        assert admin.client.post(path, data={"role": "rep"}).status_code == 400, rule


def test_no_page_allows_inline_code_or_foreign_sources(admin: Person, stranger: Person) -> None:
    for person, path in ((stranger, "/sign-in"), (admin, "/"), (admin, "/settings"), (admin, "/nowhere")):
        headers = person.client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_pages_carry_no_inline_style_script_or_handler(admin: Person) -> None:
    for path in ("/", "/settings", "/people", "/me", "/help/keys", "/audit"):
        page = admin.get(path)
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert "<script>" not in page


def test_the_cookie_is_kept_from_scripts_and_other_sites(stranger: Person, team: Team) -> None:
    stranger.sign_in("ada@ourco.example")
    cookie = stranger.client.get("/help/keys").headers.get("Set-Cookie") or str(stranger.client.get_cookie("crm_sync"))
    kept = stranger.client.get_cookie("crm_sync")
    assert kept is not None, cookie
    assert kept.http_only
    assert kept.same_site == "Lax"


def test_a_big_body_is_refused_before_it_is_read(admin: Person) -> None:
    response = admin.client.post("/me/profile", data={"name": "x" * 700_000})
    assert response.status_code == 413


def test_htmx_comes_from_the_wheel_and_may_not_evaluate(stranger: Person, team: Team) -> None:
    script = stranger.client.get("/static/htmx.js")
    assert b"htmx" in script.data[:20]
    page = stranger.get("/sign-in")
    assert '"allowEval":false' in page
    assert '"includeIndicatorStyles":false' in page
    assert '"historyCacheSize":0' in page


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_machines_may_ask_how_it_is(stranger: Person, path: str) -> None:
    stranger.get(path)


def test_it_is_not_ready_before_the_tables_are_there_or_without_its_queue(service: Service, tmp_path: Path) -> None:
    service.db.dispose()
    service.db = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    service.settings = replace(service.settings, redis_url="redis://127.0.0.1:9/0")
    response = create_app(service).test_client().get("/readyz")
    assert response.status_code == 503
    assert response.get_json() == {"status": "not ready", "database": True, "migrations": False, "queue": False}


def test_metrics_carry_no_paths_or_names(enter: Callable[[str], Person]) -> None:
    admin = enter("ada")
    admin.get("/people/2")
    metrics = admin.get("/metrics")
    assert 'endpoint="people.page"' in metrics
    assert "/people/2" not in metrics
    assert "priya" not in metrics.lower()


def test_a_profile_is_ones_own_to_change(priya: Person, service: Service, team: Team) -> None:
    priya.post("/me/profile", name="Priya R.", time_zone="Asia/Kolkata")
    with service.db.reading() as session:
        user = users.by_id(session, team.priya)
    assert (user.name, user.time_zone, user.created_at) == ("Priya R.", "Asia/Kolkata", NOW)


def test_a_new_password_needs_the_present_one_and_ends_other_sessions(enter: Callable[[str], Person]) -> None:
    here, there = enter("priya"), enter("priya")
    assert "not your present password" in here.post(
        "/me/password", 422, present="wrong wrong", new="another horse x", again="another horse x"
    )
    here.post("/me/password", present=PASSWORD, new="another horse x", again="another horse x")
    here.get("/me")
    assert there.client.get("/me").status_code == 303
