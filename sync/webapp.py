"""Finds the web application by name. sync may not import web (web stands on sync), so the entry point looks it up
when it is run."""

from __future__ import annotations

import importlib
from typing import Any

from sync.service import Service


def create(service: Service) -> Any:
    """The WSGI application for this service."""
    return importlib.import_module("web.app").create_app(service)
