"""A new contact out of review, prefilled from header, domain and signature."""

from __future__ import annotations

from web.forms.parts import NAME, Form, choice, line


class Create(Form):
    """Name, company, and what the signature told."""

    name = line("Name", required=True, limit=NAME, autofocus=True)
    company = line("Company", limit=NAME, hint="A new name makes a new company; empty is fine.")
    title = line("Job title", limit=NAME)
    phones = line("Phone numbers", hint="Separated by semicolons.")
    lifecycle = choice("They are a", [("lead", "Lead"), ("client", "Client"), ("past_client", "Past client")])
