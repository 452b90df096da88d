"""What all commands share: the service built once, one JSON object or lines for people, and errors as one sentence
with exit 1."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from connectors.errors import ConnectorError
from crm.errors import CrmError
from crm.settings import BadSetting, load
from sync.service import Service

FAILED, QUARANTINED = 1, 3
P = ParamSpec("P")
R = TypeVar("R")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=None, version="0.1.0", prog_name="crm-sync")
def main() -> None:
    """Mailboxes and calendars go in at one end, an explained communication log comes out at the other."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")


def service() -> Service:
    """The service as the environment describes it. Raises BadSetting."""
    return Service.build(load())


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Adds ``--json`` (as ``as_json``) and turns known errors into one line and exit 1."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (ConnectorError, CrmError, BadSetting) as error:
            fail(str(error), as_json=bool(kwargs.get("as_json")))
        except OperationalError as error:
            detail = str(error.orig).splitlines()[0] if error.orig else "unknown"
            if "no such table" in detail or "does not exist" in detail:
                detail = "its tables are missing; run `crm-sync init`"
            fail(f"The database cannot be used: {detail}.", as_json=bool(kwargs.get("as_json")))

    return run


def fail(message: str, *, as_json: bool = False, code: int = FAILED) -> NoReturn:
    """Say what is wrong and end."""
    if as_json:
        click.echo(json.dumps({"error": message}, ensure_ascii=False))
    click.echo(message, err=True)
    sys.exit(code)


def show(data: dict[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """One JSON object, or lines for people."""
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, default=str))
        return
    for line in lines:
        click.echo(line)


class Day(click.ParamType[datetime]):
    """A date or an ISO 8601 time; becomes an aware UTC datetime."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if len(value) == 10:
                day = date.fromisoformat(value)
                return datetime(day.year, day.month, day.day, tzinfo=UTC)
            at = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{value!r} is not a date like 2026-03-04", param, ctx)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stdin_secret(wanted: bool) -> str:
    """The first line of standard input, when asked for."""
    return sys.stdin.readline().rstrip("\r\n") if wanted else ""
