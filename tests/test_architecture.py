"""The floors of the house, as a test: who may import whom, what lives where, how long a module may be, what every
file says.

Read with ``ast``; nothing of ours is imported but the command line and the settings, to hold them against the
contract.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from crm.settings import NAMES
from sync.cli import main

ROOT = Path(__file__).parents[1]
PACKAGES = ("connectors", "matching", "crm", "sync", "web")
MAY_IMPORT = {
    "connectors": {"connectors"},
    "matching": {"matching"},
    "crm": {"crm", "matching"},
    "sync": {"sync", "connectors", "matching", "crm"},
    "web": {"web", "sync", "crm"},
}
ONLY_IN = {
    "sqlalchemy": {"crm", "sync"},
    "alembic": {"crm"},
    "flask": {"web"},
    "jinja2": {"web"},
    "imapclient": {"connectors"},
    "googleapiclient": {"connectors"},
    "google": {"connectors"},
    "google_auth_oauthlib": {"connectors"},
    "google_auth_httplib2": {"connectors"},
    "msal": {"connectors"},
    "caldav": {"connectors"},
    "recurring_ical_events": {"connectors"},
    "fast_mail_parser": {"connectors"},
    "rq": {"sync"},
    "redis": {"sync"},
    "click": {"sync"},
}
CLOCK_CALLS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
    ("time", "localtime"), ("time", "gmtime"),
}  # fmt: skip
CLOCKS = {
    "sync/service.py": "the clock that entry points hand down",
    "sync/limits.py": "token buckets are shared by workers; their clock can be replaced",
}
"""Where the wall clock may be read outside of command line and web views: file -> why."""
MAY_COMMIT = {
    "crm/database.py": "transaction() itself, and migrations",
    "crm/csvimport.py": "its own savepoint, so that a dry run leaves nothing",
}
CLOCK_FOLDERS = ("sync/cli/", "sync/demo/", "web/")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
LONGEST = 400
STATES_ITS_REASON = re.compile(r"\b(long|length|lines|in one file|one module|kept together|size)\b", re.IGNORECASE)
COMMANDS = """init|up|web|worker|scheduler|user add|import|account add imap|account add archive|account add google|
account add microsoft|settings list|settings get|settings set|account list|account pause|account resume|account remove|
sync|rematch|log export|ledger export|explain|audit|evaluate|backup|restore|erase|export-person|doctor"""


def test_no_package_imports_what_stands_above_it(sources: dict[str, ast.Module]) -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources.items()
        for name in imported(tree)
        if name in PACKAGES and name not in MAY_IMPORT[path.split("/")[0]]
    ]
    assert wrong == []


def test_libraries_stay_on_their_floor(sources: dict[str, ast.Module]) -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in sources.items()
        for name in imported(tree)
        if name in ONLY_IN and path.split("/")[0] not in ONLY_IN[name]
    ]
    assert wrong == []


def test_the_wall_clock_is_read_at_the_entry_points_only(sources: dict[str, ast.Module]) -> None:
    wrong = [
        f"{path}:{line} reads the wall clock"
        for path, tree in sources.items()
        if path not in CLOCKS and not path.startswith(CLOCK_FOLDERS)
        for line in clock_reads(tree)
    ]
    assert wrong == []


def test_every_clock_named_here_is_still_read(sources: dict[str, ast.Module]) -> None:
    assert [path for path in CLOCKS if not list(clock_reads(sources[path]))] == []


def test_every_file_says_what_it_is_for(sources: dict[str, ast.Module]) -> None:
    assert [path for path, tree in sources.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_module_is_named_after_nothing(sources: dict[str, ast.Module]) -> None:
    assert [path for path in sources if Path(path).stem in FORBIDDEN_NAMES] == []


def test_a_module_of_more_than_400_lines_states_its_reason(sources: dict[str, ast.Module]) -> None:
    wrong = []
    for path, tree in sources.items():
        lines = (ROOT / path).read_text(encoding="utf-8").count("\n")
        if lines > LONGEST and not STATES_ITS_REASON.search(ast.get_docstring(tree) or ""):
            wrong.append(f"{path}: {lines} lines")
    assert wrong == []


def test_no_function_is_longer_than_sixty_lines(sources: dict[str, ast.Module]) -> None:
    wrong = [
        f"{path}:{node.lineno} {node.name}: {length} lines"
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 60
    ]
    assert wrong == []


def test_no_error_is_swallowed_in_silence(sources: dict[str, ast.Module]) -> None:
    """``except Exception`` or wider must do something."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]
    assert wrong == []


def test_only_transactions_commit(sources: dict[str, ast.Module]) -> None:
    """``commit`` is called by the database module alone; everything else is within ``transaction()``."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in sources.items()
        if path not in MAY_COMMIT and not path.startswith("crm/migrations/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]
    assert wrong == []


def test_every_setting_of_the_contract_is_known() -> None:
    contract = {
        "DATA_DIR", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "BASE_URL", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET",
        "GOOGLE_ENDPOINT", "GOOGLE_AUTH_URL", "GOOGLE_TOKEN_URL", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET",
        "MICROSOFT_TENANT", "MICROSOFT_AUTHORITY", "GRAPH_ENDPOINT", "CA_BUNDLE", "INTERNAL_DOMAINS",
        "ALLOW_PRIVATE_HOSTS",
    }  # fmt: skip
    assert {f"CRM_SYNC_{name}" for name in contract} <= NAMES


@pytest.mark.parametrize("words", [c.strip() for c in COMMANDS.replace("\n", "").split("|")])
def test_every_command_of_the_contract_exists_and_takes_json(words: str) -> None:
    found: click.Command = main
    for word in words.split():
        assert isinstance(found, click.Group)
        assert word in found.commands, f"there is no {words}"
        found = found.commands[word]
    assert any("--json" in option.opts for option in found.params)
    assert found.help


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, but for what only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from at_run_time(child)


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names that a module imports when it runs, anywhere in it."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def clock_reads(tree: ast.Module) -> Iterator[int]:
    """Lines that name the wall clock: a call of it, or the function itself as a value."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in CLOCK_CALLS
        ):
            yield node.lineno


@pytest.fixture(scope="module")
def sources() -> dict[str, ast.Module]:
    """Path -> tree of every file of the five packages."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations/versions" not in str(path)
    }
