"""The commands of the brief, as processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from backendhub import registry
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.systems.cache_proxy.prepare import prepare

from .conftest import Origin, response


def test_it_needs_an_origin(cli: Any) -> None:
    ran = cli("cache-proxy", "--port", "0")
    assert ran.code == 2 and "--origin" in ran.err
    assert cli("cache-proxy", "--origin", "ftp://x").code == 2
    assert cli("serve", "cache-proxy").code == 2


def test_nothing_to_clear(cli: Any, tmp_path: Path) -> None:
    ran = cli("cache-proxy", "--clear-cache", "--json")
    assert ran.code == 0 and '"removed": 0' in ran.out and "Removed 0 stored responses" in ran.err


def test_the_brief(command: list[str], process: Any, tmp_path: Path) -> None:
    """Started in front of an origin: a miss, a hit; cleared from another terminal: a miss again."""
    origin = Origin(lambda o, *_: response(f"{o.count}", Cache_Control="max-age=60"))
    words = [
        *command,
        "cache-proxy",
        "--port",
        "0",
        "--origin",
        f"http://127.0.0.1:{origin.port}",
        "--log-format",
        "none",
    ]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
    try:
        assert server.stdout is not None
        match = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline().decode())
        assert match is not None
        with httpx.Client(base_url=match[0]) as client:
            assert [client.get("/products").headers["x-cache"] for _ in range(3)] == ["MISS", "HIT", "HIT"]
            cleared = process("cache-proxy", "--clear-cache")
            assert cleared.code == 0 and "Removed 1 stored response." in cleared.err
            time.sleep(1.2)
            again = client.get("/products")
            assert (again.headers["x-cache"], again.text) == ("MISS", "2")
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=20)
        origin.close()
    assert server.returncode == 0 and "Caching http://127.0.0.1" in err.decode()


def test_workers_are_told_why_they_have_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for disk, workers, told in ((str(tmp_path), 2, True), ("none", 2, False), (str(tmp_path), 1, False)):
        settings = {
            "cache_proxy.origin": "http://127.0.0.1:1",
            "cache_proxy.disk": disk,
            "database": ":memory:",
        }
        hub = Hub(Settings(settings, declared=[o for s in registry.SYSTEMS for o in s.settings]))
        hub.workers = workers
        notes: list[str] = []
        monkeypatch.setattr(hub.output, "note", notes.append)
        prepare(hub)
        assert any("no disk tier" in note for note in notes) is told
        hub.close()
