"""Pings and Slack: what is sent when, and that a failed notification is a warning only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backendhub.systems.backup.notify import Notifier, check_url

Run = Callable[..., Any]


def paths(hook: Any) -> list[str]:
    return [urlsplit(path).path for path, _ in hook.calls]


def test_pings_of_a_run(cli: Run, file: Any, hook: Any) -> None:
    cli("backup", "init")
    cli("backup", "add", "shop", str(file.path), "--ping", f"{hook.url}/uuid/")
    assert cli("backup", "run", "shop").code == 0
    assert paths(hook) == ["/uuid/start", "/uuid/0"]
    rids = {parse_qs(urlsplit(path).query)["rid"][0] for path, _ in hook.calls}
    assert len(rids) == 1
    assert hook.calls[-1][1].startswith("shop: full snapshot")
    (entry,) = json.loads(cli("backup", "log", "--json").out)
    assert {entry["rid"]} == rids


def test_a_failure_pings_its_code_with_the_end_of_the_log(cli: Run, file: Any, hook: Any) -> None:
    cli("backup", "init")
    cli("backup", "add", "shop", str(file.path), "--ping", f"{hook.url}/u?key=1")
    file.path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    ran = cli("backup", "run", "shop")
    assert ran.code in (20, 21)
    assert paths(hook) == ["/u/start", f"/u/{ran.code}"]
    assert "key=1" in hook.calls[0][0]
    assert "Error: " in hook.calls[-1][1]


def test_a_ping_that_fails_is_only_a_warning(cli: Run, file: Any, hook: Any) -> None:
    cli("backup", "init")
    cli("backup", "add", "shop", str(file.path), "--ping", f"{hook.url}/secret-uuid")
    hook.status = 500
    ran = cli("backup", "run", "shop")
    assert ran.code == 0
    assert "Warning: The ping did not get through: HTTPError" in ran.err
    hook.close()
    ran = cli("backup", "run", "shop")
    assert ran.code == 0 and "did not get through" in ran.err
    assert "secret-uuid" not in ran.err


def test_slack_hears_of_failure_and_recovery_only(cli: Run, shop: Any, hook: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("BACKENDHUB_BACKUP_SLACK_WEBHOOK", f"{hook.url}/slack")
    assert cli("backup", "run", "shop").code == 0
    assert hook.calls == []
    away = shop.path.with_suffix(".away")
    shop.path.rename(away)
    assert cli("backup", "run", "shop").code == 20
    away.rename(shop.path)
    assert cli("backup", "run", "shop").code == 0
    assert cli("backup", "run", "shop").code == 0
    texts = [json.loads(body)["text"] for _, body in hook.calls]
    assert [t.split(".")[0] for t in texts] == [
        "backup run of shop: exit 20",
        "backup run of shop: works again",
    ]


def test_what_is_said_cannot_mention_anybody(hook: Any) -> None:
    Notifier(lambda text: None, slack_webhook=hook.url).message("table <!channel> & more")
    assert json.loads(hook.calls[0][1])["text"] == "table &lt;!channel&gt; &amp; more"


def test_a_signal_is_pinged(cli: Run, command: list[str], file: Any, hook: Any) -> None:
    import signal
    import sqlite3
    import subprocess
    import time

    cli("backup", "init")
    cli("backup", "add", "shop", str(file.path), "--ping", f"{hook.url}/u")
    db = sqlite3.connect(file.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    process = subprocess.Popen([*command, "backup", "run", "shop"], stderr=subprocess.PIPE)
    until = time.monotonic() + 20
    while paths(hook) != ["/u/start"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    db.close()
    assert process.returncode == 143
    assert paths(hook) == ["/u/start", "/u/143"]


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "example.org"])
def test_only_web_addresses_are_pinged(cli: Run, url: str, tmp_path: Path) -> None:
    from backendhub.kit.errors import Invalid

    with pytest.raises(Invalid):
        check_url(url)
    assert check_url("https://hc-ping.com/uuid") == "https://hc-ping.com/uuid"


def test_a_repository_that_is_not_there_is_told_too(cli: Run, file: Any, hook: Any, tmp_path: Path) -> None:
    cli("backup", "init", "--repo", str(tmp_path / "mnt"))
    cli("backup", "add", "shop", str(file.path), "--ping", f"{hook.url}/u")
    (tmp_path / "mnt").rename(tmp_path / "not-mounted")
    ran = cli("backup", "run", "shop", "--json")
    assert ran.code == 10 and json.loads(ran.out.splitlines()[-1])["exit"] == 10
    assert paths(hook) == ["/u/start", "/u/10"]
    (entry,) = json.loads(cli("backup", "log", "--failed", "--json").out)
    assert entry["exitCode"] == 10
