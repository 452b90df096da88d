"""Threads over a set of mails held in memory: joined by References and In-Reply-To, across mailboxes, in any order.
Pure.

The in-memory equal of ``sync.thread_rows``, for evaluation and tests. A meeting is in the thread of its first
invitation mail. Subjects never join.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_REFERENCES = 60


class ThreadIndex:
    """Union of message ids. ``add`` everything first, then ask ``thread``; the answer does not depend on the order of
    adding."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def add(self, own: str, references: Iterable[str] = ()) -> None:
        """Join an id (of a mail, or ``uid:...`` of a meeting) with the ids it refers to. Empty ids are passed over."""
        ids = [i for i in (own, *list(references)[:MAX_REFERENCES]) if i]
        roots = sorted({self._root(i) for i in ids})
        for root in roots[1:]:
            self._parent[root] = roots[0]

    def thread(self, own: str) -> str:
        """The thread's name: the smallest id in it. An id never added is its own thread."""
        return self._root(own) if own else ""

    def _root(self, one: str) -> str:
        parent = self._parent.setdefault(one, one)
        while parent != self._parent[parent]:
            self._parent[parent] = self._parent[self._parent[parent]]
            parent = self._parent[parent]
        self._parent[one] = parent
        return parent
