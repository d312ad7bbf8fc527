"""`serve --auth token`: everything that is served asks who is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def token(command: list[str]) -> str:
    """An API key of an account made on the command line."""

    def run(*words: str) -> str:
        return subprocess.run([*command, "user", *words], capture_output=True, text=True, check=True).stdout

    run("add", "ada@example.com", "--no-password")
    return run("key", "add", "ada@example.com", "--name", "test", "--fields", "secret").strip()


def test_every_route_asks_but_for_probes_and_documents(serve: Callable[..., Any], token: str) -> None:
    server = serve("todo", "convert", "health", "--auth", "token")
    for path in ("/todo/", "/convert/units", "/convert/", "/health/health", "/health/history"):
        without = server.http.get(path)
        assert (without.status_code, without.json()["code"]) == (401, "unauthenticated")
        assert without.headers["www-authenticate"].startswith("Bearer")
    for path in ("/todo/", "/convert/units"):
        assert server.http.get(path, headers={"X-Api-Key": token}).status_code == 200
        assert server.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert server.http.get(path, headers={"Authorization": f"Bearer {token}x"}).status_code == 401
    for path in ("/livez", "/readyz", "/health/livez", "/todo/openapi.json", "/todo/docs"):
        assert server.http.get(path).status_code == 200
    document = server.http.get("/todo/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey", "session"}


def test_how_is_said_at_the_start(command: list[str], serve: Callable[..., Any]) -> None:
    wrong = subprocess.run([*command, "serve", "todo", "--auth", "basic"], capture_output=True, text=True)
    assert (wrong.returncode, "--auth none or --auth token" in wrong.stderr) == (2, True)
    server = serve("todo")
    server.stop()
    assert "Authentication: none: whoever reaches this address may use it." in "".join(server.err)
