"""Cuts long lists of keys into slices that fit one IN list of either engine. Knows nothing of what they are keys of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CHUNK = 400


def chunks(values: Sequence[Any], size: int = CHUNK) -> Iterable[Sequence[Any]]:
    """Slices of at most ``size``."""
    return (values[i : i + size] for i in range(0, len(values), size))
