"""Backup as processes: locks, signals, kills, secrets that nobody else may see."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Events = Callable[[str], list[dict[str, Any]]]


def listed(cli: Run, *words: str) -> list[dict[str, Any]]:
    ran = cli("backup", "list", *words, "--json")
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def start(command: list[str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*command, "backup", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, (out + err).decode()


@pytest.fixture
def slow(shop: Any) -> Any:
    """A target whose backup waits for a lock: another connection holds the file exclusively."""
    db = sqlite3.connect(shop.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    yield shop
    db.close()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def running(cli: Run) -> bool:
    return any(s["running"] for s in json.loads(cli("backup", "status", "shop", "--json").out))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def test_two_runs_at_once(cli: Run, command: list[str], slow: Any) -> None:
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        second = cli("backup", "run", "shop")
        assert second.code == 11 and str(first.pid) in second.err
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(
    cli: Run, command: list[str], slow: Any, sign: int, code: int
) -> None:
    process = start(command, "run", "shop")
    wait_for(lambda: running(cli))
    process.send_signal(sign)
    assert ended(process)[0] == code
    (entry,) = json.loads(cli("backup", "log", "--json").out)
    assert (entry["status"], entry["exitCode"]) == ("failed", code)
    assert listed(cli) == []


def test_killed_at_random_moments_the_next_run_succeeds(
    cli: Run, command: list[str], shop: Any, tmp_path: Path
) -> None:
    shop.add(20_000)  # some 16 MB, so that there is something to interrupt
    rnd = random.Random(5)
    for number in range(6):
        shop.add(100)
        process = start(command, "run", "shop")
        time.sleep(rnd.uniform(0.2, 1.2))
        process.kill()
        process.communicate()
        assert cli("backup", "verify").code == 0, number
    wait_for(lambda: not running(cli))
    last = cli("backup", "run", "shop")
    assert last.code == 0, last.err
    assert cli("backup", "verify", "--read-data").code == 0
    out = tmp_path / "after.db"
    assert cli("backup", "restore", "shop", "--out", str(out)).code == 0
    assert shop.rows(out) == shop.rows()
    states = {
        e["status"] for e in json.loads(cli("backup", "log", "shop", "--json").out) if e["action"] == "run"
    }
    assert "running" not in states


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_secrets_are_in_no_argv_and_no_environment(
    cli: Run, command: list[str], slow: Any, tmp_path: Path
) -> None:
    secret = (tmp_path / "config/backendhub/backup.passphrase").read_text().strip()
    process = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        seen = b""
        for pid in family(process.pid):
            for name in ("cmdline", "environ"):
                seen += Path(f"/proc/{pid}/{name}").read_bytes()
        assert b"backup" in seen and secret.encode() not in seen
    finally:
        process.kill()
        process.communicate()


def test_a_source_that_stays_locked(cli: Run, slow: Any) -> None:
    ran = cli("backup", "run", "shop", "--timeout", "1s")
    assert ran.code == 22, ran.err
    assert listed(cli) == []


def test_a_lock_can_be_waited_for(cli: Run, command: list[str], slow: Any) -> None:
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        second = start(command, "run", "shop", "--lock-wait", "30s", "--timeout", "1s")
        time.sleep(0.5)
        assert second.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert ended(second)[0] == 22  # it got the lock, and then met the locked file itself


def test_due_skips_what_another_is_at_and_alerts_if_that_hangs(
    cli: Run, command: list[str], slow: Any, monkeypatch: Any, events: Events
) -> None:
    from backendhub.kit import clock

    cli("backup", "remove", "shop")
    cli("backup", "add", "shop", str(slow.path), "--no-test", "--every", "*/5 * * * *")
    first = start(command, "run", "shop")
    try:
        wait_for(lambda: running(cli))
        now = clock.now()
        monkeypatch.setattr(clock, "_frozen", now + timedelta(hours=1))
        due = ("backup", "run", "--due", "--jitter", "0", "--json")
        skipped = cli(*due)
        assert skipped.code == 0 and events(skipped.out)[0]["event"] == "skip"
        monkeypatch.setattr(clock, "_frozen", now + timedelta(hours=7))
        hung = cli(*due)
        assert hung.code == 11 and "hangs" in hung.out
    finally:
        first.kill()
        first.communicate()
