"""Custom fields on the forms and pages of records: which are asked, what was typed, and what is wrong with it. The
values themselves are ``crm.fields``'s business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import request

from crm import fields

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from crm.models import Field

MARK = "custom"
"""The hidden input that says the form asked for custom fields; without it none are changed."""


@dataclass(slots=True)
class Custom:
    """Fields to show, with the text in each and a sentence where it can't be taken, both by the field's name."""

    fields: list[Field]
    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> list[tuple[Field, str]]:
        """Those with a value, for the record's page."""
        return [(f, self.values[f.name]) for f in self.fields if self.values.get(f.name)]


def of(session: Session, noun: str, custom: Mapping[str, Any] | None = None, lifecycle: str = "") -> Custom:
    """The fields of a record with its values, for its page and the form as it is opened."""
    stored = {name: str(value) for name, value in (custom or {}).items() if value is not None}
    return Custom(fields.asked(fields.of(session, noun), lifecycle, stored), stored)


def typed(
    session: Session, noun: str, before: Mapping[str, Any] | None = None, lifecycle: str = ""
) -> tuple[dict[str, Any], Custom]:
    """The record's ``custom`` with what was posted, and the form to show again where ``errors`` is not empty."""
    stored = dict(before or {})
    asked = of(session, noun, stored, lifecycle)
    if MARK not in request.form:
        return stored, asked
    asked.values = {f.name: request.form.get(f"custom-{f.id}", "")[: fields.VALUE_MAX] for f in asked.fields}
    values, asked.errors = fields.merged(asked.fields, asked.values, stored)
    return values, asked
