"""The small web client, in two browsers at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

SHOTS = os.environ.get("BACKENDHUB_TEST_SHOTS")
"""A folder for pictures of what was seen."""


def fill(browser: Any, form: str, **values: str) -> None:
    """Fills fields in and submits their form."""
    for name, value in values.items():
        field = f"document.getElementById({name.replace('_', '-')!r})"
        browser.js(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('input'))")
    browser.js(f"document.getElementById({form!r}).requestSubmit()")


def sees(browser: Any, text: str) -> None:
    browser.wait(lambda: text in browser.js("document.body.innerText"))


@pytest.mark.browser
def test_two_people_talk(start: Callable[..., Any], browsers: Callable[[], Any], tmp_path: Path) -> None:
    running = start(str(tmp_path / "hub.db"))
    a, b = browsers(), browsers()
    for browser, name, dark in ((a, "ann", False), (b, "bob", True)):
        browser.look(dark=dark, width=1000, height=700)
        browser.open(running.url + "/")
        browser.js(f"document.getElementById('name').value = {name!r}")
        browser.js("document.getElementById('password').value = 'correct horse battery'")
        browser.js("document.getElementById('up').click()")
        sees(browser, "online")
    fill(a, "open", open_name="Plaza")
    sees(a, "# Plaza")
    fill(b, "open", open_name="Plaza")
    sees(b, "# Plaza")
    sees(a, "bob has come")
    b.js("const t = document.getElementById('text'); t.value = 'He'; t.dispatchEvent(new Event('input'))")
    sees(a, "bob is typing")
    fill(b, "say", text="Hello from <b>bob</b>")
    sees(a, "Hello from <b>bob</b>")
    fill(a, "say", text="Hi! 👋")
    sees(b, "Hi! 👋")
    a.js("document.querySelector('.message .tools .more').click()")
    sees(b, "👍 1")
    sees(a, "read by bob")
    assert "bob is typing" not in a.js("document.body.innerText")
    # The server goes away and comes back at the same place: the page goes on by itself.
    b.js("state.link.close()")
    fill(a, "say", text="While you were away")
    sees(b, "While you were away")
    assert b.js("document.querySelectorAll('.message').length") == 3
    b.js("document.querySelector('.message.own .tools button[title=Edit]').click()")
    fill(b, "say", text="Hello, edited")
    sees(a, "Hello, edited")
    fill(a, "open", open_name="@bob")
    sees(a, "@bob")
    fill(a, "say", text="psst")
    sees(b, "@ann")
    b.js("[...document.querySelectorAll('#rooms button')].find((x) => x.innerText.includes('@ann')).click()")
    sees(b, "psst")
    fill(b, "find", words="edited")
    sees(b, "1 found")
    if SHOTS:
        b.js(
            "[...document.querySelectorAll('#rooms button')].find((x) => x.innerText.includes('Plaza')).click()"
        )
        a.js(
            "[...document.querySelectorAll('#rooms button')].find((x) => x.innerText.includes('Plaza')).click()"
        )
        sees(b, "Hello, edited")
        a.screenshot(Path(SHOTS) / "ann.png")
        b.screenshot(Path(SHOTS) / "bob.png")
        b.look(dark=True, width=420, height=760)
        b.screenshot(Path(SHOTS) / "narrow.png")
    assert a.troubles() == b.troubles() == []


def test_the_page_works_below_a_prefix(tmp_path: Path) -> None:
    """Served with others, its script and style are found there."""
    import warnings

    from backendhub import registry
    from backendhub.kit import hub as hubs
    from backendhub.kit import web
    from backendhub.kit.settings import Settings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    hub = hubs.Hub(Settings({"database": str(tmp_path / "hub.db")}))
    rows = [s for s in registry.SYSTEMS if s.name in ("chat", "todo")]
    app: Any = web.build_app(rows, hub, log_format="none")
    with TestClient(app) as client:
        page: httpx.Response = client.get("/chat")
        assert 'src="/chat/chat.js"' in page.text and "unsafe" not in page.headers["content-security-policy"]
        assert client.get("/chat/chat.js").status_code == client.get("/chat/chat.css").status_code == 200
