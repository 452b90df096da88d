"""CSV import: choose a file, see what would happen row by row, run it, take it back."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm import csvimport
from crm.errors import CrmError
from crm.vault import CannotOpen
from web import door, notes, settle, words
from web.forms.records import Upload

blueprint = Blueprint("importing", __name__, url_prefix="/import")
Page = str | Response | tuple[str, int]
FILE_LIMIT = 8_000_000
SHOWN = 100


@blueprint.get("")
def page() -> Page:
    """The form, with the columns each kind may have."""
    return render_template(
        "importing/page.html", form=Upload(formdata=None, data={"kind": request.args.get("kind", "contacts")})
    )


@blueprint.post("/preview")
def preview() -> Page:
    """What the file would do, by doing it and taking it back. The content goes along sealed, so nothing is kept on
    the server."""
    form = Upload()
    if not form.validate():
        return render_template("importing/page.html", form=form), 422
    content = form.file.data.read(FILE_LIMIT + 1)
    try:
        with door.transaction() as session:
            result = csvimport.preview(session, form.kind.data, content, actor_id=door.me().id, now=door.now())
    except csvimport.BadFile as error:
        form.file.errors = [str(error)]
        return render_template("importing/page.html", form=form), 422
    token = door.service().vault.seal(content.decode("latin-1"), context=_context(form.kind.data))
    return render_template(
        "importing/preview.html", result=result, token=token, name=form.file.data.filename, shown=SHOWN
    )


@blueprint.post("/run")
def run() -> Page:
    """Import what was previewed."""
    kind = request.form.get("kind", "")
    try:
        content = door.service().vault.open(request.form.get("token", ""), context=_context(kind)).encode("latin-1")
        with door.transaction() as session:
            result = csvimport.run(
                session,
                kind,
                content,
                filename=request.form.get("name", "")[:200],
                actor_id=door.me().id,
                now=door.now(),
            )
    except (CannotOpen, csvimport.BadFile) as error:
        notes.warn(f"Nothing was imported: {error}")
        return redirect(url_for("importing.page"), 303)
    settle.after_change()
    counts = result.counts
    notes.say(
        f"Imported {words.count(counts['created'], 'new row')}, {words.number(counts['updated'])} updated, "
        f"{words.number(counts['failed'])} failed.",
        undo=url_for("importing.undo", batch_id=result.batch_id),
    )
    return redirect(url_for(f"{kind}.listing"), 303)


@blueprint.post("/<int:batch_id>/undo")
def undo(batch_id: int) -> Page:
    """Take an import back, but for what somebody changed since."""
    try:
        with door.transaction() as session:
            done = csvimport.undo(session, batch_id, actor_id=door.me().id, now=door.now())
    except CrmError as error:
        notes.warn(str(error))
        return redirect(url_for("importing.page"), 303)
    settle.after_change()
    kept = f"; {words.count(len(done.kept), 'row')} changed since and kept" if done.kept else ""
    removed = words.count(sum(done.removed.values()), "row")
    notes.say(f"Import taken back: {removed} removed, {words.number(done.restored)} restored{kept}.")
    return redirect(url_for("importing.page"), 303)


def _context(kind: str) -> str:
    return f"import:{door.me().id}:{kind}"
