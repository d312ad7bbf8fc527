"""`backendhub serve` as a process: readiness, addresses, signals, workers, engines, stores that cannot be used."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from backendhub import registry

APIS = [s.name for s in registry.SYSTEMS if s.has("api")]


def test_one_system_is_at_the_root(serve: Callable[..., Any]) -> None:
    server = serve("task")
    assert "/docs" in server.banner
    assert server.http.get("/tasks").json() == []
    assert server.http.get("/openapi.json").json()["openapi"].startswith("3.1")
    page = server.http.get("/docs").text
    assert "/tasks/{id}" in page and "curl" in page and "http://cdn" not in page and "https://" not in page
    assert server.stop() == 0


def test_several_are_under_their_names(serve: Callable[..., Any]) -> None:
    server = serve("task", "todo")
    assert server.http.get("/task/tasks").json() == [] and server.http.get("/todo/").json() == []
    made = server.http.post("/todo/", json={"title": "x"}).json()
    assert made["url"] == f"{server.url}/todo/{made['id']}"
    assert server.http.get("/tasks").status_code == 404
    index = server.http.get("/").text
    assert "/task/docs" in index and "/todo/docs" in index


def test_all_of_them(serve: Callable[..., Any]) -> None:
    server = serve()
    for name in APIS:
        document = server.http.get(f"/{name}/openapi.json").json()
        assert document["servers"] == [{"url": f"/{name}"}]


def test_sample_data(serve: Callable[..., Any]) -> None:
    assert len(serve("task", "--demo").http.get("/tasks").json()) > 3


def test_memory_is_gone_at_the_end(serve: Callable[..., Any]) -> None:
    server = serve("task", "--memory")
    assert server.http.post("/tasks", json={"description": "x"}).status_code == 201
    server.stop()
    assert serve("task").http.get("/tasks").json() == []


def test_the_terminal_and_the_server_share_one_store(
    serve: Callable[..., Any], process: Callable[..., Any]
) -> None:
    server = serve("task")
    assert process("task", "add", "from the terminal").code == 0
    assert [t["description"] for t in server.http.get("/tasks").json()] == ["from the terminal"]
    server.http.post("/tasks", json={"description": "over HTTP"})
    assert "over HTTP" in process("task", "list").out


def test_a_taken_port_is_one_clear_line(serve: Callable[..., Any], process: Callable[..., Any]) -> None:
    port = str(serve("todo").port)
    ran = process("serve", "todo", "--port", port)
    assert ran.code == 1 and f"Port {port} is taken" in ran.err and "Traceback" not in ran.err


def test_unknown_systems_and_those_without_an_api(process: Callable[..., Any]) -> None:
    ran = process("serve", "taks")
    assert ran.code == 3 and "did you mean `task`" in ran.err


def test_list(process: Callable[..., Any]) -> None:
    assert [line.split("\t")[0] for line in process("serve", "--list").out.splitlines()] == APIS


def test_sigterm_lets_running_requests_finish(serve: Callable[..., Any], tmp_path: Path) -> None:
    """A request whose body is still arriving when the signal comes is answered; new connections are refused."""
    server = serve("task")
    body = b'{"description":"slow"}'
    head = (
        b"POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    with socket.create_connection(("127.0.0.1", server.port)) as link:
        link.sendall(head + body[:5])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        link.sendall(body[5:])
        assert link.recv(100).startswith(b"HTTP/1.1 201")
    assert server.stop() == 0


def test_ctrl_c_ends_it(serve: Callable[..., Any]) -> None:
    server = serve("todo")
    server.http.get("/")
    assert server.stop(signal.SIGINT) in (0, 130)
    assert not any("Traceback" in line for line in server.err)


def test_workers_share_the_store(serve: Callable[..., Any]) -> None:
    server = serve("task", "--workers", "2")
    for n in range(10):
        with httpx.Client(base_url=server.url) as http:
            assert http.post("/tasks", json={"description": str(n)}).status_code == 201
    assert len(server.http.get("/tasks").json()) == 10
    assert server.stop() == 0


def test_workers_of_a_system_in_memory_are_warned_about(serve: Callable[..., Any]) -> None:
    server = serve("todo", "--workers", "2")
    server.stop()
    assert any("memory of one process" in line for line in server.err)


def test_postgres(serve: Callable[..., Any], postgres_url: str) -> None:
    server = serve("task", "--database", postgres_url)
    made = server.http.post(
        "/tasks", json={"description": "x", "tags": ["b", "a"], "due": "2026-02-28"}
    ).json()
    assert server.http.get(f"/tasks/{made['id']}").json() == made and made["tags"] == ["a", "b"]
    assert server.http.get("/tasks?q=x&sort=-due").json() == [made]


def test_stores_that_cannot_be_used(process: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    text = tmp_path / "text.db"
    text.write_text("this is no database, but it is long enough to be looked at " * 20)
    for store in (str(folder), str(text), "postgresql://postgres@127.0.0.1:1/x"):
        ran = process("serve", "task", "--database", store, "--port", "0")
        assert ran.code == 7 and "Traceback" not in ran.err and len(ran.err.splitlines()) <= 3, ran.err
    assert text.read_text().startswith("this is no database")
    assert process("serve", "task", "--database", "mysql://x").code == 2


def test_a_host_beyond_loopback_is_warned_about(command: list[str]) -> None:
    with subprocess.Popen(
        [*command, "serve", "todo", "--host", "0.0.0.0", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        assert process.stdout is not None and "Serving todo" in process.stdout.readline()
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert "nothing asks for a password" in err


def test_openapi_without_a_server(process: Callable[..., Any]) -> None:
    assert json.loads(process("openapi", "todo").out)["info"]["title"] == "backendhub todo"


@pytest.mark.parametrize("name", APIS)
def test_openapi_is_valid(cli: Callable[..., Any], name: str) -> None:
    from openapi_spec_validator import validate

    validate(json.loads(cli("openapi", name).out))
