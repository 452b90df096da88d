"""What the views of records share: saving a form in one transaction with a refusal shown at its field, putting a record
away with an undo, and bringing it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from flask import redirect
from werkzeug.wrappers import Response

from crm.errors import CrmError, Refused
from web import door, notes, settle
from web.forms.parts import Form

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


def saved(form: Form, save: Callable[[Session], T], fields: Mapping[str, str] | None = None) -> T | None:
    """What ``save`` returns, committed and followed up; None when it was refused, which the form shows then.
    ``fields`` translates names of the service's fields to those of the form."""
    try:
        with door.transaction() as session:
            made = save(session)
    except Refused as error:
        form.refuse(Refused(str(error), (fields or {}).get(error.field, error.field)))
        return None
    settle.after_change()
    return made


def put_away(take: Callable[[Session], str], *, undo: str, onward: str) -> Response:
    """Do it, say what ``take`` says, with the undo, and go on."""
    with door.transaction() as session:
        says = take(session)
    settle.after_change()
    notes.say(says, undo=undo)
    return redirect(onward, 303)


def brought_back(bring: Callable[[Session], object], *, says: str, onward: str, otherwise: str) -> Response:
    """The undo of ``put_away``; where it can't be done any more, that is said."""
    try:
        with door.transaction() as session:
            bring(session)
    except CrmError as error:
        notes.warn(str(error))
        return redirect(otherwise, 303)
    settle.after_change()
    notes.say(says)
    return redirect(onward, 303)
