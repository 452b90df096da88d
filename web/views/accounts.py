"""Accounts and their health: what is read, how far, what was left out and why, what is wrong and how to mend it.

An owner sees their own, an admin everybody's as counts, ids and reasons. Anything of another person does not exist.
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import ledger, workspace
from crm import sharing as tiers
from crm.errors import Refused
from crm.models import Account
from sync import accounts, connecting, health, labels, push, push_state
from sync.health import AccountHealth
from web import door, notes, words
from web.forms.accounts import Password, Sharing

blueprint = Blueprint("accounts", __name__, url_prefix="/accounts")
Page = str | Response | tuple[str, int]
PAGE = 50
OWN_SIGN_IN = ("google", "microsoft")

REASONS = {
    "bulk": "newsletters and lists", "automatic": "automatic replies and notices", "internal": "among our own people",
    "never_log": "on the never-log list", "folder_off": "in a folder left out", "too_old": "older than the window",
    "draft": "drafts", "spam": "spam", "trash": "trash", "private": "marked private",
    "unparseable": "could not be read",
    "label_off": "label left out", "erased": "erased before", "stream_gone": "folder gone",
}  # fmt: skip


@blueprint.get("")
def listing() -> Page:
    """All accounts with their state in a word."""
    with door.reading() as session:
        found = health.accounts(session, door.viewer(), door.now(), streams=False)
        faults = health.operator_faults(session, door.viewer(), door.now())
    return render_template("accounts/listing.html", accounts=found, reasons=REASONS, faults=faults)


@blueprint.get("/<int:account_id>")
def page(account_id: int) -> Page:
    """One account: state, figures, folders, sharing."""
    return _page(account_id, None)


@blueprint.get("/<int:account_id>/progress")
def progress(account_id: int) -> Page:
    """The part of the page that moves while a first sync runs, for htmx to fetch."""
    found = _health(account_id)
    return render_template("accounts/progress.html", a=found, reasons=REASONS)


@blueprint.get("/<int:account_id>/ledger")
def items(account_id: int) -> Page:
    """What became of the remote items: ids and reasons, never content."""
    chosen = {name: request.args.get(name, "")[:100] for name in ("state", "reason")}
    with door.reading() as session:
        account = ledger.account(session, door.viewer(), account_id)
        rows = ledger.page(
            session, door.viewer(), account_id, **chosen, stream_id=request.args.get("stream", type=int),
            before=request.args.get("before", type=int), limit=PAGE + 1,
        )  # fmt: skip
        tallies = ledger.tallies(session, door.viewer(), account_id)
    more = rows[PAGE - 1].id if len(rows) > PAGE else None
    return render_template(
        "accounts/ledger.html",
        account=account,
        rows=rows[:PAGE],
        tallies=tallies,
        chosen=chosen,
        next=more,
        reasons=REASONS,
    )


@blueprint.post("/<int:account_id>/pause")
def pause(account_id: int) -> Page:
    """Stop reading; everything stays."""
    with door.transaction() as session:
        account = ledger.account(session, door.viewer(), account_id)
        accounts.pause(session, account_id, actor_id=door.me().id, now=door.now())
    notes.say(f"{account.address} is paused.", undo=url_for("accounts.resume", account_id=account_id))
    return _back(account_id)


@blueprint.post("/<int:account_id>/resume")
def resume(account_id: int) -> Page:
    """Go on where it stopped."""
    with door.transaction() as session:
        account = ledger.account(session, door.viewer(), account_id)
        accounts.resume(session, account_id, actor_id=door.me().id, now=door.now())
    notes.say(f"{account.address} goes on where it stopped.")
    return _back(account_id)


@blueprint.post("/<int:account_id>/now")
def run_now(account_id: int) -> Page:
    """Look at the mailbox at once instead of at its interval."""
    with door.transaction() as session:
        ledger.account(session, door.viewer(), account_id)
        connecting.hurry(session, account_id)
    notes.say("It is next in line: the scheduler takes it within seconds.")
    return _back(account_id)


@blueprint.post("/<int:account_id>/audit")
def audit(account_id: int) -> Page:
    """Compare the mailbox with the ledger by id."""
    with door.transaction() as session:
        ledger.account(session, door.viewer(), account_id)
        connecting.audit_soon(session, account_id)
    notes.say("The comparison is next in line; coverage shows its result, and what is missing is fetched.")
    return _back(account_id)


@blueprint.get("/<int:account_id>/reconnect")
def reconnect_page(account_id: int) -> Page:
    """A new password; where the provider has a sign-in of its own, that."""
    account = _owned(account_id)
    if account.provider in OWN_SIGN_IN:
        return render_template("accounts/sign_in_again.html", account=account)
    return render_template("accounts/reconnect.html", account=account, form=Password())


@blueprint.post("/<int:account_id>/reconnect")
def reconnect(account_id: int) -> Page:
    """Test the new password; only a good one replaces the old."""
    account, form = _owned(account_id), Password()
    if form.validate():
        try:
            connecting.reconnect(door.service(), account_id, form.password.data, actor_id=door.me().id)
        except connecting.Problem as problem:
            form.refuse(Refused(str(problem), "password"))
        except Refused as refused:
            form.refuse(refused)
        else:
            notes.say(f"{account.address} is connected again; what came meanwhile is fetched.")
            return _back(account_id)
    return render_template("accounts/reconnect.html", account=account, form=form), 422


@blueprint.get("/<int:account_id>/remove")
def remove_page(account_id: int) -> Page:
    """What keeping and purging would mean, in numbers."""
    with door.reading() as session:
        account = ledger.account(session, door.viewer(), account_id)
        counts = accounts.removal_counts(session, account_id)
    return render_template("accounts/remove.html", account=account, counts=counts)


@blueprint.post("/<int:account_id>/remove")
def remove(account_id: int) -> Page:
    """Disconnect, keeping or purging the log."""
    purge = request.form.get("log") == "purge"
    with door.reading() as session:
        ledger.account(session, door.viewer(), account_id)
    push.end(door.service(), account_id)
    with door.transaction() as session:
        account = ledger.account(session, door.viewer(), account_id)
        counts = accounts.remove(session, account_id, purge=purge, actor_id=door.me().id, now=door.now())
    gone = words.count(counts["only_here"], "item")
    notes.say(f"{account.address} is disconnected; {gone + ' erased' if purge else 'its log stays'}.")
    return redirect(url_for("accounts.listing"), 303)


@blueprint.post("/<int:account_id>/sharing")
def sharing(account_id: int) -> Page:
    """Another tier, for what is stored already as well."""
    _owned(account_id)
    form = _sharing_form(None)
    if not form.validate():
        return _page(account_id, form)
    try:
        with door.transaction() as session:
            tiers.set_account(session, door.viewer(), account_id, form.sharing.data, now=door.now())
    except Refused as error:
        form.refuse(error)
        return _page(account_id, form)
    notes.say("Sharing changed, also for what was stored before.")
    return _back(account_id)


@blueprint.post("/<int:account_id>/folders")
def folders(account_id: int) -> Page:
    """Which folders and calendars are read from now on."""
    wanted = {int(value) for value in request.form.getlist("stream") if value.isdecimal()}
    with door.transaction() as session:
        ledger.account(session, door.viewer(), account_id)
        selected = {row.id: row.id in wanted for row in ledger.streams(session, door.viewer(), account_id)}
        accounts.choose_folders(session, account_id, selected, actor_id=door.me().id, now=door.now())
    notes.say("Folders saved. One switched on is read from its newest item.")
    return _back(account_id)


@blueprint.post("/<int:account_id>/labels")
def label_rules(account_id: int) -> Page:
    """Which labels are logged, for what is stored already as well."""
    _owned(account_id)
    include, exclude = (
        [name.strip() for name in request.form.get(field, "")[:5000].split(",")] for field in ("include", "exclude")
    )
    with door.transaction() as session:
        hidden, again = labels.choose(
            session, account_id, include, exclude, actor_id=door.me().id, now=door.now()
        )
    notes.say(f"Labels saved: {words.count(hidden, 'item')} hidden, {again} fetched again at the next sync.")
    return _back(account_id)


def _health(account_id: int) -> AccountHealth:
    with door.reading() as session:
        found = health.accounts(session, door.viewer(), door.now())
    return next((a for a in found if a.id == account_id), None) or abort(404)


def _owned(account_id: int) -> Account:
    """The account, for its owner only: an admin repairs, but neither signs in as somebody nor shares their mail."""
    with door.reading() as session:
        account = ledger.account(session, door.viewer(), account_id)
    if account.owner_id != door.me().id:
        abort(404)
    return account


def _sharing_form(tier: str | None) -> Sharing:
    with door.reading() as session:
        loosest = workspace.get(session, "loosest_sharing")
    form = Sharing(formdata=None, data={"sharing": tier}) if tier else Sharing()
    form.offer(loosest)
    return form


def _page(account_id: int, form: Sharing | None) -> Page:
    found = _health(account_id)
    with door.reading() as session:
        account = ledger.account(session, door.viewer(), account_id)
    shown = form or _sharing_form(account.sharing)
    page = render_template(
        "accounts/page.html", a=found, account=account, form=shown, reasons=REASONS, push=push_state.shown(account)
    )
    return (page, 422) if form else page


def _back(account_id: int) -> Response:
    return redirect(url_for("accounts.page", account_id=account_id), 303)
