"""What a browser sign-in at a provider comes to: whose mailbox, with which secret, and what the person should be told.

The errors of Google and Microsoft become ``connecting.Problem``, as for every other way to connect. Stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connectors.errors import ConnectorError, OperatorFault
from sync.connecting import Problem

MISFIT = "state_mismatch"
"""The code of a callback that does not belong to the sign-in begun in this browser: answer 400, store nothing."""
MISFIT_SAYS = "This sign-in does not fit the one you began here: start again, in this browser, from the connect page."


@dataclass(frozen=True, slots=True)
class Consent:
    """``secret`` is what to seal; ``warnings`` are sentences about what was not granted."""

    address: str
    secret: str
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@contextmanager
def plainly() -> Iterator[None]:
    """Turns a provider's error into a Problem: one sentence with the mend. ``field`` "operator" marks our own set-up's
    faults, which the person cannot mend."""
    try:
        yield
    except ConnectorError as error:
        field = "operator" if isinstance(error, OperatorFault) else ""
        raise Problem(str(error), field=field, code=error.code) from error
