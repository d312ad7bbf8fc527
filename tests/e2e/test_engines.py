"""`serve --redis` as a process: what it says at start, and of a Redis that goes away."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from backendhub import registry


def test_no_redis_at_start_is_one_clear_line(cli: Callable[..., Any]) -> None:
    ran = cli("serve", "task", "--redis", "redis://:s3cret@127.0.0.1:1", "--port", "0")
    assert ran.code == 7 and ran.out == ""
    assert ran.err.splitlines() == [
        "Error: Redis at redis://127.0.0.1:1 does not answer: connection refused.",
        "Hint: is the server running?",
    ]


def test_what_is_no_redis_url(cli: Callable[..., Any]) -> None:
    ran = cli("serve", "task", "--redis", "http://localhost", "--port", "0")
    assert ran.code == 2 and "is not a Redis URL" in ran.err


def test_the_extra_is_named(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    ran = cli("serve", "task", "--redis", "redis://", "--port", "0")
    assert ran.code == 2 and "backendhub[redis]" in ran.err and "Traceback" not in ran.err


def test_workers_of_what_must_hear_each_other_need_redis(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(s._replace(uses="events limits") if s.name == "todo" else s for s in registry.SYSTEMS)
    monkeypatch.setattr(registry, "SYSTEMS", rows)
    for names in (("todo",), ("task", "todo"), ()):
        ran = cli("serve", *names, "--workers", "2", "--port", "0")
        assert ran.code == 2 and "these need a Redis that they share" in ran.err
        assert "todo (events and limits)" in ran.err and "--redis redis://" in ran.err
    assert cli("serve", "todo", "--workers", "2", "--redis", "redis://127.0.0.1:1").code == 7


def test_the_password_is_not_shown(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_REDIS", "redis://ada:s3cret@h/1")
    monkeypatch.setenv("BACKENDHUB_DATABASE", "postgresql://ada:s3cret@h/x")
    out = cli("config").out
    assert "s3cret" not in out and "redis://ada:***@h/1" in out and "postgresql://ada:***@h/x" in out


@pytest.mark.redis
def test_readyz_follows_redis(serve: Callable[..., Any], redis_server: Any) -> None:
    redis = redis_server()
    server = serve("task", "--redis", redis.url, "--workers", "2")
    assert server.http.get("/readyz").text == "ok\n"
    redis.stop()
    until(lambda: server.http.get("/readyz").text.startswith("redis: "))
    assert server.http.get("/readyz").status_code == 200 and server.http.get("/tasks").json() == []
    redis.start()
    until(lambda: [server.http.get("/readyz").text for _ in range(6)] == ["ok\n"] * 6)
    assert server.stop() == 0
    lost = [line for line in server.err if "is lost" in line]
    assert lost and any("is back" in line for line in server.err)


def until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.03)
    raise AssertionError("it never came to be so")
