"""Names the place of an unexpected error for the log, without its message: messages of databases and parsers quote
content."""

from __future__ import annotations

import traceback

FRAMES = 12


def where(error: BaseException) -> str:
    """The error's type and its innermost frames, ``file:line function`` each, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " < ".join([type(error).__name__, *(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))])
