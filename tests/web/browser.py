"""A real browser in front of a real server: one Chromium per test process, one fresh context per test. Loopback
only."""

from __future__ import annotations

import atexit
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import make_server

from tests.web.conftest import PASSWORD

expect.set_options(timeout=20_000)

ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@cache
def launched(path: str) -> Browser:
    """One browser a process, whichever modules ask for it: Playwright runs one synchronous loop a thread."""
    playwright = sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=path, args=ARGS)
    atexit.register(playwright.stop)
    atexit.register(browser.close)
    return browser


@pytest.fixture(scope="session")
def chromium() -> Browser:
    """The browser of this process; skips with the reason where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    return launched(path)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application on a free loopback port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)


@dataclass
class Desk:
    """A page, and what went wrong on it."""

    page: Page
    address: str
    errors: list[str]

    def sign_in(self, name: str) -> Desk:
        """As one of the team."""
        self.page.goto(f"{self.address}/sign-in")
        self.page.fill("[name=email]", f"{name}@ourco.example")
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("button.go")
        self.page.wait_for_url(f"{self.address}/")
        return self

    def open(self, path: str) -> Page:
        """Go to a path of ours."""
        self.page.goto(self.address + path)
        return self.page

    def press(self, *keys: str) -> None:
        """Press keys one after the other, each when the page before has settled."""
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_load_state("networkidle")


@pytest.fixture
def desk(chromium: Browser, address: str) -> Iterator[Callable[..., Desk]]:
    """Open a desk: width, height, colours, with or without JavaScript. Console errors fail the test at its end."""
    contexts: list[BrowserContext] = []
    desks: list[Desk] = []

    def make(*, width: int = 1280, height: int = 860, script: bool = True, dark: bool = False) -> Desk:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, java_script_enabled=script,
            color_scheme="dark" if dark else "light",
            base_url=address, reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(15_000)
        contexts.append(context)
        made = Desk(context.new_page(), address, [])
        made.page.on("console", lambda message: made.errors.append(message.text) if message.type == "error" else None)
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        desks.append(made)
        return made

    yield make
    errors = [error for one in desks for error in one.errors if "422" not in error and "404" not in error]
    for context in contexts:
        context.close()
    assert not errors, errors
