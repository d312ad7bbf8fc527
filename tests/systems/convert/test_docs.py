from __future__ import annotations

import os
import re
import subprocess
import sys

from backendhub.systems.convert.cli import app

PAGE = "docs/systems/convert.md"


def test_the_session_of_the_page_is_what_happens(root, tmp_path):
    block = re.search(r"```console\n(.*?)```", (root / PAGE).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "backendhub"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m backendhub "$@"\n')
    script.chmod(0o755)
    env = os.environ | {"BACKENDHUB_NOW": "2026-01-05T09:00:00Z", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    env["PATH"] = f"{script.parent}:{os.environ['PATH']}"
    steps = re.split(r"(?m)^\$ ", block[1])[1:]
    assert len(steps) > 5
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


def test_the_page_names_every_command(root):
    text = (root / PAGE).read_text(encoding="utf-8")
    assert [path for path, _ in app.walk() if f"`{path}" not in text] == []


def test_the_page_names_every_route(root):
    from backendhub.systems.convert.api import router

    text = (root / PAGE).read_text(encoding="utf-8")
    assert [r.path for r in router.routes if r.path not in text] == []
