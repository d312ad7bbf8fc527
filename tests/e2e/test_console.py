"""The console: who may see it, what it shows, and the page in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

# -- over HTTP --------------------------------------------------------------------------------------------


def test_it_shows_what_is_served(serve: Callable[..., Any]) -> None:
    server = serve("task", "todo", "--demo")
    page = server.http.get("/_hub")
    assert page.status_code == 200 and page.text.count("<h2") == 5
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "<style" not in page.text and "style=" not in page.text and "https://" not in page.text
    assert "Track to-dos" in page.text and "SQLite" in page.text
    for path in set(re.findall(r'(?:href|src|data-part)="(/[^"#]*)"', page.text)):
        assert server.http.get(path).status_code == 200, path
    assert server.http.get("/_hub/systems/nothing").status_code == 404
    assert server.http.get("/_hub/static/../page.py").status_code == 404


def test_the_lines_that_it_offers_work(serve: Callable[..., Any]) -> None:
    import html

    server = serve("task", "todo", "--demo")
    part = server.http.get("/_hub/systems/task?part=true").text
    lines = [html.unescape(line) for line in re.findall(r"<pre[^>]*>(.*?)</pre>", part, re.S)]
    assert len(lines) > 4 and any("-d" in line for line in lines)
    for line in lines:
        command = line.replace("curl", "curl -s -o /dev/null -w '%{http_code}'", 1)
        ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=True)
        assert ran.stdout[:1] == "2", line


def test_it_is_at_the_root_where_no_system_is(serve: Callable[..., Any]) -> None:
    assert serve("task").http.get("/").headers["location"] == "/_hub"
    todo = serve("todo").http
    assert todo.get("/").json() == [] and "todo" in todo.get("/_hub").text


def test_it_shows_mail_where_there_is_some(hub: Any) -> None:
    from backendhub.app.console import page
    from backendhub.app.console.facts import _stored
    from backendhub.kit import mail

    assert "mail" not in _stored(hub)
    hub.use("mail")
    hub.unit(lambda db: mail.send(db, to="ada@example.com", subject="<b>Hello</b>", text="x"))
    state = _stored(hub)
    assert [(m["to"], m["subject"]) for m in state["mail"]] == [("ada@example.com", "<b>Hello</b>")]
    shown = page._mail(state, local=True)
    assert (
        "&lt;b&gt;Hello" in shown and "/_mail/" in shown and "/_mail/" not in page._mail(state, local=False)
    )


def test_requests_arrive_as_events(serve: Callable[..., Any]) -> None:
    server = serve("task", "todo")
    with httpx.stream("GET", f"{server.url}/_hub/events", timeout=20) as events:
        lines = events.iter_lines()
        while not next(lines).startswith("data:"):
            pass
        server.http.get("/todo/?x=<b>")
        server.http.get("/_hub")
        seen: list[Any] = []
        while not seen:
            line = next(lines)
            seen = json.loads(line[5:])["requests"] if line.startswith("data:") else []
    assert [(s["method"], s["status"]) for s in seen] == [("GET", 400)] and "/todo/?x=" in seen[0]["target"]
    assert "<b>" not in server.http.get("/_hub").text


def test_only_this_machine_by_its_own_name(serve: Callable[..., Any]) -> None:
    """A page whose name was made to point at this machine (DNS rebinding) sees nothing; nor does a proxy."""
    server = serve("todo")
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1:1", "[::1]:80", "app.localhost"):
        assert server.http.get("/_hub", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1"):
        for path in ("/_hub", "/_hub/events", "/_hub/systems/todo"):
            assert server.http.get(path, headers={"host": host}).status_code == 403, host
        assert server.http.get("/", headers={"host": host}).status_code == 200
    assert server.http.get("/_hub", headers={"x-forwarded-for": "1.2.3.4"}).status_code == 403
    assert server.http.get("/_hub", headers={"origin": "https://evil.example"}).headers.get(
        "access-control-allow-origin"
    ) in (None, "*")


def test_it_can_be_left_out(serve: Callable[..., Any]) -> None:
    server = serve("task", "todo", "--no-console")
    assert server.http.get("/_hub").status_code == 404 and "_hub" not in server.banner


def test_beyond_this_machine_it_is_for_administrators(
    serve: Callable[..., Any], process: Callable[..., Any]
) -> None:
    plain = serve("task", "--host", "0.0.0.0")
    assert plain.http.get("/_hub").status_code == 404
    for name, more in (("ada", ["--admin"]), ("ben", [])):
        ran = process("user", "add", f"{name}@example.com", "--stdin", *more, stdin=f"correct horse {name}\n")
        assert ran.code == 0, ran.err
    server = serve("todo", "--host", "0.0.0.0", "--console")

    def ask(login: str, password: str) -> httpx.Response:
        return httpx.get(f"{server.url}/_hub", auth=(login, password))

    without = httpx.get(f"{server.url}/_hub")
    assert without.status_code == 401 and without.headers["www-authenticate"].startswith("Basic realm=")
    assert ask("ada@example.com", "correct horse ada").status_code == 200
    assert ask("ben@example.com", "correct horse ben").status_code == 403
    statuses = [ask("ada@example.com", f"guess {n}").status_code for n in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert ask("ada@example.com", "correct horse ada").status_code == 200  # known, and not hashed again
    assert httpx.get(f"{server.url}/").status_code == 200


# -- in a browser -----------------------------------------------------------------------------------------


TEXT = "document.querySelector({!r}).textContent"


@pytest.mark.browser
def test_the_page_lives(serve: Callable[..., Any], browser: Any) -> None:
    server = serve("task", "todo", "--demo")
    browser.open(f"{server.url}/_hub")
    browser.wait(lambda: "Live:" in browser.js(TEXT.format("#live")))
    for _ in range(3):
        server.http.get("/task/tasks?limit=2")
    server.http.get("/todo/<img src=x onerror=alert(1)>")
    browser.wait(lambda: browser.js("document.querySelectorAll('#log tr').length") == 4)
    assert "/task/tasks?limit=2" in browser.js(TEXT.format("#log"))
    assert browser.js("document.querySelectorAll('#log img').length") == 0
    browser.wait(lambda: browser.js(TEXT.format("tr[data-system=task] [data-requests]")) == "3")
    assert browser.js(TEXT.format("tr[data-system=task] [data-status]")) == "answers"
    assert browser.js("document.querySelector('#rate polyline').getAttribute('points')").count(",") >= 1
    browser.js("document.querySelector('tr[data-system=task] summary').click()")
    browser.wait(
        lambda: browser.js("document.querySelectorAll('tr[data-system=task] [data-copy]').length") > 4
    )
    browser.js("document.querySelector('[data-copy]').click()")
    browser.wait(lambda: browser.js(TEXT.format("[data-copy]"))[:4] in ("Copi", "Sele"))
    browser.js("document.getElementById('pause').click()")
    server.http.get("/todo/?later=1")
    browser.wait(lambda: browser.js(TEXT.format("tr[data-system=todo] [data-requests]")) != "0")
    assert "later" not in browser.js(TEXT.format("#log"))
    assert browser.troubles() == []


@pytest.mark.browser
def test_it_is_used_without_a_mouse_and_read_in_any_light(serve: Callable[..., Any], browser: Any) -> None:
    server = serve("task", "todo")
    browser.open(f"{server.url}/_hub")
    browser.press("Tab")
    assert browser.js("document.activeElement.textContent") == "Skip to content"
    assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.js("location.hash") == "#main"
    seen = set()
    for _ in range(40):
        browser.press("Tab")
        seen.add(
            browser.js(
                "document.activeElement.tagName + ' ' + document.activeElement.textContent.slice(0, 12)"
            )
        )
    assert {"SUMMARY Try it", "BUTTON Pause"} <= seen
    tree = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert {"banner", "main", "navigation", "status", "table", "columnheader", "rowheader"} <= set(roles)
    unnamed = [
        node
        for node in tree
        if not node["ignored"] and node["role"]["value"] in ("link", "button", "region", "image")
        if not node.get("name", {}).get("value")
    ]
    assert unnamed == []
    for dark, width in ((False, 1200), (True, 1200), (False, 360), (True, 360)):
        browser.look(dark=dark, width=width)
        assert browser.js("document.documentElement.scrollWidth") <= width
        assert browser.poor_contrast() == []
    assert browser.js("getComputedStyle(document.body).backgroundColor") == "rgb(21, 22, 26)"


@pytest.mark.browser
def test_mail_is_read_without_a_mouse_on_any_screen_in_any_light(
    serve: Callable[..., Any], browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_JWT_AUTH_AUTOCONFIRM", "false")
    server = serve("jwt-auth")
    for name in ("ada", "<img src=x onerror=alert(1)>"):
        body = {"email": "ada@example.com", "password": "correct horse battery", "data": {"name": name}}
        server.http.post("/signup", json=body | {"email": f"{name[:3].strip('<')}@example.com"})
    looks = [(dark, width) for dark in (False, True) for width in (360, 1200)]

    def fits() -> None:
        for dark, width in looks:
            browser.look(dark=dark, width=width)
            assert browser.js("document.documentElement.scrollWidth") <= width
            assert browser.poor_contrast() == []

    browser.open(f"{server.url}/_mail/")
    assert browser.js("document.querySelectorAll('.rows a').length") == 2
    fits()
    browser.press("Tab")
    assert browser.js("document.activeElement.tagName") == "A"
    assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    browser.wait(lambda: browser.js("document.querySelectorAll('iframe').length") == 1)
    fits()
    links = "[...document.querySelectorAll('%s a')].map((a) => a.href)"
    (link,) = browser.js(links % "ul")  # the sandbox leads nowhere: what it links to stands below it
    assert "/verify?" in link and link in browser.js(links % "pre")
    tree = browser.send("Accessibility.getFullAXTree")["nodes"]
    named = [n for n in tree if not n["ignored"] and n["role"]["value"] in ("link", "button", "Iframe")]
    assert named and all(n.get("name", {}).get("value") for n in named)
    browser.open(f"{server.url}/_mail/")
    assert not browser.js(
        "document.querySelector('details button').checkVisibility()"
    )  # nobody deletes by a slip
    browser.js("document.querySelector('summary').focus()")
    for key in ("Enter", "Tab", "Enter"):
        browser.press(key)
    browser.wait(lambda: "No mail yet" in browser.js("document.documentElement?.outerHTML ?? ''"))
    assert browser.troubles() == []
