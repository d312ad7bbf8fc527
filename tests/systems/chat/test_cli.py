"""The terminal client against a real server; and servers that are killed under load, in short."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "correct horse battery\n"


@pytest.fixture
def alice(start: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path) -> Any:
    """A server, and a terminal that is signed in there."""
    running = start(str(tmp_path / "server.db"))
    ran = cli("chat", "sign-up", "alice", "--url", running.url, "--password-stdin", stdin=PASSWORD)
    assert ran.code == 0 and ran.out.startswith("Welcome, alice."), ran
    return running


def test_a_conversation_from_the_terminal(alice: Any, cli: Callable[..., Any]) -> None:
    assert cli("chat", "new", "General", "--topic", "Everything").out == "General is open.\n"
    assert cli("chat", "send", "General", "Hello,", "world").code == 0
    assert cli("chat", "send", "General", "-", stdin="one\n\ntwo\n").out == "2 sent.\n"
    assert (
        cli("chat", "history", "General", "--fields", "name,text").out
        == "alice\tHello, world\nalice\tone\nalice\ttwo\n"
    )
    assert cli("chat", "search", "world", "--fields", "text").out == "Hello, world\n"
    assert cli("chat", "rooms", "--fields", "name,kind").out == "General\tpublic\n"
    assert cli("chat", "rooms", "--public", "--fields", "name").out == "General\n"
    assert cli("chat", "sign-up", "bob", "--password-stdin", stdin=PASSWORD).code == 0
    assert cli("chat", "join", "General").out == "You are in General.\n"
    assert cli("chat", "send", "@alice", "psst").code == 0
    assert cli("chat", "history", "@alice", "--fields", "name,text").out == "bob\tpsst\n"
    assert cli("chat", "leave", "General").code == 0
    assert cli("chat", "send", "General", "x").code == 3
    assert cli("chat", "sign-in", "alice", "--password-stdin", stdin=PASSWORD).code == 0
    assert cli("chat", "sign-in", "alice", "--password-stdin", stdin="wrong\n").code == 4
    assert cli("chat", "join", "Nowhere").code == 3


def test_who_is_not_signed_in_is_told_how(cli: Callable[..., Any]) -> None:
    ran = cli("chat", "rooms")
    assert ran.code == 4 and "sign-in" in ran.err
    ran = cli("chat", "sign-in", "x", "--url", "http://127.0.0.1:1", "--password-stdin", stdin="x\n")
    assert ran.code == 5 and "Cannot reach" in ran.err


def test_talking_shows_what_others_say(alice: Any, cli: Callable[..., Any], command: list[str]) -> None:
    cli("chat", "new", "General")
    cli("chat", "send", "General", "before")
    talk = subprocess.Popen(
        [*command, "chat", "talk", "General"],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert talk.stdin is not None and talk.stdout is not None
    assert talk.stdout.readline() == "alice: before\n"
    talk.stdin.write("typed\n")
    talk.stdin.flush()
    assert talk.stdout.readline() == "alice: typed\n"
    cli("chat", "send", "General", "from elsewhere")
    assert talk.stdout.readline() == "alice: from elsewhere\n"
    talk.stdin.close()
    assert talk.wait(10) == 0 and talk.stdout.read() == ""
    talk.stdout.close()


def kills(root: Path) -> Any:
    spec = util.spec_from_file_location("backendhub_chat_kill", root / "benchmarks/chat_kill.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.EACH = 20
    return module


def test_a_server_that_is_killed_loses_nothing(root: Path) -> None:
    start = time.monotonic()
    messages, returns = kills(root).run(2, 1)  # 50 rounds: python benchmarks/chat_kill.py
    assert messages >= 160 and returns > 0, time.monotonic() - start


@pytest.mark.postgres
@pytest.mark.redis
def test_one_of_three_that_is_killed_loses_nothing(
    root: Path, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    options = ("--database", postgres_url, "--redis", redis_url, "--files", str(tmp_path))
    messages, _ = kills(root).run(2, 3, *options)
    assert messages >= 160
