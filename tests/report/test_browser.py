"""The page as a real browser shows it: pictures are drawn, nothing overflows, nothing escapes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.report.conftest import EVIL, Report, ReportOf

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


class Shown:
    """A report opened in a window, with what the console said and what the page tried to fetch."""

    def __init__(self, browser: Any, report: Report, width: int = 1280, scheme: str = "light"):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.fetched: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.goto((report.folder / "report.html").as_uri())

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *raised: object) -> None:
        self.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_pictures_are_drawn_and_nothing_overflows(browser: Any, report_of: ReportOf, width: int, scheme: str) -> None:
    with Shown(browser, report_of(), width, scheme) as shown:
        page = shown.page
        assert shown.said == [] and len(shown.fetched) == 1
        charts = page.locator(".chart").count()
        assert charts == page.locator(".chart:has(svg)").count() == 14
        assert page.locator(".chart svg circle").count() > 10 and page.locator(".chart svg path").count() > 20
        page.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")[
            :3
        ]
        assert (red + green + blue < 150) == (scheme == "dark")


def test_pictures_have_names_and_descriptions_for_screen_readers(browser: Any, report_of: ReportOf) -> None:
    with Shown(browser, report_of()) as shown:
        unnamed = (
            "[...document.querySelectorAll('.chart svg[role=img]')].filter((svg) => !svg.getAttribute('aria-label'))"
        )
        assert shown.page.evaluate(f"{unnamed}.length") == 0
        described = shown.page.locator("#chart-change svg").first.get_attribute("aria-description")
        assert "legal, mix: −0.687" in described


def test_pictures_follow_the_width_of_the_window(browser: Any, report_of: ReportOf) -> None:
    with Shown(browser, report_of()) as shown:
        before = shown.page.locator("#chart-corpus svg").get_attribute("width")
        shown.page.set_viewport_size({"width": 420, "height": 900})
        shown.page.wait_for_function(
            "before => document.querySelector('#chart-corpus svg').getAttribute('width') !== before", arg=before
        )
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 420


def test_evil_text_stays_text(browser: Any, report_of: ReportOf) -> None:
    report = report_of(head=EVIL, title=EVIL, failed={"mix": {"legal_continuation": EVIL}})
    with Shown(browser, report) as shown:
        assert shown.page.title().startswith("</script><script>")
        assert shown.page.locator("img").count() == 0
        assert shown.page.locator(".clusters pre").first.text_content() == EVIL
        assert shown.said == []


@pytest.mark.parametrize(
    "fields",
    [
        {"domains": ("general",), "levels": {"base": {"general": 2.9}}, "tasks": (), "num_steps": 1},
        {"levels": {"base": {"legal": float("nan"), "general": 2.9}, "mix": {"legal": 3.1, "general": 2.9}}},
    ],
    ids=["the least there can be", "a level that is no number"],
)
def test_awkward_runs_are_drawn_without_an_error(browser: Any, report_of: ReportOf, fields: dict) -> None:
    with Shown(browser, report_of(**fields), 360) as shown:
        assert shown.said == []
        assert shown.page.locator(".chart").count() == shown.page.locator(".chart:has(svg)").count()
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
