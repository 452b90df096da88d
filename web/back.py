"""Where to go back to after a change: a path of ours that the form carries, never another site's."""

from __future__ import annotations

from urllib.parse import urlsplit

LONGEST = 1_000


def inside(path: str | None, default: str) -> str:
    """The path when it is one of ours, else the default."""
    parts = urlsplit((path or "")[:LONGEST])
    foreign = parts.scheme or parts.netloc or not parts.path.startswith("/") or (path or "").startswith(("//", "/\\"))
    return default if not path or foreign or len(path) > LONGEST else path
