"""Server time of every page at the size of the demo: ``python -m tests.bench.pages``, or ``make bench``.

Builds the demo in a folder of its own on SQLite and asks each page of the app's map several times through the WSGI
interface, without a network; a row per page with the median and how much of it the processor worked (a machine that is
shared shows in the difference), the slowest, and the SQL statements. The goal is ``GOAL_MS``. The clock is here because
this is an entry point.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert, select

from crm import pipelines
from crm.models import (
    Account,
    AutomationRule,
    Communication,
    CommunicationBody,
    Company,
    Contact,
    Deal,
    Field,
    LeadForm,
    Pipeline,
    Question,
    Segment,
    Stage,
    Task,
    User,
)
from crm.privacy import Viewer
from crm.reports import customers
from crm.reports.shape import Scope
from crm.settings import load
from sync.demo import build
from sync.demo.world import ADMIN, TEAM
from sync.demo.world import build as build_world
from sync.service import Service
from tests.web import addresses
from web.app import create_app

GOAL_MS = 150


def demo(folder: Path) -> Service:
    """The demo's team with all its mail."""
    given = {
        "CRM_SYNC_DATA_DIR": str(folder), "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1",
        "CRM_SYNC_SECRET_KEY": "bench-secret-key-bench",
    }  # fmt: skip
    service = Service.build(load(given, env_file=folder / "none"))
    service.db.migrate()
    build.write(folder / "demo", build_world(), service.now())
    build.people(service, folder / "demo")
    build.pull(service, folder / "demo")
    return service


def ids(service: Service) -> dict[str, object]:
    """What stands in the addresses: the demo's first customer with its thread, mail, deal and task."""
    with service.db.reading() as session:
        mail = session.scalars(
            select(Communication).join(CommunicationBody)
            .where(CommunicationBody.html != "", Communication.thread_id.is_not(None), Communication.status == "linked")
            .order_by(Communication.id)
        ).first()  # fmt: skip
        erik = session.scalars(select(Contact).where(Contact.name == "Erik Dahl")).one()
        found: dict[str, object] = {
            "contact_id": erik.id, "company_id": erik.company_id, "item_id": mail.id if mail else 1,
            "thread_id": mail.thread_id if mail else 1,
        }  # fmt: skip
        firsts = (("account_id", Account), ("deal_id", Deal), ("task_id", Task), ("pipeline_id", Pipeline),
                  ("stage_id", Stage), ("field_id", Field), ("segment_id", Segment),
                  ("rule_id", AutomationRule), ("form_id", LeadForm))  # fmt: skip
        for name, model in firsts:
            found[name] = session.scalars(select(model.id).order_by(model.id).limit(1)).first() or 0
        asked = Question.kind == "person", Question.group_key.like("address:%")
        found["group"] = session.scalars(select(Question.group_key).where(*asked).order_by(Question.id)).first() or ""
        found["uid"] = "kickoff@harbourline.example"
        found["user_id"] = session.scalars(select(User.id).where(User.email == TEAM[1].address)).one()
    return found


def measure(times: int) -> list[dict[str, Any]]:
    """A row per page, the slowest first."""
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as folder:
        service = demo(Path(folder))
        app = create_app(service)
        clients = {role: _client(app, service, who) for role, who in (("", TEAM[0].address), ("admin", ADMIN.address))}
        known, rows = ids(service), []
        for rule, key in addresses.pages():
            roles = getattr(app.view_functions[rule.endpoint], "roles", ())
            row = _timed(clients["admin" if roles else ""], service, addresses.address(rule, key, known), times)
            rows.append({"page": addresses.named(rule, key)} | row)
        service.db.dispose()
    return sorted(rows, key=lambda row: -row["median_ms"])


def _client(app: Flask, service: Service, email: str) -> FlaskClient:
    with service.db.reading() as session:
        who = session.scalars(select(User.id).where(User.email == email)).one()
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(user=who, epoch=0)
    return client


def _timed(client: FlaskClient, service: Service, path: str, times: int) -> dict[str, Any]:
    """Asked once to warm up and to count its statements, then ``times``."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement != "BEGIN":
            sent.append(statement)

    client.get(path)
    event.listen(service.db.engine, "before_cursor_execute", note)
    answer = client.get(path)
    event.remove(service.db.engine, "before_cursor_execute", note)
    took, worked = [], []
    for _ in range(times):
        begun, busy = time.perf_counter(), time.process_time()
        client.get(path)
        took.append(1000 * (time.perf_counter() - begun))
        worked.append(1000 * (time.process_time() - busy))
    return {
        "path": path, "status": answer.status_code, "median_ms": round(median(took), 1),
        "cpu_ms": round(median(worked), 1), "most_ms": round(max(took), 1),
        "statements": len(sent), "kilobytes": round(len(answer.data) / 1000, 1),
    }  # fmt: skip


def best_customers(wanted: int = 50_000) -> dict[str, Any]:
    """The report of best customers over so many won deals of a third as many companies, on SQLite."""
    with tempfile.TemporaryDirectory(prefix="bench-customers-") as folder:
        given = {"CRM_SYNC_DATA_DIR": folder, "CRM_SYNC_SECRET_KEY": "bench-secret-key-bench"}
        service = Service.build(load(given, env_file=Path(folder) / "none"))
        service.db.migrate()
        now, firms = service.now(), wanted // 3
        with service.db.transaction() as session:
            line = pipelines.ensure_default(session)
            won = next(stage.id for stage in pipelines.stages(session, line.id) if stage.kind == "won")
            names = ({"id": n + 1, "name": f"Firm {n}", "created_at": now} for n in range(firms))
            session.execute(insert(Company), list(names))
            session.execute(insert(Deal), [
                {"title": f"Deal {n}", "company_id": n * 7919 % firms + 1, "pipeline_id": line.id, "stage_id": won,
                 "status": "won", "value": Decimal(100 + n % 977), "currency": "GBP", "created_at": now,
                 "closed_at": now - timedelta(hours=n % 8000)} for n in range(wanted)
            ])  # fmt: skip
        today = now.date()
        scope = Scope(today - timedelta(days=400), today, ZoneInfo("UTC"))
        took = []
        with service.db.reading() as session:
            for _ in range(3):
                begun = time.perf_counter()
                found = customers.table(session, Viewer.system(), scope, now)
                took.append(1000 * (time.perf_counter() - begun))
        service.db.dispose()
    return {"deals": wanted, "companies": firms, "shown": len(found.lines), "median_ms": round(median(took), 1)}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a row per page."""
    lines = ["| page | median ms | of it CPU | most ms | statements | kB | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        mark = "" if row["status"] < 400 else f"status {row['status']}"
        mark = mark or ("" if row["median_ms"] <= GOAL_MS else "over the goal")
        lines.append(
            f"| {row['page']} | {row['median_ms']} | {row['cpu_ms']} | {row['most_ms']} | {row['statements']} "
            f"| {row['kilobytes']} | {mark} |"
        )
    over = sum(row["median_ms"] > GOAL_MS for row in rows)
    return "\n".join([*lines, f"\n{len(rows)} pages, {over} over {GOAL_MS} ms."])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    measured = measure(given.times)
    print(json.dumps(measured, indent=1) if given.json else table(measured))
    print(f"best customers: {best_customers()}")
