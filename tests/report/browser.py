"""A real Chromium, the one of the system, with one page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 1000}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def chromium() -> str | None:
    """The path of the system's Chromium."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass
class Opened:
    """A page, and what it did that a report must not do."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Open a report afresh, wide and light."""
        self.requests.clear()
        self.complaints.clear()
        self.page.set_viewport_size(DESK)
        self.page.emulate_media(media="screen", color_scheme="light")
        self.page.goto(file.as_uri())


@contextmanager
def opened_browser(scale: int = 1) -> Iterator[Opened]:
    """A new browser with an empty profile; a pixel of the page has `scale` by `scale` dots."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        try:
            page = browser.new_page(device_scale_factor=scale)
            opened = Opened(page)
            page.on("request", lambda request: opened.requests.append(request.url))
            page.on("console", lambda message: opened.complaints.append(message.text))
            page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            page.on("dialog", lambda dialog: opened.complaints.append(dialog.message))
            yield opened
        finally:
            browser.close()
