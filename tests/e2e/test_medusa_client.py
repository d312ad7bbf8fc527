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


@pytest.mark.skipif(
    not FOLDER, reason="BACKENDHUB_TEST_MEDUSA_SDK names a folder with node_modules/@medusajs/js-sdk 2.21"
)
def test_a_whole_purchase(serve: Callable[..., Any]) -> None:
    server = serve("shop", "--demo")
    script = Path(FOLDER) / "backendhub-medusa.mjs"  # where node looks for the package
    shutil.copy(Path(__file__).with_name("medusa.mjs"), script)
    try:
        done = subprocess.run(
            ["node", script, server.url], capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        script.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("checks")
