"""What crm raises when it won't do what was asked. ``str()`` is always one sentence for a person; it never quotes
mail content."""

from __future__ import annotations


class CrmError(Exception):
    """Root of the errors below."""


class NotFound(CrmError):
    """There is no such record, or the viewer may not know of it: the two are deliberately the same."""


class NotAllowed(CrmError):
    """The viewer may see this, but may not do that with it."""


class Refused(CrmError):
    """The values given can't be taken; the sentence says which and why. ``field`` names the culprit where there is
    one."""

    def __init__(self, says: str, field: str = "") -> None:
        super().__init__(says)
        self.field = field


class Conflict(CrmError):
    """The record was changed by someone else since it was read."""
