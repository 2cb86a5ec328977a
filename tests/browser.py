"""A browser for tests of the page: the system's Chromium, driven by playwright. Without one they skip, and say so."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A headless Chromium that is closed in the end."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine: the page was not tried in a browser")
    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"Chromium does not start on this machine: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


def opened(browser: Browser, page: Path, address: str = "", **context: object) -> Page:
    """The page in a window of its own; an error of its script fails the test that looks at `page.errors`."""
    window = browser.new_page(**{"viewport": {"width": 1300, "height": 900}, **context})  # type: ignore[arg-type]
    window.on("pageerror", lambda error: pytest.fail(f"the page's script broke: {error}"))
    window.goto(f"{page.as_uri()}{address}")
    return window
