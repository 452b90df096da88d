"""The whole sync flow on the hand-labelled set: import, archive account, sync, export; every label holds there too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from matching.addresses import canonical, one_domain
from sync.cli import main

HAND = Path(__file__).parents[1] / "corpus" / "hand"
SCREENED = {"never_log", "private"}


def test_the_flow_finds_what_the_labels_say(exported: dict[tuple[str, str], dict[str, Any]]) -> None:
    wrong = []
    for row in labels():
        found = exported.get(key_of(row))
        if found is None:
            wrong += [row["trap"]] if row["status"] != "ignored" else []
        elif found["status"] != row["status"] or any(names(found, kind) != names(row, kind) for kind in KINDS):
            wrong.append((row["trap"], found["status"], *(found[kind] for kind in KINDS)))
    assert wrong == []
    assert len(exported) > 60


KINDS = {"contacts": canonical, "companies": one_domain, "deals": str}


def names(row: dict[str, Any], kind: str) -> set[str]:
    return {name if name.startswith("name:") else KINDS[kind](name) for name in row[kind]}


def labels() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HAND / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def key_of(row: dict[str, Any]) -> tuple[str, str]:
    return ("mail", row["message_id"]) if row.get("kind", "email") == "email" and row.get("message_id") else (
        row["ical_uid"], row.get("recurrence_id") or "",
    )  # fmt: skip


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], dict[str, Any]]:
    """The log of a workspace that imported the hand set's directory and synced its mails and events."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_SYNC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CRM_SYNC_INTERNAL_DOMAINS", "ourco.example")
    run("init")
    for name in ("rita", "sam"):
        run("user", "add", f"{name}@ourco.example", "--name", name, "--role", "rep")
    for kind in ("companies", "contacts", "deals"):
        run("import", kind, str(HAND / "directory" / f"{kind}.csv"))
    run("settings", "set", "never_log", "counsel@law.example", "clinic.example")
    run("settings", "set", "dropbox_address", "log@ourco.example")
    run("account", "add", "archive", "--owner", "rita@ourco.example", "--address", "rita@ourco.example", "--alias",
        "rita@ourbrand.example", str(HAND / "mail"), str(HAND / "events"))  # fmt: skip
    run("sync", "--drain")
    rows = [json.loads(line) for line in run("log", "export").splitlines() if line.startswith("{")]
    return {key_of(row): row for row in rows}


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout
