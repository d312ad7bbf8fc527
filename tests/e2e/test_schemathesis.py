"""Every API against its own OpenAPI document, with every check of schemathesis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub import registry

APIS = [s.name for s in registry.SYSTEMS if s.has("api")]
SERVED = {
    "gateway": ("--admin-local",),
    "rest": ("--demo", "--strict"),
}  # without data it has no routes, and as json-server it takes anything
EXAMPLES = "12"  # `--max-examples 100` by hand before a release


@pytest.mark.timeout(900)  # thousands of requests: minutes on a busy machine
@pytest.mark.parametrize("name", APIS)
def test_all_checks(name: str, serve: Callable[..., Any], tmp_path: Path, root: Path) -> None:
    server = serve(name, *SERVED.get(name, ()), "--log-format", "none")
    program = Path(sys.executable).parent / "schemathesis"
    # Where a system has rules that no schema can state, its own file says for which operations.
    config = root / "tests" / "systems" / name.replace("-", "_") / "schemathesis.toml"
    done = subprocess.run(
        [
            program,
            *(["--config-file", config] if config.exists() else []),
            "run",
            f"{server.url}/openapi.json",
            "--checks",
            "all",
            "--max-examples",
            EXAMPLES,
            "--seed",
            "1",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
