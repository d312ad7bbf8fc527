"""The page in a browser: light, dark, and on a narrow screen."""

from __future__ import annotations

from typing import Any

import pytest
from tests.systems.cache_proxy.conftest import response

from backendhub.systems.cache_proxy import page
from backendhub.systems.cache_proxy.stats import Stats

VALUE = "document.querySelector('[data-k={}]').textContent"
TALLEST = "Math.max(...[...document.querySelectorAll('rect')].map(r => +r.getAttribute('height')))"


@pytest.mark.browser
def test_the_page_counts_along(start: Any, browser: Any) -> None:
    cache = start(lambda *_: response("x" * 3000, Cache_Control="max-age=60"))
    for _ in range(4):
        cache.get()
    for dark, width in ((False, 1200), (True, 360)):
        browser.look(dark=dark, width=width)
        browser.open(f"{cache.url}/_cache")
        cache.get()
        hits = str(cache.proxy.stats.hits)
        browser.wait(lambda: browser.js(VALUE.format("hits")) == hits)  # noqa: B023
        assert browser.js(VALUE.format("memoryBytes")) == "2.9 KiB"
        assert "undefined" not in browser.js("document.body.textContent")
        browser.wait(lambda: browser.js(TALLEST) > 0 and browser.js("scale.textContent") != "0")
        assert browser.poor_contrast() == []
        assert browser.js("document.documentElement.scrollWidth <= innerWidth")
    assert browser.troubles() == []


def test_values_are_shown_as_the_script_shows_them() -> None:
    shown = [page._shown("memoryBytes", n) for n in (0, 1023, 1024, 5 * 1024**3)]
    assert shown == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert (page._shown("ratio", 0.5), page._shown("hits", 1234)) == ("50.0 %", "1,234")


def test_a_second_is_closed_once() -> None:
    stats = Stats()
    for second, hits in ((7, 3), (7, 0), (8, 2), (8, 0)):
        stats.hits += hits
        stats.tick(second)
    assert [row[:2] for row in stats.history] == [(7, 3), (8, 2)]
