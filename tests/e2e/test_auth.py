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


def test_sign_up_can_be_closed_at_every_door(
    command: list[str], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKENDHUB_JWT_AUTH_ANONYMOUS", "true")
    ada = {"email": "ada@example.com", "password": "correct horse battery"}
    subprocess.run(
        [*command, "user", "add", ada["email"], "--stdin"],
        input=ada["password"].encode(),
        capture_output=True,
        check=True,
    )
    new = {"email": "new@example.com", "password": "correct horse battery", "username": "new"}
    doors: list[tuple[str, dict[str, Any], int]] = [
        ("/task/register", new, 403),
        ("/expense/register", new, 403),
        ("/blog/api/users", {"user": new}, 403),
        ("/jwt-auth/signup", new, 422),
        ("/jwt-auth/signup", {}, 422),
        ("/jwt-auth/register", new, 422),
        ("/jwt-auth/otp", {"email": new["email"]}, 200),  # the same for whoever asks, and no account
    ]
    names = ("task", "expense", "blog", "jwt-auth", "--auth", "token")
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_SIGNUP", "closed")
    server = serve(*names)
    answers = [(path, server.http.post(path, json=body).status_code) for path, body, _ in doors]
    assert answers == [(path, status) for path, _, status in doors]
    for path, body in (
        ("/task/login", ada),
        ("/expense/login", ada),
        ("/blog/api/users/login", {"user": ada}),
    ):
        assert server.http.post(path, json=body).status_code == 200, path
    assert server.http.post("/jwt-auth/token?grant_type=password", json=ada).status_code == 200
    server.stop()
    listed = subprocess.run(
        [*command, "user", "list", "--fields", "email"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == [ada["email"]]
    assert "Sign-up is closed" in "".join(server.err)
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_SIGNUP", "open")
    server = serve(*names)
    assert server.http.post("/expense/register", json=new).status_code == 201
    server.stop()
    assert "Sign-up is open to whoever reaches it" in "".join(server.err)
    monkeypatch.setenv("BACKENDHUB_ACCOUNTS_SIGNUP", "maybe")
    wrong = subprocess.run([*command, "serve", "todo"], capture_output=True, text=True)
    assert (wrong.returncode, "say open or closed" in wrong.stderr) == (2, True)


def test_several_workers_without_a_redis_sign_people_in(serve: Callable[..., Any]) -> None:
    server = serve("task", "jwt-auth", "--auth", "token", "--workers", "2")
    ada = {"email": "ada@example.com", "password": "correct horse battery"}
    assert server.http.post("/task/register", json=ada).status_code == 201
    wrong = [server.http.post("/task/login", json=ada | {"password": "x"}).status_code for _ in range(62)]
    assert set(wrong) == {401, 429}  # each of the two lets thirty through
    eve = ada | {"email": "eve@example.com"}
    assert server.http.post("/jwt-auth/signup", json=eve).status_code == 200
    assert server.http.post("/jwt-auth/token?grant_type=password", json=eve).status_code == 200
