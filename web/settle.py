"""What follows a change, at once where it is little: one bounded drain of the outbox after a POST, so that a new
contact's old mail
is there on the next page. What does not fit is left to the workers. Called outside any session.
"""

from __future__ import annotations

from web import door

SECONDS = 1.5
EVENTS = 200


def after_change() -> None:
    """Handle waiting events for at most ``SECONDS``."""
    from sync import outbox

    outbox.drain(door.service(), limit=EVENTS, seconds=SECONDS)
