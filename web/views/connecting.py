"""Connecting a mailbox: choose a provider, give the server, see the test's answer at the field, choose what is taken
and who sees it.

Google and Microsoft have their own sign-in (see their views); here is what needs a server and a password, and files.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import ledger, workspace
from crm.errors import Refused
from sync import accounts, connecting
from sync.accounts import AccountSpec, TestResult
from web import auth, door, notes, pending
from web.forms.accounts import Address, Archive, Choices, Imap
from web.pending import Pending

blueprint = Blueprint("connecting", __name__, url_prefix="/accounts/new")
Page = str | Response | tuple[str, int]
TEST_SECONDS = 20


@blueprint.get("")
def providers() -> Page:
    """The ways in, each with what it needs."""
    settings = door.service().settings
    return render_template(
        "connecting/providers.html", google=bool(settings.google_client_id),
        microsoft=bool(settings.microsoft_client_id),
        base=settings.base_url,
    )  # fmt: skip


@blueprint.get("/imap")
def imap_page() -> Page:
    """First the address; with it, the form filled with the likely server."""
    address = request.args.get("address", "").strip()
    if "@" not in address:
        return render_template(
            "connecting/address.html", form=Address(formdata=None, data={"address": address or door.me().email})
        )
    guess = connecting.guess_server(address)
    filled = {
        "address": address,
        "host": guess.host,
        "port": guess.port,
        "security": guess.security,
        "username": guess.username,
    }
    return render_template("connecting/imap.html", form=Imap(formdata=None, data=filled), guess=guess)


@blueprint.post("/imap")
def imap() -> Page:
    """Try the connection; what is wrong is said at its field, and what was typed stays (the password does not)."""
    form = Imap()
    guess = connecting.guess_server(form.address.data or "")
    if not form.validate():
        return render_template("connecting/imap.html", form=form, guess=guess), 422
    waiting = _pending_imap(form)
    try:
        tested = connecting.attempt(door.service(), _spec(waiting, timeout=TEST_SECONDS))
    except connecting.Problem as problem:
        form.refuse(Refused(str(problem), problem.field))
    except Refused as refused:
        form.refuse(refused)
    else:
        return _choose(waiting, tested, None)
    return render_template("connecting/imap.html", form=form, guess=guess), 422


@blueprint.get("/archive")
@auth.needs("admin")
def archive_page() -> Page:
    """Files that lie on this server; an admin's, because it reads the server's disk."""
    return render_template("connecting/archive.html", form=Archive())


@blueprint.post("/archive")
@auth.needs("admin")
def archive() -> Page:
    """Look at the files, and go on to the choice."""
    form = Archive()
    if form.validate():
        waiting = Pending(
            "archive", form.address.data, {"paths": [p.strip() for p in form.paths.data.splitlines() if p.strip()]}
        )
        try:
            return _choose(waiting, connecting.attempt(door.service(), _spec(waiting)), None)
        except connecting.Problem as problem:
            form.refuse(Refused(str(problem), "paths"))
        except Refused as refused:
            form.refuse(refused)
    return render_template("connecting/archive.html", form=form), 422


@blueprint.post("/save")
def save() -> Page:
    """Store the account with the choices, and show its progress."""
    try:
        waiting = pending.open_(request.form.get("pending", ""))
    except pending.Expired:
        notes.warn("The connection test was too long ago. Please enter the password once more.")
        return redirect(url_for("connecting.providers"), 303)
    form = _choices()
    days = int(form.window.data or 0) if form.validate() else None
    if days is None:
        return _choose(waiting, connecting.attempt(door.service(), _spec(waiting, timeout=TEST_SECONDS)), form)
    since = door.now() - timedelta(days=days) if days else None
    try:
        account_id = connecting.add(
            door.service(), _spec(waiting, sharing=form.sharing.data, since=since), actor_id=door.me().id
        )
    except (connecting.Problem, Refused) as error:
        notes.warn(str(error))
        return redirect(url_for("connecting.providers"), 303)
    _choose_folders(account_id, set(request.form.getlist("folder")))
    return redirect(url_for("accounts.page", account_id=account_id), 303)


def _choose_folders(account_id: int, wanted: set[str]) -> None:
    """Keep only what differs from the defaults, so that folders made later follow the defaults."""
    with door.transaction() as session:
        differing = {
            row.id: row.remote_id in wanted
            for row in ledger.streams(session, door.viewer(), account_id)
            if (row.remote_id in wanted) is not row.default_on
        }
        if differing:
            accounts.choose_folders(session, account_id, differing, actor_id=door.me().id, now=door.now())


def choose(waiting: Pending, tested: TestResult) -> Page:
    """The page of choices for what another view has tested, such as a sign-in at Google or Microsoft."""
    return _choose(waiting, tested, None)


def _choose(waiting: Pending, tested: TestResult, form: Choices | None) -> Page:
    """The page of choices, with who would see what."""
    with door.reading() as session:
        values = workspace.all_(session)
        internal = workspace.internal_domains(session, door.service().settings.internal_domains)
    code = 422 if form is not None else 200
    form = form or _choices({"sharing": values["default_sharing"], "window": "365"})
    own = waiting.address.rpartition("@")[2].lower()
    preview = connecting.preview(door.service(), _spec(waiting, timeout=TEST_SECONDS), tested)
    page = render_template(
        "connecting/choose.html", form=form, streams=tested.streams, token=pending.seal(waiting),
        address=waiting.address,
        internal=sorted({*internal, own}) if own and not connecting.guess_server(waiting.address).sure else internal,
        never_log=values["never_log"], preview=preview,
    )  # fmt: skip
    return page, code


def _choices(data: dict[str, str] | None = None) -> Choices:
    with door.reading() as session:
        loosest = workspace.get(session, "loosest_sharing")
    form = Choices(formdata=None, data=data) if data else Choices()
    form.offer(loosest)
    return form


def _pending_imap(form: Imap) -> Pending:
    config = {
        "host": form.host.data, "port": form.port.data, "security": form.security.data, "username": form.username.data,
        **({"caldav_url": form.caldav_url.data} if form.caldav_url.data else {}),
    }  # fmt: skip
    aliases = tuple((form.aliases.data or "").replace(",", " ").split())
    return Pending("imap", form.address.data, config, form.password.data, aliases)


def _spec(
    waiting: Pending, *, timeout: int | None = None, sharing: str | None = None, since: object = None
) -> AccountSpec:
    """``timeout`` (seconds) keeps a person from waiting as long as a worker would."""
    return AccountSpec(
        waiting.provider, door.me().email, waiting.address, {**waiting.config,
        **({"timeout": timeout} if timeout else {})},
        waiting.secret, waiting.aliases, sharing, since=since,  # type: ignore[arg-type]
    )  # fmt: skip
