"""Every terminal session in the documentation is run and compared, letter by letter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"]


class Session(NamedTuple):
    page: Path
    line: int
    steps: list[tuple[str, str]]


def sessions() -> list[Session]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            steps: list[tuple[str, str]] = []
            for line in match[1].splitlines(keepends=True):
                if line.startswith("$ "):
                    steps.append((line[2:].rstrip("\n"), ""))
                elif steps:
                    steps[-1] = (steps[-1][0], steps[-1][1] + line)
                else:
                    raise AssertionError(f"{page}: a session starts with a line that begins with `$ `")
            found.append(Session(page, text[: match.start()].count("\n") + 1, steps))
    return found


@pytest.mark.parametrize("session", [pytest.param(s, id=f"{s.page.stem}:{s.line}") for s in sessions()])
def test_a_session_prints_what_the_page_says(session: Session, tmp_path: Path) -> None:
    program = tmp_path / "bin"
    program.mkdir()
    (program / "backendhub").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m backendhub "$@"\n')
    (program / "backendhub").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    env = {
        "PATH": f"{program}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "BACKENDHUB_NOW": "2026-01-05T09:00:00Z",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "src"),
        **{f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE")},
    }
    for command, expected in session.steps:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=work,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        # The end of a random id, where a page shows one.
        found = re.sub(r"\b[0-9a-f]{8}\b", "SHORT-ID", done.stdout) if "SHORT-ID" in expected else done.stdout
        assert found == expected, f"$ {command}"
