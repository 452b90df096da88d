"""Messages that one folder's pass saw move to another folder, kept until that folder's next pass.

Graph never announces a message in a folder that it had left and come back to (microsoft-graph-docs#21752), but the
folder it came from reports it removed, and asking for it tells where it is. So that folder is told here. Kept in the
account's facts under a name for each folder, bounded; a message the other folder announced meanwhile is not noted.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.protocol import Context

MEMORY = "microsoft_moved:"
MAX_AWAITED = 200


class Moves:
    """What is known of moves, over all folders of one connector."""

    def __init__(self, context: Context) -> None:
        """``context.memory`` must show what was remembered."""
        self._context = context
        self._announced: set[tuple[str, str]] = set()

    def announce(self, folder: str, message: str) -> None:
        """A delta of this folder has named the message as there."""
        self._announced.add((folder, message))

    def note(self, moved: Mapping[str, str]) -> None:
        """Messages now found elsewhere: message id to folder id."""
        for folder in sorted(set(moved.values())):
            found = [one for one, place in moved.items() if place == folder and (folder, one) not in self._announced]
            self._keep(folder, [*dict.fromkeys([*self._held(folder), *found])][-MAX_AWAITED:])

    def awaited(self, folder: str) -> list[str]:
        """Messages that should be in this folder and that its delta has not named."""
        return [one for one in self._held(folder) if (folder, one) not in self._announced]

    def settle(self, folder: str) -> None:
        """This folder's pass has looked at all it awaited."""
        self._keep(folder, [])

    def _held(self, folder: str) -> list[str]:
        held = self._context.memory.get(MEMORY + folder)
        return [str(one) for one in held] if isinstance(held, (list, tuple)) else []

    def _keep(self, folder: str, messages: list[str]) -> None:
        if messages != self._held(folder):
            self._context.remember(MEMORY + folder, messages)
