"""``crm-sync log | ledger | explain | audit | evaluate``: reading the log and holding it to account."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from crm import export, users
from crm.errors import Refused
from crm.privacy import Viewer
from sync import coverage
from sync.cli.root import FAILED, Day, command, service, show
from sync.explain import explain as explain_id
from sync.service import Service


@click.group("log")
def log() -> None:
    """The communication log."""


@log.command("export")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--since", type=Day())
@click.option("--as", "as_email", metavar="EMAIL", help="As this user sees it.")
@command
def log_export(form: str, since: datetime | None, as_email: str | None, as_json: bool) -> None:
    """The whole log, one JSON object per line, or CSV."""
    crm = service()
    with crm.db.reading() as session:
        viewer = _viewer(crm, session, as_email)
        rows = export.log_lines(session, as_user=viewer, since=since)
        _write(rows, form, as_json)


def _viewer(crm: Service, session: Any, email: str | None) -> Viewer | None:
    if email is None:
        return None
    user = users.by_email(session, email)
    if user is None:
        raise Refused(f"There is no user {email}.")
    return users.viewer(user)


def _write(rows: Iterable[dict[str, Any]], form: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"items": list(rows)}, ensure_ascii=False))
        return
    if form == "jsonl":
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(row))
            writer.writeheader()
        writer.writerow({k: _cell(v) for k, v in row.items()})


def _cell(value: Any) -> Any:
    """Lists as JSON; text that a spreadsheet would run as a formula gets a leading quote."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return "'" + value
    return value


@click.group("ledger")
def ledger() -> None:
    """Every remote item with its state and reason."""


@ledger.command("export")
@command
def ledger_export(as_json: bool) -> None:
    """One JSON object per line."""
    crm = service()
    with crm.db.reading() as session:
        _write(export.ledger_lines(session), "jsonl", as_json)


@click.command()
@click.argument("query", metavar="MESSAGE-ID|UID")
@click.option("--as", "as_email", metavar="EMAIL", help="As this user sees it.")
@command
def explain(query: str, as_email: str | None, as_json: bool) -> None:
    """Why an item is where it is, or why it is not in the log."""
    crm = service()
    with crm.db.reading() as session:
        viewer = _viewer(crm, session, as_email) or Viewer.system()
        data = explain_id(session, viewer, crm.vault, query)
    show(data, _explained(data), as_json=as_json)


def _explained(data: dict[str, Any]) -> Iterable[str]:
    yield data["says"]
    for item in data["items"]:
        yield f"{item['kind']} {item['id']}: {item['status']}" + (f" ({item['reason']})" if item["reason"] else "")
        for link in item["links"]:
            why = "; ".join(e["says"] for e in link["evidence"])
            yield f"  linked to {link['target']} by {link['method']} {link['score']:.2f}: {why}"
        for offer in item["suggestions"]:
            yield f"  maybe {offer['target']} {offer['score']:.2f}: {'; '.join(e['says'] for e in offer['evidence'])}"
        for offer in item["lost"]:
            yield f"  not {offer['target']}: {offer['against']}"
        for question in item["questions"]:
            yield f"  open question: {question['kind']} ({question['reason']})"
    for row in data["ledger"]:
        place = f"{row['account']} {row['stream']} {row['remote_id']}"
        yield f"{place}: {row['state']}, stage {row['stage']}: {row['says']}"


@click.command()
@click.option("--account", "account_id", type=int)
@command
def audit(account_id: int | None, as_json: bool) -> None:
    """Compare the source with the ledger, id by id; requeue the gaps."""
    crm = service()
    data = coverage.audit(crm, [account_id] if account_id is not None else [])
    show(data, _audited(data), as_json=as_json)
    if data["failed"]:
        sys.exit(FAILED)


def _audited(data: dict[str, Any]) -> Iterable[str]:
    for account in data["accounts"]:
        yield f"{account['account']}: {account['coverage']:.2%}" + (
            f" - {account['error']}" if account["error"] else ""
        )
        for stream in account["streams"]:
            missing = f", missing {', '.join(stream['missing'][:10])}" if stream["missing"] else ""
            yield f"  {stream['stream']:<30} {stream['ledger']} of {stream['remote']}{missing}"
    yield f"Coverage {data['coverage']:.2%}; {data['missing']} missing" + (", requeued." if data["missing"] else ".")


@click.command()
@click.argument("corpus", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--baselines", is_flag=True, help="Compare with three simple matchers.")
@command
def evaluate(corpus: Path, baselines: bool, as_json: bool) -> None:
    """Precision, recall and confusion on a labelled corpus."""
    from sync import evaluate as evaluation

    report = evaluation.evaluate(corpus, baselines=baselines)
    show(report.as_dict(), report.lines(), as_json=as_json)


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    for found in (log, ledger, explain, audit, evaluate):
        main.add_command(found)
