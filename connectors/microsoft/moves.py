"""Messages that one folder's pass saw move to another folder, kept until that folder's next pass.

Graph never announces a message in a folder that it had left and come back to (microsoft-graph-docs#21752), but the
folder it came from reports it removed, and asking for it tells where it is. So that folder is told here. Kept in the
account's facts, bounded; a message the other folder announced meanwhile is not noted.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.protocol import Context

MEMORY = "microsoft_moved"
MAX_AWAITED = 200
MAX_FOLDERS = 50


class Moves:
    """What is known of moves, over all folders of one connector."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._announced: set[tuple[str, str]] = set()

    def announce(self, folder: str, message: str) -> None:
        """A delta of this folder has named the message as there."""
        self._announced.add((folder, message))

    def note(self, moved: Mapping[str, str]) -> None:
        """Messages now found elsewhere: message id to folder id."""
        held = self._table()
        table = {folder: list(ids) for folder, ids in held.items()}
        for message, folder in moved.items():
            if (folder, message) not in self._announced:
                table[folder] = [*dict.fromkeys([*table.get(folder, ()), message])][-MAX_AWAITED:]
        if table != held:
            self._context.remember(MEMORY, dict(list(table.items())[-MAX_FOLDERS:]))

    def awaited(self, folder: str) -> list[str]:
        """Messages that should be in this folder and that its delta has not named."""
        return [one for one in self._table().get(folder, ()) if (folder, one) not in self._announced]

    def settle(self, folder: str) -> None:
        """This folder's pass has looked at all it awaited."""
        table = self._table()
        if folder in table:
            self._context.remember(MEMORY, {key: ids for key, ids in table.items() if key != folder})

    def _table(self) -> dict[str, list[str]]:
        held = self._context.memory.get(MEMORY)
        return held if isinstance(held, dict) else {}
