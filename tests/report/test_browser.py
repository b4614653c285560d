"""The page as a real browser shows it: pictures are drawn, nothing overflows, nothing escapes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.conftest import EVIL, Report, ReportOf
from tests.window import Window


class Shown(Window):
    """A report opened in a window."""

    def __init__(self, browser: Any, report: Report, width: int = 1280, scheme: str = "light"):
        super().__init__(browser, width, scheme)
        self.page.goto((report.folder / "report.html").as_uri())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_pictures_are_drawn_and_nothing_overflows(browser: Any, report_of: ReportOf, width: int, scheme: str) -> None:
    with Shown(browser, report_of(), width, scheme) as shown:
        page = shown.page
        assert shown.said == [] and len(shown.asked) == 1
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
