"""Every API against its own OpenAPI document, with every check of schemathesis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from backendhub import registry

APIS = [s.name for s in registry.SYSTEMS if s.has("api")]
SERVED = {
    "rest": ("--demo", "--strict"),  # without data it has no routes, and as json-server it takes anything
    "shop": ("--demo",),
    "gateway": ("--admin-local",),
    "cache-proxy": ("--origin", "http://127.0.0.1:9", "--disk", "none"),
}
DOCUMENTS = {"cache-proxy": "/_cache"}  # all other paths are the origin's
REQUESTS = 240  # about, in an API: the more operations, the fewer examples each; `--max-examples 100` by hand


def examples(document: Any) -> str:
    """How many examples of an operation: 5, or as many as keep a large API within the time of a suite."""
    operations = sum(len(path) for path in document["paths"].values())
    return str(max(2, min(5, REQUESTS // operations)))


@pytest.mark.timeout(900)  # thousands of requests: minutes on a busy machine
@pytest.mark.parametrize("name", APIS)
def test_all_checks(name: str, serve: Callable[..., Any], tmp_path: Path, root: Path) -> None:
    server = serve(name, *SERVED.get(name, ()), "--log-format", "none")
    document = f"{server.url}{DOCUMENTS.get(name, '')}/openapi.json"
    program = Path(sys.executable).parent / "schemathesis"
    # Where a system has rules that no schema can state, its own file says for which operations.
    config = root / "tests" / "systems" / name.replace("-", "_") / "schemathesis.toml"
    done = subprocess.run(
        [
            program,
            *(["--config-file", config] if config.exists() else []),
            "run",
            document,
            "--checks",
            "all",
            "--max-examples",
            examples(httpx.get(document).json()),
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
