"""One item or thread opened: text with quoted history folded, who took part, why it is where it is, and what can be
done about it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as BaseResponse

from crm import contacts, deals, grants, item, mailhtml, sharing, task_items, users
from crm.errors import CrmError, NotFound, Refused
from sync import attachments, decisions
from web import door, notes, settle
from web.views.log import blueprint as log

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("items", __name__, url_prefix="/log")
Page = str | BaseResponse | tuple[str, int]
Verb = Callable[["Session", tuple[str, int]], decisions.DecisionResult]
FOUND = 10

HTML_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@log.get("/<int:item_id>", endpoint="item")
def item_page(item_id: int) -> Page:
    """The item, as far as the viewer may see it."""
    text = request.args.get("q", "")[:200].strip()
    with door.reading() as session:
        found = item.item(session, door.viewer(), item_id)
        people = contacts.page(session, door.viewer(), contacts.Filter(text=text), limit=FOUND) if text else []
        open_deals = (
            deals.page(session, door.viewer(), deals.Filter(text=text, status="open"), limit=FOUND) if text else []
        )
        shares = grants.grants(session, door.viewer(), item_id) if found.mine else []
        everybody = {u.id: u.name for u in users.all_(session, active_only=False)}
        requests = [r for r in grants.open_requests(session, door.viewer()) if r.communication_id == item_id]
        tasks = task_items.of_item(session, door.viewer(), item_id)
    return render_template(
        "log/item.html", item=found, text=text, people=people, deals=open_deals, shares=shares, everybody=everybody,
        requests=requests, tasks=tasks, safe=mailhtml.sanitise(found.html) if found.html else None,
    )  # fmt: skip


@log.get("/thread/<int:thread_id>", endpoint="thread")
def thread_page(thread_id: int) -> Page:
    """The whole conversation, oldest first; older messages folded, the newest open."""
    with door.reading() as session:
        found = item.thread(session, door.viewer(), thread_id)
    return render_template("log/thread.html", thread=found)


@log.get("/series", endpoint="series")
def series_page() -> Page:
    """All instances of a recurring meeting."""
    with door.reading() as session:
        rows = item.series(session, door.viewer(), request.args.get("uid", "")[:1000])
    if not rows:
        raise NotFound("There is no such series.")
    return render_template("log/series.html", rows=rows)


@log.get("/<int:item_id>/html", endpoint="html")
def html_page(item_id: int) -> Response:
    """The mail's own HTML, made safe, for a sandboxed frame: no script, nothing remote, its own policy."""
    with door.reading() as session:
        found = item.item(session, door.viewer(), item_id)
    if not found.html:
        raise NotFound("There is no HTML in this item.")
    page = f'<!doctype html><meta charset="utf-8"><base target="_blank">{mailhtml.sanitise(found.html).html}'
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = HTML_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@log.get("/<int:item_id>/file/<int:index>", endpoint="file")
def file(item_id: int, index: int) -> Page:
    """An attachment, fetched from its mailbox now. Always a download: what a sender named is never shown as a page of
    ours."""
    try:
        found = attachments.download(door.service(), door.viewer(), item_id, index)
    except Refused as error:
        notes.warn(str(error))
        return _back(item_id)
    response = send_file(
        BytesIO(found.content), "application/octet-stream", as_attachment=True, download_name=found.name[:200]
    )
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@blueprint.post("/<int:item_id>/detach")
def detach(item_id: int) -> Page:
    """Take it off a record, for good; with ``address``: never again for mail of that address."""
    address = request.form.get("address", "")[:320]
    return _decide(
        item_id,
        lambda session, target: decisions.detach(
            session,
            door.viewer(),
            [item_id],
            target,
            scope="address" if address else "item",
            value=address,
            now=door.now(),
        ),
    )


@blueprint.post("/<int:item_id>/attach")
def attach(item_id: int) -> Page:
    """Attach it to another record as well; with ``move`` take it off the one it was on."""

    def verb(session: Session, target: tuple[str, int]) -> decisions.DecisionResult:
        result = decisions.attach(
            session, door.viewer(), [item_id], target, scope=_scope(), value=_thread_key(item_id), now=door.now()
        )
        if (old := _target(request.form.get("move", ""))) is not None:
            decisions.detach(session, door.viewer(), [item_id], old, now=door.now())
        return result

    return _decide(item_id, verb)


@blueprint.post("/<int:item_id>/request")
def ask(item_id: int) -> Page:
    """Ask its owners for access."""
    with door.transaction() as session:
        grants.request_access(session, door.viewer(), item_id, now=door.now())
    notes.say("Asked. Any of its owners can open it to you.")
    return _back(item_id)


@blueprint.post("/<int:item_id>/answer/<int:request_id>")
def answer(item_id: int, request_id: int) -> Page:
    """An owner answers a request."""
    granted = request.form.get("answer") == "yes"
    with door.transaction() as session:
        closed = grants.answer_request(session, door.viewer(), request_id, granted=granted, now=door.now())
    notes.say(_still(closed) if granted else "Declined; they are told.")
    return _back(item_id)


@blueprint.post("/<int:item_id>/share")
def share(item_id: int) -> Page:
    """Open it, or the thread, to a teammate or to all."""
    to = request.form.get("to", type=int)
    with door.transaction() as session:
        closed = grants.share(
            session,
            door.viewer(),
            item_id,
            with_user=to,
            whole_thread=request.form.get("whole") == "thread",
            now=door.now(),
        )
    notes.say(_still(closed))
    return _back(item_id)


@blueprint.post("/<int:item_id>/unshare/<int:grant_id>")
def unshare(item_id: int, grant_id: int) -> Page:
    """Take an opening back."""
    with door.transaction() as session:
        grants.unshare(session, door.viewer(), grant_id, now=door.now())
    notes.say("Closed again.")
    return _back(item_id)


@blueprint.post("/<int:item_id>/tier")
def tier(item_id: int) -> Page:
    """What teammates see of this one item in the owner's mailbox; empty: as the account has it."""
    try:
        with door.transaction() as session:
            sharing.set_item(session, door.viewer(), item_id, request.form.get("tier") or None, now=door.now())
    except Refused as error:
        notes.warn(str(error))
    else:
        notes.say("Sharing of this item changed.")
    return _back(item_id)


def _decide(item_id: int, verb: Verb) -> Page:
    target = _target(request.args.get("target") or request.form.get("target", ""))
    if target is None:
        notes.warn("Choose a record first.")
        return _back(item_id)
    try:
        with door.transaction() as session:
            result = verb(session, target)
    except NotFound:
        raise
    except CrmError as error:
        notes.warn(str(error))
        return _back(item_id)
    settle.after_change()
    notes.say(result.says + ".", undo=url_for("deciding.undo", ids=result.decision_id))
    return _back(item_id)


def _target(text: str) -> tuple[str, int] | None:
    kind, _, number = text.partition(":")
    return (kind, int(number)) if kind in ("contact", "company", "deal") and number.isdecimal() else None


def _scope() -> str:
    return "thread" if request.form.get("scope") == "thread" else "item"


def _thread_key(item_id: int) -> str:
    if _scope() == "item":
        return ""
    with door.reading() as session:
        found = item.item(session, door.viewer(), item_id)
    return f"t{found.row.thread_id}"


def _still(closed: list[str]) -> str:
    """What was opened, and whose mailboxes still keep it shut."""
    return "Opened." if not closed else f"Opened from your side; {', '.join(closed)} keep their mailbox's copy closed."


def _back(item_id: int) -> BaseResponse:
    return redirect(url_for("log.item", item_id=item_id), 303)
