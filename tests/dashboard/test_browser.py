"""The dashboard as a real browser shows it, from a disk and from a server, with 0, 3 and 1,000 runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.against.runs import rows
from domainlm.dashboard import static
from domainlm.dashboard.content import Content
from domainlm.dashboard.server import Server
from domainlm.results import files
from tests.dashboard.conftest import StoreOf
from tests.report.conftest import EVIL
from tests.window import Window


class Shown(Window):
    """The dashboard opened in a window, and drawn."""

    def __init__(self, browser: Any, url: str, width: int = 1280, scheme: str = "light"):
        super().__init__(browser, width, scheme)
        self.page.set_default_timeout(60_000)
        self.page.goto(url)
        self.page.wait_for_selector("#plane svg, #empty:not([hidden])")


@pytest.fixture(scope="module")
def three(store_of: StoreOf, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page over three runs, on a disk."""
    return static.write(Content(store_of(3)), tmp_path_factory.mktemp("page")).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_opens_from_a_disk_draws_its_pictures_and_nothing_overflows(
    browser: Any, three: str, width: int, scheme: str
) -> None:
    with Shown(browser, three, width, scheme) as shown:
        page = shown.page
        page.wait_for_selector("#lineage .node")
        page.wait_for_selector("#flips .items li")
        assert shown.said == []
        folder = three.removesuffix("index.html")
        assert all(url.startswith(folder) for url in shown.asked)
        assert page.locator("#facts").text_content().startswith("3 runs · 9 models · ")
        assert page.locator("#table tbody tr").count() == 6 and page.locator("#side tbody tr").count() == 4
        assert page.locator("#plane svg circle").count() == 6
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        colours = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(colours[:3]) < 150) == (scheme == "dark")


def test_filters_leave_what_fits_and_the_address_keeps_them(browser: Any, three: str) -> None:
    with Shown(browser, three) as shown:
        page = shown.page
        page.select_option("#run", "sweep")
        assert page.locator("#table tbody tr").count() == 2
        page.fill("#search", "MIX-51")
        page.wait_for_function("() => document.querySelectorAll('#table tbody tr').length === 1")
        assert page.locator("#claim").text_content().startswith("mix-51 won significantly on legal")
        address = page.url
        assert "run=sweep" in address and "search=MIX-51" in address
        page.fill("#search", "no such model")
        page.wait_for_function("() => document.querySelectorAll('#table tbody tr').length === 0")
        assert page.locator("#models-claim").text_content() == "No model fits these filters."
    with Shown(browser, address) as again:
        assert again.page.locator("#table tbody tr").count() == 1
        again.page.click("#reset")
        assert again.page.locator("#table tbody tr").count() == 6


def test_a_picked_model_is_set_beside_the_others_and_its_lineage_can_be_seen(browser: Any, three: str) -> None:
    with Shown(browser, three) as shown:
        page = shown.page
        page.locator("#table tbody tr", has_text="weekly-legal").first.locator("input").check()
        assert page.locator("#picks article").count() == 3
        assert page.locator("#side thead th").count() == 5
        page.locator("#lineage .group button", has_text="domain-only").first.click()
        page.wait_for_function(
            "() => document.querySelector('#lineage .claim').textContent.startsWith('domain-only of')"
        )
        assert page.locator("#lineage .node").count() > 6
        page.locator("#picks article button").first.click()
        assert page.locator("#picks article").count() == 2
        assert shown.said == []


def test_drilling_down_ends_at_the_items_that_flipped_with_both_answers(browser: Any, three: str) -> None:
    with Shown(browser, three) as shown:
        page = shown.page
        page.wait_for_selector("#flips .items li")
        sentence = page.locator("#flips .claim").text_content()
        assert sentence.startswith("Of 12 items, ")
        page.click("text=only B is right")
        page.wait_for_function(
            "() => document.querySelector('#flips [aria-pressed=true]').textContent === 'only B is right'"
        )
        won = int(sentence.split("flipped: ")[1].split(" ")[0])
        assert page.locator("#flips .items li").count() == min(won, 6)
        card = page.locator("#flips .items li").first
        assert "Which of these does the passage continue? <b>" in card.locator("pre").text_content()
        answers = card.locator("dd").all_text_contents()
        assert answers == ["✗ The third of the four", "✓ The first of the four", "The first of the four"]


def test_an_empty_store_says_how_to_fill_it(browser: Any, tmp_path: Path) -> None:
    page = static.write(Content(tmp_path / "none"), tmp_path / "page")
    with Shown(browser, page.as_uri(), 360) as shown:
        assert "domainlm run data_specs/runs/demo.yaml" in shown.page.locator("#empty").text_content()
        assert not shown.page.locator("main").is_visible()
        assert shown.said == []


def test_a_thousand_runs_are_served_and_drawn(browser: Any, store_of: StoreOf) -> None:
    with Server(Content(store_of(1000, items=1)), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with Shown(browser, server.url) as shown:
                page = shown.page
                assert page.locator("#facts").text_content().startswith("1,000 runs · 3,000 models")
                assert page.locator("#plane svg circle").count() == 2000
                assert page.locator("#table tbody tr").count() == 25
                assert page.locator("#trend svg path").count() >= 8
                page.click("#more")
                assert page.locator("#table tbody tr").count() == 125
                assert shown.said == []
        finally:
            server.shutdown()
            thread.join()


def test_everything_can_be_reached_and_done_by_keyboard(browser: Any, three: str) -> None:
    with Shown(browser, three) as shown:
        page = shown.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the models"
        page.locator("#table th button", has_text="won").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#table th[aria-sort]").text_content() == "won"
        assert page.evaluate("document.activeElement.textContent") == "won"
        assert page.locator("#table tbody th").first.text_content() == "domain-only"
        box = page.locator("#table tbody input").nth(4)
        before = box.is_checked()
        box.focus()
        page.keyboard.press("Space")
        assert page.locator("#table tbody input").nth(4).is_checked() != before
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("pick ")
        unnamed = "[...document.querySelectorAll('svg[role=img]')].filter((svg) => !svg.getAttribute('aria-label'))"
        assert page.evaluate(f"{unnamed}.length") == 0


def test_evil_text_stays_text(browser: Any, tmp_path: Path) -> None:
    record, tables = rows(0, items=8)
    for table in ("results", "comparisons", "exchanges", "models", "items"):
        for row in tables[table]:
            for name in ("model", "adapted"):
                row[name] = EVIL if row.get(name) == "mix-51" else row.get(name)
            row["run"] = EVIL
    for row in tables["items"]:
        row |= {"question": EVIL, "target": EVIL, "answer": EVIL}
    files.add(tmp_path / "store", record, tables)
    page = static.write(Content(tmp_path / "store"), tmp_path / "page")
    with Shown(browser, page.as_uri()) as shown:
        shown.page.wait_for_selector("#flips .items li")
        assert shown.page.title() == "domainlm results"
        assert shown.page.locator("img").count() == 0
        assert shown.page.locator("#flips pre").first.text_content() == EVIL
        assert shown.said == []
