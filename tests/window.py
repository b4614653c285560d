"""A window of a real browser, and what its page said and asked for."""

from __future__ import annotations

from typing import Any, Self


class Window:
    """A page not yet opened in a window of `width`, with what the console said and what was asked for."""

    def __init__(self, browser: Any, width: int, scheme: str):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.page.close()
