"""Toasts: one line about what was just done, shown on the next page, with its undo where there is one."""

from __future__ import annotations

from flask import flash


def say(text: str, *, undo: str | None = None, more: tuple[str, str] | None = None) -> None:
    """``text`` is a sentence; ``undo`` the address that takes it back by POST; ``more`` a link: its words and
    address."""
    flash({"text": text, "undo": undo, "more": more}, "good")  # type: ignore[arg-type]


def warn(text: str) -> None:
    """Something was not done, and why."""
    flash({"text": text, "undo": None}, "bad")  # type: ignore[arg-type]
