"""Takes the pictures of docs/screenshots: every page of the demo at 1280 and 360 px. ``python -m
tests.web.screenshots``.

Builds the demo in a folder of its own, serves it on a free loopback port, and ends both. The PNGs are written with
few colours, so
that all of them together stay small.
"""

from __future__ import annotations

import re
import shutil
import struct
import sys
import tempfile
import threading
import zlib
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from waitress.server import create_server

from crm.settings import load
from sync.demo import build
from sync.demo.world import ADMIN, PASSWORD, TEAM
from sync.demo.world import build as build_world
from sync.service import Service
from tests.web.browser import ARGS
from web.app import create_app

FOLDER = Path("docs/screenshots")
SIZES = ((1280, 860), (360, 780))
LIMIT = 4_000_000

PAGES = (
    ("today", "/"), ("log", "/log"), ("why", "/log/why?q=three"), ("review", "/review"), ("review-deals",
    "/review?tab=deals"),
    ("review-decided", "/review/decided"), ("contacts", "/contacts"), ("companies", "/companies"), ("deals", "/deals"),
    ("tasks", "/tasks"), ("accounts", "/accounts"), ("connect", "/accounts/new"),
    ("connect-imap", "/accounts/new/imap?address=priya@gmail.com"), ("import", "/import"), ("search",
    "/search?q=nordhavn"),
    ("me", "/me"), ("keys", "/help/keys"),
)  # fmt: skip
FOLLOWED = (
    ("contact", "/contacts?q=Erik+Dahl", r'href="(/contacts/\d+)"'),
    ("company", "/companies?q=Nordhavn", r'href="(/companies/\d+)"'),
    ("deal", "/deals", r'href="(/deals/\d+)"'),
    ("item", "/log?q=Pilot", r'href="(/log/\d+)"'),
    ("thread", "/log?q=Pilot", r'href="(/log/thread/\d+)"'),
    ("account", "/accounts", r'href="(/accounts/\d+)"'),
    ("ledger", "/accounts", r'href="(/accounts/\d+)"'),
    ("review-create", "/review", r'href="(/review/create[^"]+)"'),
)
ADMIN_PAGES = (("people", "/people"), ("settings", "/settings"), ("audit", "/audit"))


def main() -> None:
    """Build, serve, photograph."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        service = _demo(Path(folder))
        server = create_server(create_app(service), host="127.0.0.1", port=0, threads=4)
        threading.Thread(target=server.run, daemon=True).start()
        try:
            take(f"http://127.0.0.1:{server.effective_port}")
        finally:
            server.close()
    total = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(list(FOLDER.glob('*.png')))} pictures, {total / 1e6:.1f} MB")
    if total > LIMIT:
        sys.exit("too big")


def _demo(folder: Path) -> Service:
    settings = load({"CRM_SYNC_DATA_DIR": str(folder), "CRM_SYNC_ALLOW_PRIVATE_HOSTS": "1"}, env_file=folder / "none")
    service = Service.build(settings)
    service.db.migrate()
    build.write(folder / "demo", build_world(), service.now())
    build.people(service, folder / "demo")
    build.pull(service, folder / "demo")
    return service


def take(base: str) -> None:
    """All pages at both sizes, as a rep, and the admin's as an admin."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        for width, height in SIZES:
            for email, pages in ((TEAM[0].address, PAGES), (ADMIN.address, ADMIN_PAGES)):
                page = browser.new_context(viewport={"width": width, "height": height}, base_url=base).new_page()
                _shot(page, "/sign-in", "sign-in", width)
                _sign_in(page, email)
                for name, where in (*pages, *(_followed(page) if pages is PAGES else ())):
                    _shot(page, where, name, width)
                page.context.close()
        browser.close()


def _sign_in(page: Page, email: str) -> None:
    page.fill("[name=email]", email)
    page.fill("[name=password]", PASSWORD)
    page.click("button.go")
    page.wait_for_selector(".shell")


def _followed(page: Page) -> list[tuple[str, str]]:
    """Addresses that only a list knows."""
    found = []
    for name, where, pattern in FOLLOWED:
        page.goto(where)
        if link := re.search(pattern, page.locator("main").inner_html()):
            tail = "/ledger" if name == "ledger" else ""
            found.append((name, link[1].replace("&amp;", "&") + tail))
    return found


def _shot(page: Page, where: str, name: str, width: int) -> None:
    page.goto(where)
    page.wait_for_load_state("networkidle")
    (FOLDER / f"{name}-{width}.png").write_bytes(smaller(page.screenshot()))


def smaller(picture: bytes) -> bytes:
    """The PNG (8 bit RGB or RGBA, as Chromium writes it) with a palette of at most 256 colours: exact ones while they
    last, the rest
    rounded. Facts: PNG specification, sections 9 (filters) and 11.2 (PLTE)."""
    width, height, rows = _decoded(picture)
    palette: dict[bytes, int] = {}
    counts: dict[bytes, int] = {}
    for row in rows:
        for at in range(0, len(row), 3):
            colour = row[at : at + 3]
            counts[colour] = counts.get(colour, 0) + 1
    bright = [c for c in sorted(counts, key=lambda c: -counts[c]) if max(c) - min(c) > 60]
    for colour in [*bright[:80], *sorted(counts, key=lambda c: -counts[c])]:
        if len(palette) < 240:
            palette.setdefault(colour, len(palette))
    known = list(palette)
    nearest = {c: palette[c] if c in palette else palette[_closest(c, known)] for c in counts}
    lines = b"".join(b"\x00" + bytes(nearest[row[at : at + 3]] for at in range(0, len(row), 3)) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in (
            (b"IHDR", head),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _closest(colour: bytes, known: list[bytes]) -> bytes:
    return min(known, key=lambda k: sum((a - b) ** 2 for a, b in zip(k, colour, strict=True)))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _decoded(picture: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height, and rows of RGB."""
    width, height, _depth, kind = struct.unpack(">IIBB", picture[16:26])
    step = 4 if kind == 6 else 3
    data, at = b"", 8
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        if name == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += 12 + length
    raw, rows, before = zlib.decompress(data), [], bytearray(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        before = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * step]), before, step)
        rows.append(bytes(before) if step == 3 else bytes(b for i, b in enumerate(before) if i % 4 != 3))
    return width, height, rows


def _unfiltered(kind: int, row: bytearray, up: bytearray, step: int) -> bytearray:
    for i in range(len(row)):
        a, b = row[i - step] if i >= step else 0, up[i]
        c = up[i - step] if i >= step else 0
        row[i] = (row[i] + (0, a, b, (a + b) // 2, _paeth(a, b, c))[kind]) & 255
    return row


def _paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


if __name__ == "__main__":
    main()
