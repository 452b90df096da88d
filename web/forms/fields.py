"""A custom field, as an admin defines it."""

from __future__ import annotations

from web.forms.parts import Form, choice, line, text


class CustomField(Form):
    """A field of one's own on contacts, companies or deals."""

    noun = choice("On", [("contact", "Contacts"), ("company", "Companies"), ("deal", "Deals")])
    label = line("Name", required=True, limit=60, autocomplete="off")
    type = choice("Kind", [("text", "Text"), ("number", "Number"), ("date", "Date"), ("choice", "Choice"),
                           ("checkbox", "Yes or no"), ("url", "Link")])  # fmt: skip
    options = text("Choices", hint="One a line; for the kind Choice only.", rows=3, limit=4_000)
    lifecycle = choice("Asked of", [("", "everybody"), ("lead", "leads only"), ("client", "clients only"),
                                    ("past_client", "past clients only")], default="")  # fmt: skip
