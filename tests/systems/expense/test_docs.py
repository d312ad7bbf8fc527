from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_session_of_the_page_is_what_happens(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "systems" / "expense.md").read_text(encoding="utf-8")
    block = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert block is not None
    steps = re.split(r"(?m)^\$ ", block[1])[1:]
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "backendhub").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m backendhub "$@"\n')
    (folder / "backendhub").chmod(0o755)
    env = os.environ | {"BACKENDHUB_NOW": "2026-01-05T09:00:00Z", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    env |= {"PATH": f"{folder}:{os.environ['PATH']}", "BACKENDHUB_DATABASE": str(tmp_path / "hub.db")}
    for step in steps:
        line, _, expected = step.partition("\n")
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        assert done.stdout.decode() == expected, line


def test_the_page_names_every_command(root: Path) -> None:
    from backendhub.systems.expense.cli import app

    text = (root / "docs" / "systems" / "expense.md").read_text(encoding="utf-8")
    missing = [path for path, _ in app.walk() if f"`{path.removeprefix('expense ')}" not in text]
    assert missing == []


@pytest.mark.parametrize("words", [(), ("budget",), ("recur",), ("rule",), ("rate",)])
def test_help(run: object, words: tuple[str, ...]) -> None:
    assert callable(run)
    ran = run(*words, "--help")
    assert ran.code == 0 and "Commands:" in ran.out
