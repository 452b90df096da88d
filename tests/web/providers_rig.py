"""The web application with Google and Microsoft beside it: model servers on loopback, the service's settings
pointing at them, and
what a person does on the providers' own pages."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import requests

from sync.service import Service
from tests.emulators import google, microsoft
from tests.web.conftest import NOW

PRIYA = "priya@ourco.example"


def point(service: Service, **settings: object) -> None:
    """Change the service's settings."""
    known = {field.name for field in dataclasses.fields(service.settings)}
    service.settings = dataclasses.replace(service.settings, **{k: v for k, v in settings.items() if k in known})  # type: ignore[arg-type]


@contextmanager
def at_google(service: Service) -> Iterator[google.World]:
    """Google's model, with Priya and Jonas on it."""
    world = google.World(lambda: NOW.timestamp())
    with google.Server(world) as server:
        for address in (PRIYA, "jonas@ourco.example"):
            world.add_user(address)
        point(service, **server.settings())
        yield world
        assert world.model_faults == []


@contextmanager
def at_microsoft(service: Service, folder: Path) -> Iterator[microsoft.Server]:
    """Microsoft's model, with Priya and Jonas on it."""
    with microsoft.Server(tls_dir=folder / "tls", now=lambda: NOW) as server:
        for address in (PRIYA, "jonas@ourco.example"):
            server.user(address)
        point(service, **server.settings())
        yield server


def consent(url: str, *, user: str = PRIYA, answer: str = "", scopes: str = "all", trust: str | bool = True) -> str:
    """What a person does on the provider's page; returns the path and query the browser is sent back to."""
    shown = requests.get(url, timeout=10, verify=trust)
    assert shown.status_code == 200, shown.text
    form = {n: html.unescape(v) for n, v in re.findall(r'type="?hidden"? name="([^"]+)" value="([^"]*)"', shown.text)}
    asked = [html.unescape(s) for s in re.findall(r'name="scope" value="([^"]+)"', shown.text)]
    given = asked if scopes == "all" else [s for s in asked if scopes in s]
    button = answer or ("allow" if asked else "accept")
    fields = [*form.items(), ("user", user), ("answer", button), *(("scope", s) for s in given)]
    target = url.split("?")[0] if asked else url
    back = requests.post(target, data=fields, timeout=10, verify=trust, allow_redirects=False)
    assert back.status_code == 302, back.text
    parts = urlsplit(back.headers["Location"])
    assert dict(parse_qsl(parts.query)).get("state")
    return f"{parts.path}?{parts.query}"
