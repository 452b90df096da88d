"""Finds the providers: every module of ``connectors.providers`` that exposes ``PROVIDER``. Imports them lazily, one by
name, because some carry heavy SDKs; never guesses a name."""

from __future__ import annotations

import importlib
import pkgutil

from connectors import providers
from connectors.protocol import Provider


def names() -> tuple[str, ...]:
    """All provider names, sorted: the modules of ``connectors.providers``. What a provider is made of beside its one
    module lies in a package of its own (``connectors.imap`` and so on)."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(providers.__path__)))


def provider(name: str) -> Provider:
    """The provider called ``name``. Raises KeyError for one that does not exist."""
    if name not in names():
        raise KeyError(name)
    found: Provider = importlib.import_module(f"connectors.providers.{name}").PROVIDER
    return found
