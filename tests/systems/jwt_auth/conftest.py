"""jwt-auth served in this process on a store of each engine, with hashing that takes no time."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html import unescape
from typing import Any

import pytest

from backendhub import registry
from backendhub.kit import mail, web
from backendhub.kit.accounts import users
from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.hub import Hub
from backendhub.kit.mail.read import Opened, opened
from backendhub.kit.settings import Settings
from backendhub.systems.jwt_auth import store as statements

PASSWORD = "correct horse battery"


class Auth:
    """A server and what its clients do."""

    def __init__(self, http: Any, hub: Hub) -> None:
        self.http = http
        self.hub = hub

    def post(self, path: str, token: str | None = None, /, **body: Any) -> Any:
        """A response to a JSON body; extra headers as `headers=`."""
        headers = body.pop("headers", {}) | self.bearer(token)
        return self.http.post(path, json=body, headers=headers)

    def put(self, path: str, token: str | None = None, /, **body: Any) -> Any:
        return self.http.put(path, json=body, headers=self.bearer(token))

    def get(self, path: str, token: str | None = None) -> Any:
        return self.http.get(path, headers=self.bearer(token), follow_redirects=False)

    def delete(self, path: str, token: str | None = None) -> Any:
        return self.http.delete(path, headers=self.bearer(token))

    @staticmethod
    def bearer(token: str | None) -> dict[str, str]:
        return {} if token is None else {"authorization": f"Bearer {token}"}

    def sign_up(self, email: str = "ada@example.com", password: str = PASSWORD, **more: Any) -> Any:
        done = self.post("/signup", email=email, password=password, **more)
        assert done.status_code == 200, done.text
        return done.json()

    def sign_in(self, email: str = "ada@example.com", password: str = PASSWORD) -> Any:
        return self.post("/token?grant_type=password", email=email, password=password)

    def refresh(self, token: str) -> Any:
        return self.post("/token?grant_type=refresh_token", refresh_token=token)

    def sent(self, to: str = "ada@example.com") -> list[dict[str, Any]]:
        """Mails to an address or text messages to a number, the newest first, with the link and code in them."""
        if "@" in to:
            mails = self.hub.read(lambda db: mail.find(db, limit=200))
            return [_read(opened(m)) for m in mails if m.recipients == [to]]
        rows = self.hub.read(lambda db: db.fetch(statements.MESSAGES, {"recipient": to}))
        return [{"template": t, **json.loads(data)} for t, data in rows]

    def admin(self) -> str:
        """The API key of an administrator."""
        from backendhub.kit.accounts import api_keys

        def make(db: Db) -> str:
            user = users.by_email(db, "root@example.com") or users.add(
                db, email="root@example.com", roles=["admin"]
            )
            return api_keys.make(db, user.id, name="test")[1]

        return self.hub.unit(make)


SUBJECTS = {
    "Confirm your address": "signup",
    "Your link to sign in": "magiclink",
    "Set a new password": "recovery",
    "You are invited": "invite",
    "Confirm the change of your address": "email_change_current",
    "Confirm your new address": "email_change_new",
    "Your code": "reauthentication",
}


def _read(found: Opened) -> dict[str, Any]:
    """What somebody who reads a mail finds in it. Its HTML has to say the same."""
    link, code = re.search(r"http\S+/verify\?\S+", found.text), re.search(r"\b\d{6,10}$", found.text, re.M)
    assert code is not None
    html = unescape(found.html or "")
    assert f">{code[0]}<" in html
    assert (f'href="{link[0]}"' in html) if link is not None else ("href" not in html)
    return {
        "template": SUBJECTS[found.subject],
        "link": link[0] if link is not None else None,
        "code": code[0],
        "text": found.text,
    }


@pytest.fixture(scope="session")
def _schema(_schemas: Callable[[], Any]) -> Callable[[], str]:
    """The URL of one PostgreSQL schema for all of these tests: making one takes longer than most of them."""
    made: list[str] = []
    return lambda: made[0] if made else made.append(_schemas().make()) or made[0]  # type: ignore[func-returns-value]


@pytest.fixture
def store(engine: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store on each engine, whose commits are real."""
    if engine == "sqlite":
        opened = connect(":memory:")
    else:
        opened = connect(request.getfixturevalue("_schema")())
    opened.use("jwt-auth")
    opened.unit(_empty)
    yield opened
    opened.close()


def _empty(db: Db) -> None:
    for table in (
        "accounts_user",
        "accounts_signing_key",
        "accounts_challenge",
        "jwt_auth_message",
        "mail_message",
        "jobs_job",
    ):
        db.run(f"DELETE FROM {table}")


@pytest.fixture
def served(store: Store) -> Iterator[Callable[..., Auth]]:
    """`served(autoconfirm="false")`: a server with these settings."""
    with ExitStack() as stack:

        def start(**settings: str) -> Auth:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from starlette.testclient import TestClient
            row = registry.find("jwt-auth")
            assert row is not None
            flags = {f"jwt_auth.{name}": value for name, value in settings.items() if "." not in name}
            flags |= {name: value for name, value in settings.items() if "." in name}
            hub = Hub(Settings(flags, declared=row.settings, environ={}), store=store)
            hub.passwords = Passwords(memory_kib=8, passes=1)
            application: Any = web.build_app([row], hub, single=True, log_format="none")
            http = stack.enter_context(TestClient(application, raise_server_exceptions=False))
            return Auth(http, hub)

        yield start


@pytest.fixture
def auth(served: Callable[..., Auth]) -> Auth:
    """A server as it is out of the box, without limits."""
    return served(limit="0", mail_interval="0")
