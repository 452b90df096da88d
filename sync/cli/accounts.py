"""``crm-sync account``: connect, list, pause, resume, remove."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from crm.errors import Refused
from crm.models import Account, Stream
from crm.privacy import Viewer
from sync import accounts, health
from sync import labels as labels_of
from sync.accounts import AccountSpec
from sync.cli.root import Day, command, service, show, stdin_secret

MAX_TOKEN_FILE = 100_000


@click.group()
def account() -> None:
    """Connect mailboxes, calendars and archives."""


@account.group("add")
def add_group() -> None:
    """Connect an account; the connection is tested first."""


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options every ``account add`` takes."""
    for option in (
        click.option("--owner", required=True, metavar="EMAIL", help="The user whose account it is."),
        click.option("--alias", "aliases", multiple=True, help="Another address of the same person; repeatable."),
        click.option("--sharing", type=click.Choice(["full", "subject", "metadata", "private"])),
        click.option(
            "--folders", multiple=True, metavar="include=A,B|exclude=C", help="Folders to log, or to leave out."
        ),
        click.option(
            "--labels", multiple=True, metavar="include=A,B|exclude=C", help="Labels to log, or to leave out."
        ),
        click.option("--kind", type=click.Choice(["mailbox", "shared", "dropbox"]), default="mailbox"),
        click.option("--since", type=Day(), help="Nothing older is stored."),
    ):
        function = option(function)
    return function


def lists(values: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``include=A,B`` and ``exclude=C`` as two tuples. Raises UsageError."""
    found: dict[str, list[str]] = {"include": [], "exclude": []}
    for value in values:
        kind, sep, names = value.partition("=")
        if not sep:
            kind, names = "include", value
        if kind not in found:
            raise click.UsageError(f"{value!r}: say include=A,B or exclude=C")
        found[kind].extend(name.strip() for name in names.split(",") if name.strip())
    return tuple(found["include"]), tuple(found["exclude"])


def spec(
    provider: str,
    address: str,
    config: dict[str, Any],
    secret: str,
    *,
    owner: str,
    aliases: tuple[str, ...],
    sharing: str | None,
    folders: tuple[str, ...],
    labels: tuple[str, ...],
    kind: str,
    since: datetime | None,
) -> AccountSpec:
    """The common options as a spec."""
    include, exclude = lists(folders)
    include_labels, exclude_labels = lists(labels)
    return AccountSpec(
        provider,
        owner,
        address,
        config,
        secret,
        aliases,
        sharing,
        kind,
        include,
        exclude,
        include_labels,
        exclude_labels,
        since,
    )


def connect(wanted: AccountSpec, as_json: bool) -> None:
    """Test, store, and print the answer of contract.md."""
    crm = service()
    account_id = accounts.add(crm, wanted, actor_id=None)
    with crm.db.reading() as session:
        names = list(session.scalars(select(Stream.name).where(Stream.account_id == account_id).order_by(Stream.id)))
        address = session.get_one(Account, account_id).address
    data = {"account_id": account_id, "address": address, "streams": names}
    show(data, [f"Connected {address} as account {account_id}: {len(names)} folders and calendars."], as_json=as_json)


@add_group.command("imap")
@click.option("--address", required=True)
@click.option("--host", required=True)
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@click.option("--username")
@click.option("--security", type=click.Choice(["tls", "starttls", "none"]), default="tls", show_default=True)
@click.option("--auth", type=click.Choice(["password", "xoauth2"]), default="password", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--caldav-url", help="The calendar of this mailbox.")
@common
@command
def add_imap(
    address: str,
    host: str,
    port: int,
    username: str | None,
    security: str,
    auth: str,
    password_stdin: bool,
    caldav_url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """An IMAP mailbox, with its CalDAV calendar if given."""
    config = {"host": host, "port": port, "username": username or address, "security": security, "auth": auth}
    if caldav_url:
        config["caldav_url"] = caldav_url
    secret = stdin_secret(password_stdin) or _ask(password_stdin)
    connect(spec("imap", address, config, secret, **options), as_json)


@add_group.command("caldav")
@click.option("--address", required=True)
@click.option("--url", required=True)
@click.option("--username")
@click.option("--password-stdin", is_flag=True)
@common
@command
def add_caldav(
    address: str, url: str, username: str | None, password_stdin: bool, as_json: bool, **options: Any
) -> None:
    """A calendar server alone."""
    config = {"url": url, "username": username or address}
    secret = stdin_secret(password_stdin) or _ask(password_stdin)
    connect(spec("caldav", address, config, secret, **options), as_json)


def _ask(from_stdin: bool) -> str:
    return "" if from_stdin else str(click.prompt("Password", hide_input=True, err=True))


@add_group.command("archive")
@click.option("--address", required=True)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@common
@command
def add_archive(address: str, paths: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """mbox, Maildir, .eml, .ics files or folders, zips of those, Takeout."""
    config = {"paths": [str(path.resolve()) for path in paths]}
    connect(spec("archive", address, config, "", **options), as_json)


@add_group.command("google")
@click.option("--token-json", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--service-account", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--subject", help="The mailbox, with --service-account.")
@click.option("--address", help="Checked against the signed-in mailbox when given.")
@common
@command
def add_google(
    token_json: Path | None,
    service_account: Path | None,
    subject: str | None,
    address: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Gmail and Google Calendar, without a browser."""
    from sync import google_accounts

    if (token_json is None) == (service_account is None):
        raise click.UsageError("give either --token-json FILE or --service-account FILE --subject ADDRESS")
    text = _read(token_json or service_account)
    crm = service()
    address, secret, config = google_accounts.identify(crm, text, subject=subject, address=address)
    connect(spec("google", address, config, secret, **options), as_json)


@add_group.command("microsoft")
@click.option("--token-json", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--app-only", is_flag=True, help="With the app's own secret.")
@click.option("--address", help="The mailbox, with --app-only.")
@common
@command
def add_microsoft(token_json: Path | None, app_only: bool, address: str | None, as_json: bool, **options: Any) -> None:
    """Microsoft 365 mail and calendar, without a browser."""
    from sync import microsoft_accounts

    if (token_json is None) != app_only:
        raise click.UsageError("give either --token-json FILE, or --app-only --address ADDRESS")
    if app_only and not address:
        raise click.UsageError("--app-only needs --address ADDRESS")
    crm = service()
    text = _read(token_json) if token_json else ""
    address, secret, config = microsoft_accounts.identify(crm, text, app_only=app_only, address=address)
    connect(spec("microsoft", address, config, secret, **options), as_json)


def _read(path: Path | None) -> str:
    """A small JSON file."""
    if path is None:
        return ""
    if path.stat().st_size > MAX_TOKEN_FILE:
        raise Refused(f"{path} is too large to be a token file.")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        json.loads(text)
    except ValueError:
        raise Refused(f"{path} is not JSON.") from None
    return text


@account.command("list")
@command
def list_(as_json: bool) -> None:
    """All accounts with their health."""
    crm = service()
    with crm.db.reading() as session:
        rows = health.accounts(session, Viewer(0, "admin"), crm.now())
    data = {
        "accounts": [
            {
                "account_id": a.id,
                "address": a.address,
                "provider": a.provider,
                "owner": a.owner,
                "stage": a.stage,
                "health": a.word,
                "error": a.error,
                "counts": a.counts,
                "reasons": a.reasons,
                "last_success_at": a.last_success_at.isoformat() if a.last_success_at else None,
                "coverage": a.coverage,
                "streams": [{"stream": s.name, "kind": s.kind, "on": s.on, "counts": s.counts} for s in a.streams],
            }
            for a in rows
        ]
    }
    lines = [f"{a.id:>4}  {a.address:<40} {a.provider:<10} {a.word:<10} {a.error or ''}".rstrip() for a in rows]
    show(data, lines or ["No account is connected yet."], as_json=as_json)


def _change(name: str) -> Callable[..., None]:
    @command
    def run(account_id: int, as_json: bool) -> None:
        crm = service()
        verb = accounts.pause if name == "pause" else accounts.resume
        with crm.db.transaction() as session:
            verb(session, account_id, actor_id=None, now=crm.now())
        show({"account_id": account_id, "stage": f"{name}d"}, [f"Account {account_id} {name}d."], as_json=as_json)

    run.__doc__ = f"{name.capitalize()} an account; cursors stay."
    return run


@account.command("remove")
@click.argument("account_id", type=int)
@click.option("--keep-log", "purge", flag_value=False, default=False, help="The log stays (default).")
@click.option("--purge", "purge", flag_value=True, help="What only this account saw goes too.")
@command
def remove(account_id: int, purge: bool, as_json: bool) -> None:
    """Disconnect an account."""
    from sync import push  # brings the providers' SDKs along, which most commands never need

    crm = service()
    push.end(crm, account_id)
    with crm.db.transaction() as session:
        counts = accounts.remove(session, account_id, purge=purge, actor_id=None, now=crm.now())
    says = f"{counts['only_here']} items erased" if purge else f"the log keeps its {counts['seen']} items"
    show(
        {"account_id": account_id, "purged": purge} | counts,
        [f"Account {account_id} removed; {says}."],
        as_json=as_json,
    )


@account.command("password")
@click.argument("account_id", type=int)
@click.option("--password-stdin", is_flag=True)
@command
def password(account_id: int, password_stdin: bool, as_json: bool) -> None:
    """A new password for an account; tested before it is kept."""
    crm = service()
    accounts.reconnect(crm, account_id, stdin_secret(password_stdin) or _ask(password_stdin), actor_id=None)
    show({"account_id": account_id}, [f"Account {account_id} signs in again."], as_json=as_json)


@account.command("reconnect")
@click.argument("account_id", type=int)
@click.option("--token-json", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@command
def reconnect(account_id: int, token_json: Path, as_json: bool) -> None:
    """A new token for a Google or Microsoft account; cursors stay, so that the hole is filled."""
    crm = service()
    accounts.reconnect(crm, account_id, _read(token_json), actor_id=None)
    show({"account_id": account_id}, [f"Account {account_id} signs in again."], as_json=as_json)


@account.command("labels")
@click.argument("account_id", type=int)
@click.option(
    "--labels", multiple=True, metavar="include=A,B|exclude=C", help="What is logged from now on; none: everything."
)
@command
def labels_(account_id: int, labels: tuple[str, ...], as_json: bool) -> None:
    """Which labels are logged; applied to the past as well."""
    crm = service()
    include, exclude = lists(labels)
    with crm.db.transaction() as session:
        accounts.live(session, account_id)
        hidden, again = labels_of.choose(session, account_id, include, exclude, actor_id=None, now=crm.now())
    says = f"{hidden} items hidden, {again} fetched at the next sync."
    show({"account_id": account_id, "hidden": hidden, "fetched_again": again}, [says], as_json=as_json)


def register(main: click.Group) -> None:
    """Hang the commands under ``main``."""
    for name in ("pause", "resume"):
        account.command(name)(click.argument("account_id", type=int)(_change(name)))
    main.add_command(account)
