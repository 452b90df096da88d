"""A task, as people type it: what, when (a day, and a time if wanted, in their own zone), for whom, how often, and what
closes it by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from wtforms import DateField, IntegerField, TimeField
from wtforms.validators import NumberRange, Optional

from crm import due, recurrence
from crm.errors import Refused
from web.forms.parts import Form, choice, line, text, whole

TYPES = [("todo", "To do"), ("call", "Call"), ("email", "Write"), ("meeting", "Meet"), ("follow_up", "Follow up")]
REPEATS = [
    ("", "does not repeat"),
    ("DAILY", "days"),
    ("WEEKLY", "weeks"),
    ("MONTHLY", "months"),
    ("YEARLY", "years"),
]
AWAITS = [
    ("", "only by hand"),
    ("reply", "when they reply"),
    ("meeting", "when a meeting is in the calendar"),
    ("any", "when either comes"),
]


class Task(Form):
    """Something to do."""

    title = line("What", required=True, limit=300, autofocus=True)
    due = DateField("Due", [Optional()], description="Empty: no date.")
    at = TimeField("Time", [Optional()], description="Empty: all day.")
    type = choice("Kind", TYPES, default="todo")
    owner = choice("Who", [], coerce=whole)
    every = IntegerField("Repeats every", [Optional(), NumberRange(1, 365, "From 1 to 365.")])
    repeats = choice("Unit", REPEATS, default="")
    awaits = choice("Closes", AWAITS, default="", hint="Automatic replies and newsletters don't count.")
    contact = line("Contact", limit=300, autocomplete="off", hint="Name or e-mail address.")
    company = line("Company", limit=300, autocomplete="off")
    deal = line("Deal", limit=300, autocomplete="off")
    notes = text("Notes", rows=3)

    def fields(self, zone: ZoneInfo) -> dict[str, Any]:
        """As ``crm.tasks`` wants them; a time is read in ``zone``. Raises Refused."""
        day, clock = self.due.data, self.at.data
        if clock is not None and day is None:
            raise Refused("A time needs a day.", "due")
        moment: datetime | None = None
        if day is not None:
            due.sane(day)
            moment = due.at(day, clock, zone) if clock is not None else due.all_day(day)
        unit = self.repeats.data
        rule = recurrence.Repeats(unit, self.every.data or 1).text if unit else None
        return {
            "title": self.title.data, "type": self.type.data, "due_at": moment, "due_all_day": clock is None,
            "owner_id": self.owner.data, "recurrence": rule, "awaits": self.awaits.data or None,
            "notes": self.notes.data or "",
        }  # fmt: skip

    def refuse(self, error: Refused) -> None:
        """Refusals name columns; the fields are called otherwise."""
        names = {"due_at": "due", "owner_id": "owner", "recurrence": "repeats", "contact_id": "contact",
                 "company_id": "company", "deal_id": "deal"}  # fmt: skip
        super().refuse(Refused(str(error), names.get(error.field, error.field)))


def filled(task: Any, zone: ZoneInfo) -> dict[str, Any]:
    """A task's values for the form."""
    moment = task.due_at
    timed = moment is not None and not task.due_all_day
    rule = recurrence.read(task.recurrence) if task.recurrence else None
    return {
        "title": task.title, "type": task.type, "due": due.day_of(moment, task.due_all_day, zone) if moment else None,
        "at": moment.astimezone(zone).time() if timed else None, "owner": task.owner_id, "notes": task.notes,
        "every": rule.interval if rule else None, "repeats": rule.unit if rule else "", "awaits": task.awaits or "",
    }  # fmt: skip
