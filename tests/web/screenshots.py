"""Takes the pictures of docs/screenshots: every page of the demo at 1280 and 360 px. ``python -m
tests.web.screenshots``.

The pages are read off the app's own map, so a new one is in without being named. Builds the demo in a folder of its
own, serves it on a free loopback port, and ends both. The PNGs are written with few colours, so that all of them
together stay small.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from waitress.server import create_server

from crm.models import LeadForm
from sync.demo.world import ADMIN, PASSWORD, TEAM
from sync.service import Service
from tests.bench.pages import demo, ids
from tests.web import addresses
from tests.web.browser import ARGS
from web.app import create_app

FOLDER = Path("docs/screenshots")
SIZES = ((1280, 860), (360, 780))
COLOURS = 128
LIMIT = 8_000_000
NO_PAGES = ("download", "live", "progress", "log.html", "accounts.items", "ops.")
ALIKE = "reports.rows-"
"""One page for all reports: the first stands for all."""
SEATS = {"admin": ADMIN.address, "manager": TEAM[3].address, "rep": TEAM[0].address}
MORE = (("review-deals", "rep", "/review?tab=deals"), ("tasks-team", "rep", "/tasks?tab=team"))


def main() -> None:
    """Build, serve, photograph."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        service = demo(Path(folder))
        app = create_app(service)
        server = create_server(app, host="127.0.0.1", port=0, threads=4)
        threading.Thread(target=server.run, daemon=True).start()
        try:
            take(f"http://127.0.0.1:{server.effective_port}", list(pages(service, app.view_functions)))
        finally:
            server.close()
    total = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(list(FOLDER.glob('*.png')))} pictures, {total / 1e6:.1f} MB")
    if total > LIMIT:
        sys.exit("too big")


def pages(service: Service, views: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Name of the picture, the role that opens the page, and its address."""
    known = ids(service)
    alike = False
    for rule, key in addresses.pages():
        name = addresses.named(rule, key)
        if any(word in name for word in NO_PAGES) or (alike and name.startswith(ALIKE)):
            continue
        alike = alike or name.startswith(ALIKE)
        roles = getattr(views[rule.endpoint], "roles", ())
        yield name.replace(".", "-"), roles[0] if roles else "rep", addresses.address(rule, key, known)
    with service.db.reading() as session:
        form = session.get_one(LeadForm, known["form_id"])
    yield "website-form", "visitor", f"/forms/{form.key}"
    yield "sign-in", "visitor", "/sign-in"
    yield from MORE


def take(base: str, wanted: list[tuple[str, str, str]]) -> None:
    """All pages at both sizes, each as somebody it exists for."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        for width, height in SIZES:
            seats = {role: _seat(browser, base, width, height) for role in (*SEATS, "visitor")}
            for role, email in SEATS.items():
                _sign_in(seats[role], email)
            for name, role, where in wanted:
                _shot(seats[role], where, f"{name}-{width}")
            for page in seats.values():
                page.context.close()
        browser.close()


def _seat(browser: Browser, base: str, width: int, height: int) -> Page:
    size = {"width": width, "height": height}
    return browser.new_context(viewport=size, base_url=base, reduced_motion="reduce").new_page()  # type: ignore[arg-type]


def _sign_in(page: Page, email: str) -> None:
    page.goto("/sign-in")
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("button.go")
    page.wait_for_selector(".shell")


def _shot(page: Page, where: str, name: str) -> None:
    page.goto(where)
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, kmeans=2).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
