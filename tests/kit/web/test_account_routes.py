"""`/register`, `/login` and `/refresh`, as any system may offer them, on each engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import account_routes, accounts, web
from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.hub import Hub

ADA = {"email": "ada@example.com", "password": "correct horse battery"}


@pytest.fixture
def door(engine_hub: Hub, mount: Callable[..., Any]) -> Callable[..., Any]:
    """`door()`: a system with the routes under `--auth token`."""

    def make(auth: str = "token") -> Any:
        router = web.Router("Things")
        account_routes.add(router, "thing")

        @router.get("/me")
        def me(user: web.CurrentUser) -> dict[str, str]:
            return {"id": user.id}

        engine_hub.store.use("accounts")
        engine_hub.settings.flags["auth"] = auth
        engine_hub.passwords = Passwords(memory_kib=8, passes=1)
        known = web.Authenticator(accounts.authenticate, accounts.SCHEMES) if auth == "token" else None
        return mount(router, on=engine_hub, auth=known)

    return make


def me(http: Any, told: dict[str, Any]) -> int:
    assert set(told) == {"token", "refresh_token", "expires_in"}
    code: int = http.get("/me", headers={"authorization": f"Bearer {told['token']}"}).status_code
    return code


def test_in_and_on(door: Callable[..., Any]) -> None:
    http = door()
    made = http.post("/register", json=ADA | {"name": "Ada"})
    assert (made.status_code, me(http, made.json())) == (201, 200)
    login = http.post("/login", json=ADA | {"email": "ADA@example.com", "more": 1})
    assert (login.status_code, me(http, login.json())) == (200, 200)
    on = http.post("/refresh", json={"refresh_token": login.json()["refresh_token"]})
    assert (on.status_code, me(http, on.json())) == (200, 200)
    assert http.get("/me").status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/login", ADA | {"password": "wrong"}, 401, "Unauthorized"),
        ("/login", ADA | {"email": "nobody@example.com"}, 401, "Unauthorized"),
        ("/login", {"email": ADA["email"]}, 400, None),
        ("/refresh", {"refresh_token": "x"}, 401, "Unauthorized"),
        ("/register", ADA, 409, None),
        ("/register", ADA | {"email": "no address"}, 400, None),
        ("/register", {"email": "b@example.com", "password": "password123"}, 400, None),
    ],
)
def test_what_is_refused(
    door: Callable[..., Any], path: str, body: dict[str, str], status: int, message: str | None
) -> None:
    http = door()
    http.post("/register", json=ADA)
    done = http.post(path, json=body)
    assert done.status_code == status, done.text
    assert message is None or done.json()["message"] == message


def test_without_accounts_a_token_would_mean_nothing(door: Callable[..., Any]) -> None:
    http = door("none")
    for path, body in (("/register", ADA), ("/login", ADA), ("/refresh", {"refresh_token": "x"})):
        done = http.post(path, json=body)
        assert (done.status_code, "serve thing --auth token" in done.text) == (409, True), path


def test_sign_up_can_be_closed(door: Callable[..., Any], engine_hub: Hub) -> None:
    http = door()
    assert http.post("/register", json=ADA).status_code == 201
    engine_hub.settings.flags["accounts.signup"] = "closed"
    closed = http.post("/register", json=ADA | {"email": "b@example.com"})
    assert (closed.status_code, closed.json()["message"]) == (403, "Forbidden")
    assert http.post("/login", json=ADA).status_code == 200


def test_guesses_are_counted_for_a_login_and_tries_for_an_address(
    door: Callable[..., Any], engine_hub: Hub
) -> None:
    http = door()
    engine_hub.settings.flags["accounts.tries"] = "50"
    wrong = {"email": "x@example.com", "password": "y"}
    codes = [http.post("/login", json=wrong).status_code for _ in range(31)]
    assert codes == [401] * 30 + [429]
    assert http.post("/login", json=wrong | {"email": "z@example.com"}).status_code == 401
    codes = [http.post("/register", json={"email": "no", "password": "y"}).status_code for _ in range(51)]
    assert codes == [400] * 50 + [429]
    codes = [http.post("/refresh", json={"refresh_token": "x"}).status_code for _ in range(51)]
    assert codes == [401] * 50 + [429]
    engine_hub.settings.flags["accounts.tries"] = "0"
    assert http.post("/register", json={"email": "no", "password": "y"}).status_code == 400
