"""shop driven by `@medusajs/js-sdk`, the client library of Medusa, as it comes from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("BACKENDHUB_TEST_MEDUSA_SDK", "")


pytestmark = pytest.mark.skipif(
    not FOLDER, reason="BACKENDHUB_TEST_MEDUSA_SDK names a folder with node_modules/@medusajs/js-sdk 2.21"
)


def node(name: str, *args: str) -> None:
    """Runs a script of this folder where node finds the package."""
    script = Path(FOLDER) / f"backendhub-{name}"
    shutil.copy(Path(__file__).with_name(name), script)
    try:
        done = subprocess.run(
            ["node", script, *args], capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        script.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("checks")


def test_a_whole_purchase(serve: Callable[..., Any]) -> None:
    node("medusa.mjs", serve("shop", "--demo").url)


def test_who_works_here(serve: Callable[..., Any], command: list[str]) -> None:
    server = serve("shop", "--demo")
    password = "correct horse battery staple"
    add = [*command, "user", "add", "clerk@mail.example", "--admin", "--stdin"]
    subprocess.run(add, input=password + "\n", capture_output=True, text=True, check=True)
    node("medusa_admin.mjs", server.url, "clerk@mail.example", password)
