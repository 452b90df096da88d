"""Files of records: put there, taken out again, and given as a download, never to be shown by the browser itself."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, redirect, render_template, request, send_file, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from crm import files, record_heads
from crm.errors import CrmError, Refused
from web import door, filters, notes
from web.forms.records import RecordFile

blueprint = Blueprint("files", __name__, url_prefix="/files")
Page = str | Response | tuple[str, int]
ON = "<any(contact, company, deal):on>/<int:record_id>"


@blueprint.get(f"/new/{ON}")
def new_page(on: str, record_id: int) -> Page:
    """The form; with ``big`` it says that what was sent was far too big to be read."""
    form = RecordFile(formdata=None)
    if request.args.get("big"):
        form.refuse(Refused(f"A file may have {files.SIZE_MAX // 1_000_000} MB at most; choose a smaller one.", "file"))
    return _page(form, on, record_id)


@blueprint.post(f"/new/{ON}")
def new(on: str, record_id: int) -> Page:
    """Keep the file; what can't be kept is said at the field."""
    form = RecordFile()
    if not form.validate():
        return _page(form, on, record_id), 422
    sent = request.files["file"]
    content = sent.stream.read(files.SIZE_MAX + 1)
    try:
        with door.transaction() as session:
            made = files.add(
                session, door.viewer(), (on, record_id), name=sent.filename or "", content=content, now=door.now()
            )
    except Refused as error:
        form.refuse(error)
        return _page(form, on, record_id), 422
    notes.say(f"{files.file_name(sent.filename or '')} is here.", undo=url_for("files.delete", file_id=made))
    return redirect(filters.target_url(on, record_id), 303)


@blueprint.errorhandler(413)
def too_big(_error: HTTPException) -> Page:
    """A body beyond the limit is not read, so nobody is known yet: back to the form, which says it at the field."""
    return redirect(url_for("files.new_page", **(request.view_args or {}), big=1), 303)


@blueprint.get("/<int:file_id>")
def download(file_id: int) -> Response:
    """The file as an attachment, of the kind we found it to be."""
    with door.reading() as session:
        row = files.by_id(session, door.viewer(), file_id)
        content, name, kind = row.content, row.name, row.type
    answer = send_file(BytesIO(content), mimetype=kind, as_attachment=True, download_name=name, max_age=0)
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@blueprint.post("/<int:file_id>/delete")
def delete(file_id: int) -> Page:
    """Take it out, with a way back."""
    with door.transaction() as session:
        row = files.delete(session, door.viewer(), file_id, now=door.now())
        name, back = row.name, filters.target_url(row.noun, row.record_id)
    notes.say(f"{name} is removed.", undo=url_for("files.restore", file_id=file_id))
    return redirect(back, 303)


@blueprint.post("/<int:file_id>/restore")
def restore(file_id: int) -> Page:
    """Bring it back."""
    try:
        with door.transaction() as session:
            row = files.restore(session, door.viewer(), file_id, now=door.now())
            back = filters.target_url(row.noun, row.record_id)
    except CrmError as error:
        notes.warn(str(error))
        return redirect(url_for("home.page"), 303)
    notes.say("Back again.")
    return redirect(back, 303)


def _page(form: RecordFile, on: str, record_id: int) -> str:
    with door.reading() as session:
        record = getattr(record_heads, on)(session, record_id).record
    name = record.title if on == "deal" else record.name
    return render_template("files/form.html", form=form, name=name, back=filters.target_url(on, record_id))
