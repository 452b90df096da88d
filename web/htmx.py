"""Where htmx comes from: the file inside the django-htmx wheel, found without importing Django (docs/adr/0002).

Raises nothing: without the wheel the pages work as plain forms, and ``/static/htmx.js`` is an empty script.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata

WHEEL = "django-htmx"
FILE = "django_htmx/static/django_htmx/htmx-2.min.js"


@cache
def source() -> bytes:
    """The text of htmx 2, or nothing when the wheel is not installed."""
    try:
        found = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError:
        return b""
    path = found.locate_file(FILE)
    with open(str(path), "rb") as file:
        return file.read()
