"""jwt-auth driven by `supabase-auth`, the client library of Supabase, as it comes from PyPI."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from supabase_auth import SyncGoTrueAdminAPI, SyncGoTrueClient
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

PASSWORD = "correct horse battery"


@pytest.fixture
def server(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("BACKENDHUB_JWT_AUTH_ANONYMOUS", "true")
    return serve("jwt-auth")


@pytest.fixture
def client(server: Any) -> Callable[[], SyncGoTrueClient]:
    """A new client of the server, as a front end makes one."""
    return lambda: SyncGoTrueClient(
        url=f"{server.url}/auth/v1", auto_refresh_token=False, persist_session=True
    )


@pytest.fixture
def admin(server: Any, command: list[str]) -> SyncGoTrueAdminAPI:
    """The administrators' client, with an API key made on the command line."""

    def user(*words: str) -> str:
        return subprocess.run(
            [*command, "user", *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    user("add", "root@example.com", "--admin", "--no-password")
    key = user("key", "add", "root@example.com", "--name", "test", "--fields", "secret")
    return SyncGoTrueAdminAPI(url=server.url, headers={"Authorization": f"Bearer {key}"})


def test_an_account_from_sign_up_to_sign_out(client: Callable[[], SyncGoTrueClient]) -> None:
    auth = client()
    made = auth.sign_up(
        {"email": "ada@example.com", "password": PASSWORD, "options": {"data": {"name": "Ada"}}}
    )
    assert made.session is not None and made.user is not None
    assert made.user.user_metadata == {"name": "Ada"}
    claims = auth.get_claims()  # verified with the public key, without asking who it is
    assert claims is not None and claims["claims"].get("email") == "ada@example.com"
    before = made.session.refresh_token
    renewed = auth.refresh_session().session
    assert renewed is not None and renewed.refresh_token != before
    changed = auth.update_user({"data": {"name": "Ada Lovelace"}, "password": "quite another one"})
    assert changed.user.user_metadata == {"name": "Ada Lovelace"}
    auth.sign_out()
    assert auth.get_session() is None
    with pytest.raises(AuthApiError, match="Invalid login credentials"):
        auth.sign_in_with_password({"email": "ada@example.com", "password": PASSWORD})
    auth.sign_in_with_password({"email": "ada@example.com", "password": "quite another one"})
    shown = auth.get_user()
    assert shown is not None and shown.user.email == "ada@example.com"
    with pytest.raises(AuthWeakPasswordError):
        client().sign_up({"email": "bob@example.com", "password": "password123"})


def test_a_second_factor(client: Callable[[], SyncGoTrueClient]) -> None:
    auth = client()
    auth.sign_up({"email": "ada@example.com", "password": PASSWORD})
    factor = auth.mfa.enroll({"factor_type": "totp", "friendly_name": "phone", "issuer": "test"})
    assert factor.totp is not None
    assert auth.mfa.get_authenticator_assurance_level().current_level == "aal1"
    code = pyotp.TOTP(factor.totp.secret).now()
    auth.mfa.challenge_and_verify({"factor_id": factor.id, "code": code})
    level = auth.mfa.get_authenticator_assurance_level()
    assert (level.current_level, level.next_level) == ("aal2", "aal2")
    assert [f.friendly_name for f in auth.mfa.list_factors().totp] == ["phone"]
    auth.mfa.unenroll({"factor_id": factor.id})


def test_administration_and_a_magic_link(
    client: Callable[[], SyncGoTrueClient], admin: SyncGoTrueAdminAPI
) -> None:
    made = admin.create_user(
        {"email": "grace@example.com", "email_confirm": True, "user_metadata": {"a": 1}}
    ).user
    assert [u.email for u in admin.list_users()] == ["grace@example.com", "root@example.com"]
    assert admin.update_user_by_id(made.id, {"user_metadata": {"b": 2}}).user.user_metadata == {
        "a": 1,
        "b": 2,
    }
    link = admin.generate_link({"type": "magiclink", "email": "grace@example.com"})
    auth = client()
    auth.verify_otp({"type": "magiclink", "token_hash": link.properties.hashed_token})
    shown = auth.get_user()
    assert shown is not None and shown.user.id == made.id
    with pytest.raises(AuthApiError, match="expired"):
        client().verify_otp({"type": "magiclink", "token_hash": link.properties.hashed_token})
    admin.delete_user(made.id)
    with pytest.raises(AuthApiError, match="does not exist"):
        auth.get_user()


def test_nobody_in_particular(client: Callable[[], SyncGoTrueClient]) -> None:
    auth = client()
    made = auth.sign_in_anonymously()
    assert made.user is not None and made.user.is_anonymous
    named = auth.update_user({"email": "ada@example.com", "password": PASSWORD}).user
    assert (named.email, named.is_anonymous) == ("ada@example.com", False)
