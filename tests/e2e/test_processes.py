"""What only real processes show: many writers, sudden ends, readers that go away, signals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def db_file(tmp_path: Path) -> Path:
    """Where the default store of the commands under test is."""
    return tmp_path / "data" / "backendhub" / "hub.db"


def test_twenty_writers_at_once_lose_nothing(command: list[str], db_file: Path) -> None:
    running = [
        subprocess.Popen(
            [*command, "task", "add", f"task {n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(20)
    ]
    results = [(*p.communicate(timeout=180), p.returncode) for p in running]
    assert [(err, code) for _, err, code in results] == [(b"", 0)] * 20
    said = sorted(int(out.decode().split("ID: ")[1].rstrip(")\n")) for out, _, _ in results)
    assert said == list(range(1, 21))
    rows = sqlite3.connect(db_file).execute("SELECT description FROM task").fetchall()
    assert {row[0] for row in rows} == {f"task {n}" for n in range(20)}


WRITER = """
import sys
from backendhub.kit.db import connect
from backendhub.systems.task import service
store = connect(sys.argv[1])
store.use("task")
store.label = "task add"
while True:
    task = store.unit(service.add, description="acknowledged")
    sys.stdout.write(f"{task.id}\\n")
    sys.stdout.flush()
"""


def test_killing_a_writer_loses_no_acknowledged_write(tmp_path: Path, cli: Callable[..., Any]) -> None:
    path = tmp_path / "killed.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait(30)
    ids = {row["id"] for row in json.loads(cli("task", "list", "--json", "--db", str(path)).out)}
    assert set(acknowledged) <= ids
    assert len(ids) <= len(acknowledged) + 1
    # And nothing half done: every row has its entry in the journal and can be undone.
    assert cli("undo", "--db", str(path)).code == 0
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("SELECT count(*) FROM hub_unit WHERE open").fetchone()[0] == 0
    connection.close()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_reader_that_goes_away_is_no_error(cli: Any, command: list[str]) -> None:
    assert cli("task", "add", "-", stdin=("y" * 5000 + "\n") * 60).code == 0  # more than a pipe holds
    running = subprocess.Popen([*command, "task", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.read(10)
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait(60) in (0, -signal.SIGPIPE, 141)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_closed_output_is_no_traceback(command: list[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" task list >&-', "bash", *command], capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_is_130_and_silent(command: list[str]) -> None:
    running = subprocess.Popen(
        [*command, "task", "add", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _wait_until_reading(running.pid)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, b"", b"")


def _wait_until_reading(pid: int) -> None:
    """Until the process sleeps on its stdin (Linux tells; elsewhere a second must do)."""
    place = Path(f"/proc/{pid}")
    if not place.exists():
        time.sleep(1)
        return
    for _ in range(600):
        stack = (place / "wchan").read_text() if (place / "wchan").exists() else ""
        loaded = "service.py" in (place / "maps").read_text() or "pipe" in stack
        if loaded and (place / "stat").read_text().rpartition(")")[2].split()[0] == "S":
            time.sleep(0.2)
            return
        time.sleep(0.05)
    raise AssertionError("the command never came to read its input")


def test_text_that_the_locale_cannot_print_is_no_traceback(process: Any) -> None:
    env = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert process("task", "add", "caf\u00e9 ☃", env={"PYTHONUTF8": "1"}).code == 0
    ran = process("task", "list", env=env)
    assert (ran.code, ran.err) == (0, "")
    assert "caf" in ran.out


def test_it_runs_without_any_configuration(command: list[str], tmp_path: Path) -> None:
    """As cron runs it: next to no environment, no terminal, no home that exists."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "fresh")}
    for words in (["task", "add", "x"], ["task", "due", "--within", "24h", "--quiet"], ["undo", "--list"]):
        done = subprocess.run(
            [*command, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
