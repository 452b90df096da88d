"""A model of Microsoft's identity platform and of Graph v1.0 mail and calendar, for tests.

A model, not canned answers: mailboxes with a change log, delta tokens that expire, throttling by the documented
limits, occurrence stubs, removals that mean moves, the A-B-A defect, lag, duplicates, unordered pages, subscriptions
that call back. What it cannot show is Microsoft's undocumented behaviour. Start it in a test with ``Server()``, or by
itself with ``python -m tests.emulators.microsoft --port 0 --tls-dir DIR``.
"""

from tests.emulators.microsoft.server import Server

__all__ = ["Server"]
