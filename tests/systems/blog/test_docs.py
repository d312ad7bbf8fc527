"""The sessions of the page, run against a server and compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


@pytest.fixture
def address(serving: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """A blog whose clock stands still."""
    env = os.environ | {"BACKENDHUB_NOW": "2026-01-05T09:00:00Z"}
    with serving(["blog", "--memory", "--port", "0", "--log-format", "none"], env) as found:
        yield found


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_sessions_print_what_the_page_says(address: str, root: Path) -> None:
    page = (root / "docs/systems/blog.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        script, expected = "", ""
        continued = False
        for line in block.splitlines(keepends=True):
            if continued or line.startswith("$ "):
                script += line.removeprefix("$ ").replace("localhost:8000", address)
                continued = line.endswith("\\\n")
                script += "" if continued else "echo\n"
            else:
                expected += line
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert [line for line in done.stdout.splitlines() if line] == expected.splitlines()
