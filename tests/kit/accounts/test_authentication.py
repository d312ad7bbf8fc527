"""From a request's headers to who asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backendhub.kit import accounts, clock
from backendhub.kit.accounts import api_keys, authentication, secret, sessions, users
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Invalid, NotFound, Unauthenticated
from backendhub.kit.hub import Hub
from backendhub.kit.identity import Principal

SYSTEM = "accounts"


@pytest.fixture
def ada(accounts_hub: Hub) -> accounts.User:
    return accounts_hub.unit(accounts.add, email="ada@example.com", username="ada", roles=["writer"])


def who(accounts_hub: Hub, request: Any) -> Principal | None:
    return accounts_hub.read(accounts.authenticate, request)


def test_nobody_says_nothing(accounts_hub: Hub, ask: Callable[..., Any]) -> None:
    assert who(accounts_hub, ask()) is None
    assert who(accounts_hub, ask(cookie="theme=dark; other=1")) is None


def test_a_bearer_token(accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User) -> None:
    grant = accounts_hub.unit(accounts.sign_in, accounts_hub, ada)
    for scheme in ("Bearer", "bearer", "BEARER "):
        found = who(accounts_hub, ask(authorization=f"{scheme} {grant.access_token}"))
        assert found == Principal(
            ada.id, "ada", frozenset({"writer"}), frozenset(), "token", grant.session.id
        )
    assert accounts.authenticate(None, ask(authorization=f"Bearer {grant.access_token}")) == found
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(authorization=f"Token {grant.access_token}"))
    token = ask(authorization=f"Token {grant.access_token}")
    assert accounts_hub.read(accounts.authenticate_token, token) == found
    for wrong in ("Basic YTpi", "Bearer", "Bearer x", "Bearer a.b.c", "", "Bearer \xff"):
        with pytest.raises(Unauthenticated):
            who(accounts_hub, ask(authorization=wrong))


def test_an_api_key(accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User) -> None:
    made, text = accounts_hub.unit(api_keys.make, ada.id, name="ci", scopes=["posts:read"])
    for headers in ({"authorization": f"Bearer {text}"}, {"x_api_key": text}):
        found = who(accounts_hub, ask(**headers))
        assert found == Principal(ada.id, "ada", frozenset({"writer"}), frozenset({"posts:read"}), "api-key")
    assert made.start == text[:8]
    accounts_hub.unit(api_keys.revoke, made.id)
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(x_api_key=text))
    kept = accounts_hub.read(lambda db: str(db.fetch("SELECT * FROM accounts_api_key", {})))
    assert text not in kept


def test_a_key_expires_and_goes_with_its_account(
    accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User, frozen: Callable[[str], None]
) -> None:
    soon = clock.precise() + timedelta(seconds=1)
    _, text = accounts_hub.unit(api_keys.make, ada.id, name="ci", expires_at=soon)
    assert who(accounts_hub, ask(x_api_key=text)) is not None
    frozen("2026-01-05T09:00:01Z")
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(x_api_key=text))
    _, other = accounts_hub.unit(api_keys.make, ada.id, name="ci")
    accounts_hub.unit(users.edit, ada.id, status=users.Status.DISABLED)
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(x_api_key=other))


def test_a_mistyped_key_costs_no_query(ask: Callable[..., Any]) -> None:
    text = secret.key()
    assert secret.is_key(text)
    other = ("0" if text[-1] != "0" else "1").join((text[:-1], ""))
    for wrong in (other, text[:-1], text + "0", text.swapcase(), "x" + text[1:], "bhk_" + "ü" * 38, ""):
        assert not secret.is_key(wrong), wrong


def test_when_a_key_was_used_is_noted_once_a_minute(
    accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User, frozen: Callable[[str], None]
) -> None:
    made, text = accounts_hub.unit(api_keys.make, ada.id, name="ci")
    touches = authentication.of(accounts_hub).touches

    def used() -> str:
        who(accounts_hub, ask(x_api_key=text))
        touches.flush()
        return accounts_hub.read(api_keys.get, made.id).last_used_at.isoformat()  # type: ignore[union-attr]

    assert used() == "2026-01-05T09:00:00+00:00"
    frozen("2026-01-05T09:01:00Z")
    assert used() == "2026-01-05T09:00:00+00:00"
    frozen("2026-01-05T09:01:01Z")
    assert used() == "2026-01-05T09:01:01+00:00"
    accounts_hub.close()


def test_names_and_scopes_of_keys(db: Db) -> None:
    ada = users.add(db, username="ada")
    for wrong in (
        {"name": " "},
        {"name": "x" * 201},
        {"name": "x", "scopes": ["Posts"]},
        {"name": "x", "scopes": ["a b"]},
    ):
        with pytest.raises(Invalid):
            api_keys.make(db, ada.id, **wrong)
    with pytest.raises(NotFound):
        api_keys.make(db, "nobody", name="x")
    with pytest.raises(NotFound):
        api_keys.revoke(db, "none")
    one, _ = api_keys.make(db, ada.id, name="x")
    assert api_keys.listed(db) == api_keys.listed(db, ada.id) == [one]


def test_a_session_cookie(
    accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User, frozen: Callable[[str], None]
) -> None:
    engine = sessions.Sessions(lifetime_s=1000, idle_s=100)
    opened = accounts_hub.unit(engine.open, ada, cookie=True)
    cookie = f"a=b; __Host-session={opened.secret}"
    assert who(accounts_hub, ask(cookie=cookie)) == Principal(
        ada.id, "ada", frozenset({"writer"}), frozenset(), "session", opened.session.id
    )
    for at in ("2026-01-05T09:01:30Z", "2026-01-05T09:03:00Z"):  # used, so it is not idle
        frozen(at)
        assert who(accounts_hub, ask(cookie=cookie)) is not None
        authentication.of(accounts_hub).touches.flush()
    renewed = accounts_hub.unit(sessions.renew_cookie, opened.session.id)
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(cookie=cookie))
    assert who(accounts_hub, ask(cookie=f"session={renewed}")) is not None
    frozen("2026-01-05T09:04:41Z")
    with pytest.raises(Unauthenticated):
        who(accounts_hub, ask(cookie=f"session={renewed}"))
    accounts_hub.close()


def test_another_sites_page_changes_nothing(
    accounts_hub: Hub, ask: Callable[..., Any], ada: accounts.User
) -> None:
    opened = accounts_hub.unit(sessions.Sessions().open, ada, cookie=True)
    cookie = f"session={opened.secret}"
    for fine in (
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": "http://a.example", "host": "a.example"},
    ):
        assert who(accounts_hub, ask("POST", cookie=cookie, **fine)) is not None
    for foreign in (
        {},
        {"sec_fetch_site": "cross-site", "origin": "http://a.example", "host": "a.example"},
        {"sec_fetch_site": "same-site"},
        {"origin": "http://evil.example", "host": "a.example"},
        {"origin": "null", "host": "a.example"},
        {"origin": "http://a.example.evil", "host": "a.example"},
    ):
        with pytest.raises(Denied):
            who(accounts_hub, ask("POST", cookie=cookie, **foreign))


def test_what_belongs_to_others() -> None:
    ada, admin = Principal("1", "ada"), Principal("2", "root", frozenset({"admin"}))
    accounts.owned(ada, "1")
    accounts.owned(admin, "1")
    for owner in ("2", None):
        with pytest.raises(Denied):
            accounts.owned(ada, owner)
        with pytest.raises(NotFound):
            accounts.owned(ada, owner, hide=True)


def test_every_statement_is_understood_by_both_engines(db: Db) -> None:
    import re

    from tests.architecture.test_systems import STATEMENT, check

    from backendhub.kit.accounts import store

    found = {n: v for n, v in vars(store).items() if isinstance(v, str) and re.match(STATEMENT, v)}
    assert len(found) > 40
    for name, sql in found.items():
        check(db, name, sql)
