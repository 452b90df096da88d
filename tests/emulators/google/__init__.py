"""A stateful model of Gmail, Google Calendar and OAuth over HTTP: ``python -m tests.emulators.google --port 0``.

Every JSON answer is checked against the discovery documents that ship with google-api-python-client, so that the model
cannot drift from the API. What it cannot show: undocumented throttles and oddities of the real service.
"""

from tests.emulators.google.server import Server
from tests.emulators.google.world import World

__all__ = ["Server", "World"]
