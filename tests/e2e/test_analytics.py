"""Analytics as a process: what is acknowledged survives a sudden end, and real clients send to it."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

ROUNDS = int(os.environ.get("BACKENDHUB_TEST_KILLS", "2"))


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(
    serve: Callable[..., Any], store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_DATABASE", store_url)
    numbers = itertools.count()
    acknowledged: list[int] = []
    for n in range(ROUNDS):
        server = serve("analytics", "--log-format", "none")
        stop = threading.Event()
        senders = [
            threading.Thread(target=send, args=(server.url, numbers, acknowledged, stop)) for _ in range(4)
        ]
        for sender in senders:
            sender.start()
        until(lambda: len(acknowledged) > 100 * n)  # noqa: B023
        time.sleep(0.3)
        server.process.send_signal(signal.SIGKILL)
        stop.set()
        for sender in senders:
            sender.join(20)
        server.stop(signal.SIGKILL)
    server = serve("analytics", "--log-format", "none")
    tally = digested(server.http)
    assert acknowledged and tally["stored"] >= len(acknowledged)
    lines = server.http.get("/sources/k/export", timeout=60).text.splitlines()
    stored = [int(line.split('"message_id": "')[1].split('"')[0]) for line in lines]
    assert len(stored) == len(set(stored)) == tally["stored"] == tally["received"]
    assert set(acknowledged) <= set(stored)
    assert server.http.get("/_check", timeout=60).json()["ok"] is True


def until(there: Callable[[], bool]) -> None:
    """Waits for as long as a busy machine may take."""
    for _ in range(600):
        if there():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come in half a minute")


def send(url: str, numbers: Any, acknowledged: list[int], stop: threading.Event) -> None:
    with httpx.Client(base_url=url, timeout=10) as http:
        while not stop.is_set():
            mine = [next(numbers) for _ in range(5)]
            batch = [
                {"type": "track", "event": "e", "userId": f"u{n % 7}", "messageId": str(n)} for n in mine
            ]
            try:
                if http.post("/v1/batch", json={"batch": batch, "writeKey": "k"}).status_code == 200:
                    acknowledged += mine
            except httpx.HTTPError:
                return


def digested(http: Any) -> dict[str, int]:
    """What was counted, once nothing has changed for a second."""
    seen: list[Any] = []

    def still() -> bool:
        answer = http.get("/sources/k/tallies").raise_for_status()
        seen.append(answer.json())
        return len(seen) > 20 and all(other == seen[-1] for other in seen[-20:])

    until(still)
    names = ("received", "stored", "duplicates", "rejected")
    return {name: sum(row[name] for row in seen[-1]) for name in names}


def test_two_workers_digest_each_event_once(
    serve: Callable[..., Any], redis_url: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_DATABASE", store_url)
    server = serve("analytics", "--log-format", "none", "--workers", "2", "--redis", redis_url)
    acknowledged: list[int] = []
    stop = threading.Event()
    sender = threading.Thread(target=send, args=(server.url, itertools.count(), acknowledged, stop))
    sender.start()
    until(lambda: len(acknowledged) > 100)
    stop.set()
    sender.join(20)
    tally = digested(server.http)
    assert tally["stored"] == tally["received"] == len(acknowledged)
    assert server.http.get("/_check").json()["ok"] is True


def test_the_python_client_of_segment(serve: Callable[..., Any]) -> None:
    segment = pytest.importorskip(
        "segment.analytics.client", reason="segment-analytics-python is not installed"
    )
    server = serve("analytics", "--log-format", "none")
    failed: list[Any] = []
    client = segment.Client(
        "k", host=server.url, gzip=True, on_error=lambda error, items: failed.append(error)
    )
    for n in range(120):
        client.track(f"u{n % 3}", "Clicked", {"n": n})
    client.identify("u1", {"plan": "pro"})
    client.page("u1", "Docs", "Home", {"url": "https://a.example/docs"})
    client.alias("anonymous", "u2")
    client.group("u1", "g1")
    client.shutdown()
    assert failed == []
    assert digested(server.http) == {"received": 124, "stored": 124, "duplicates": 0, "rejected": 0}


@pytest.mark.browser
def test_the_dashboard_lives(serve: Callable[..., Any], browser: Any) -> None:
    server = serve("analytics", "--demo", "--log-format", "none")
    browser.open(f"{server.url}/")
    browser.wait(lambda: browser.js("document.getElementById('online')?.textContent") == "0")
    browser.js("document.querySelector('summary').click()")
    event = {"userId": "u", "event": "<img src=x onerror=alert(1)>", "writeKey": "bicycles-demo"}
    assert server.http.post("/v1/track", json=event).status_code == 200
    browser.wait(lambda: browser.js("document.getElementById('online')?.textContent") == "1")
    assert "<img" in browser.js("document.querySelector('#latest li').textContent")
    assert browser.js("document.querySelectorAll('svg rect').length") == 31
    for dark, width in ((False, 1200), (True, 1200), (False, 360), (True, 360)):
        browser.look(dark=dark, width=width)
        assert browser.js("document.documentElement.scrollWidth") <= width
        assert browser.poor_contrast() == []
    browser.js("document.querySelector('nav a[href*=day]').click()")
    browser.wait(lambda: browser.js("document.querySelector('nav a[aria-current]')?.textContent") == "Today")
    assert browser.troubles() == []
