"""A server that dies between commit and reply: the client asks again, and gets the answer that it never heard."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

# The real application, which kills its process when the answer to a POST is ready to be sent.
DYING = """
import os, signal, sys
import uvicorn
from backendhub import registry
from backendhub.kit import hub, web
from backendhub.kit.settings import Settings

made = hub.Hub(Settings({"database": sys.argv[1]}))
hub.install(made)
app = web.build_app([s for s in registry.SYSTEMS if s.name == "task"], made, single=True, log_format="none")

async def dying(scope, receive, send):
    async def last(message):
        if message["type"] == "http.response.start" and scope["method"] == "POST":
            os.kill(os.getpid(), signal.SIGKILL)
        await send(message)
    await app(scope, receive, last if scope["type"] == "http" else send)

uvicorn.run(dying, port=int(sys.argv[2]), log_level="critical")
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.mark.parametrize("round", range(2))
def test_the_answer_survives_the_server(serve: Callable[..., Any], store_url: str, round: int) -> None:
    port = free_port()
    dying = subprocess.Popen([sys.executable, "-c", DYING, store_url, str(port)], env=dict(os.environ))
    send: dict[str, Any] = {"json": {"description": "once"}, "headers": {"Idempotency-Key": f"round-{round}"}}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            for _ in range(200):
                try:
                    http.get("/livez")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            with pytest.raises(httpx.RemoteProtocolError):
                http.post("/tasks", **send)
        assert dying.wait(20) == -signal.SIGKILL
    finally:
        dying.kill()
        dying.wait()
    again = serve("task", "--database", store_url)
    answer = again.http.post("/tasks", **send)
    assert answer.status_code == 201 and answer.headers["idempotent-replayed"] == "true"
    assert answer.json()["description"] == "once" and answer.headers["location"] == "/tasks/1"
    assert [t["description"] for t in again.http.get("/tasks").json()] == ["once"]
    other = again.http.post("/tasks", json={"description": "two"}, headers=send["headers"])
    assert other.status_code == 422
