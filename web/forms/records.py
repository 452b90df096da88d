"""Contacts, companies, deals and notes, as people type them."""

from __future__ import annotations

from wtforms import BooleanField, DateField, DateTimeLocalField, FileField, IntegerField
from wtforms.validators import InputRequired, NumberRange, Optional

from web.forms.parts import NAME, Form, choice, line, options, text, whole

LIFECYCLES = [("lead", "Lead"), ("client", "Client"), ("past_client", "Past client")]
CHANNELS = [
    ("", "no preference"),
    ("email", "Mail"),
    ("phone", "Phone"),
    ("meeting", "Meeting in person"),
    ("video", "Video call"),
]
OUTCOMES = [
    ("", "not said"),
    ("reached", "Reached"),
    ("left_message", "Left a message"),
    ("no_answer", "No answer"),
    ("busy", "Busy"),
]


class Contact(Form):
    """A person."""

    name = line("Name", required=True, limit=NAME, autocomplete="off")
    emails = text("E-mail addresses", hint="One a line; the first is the main one.", rows=2)
    phones = text("Phone numbers", hint="One a line.", rows=2)
    title = line("Job title", limit=NAME)
    company = line("Company", limit=NAME, list="companies", hint="A new name makes a new company.", autocomplete="off")
    owner = choice("Owner", [], coerce=whole)
    lifecycle = choice("They are a", LIFECYCLES)
    source = line("Source", limit=NAME)
    channel = choice("Prefers", CHANNELS, default="")
    preferences = text("What they prefer", hint="Such as the language, the time of day, what not to bring up.", rows=2,
                       limit=1_000)  # fmt: skip
    opt_out = BooleanField("Does not want to be written to")


class RecordFile(Form):
    """A file for a record."""

    file = FileField("File", [InputRequired("Choose a file.")])


class Company(Form):
    """An organisation."""

    name = line("Name", required=True, limit=NAME, autocomplete="off")
    domains = text(
        "Domains", hint="One a line, the main one first. Mail of these domains reaches this company.", rows=2
    )
    industry = line("Industry", limit=NAME)
    size = line("Size", limit=NAME)
    owner = choice("Owner", [], coerce=whole)


class Deal(Form):
    """An opportunity. ``version`` is the one the editor saw."""

    title = line("Title", required=True, limit=300, autocomplete="off")
    company = line("Company", limit=NAME, list="companies", autocomplete="off")
    people = text("People", hint="E-mail addresses of contacts, one a line.", rows=2)
    value = line("Value", limit=60, inputmode="decimal", autocomplete="off")
    currency = line("Currency", limit=3, hint="Such as GBP.")
    expected_close = DateField("Expected to close", [Optional()])
    stage = choice("Stage", [], coerce=whole)
    owner = choice("Owner", [], coerce=whole)
    number = line("Number", limit=NAME, hint="Your own reference; found in subjects.")
    product = line("Product", limit=NAME)
    source = line("Source", limit=NAME)
    version = IntegerField("Version", [Optional()])


class Note(Form):
    """A note, or a call with its outcome."""

    text = text("What was said", rows=4, autofocus=True)
    at = DateTimeLocalField("When", [Optional()], format="%Y-%m-%dT%H:%M")
    minutes = IntegerField("Minutes", [Optional(), NumberRange(0, 1440, "Minutes, from 0 to 1440.")])
    outcome = choice("Outcome", OUTCOMES, default="")
    private = BooleanField("Only for me")


class Upload(Form):
    """A CSV file."""

    kind = choice(
        "What is in it", [("contacts", "Contacts"), ("companies", "Companies"), ("deals", "Deals"), ("tasks", "Tasks")]
    )
    file = FileField("CSV file", [InputRequired("Choose a file.")], render_kw={"accept": ".csv,text/csv"})


def lines_of(value: str | None) -> list[str]:
    """The lines of a text field, without empty ones."""
    return [part.strip() for part in (value or "").splitlines() if part.strip()]


__all__ = ["Company", "Contact", "Deal", "Note", "RecordFile", "Upload", "lines_of", "options"]
