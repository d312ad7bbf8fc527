"""Every door of every system by which somebody makes an account or signs in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.hub import Hub

SYSTEM = "accounts"
PASSWORD = "correct horse battery"
MAIL, NAME = {"email": "new@example.com"}, {"username": "newcomer"}
DOORS: list[tuple[str, dict[str, str], dict[str, str], str, str]] = [
    ("shop", MAIL, MAIL, "/auth/customer/emailpass/register", "/auth/customer/emailpass"),
    ("cinema", MAIL | {"name": "New"}, MAIL, "/users", "/sign-in"),
    ("chat", NAME, {"login": "newcomer"}, "/register", "/login"),
    ("task", MAIL, MAIL, "/register", "/login"),
]


@pytest.mark.parametrize(("system", "new", "login", "up", "into"), DOORS, ids=[door[0] for door in DOORS])
def test_sign_up_can_be_closed_and_guesses_are_counted(
    hub: Hub,
    client: Callable[..., Any],
    system: str,
    new: dict[str, str],
    login: dict[str, str],
    up: str,
    into: str,
) -> None:
    hub.passwords = Passwords(memory_kib=8, passes=1)
    hub.settings.flags |= {"auth": "token", "accounts.signup": "closed"}
    hub.use(system)
    http = client(system)
    assert http.post(up, json=new | {"password": PASSWORD}).status_code == 403
    hub.settings.flags["accounts.signup"] = "open"
    assert http.post(up, json=new | {"password": PASSWORD}).status_code in (200, 201)
    guess = login | {"password": "wrong horse"}
    codes = [http.post(into, json=guess).status_code for _ in range(31)]
    assert codes == [401] * 30 + [429]
