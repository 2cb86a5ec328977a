"""`make bench`, the page: how large the HTML report is, how long it takes to make, and to open in Chromium.

Synthetic results of a fleet (tests/many_results.py), the worst first: 24,000 of which all failed. "opens" is from the
address to the first frame after which the page answers, "search" until the rows are narrowed to two words.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser import NAMES
from tests.html_shell import whole_page
from tests.many_results import history_of, many

SETS = (
    ("1 result", 1, 1.0, 1),
    ("500 results, 10 % open", 500, 0.1, 12),
    ("24,000 results, 1 % open", 24_000, 0.01, 300),
    ("24,000 results, 6 % open", 24_000, 0.06, 300),  # just below what is still one row each
    ("24,000 results, 30 % open", 24_000, 0.3, 300),
    ("24,000 results, all open", 24_000, 1.0, 300),
)


def main() -> None:
    print(f"{'the HTML report':<28}{'made s':>8}{'MB':>8}{'rows':>8}{'opens s':>9}{'search s':>10}")
    with tempfile.TemporaryDirectory() as folder:
        pages = list(_made(Path(folder)))
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if found is None:
            _tell(pages, None)
            print("no Chromium on this machine: how long they take to open was not measured")
            return
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
            _tell(pages, browser)
            browser.close()


def _made(folder: Path) -> Iterator[tuple[str, Path, float]]:
    for number, (title, results, share, accounts) in enumerate(SETS):
        found, estate = many(results, share, accounts=accounts)
        before = time.perf_counter()
        text = whole_page(found, estate, history_of(found))
        took = time.perf_counter() - before
        page = folder / f"{number}.html"
        page.write_text(text, encoding="utf-8")
        yield title, page, took


def _tell(pages: list[tuple[str, Path, float]], browser: Browser | None) -> None:
    for title, page, took in pages:
        text = page.read_text(encoding="utf-8")
        opens, searches = _opened(browser, page) if browser else ("-", "-")
        size, rows = page.stat().st_size / 1e6, text.count('class="row ')
        print(f"  {title:<26}{took:>8.2f}{size:>8.2f}{rows:>8,}{opens:>9}{searches:>10}")


def _opened(browser: Browser, page: Path) -> tuple[str, str]:
    window = browser.new_page(viewport={"width": 1300, "height": 900})
    before = time.perf_counter()
    window.goto(page.as_uri())
    window.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
    opened = time.perf_counter()
    window.fill("#search", "runtime-custom 2000")
    window.wait_for_function("document.getElementById('shown').textContent !== ''")
    searched = time.perf_counter()
    window.close()
    return f"{opened - before:.2f}", f"{searched - opened:.2f}"


if __name__ == "__main__":
    main()
