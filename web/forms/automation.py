"""A rule, as people type it, and the settings of outgoing mail."""

from __future__ import annotations

from typing import Any

from wtforms import BooleanField, IntegerField, PasswordField
from wtforms.validators import InputRequired, NumberRange, Optional

from crm.automation import ACTIONS
from crm.automation_events import EVENTS
from web.forms.parts import NAME, Form, choice, line, whole
from web.forms.tasks import TYPES

LIFECYCLES = [("", "anyone"), ("lead", "leads"), ("client", "clients"), ("past_client", "past clients")]
KINDS = [("", "any stage, or the one below"), ("won", "won"), ("lost", "lost")]
AWAITS = [
    ("", "as usual for the rule"),
    ("reply", "they reply"),
    ("meeting", "a meeting is planned"),
    ("any", "either comes"),
]


class Rule(Form):
    """When something happens, something is done. Fields that don't belong to the event or action are left out."""

    name = line("Name", required=True, limit=NAME, autofocus=True)
    event = choice("When", [(name, event.says) for name, event in EVENTS.items()])
    days = IntegerField("After days", [Optional(), NumberRange(1, 365, "From 1 to 365.")],
                        description="For no reply and silent deals; empty for a deal: its stage's limit.")  # fmt: skip
    lifecycle = choice("With", LIFECYCLES, default="", hint="For mail, meetings and new contacts.")
    source = line("Only from source", limit=NAME, hint="For new contacts: such as website.")
    stage = choice("To stage", [], coerce=whole, default="", hint="For deals that move.")
    kind = choice("Or to", KINDS, default="")
    do = choice("Then", list(ACTIONS.items()))
    title = line("It says", limit=300, hint="{contact}, {company}, {deal} and {days} are put in.")
    to = choice("For", [], default="owner")
    due_days = IntegerField("Due in days", [Optional(), NumberRange(0, 365, "From 0 to 365.")])
    type = choice("Kind of task", TYPES, default="follow_up")
    awaits = choice("The task closes when", AWAITS, default="")

    def conditions(self) -> dict[str, Any]:
        """What was typed; the rule keeps what belongs to its event."""
        return {"days": self.days.data, "lifecycle": self.lifecycle.data, "source": self.source.data,
                "stage": self.stage.data, "kind": self.kind.data}  # fmt: skip

    def action(self, people: list[str]) -> dict[str, Any]:
        """What is to be done; ``people`` are those in turn."""
        return {
            "do": self.do.data, "title": self.title.data, "to": self.to.data, "due_days": self.due_days.data or 0,
            "type": self.type.data, "awaits": self.awaits.data, "people": people,
        }  # fmt: skip


def filled(name: str, event: str, conditions: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    """A rule's or an offer's values for the form."""
    shown = {key: value for key, value in {**conditions, **action}.items() if key != "people"}
    return {"name": name, "event": event, **shown, "to": str(action.get("to") or "owner")}


class Mail(Form):
    """The server that sends our mails. An empty password keeps the one there is."""

    host = line("Server", limit=NAME, hint="Empty: no mail is sent.", spellcheck="false", autocomplete="off")
    port = IntegerField("Port", [InputRequired("A port is needed."), NumberRange(1, 65535, "From 1 to 65535.")])
    security = choice("Line", [("starttls", "STARTTLS"), ("tls", "TLS"), ("none", "not encrypted")])
    username = line("User name", limit=NAME, autocomplete="off", spellcheck="false")
    password = PasswordField("Password", [Optional()], render_kw={"autocomplete": "new-password", "maxlength": 1000})
    sender = line("From address", limit=NAME, type="email", autocomplete="off")


class Wishes(Form):
    """What one wants by mail."""

    reminders = BooleanField("When a task of mine is due, somebody mentions me, or a rule tells me something")
    digest = BooleanField("My day, every morning")
    weekly = BooleanField("My week, on Monday morning")
    hour = IntegerField("Morning is at", [InputRequired("An hour is needed."), NumberRange(0, 12, "From 0 to 12.")])
