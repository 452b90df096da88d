"""Every page of the app with an address to open it: read off the app's own map, so that a new page is in without being
named. For the tests of statements and the bench of page times."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask
from werkzeug.routing import Rule

from crm.reports import registry
from web.views import ALL

# no pages: files, machines' own addresses, and what leaves for a provider
LEFT_OUT = ("static", "api.", "ops.", "feed.calendar", "google.", "microsoft.", "home.favicon", "log.file", "auth.",
            "files.", "capture.")  # fmt: skip
QUERIES = {
    "quality.rows": "measure=automatic&week=2026-03-02",
    "log.series": "uid={uid}",
    "review.someone": "key={group}&q=anna",
    "deciding.create_page": "key={group}",
    "review.of": "domain=nordhavn.example",
    "review.preview": "key={group}&verb=link&target=contact:{contact_id}",
    "search.page": "q=nordhavn",
    "search.live": "q=nordhavn",
    "log.why": "q=m20@mail.example",
    "connecting.imap_page": "address=a@gmail.com",
}
DRILLS = {
    "conversion": "line={stage_id}&column=entered", "dwell": "line={stage_id}&column=here",
    "activity": "line=total&column=all", "economics": "line=total&column=revenue",
    "engagement": "line={contact_id}&column=now",
    "follow-up": "line=total&column=stale", "forecast-check": "line=2026-03-01&column=deals",
}  # fmt: skip


def pages() -> list[tuple[Rule, str]]:
    """A case for each page, and one for each report where all have one address."""
    app = Flask("pages")
    for blueprint in ALL:
        app.register_blueprint(blueprint)
    found = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    rules = sorted((r for r in found if not r.endpoint.startswith(LEFT_OUT)), key=lambda r: r.rule)
    return [(r, key) for r in rules for key in ([one.key for one in registry.ALL] if "key" in r.arguments else [""])]


def named(rule: Rule, key: str) -> str:
    """What a case is called."""
    return "-".join([rule.endpoint, *map(str, (rule.defaults or {}).values()), *([key] if key else [])])


def address(rule: Rule, key: str, ids: Mapping[str, object]) -> str:
    """An address of the page, with ``ids`` in its arguments and query; fails for an argument that they do not tell."""
    known = {**ids, "kind": "note", "on": "contact", "record_id": ids["contact_id"], "key": key}
    asked = rule.arguments - (rule.defaults or {}).keys()
    unknown = asked - known.keys()
    assert not unknown, f"{rule.rule}: the test has to be told what {unknown} is"
    path = rule.rule
    for _ in asked:
        start = path.index("<")
        inner = path[start + 1 : path.index(">", start)]
        path = path.replace(f"<{inner}>", str(known[inner.rpartition(":")[2]]), 1)
    query = QUERIES.get(rule.endpoint, "").format(**ids)
    if rule.endpoint in ("reports.rows", "reports.download_rows"):
        query = DRILLS.get(key, "line=total&column=deals").format(**ids)
    return f"{path}?{query}" if query else path
