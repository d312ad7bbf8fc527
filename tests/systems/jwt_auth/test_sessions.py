"""Signing up, in and out; refresh tokens; what is not taken."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from backendhub.kit.accounts.passwords import Passwords

NEW = {"x-supabase-api-version": "2024-01-01"}


def test_from_sign_up_to_sign_out(auth: Any) -> None:
    made = auth.sign_up(data={"name": "Ada"})
    assert made["user"]["user_metadata"] == {"name": "Ada"}
    assert made["user"]["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert (made["token_type"], made["expires_in"]) == ("bearer", 3600)
    again = auth.sign_in("ADA@example.com").json()
    assert again["user"]["id"] == made["user"]["id"]
    assert auth.get("/user", again["access_token"]).json()["email"] == "ada@example.com"
    third = auth.refresh(again["refresh_token"]).json()
    assert third["refresh_token"] != again["refresh_token"]
    assert auth.post("/logout?scope=local", third["access_token"]).status_code == 204
    assert auth.get("/user", third["access_token"]).status_code == 403
    assert auth.get("/user", made["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("scope", "left"), [("global", [0, 0]), ("others", [0, 1]), ("local", [1, 0]), ("", [0, 0])]
)
def test_signing_out_elsewhere(auth: Any, scope: str, left: list[int]) -> None:
    tokens = [auth.sign_up()["access_token"], auth.sign_in().json()["access_token"]]
    auth.post(f"/logout?scope={scope}", tokens[1])
    assert [int(auth.get("/user", t).status_code == 200) for t in tokens] == left
    assert (
        auth.post("/logout?scope=x", auth.sign_in().json()["access_token"]).json()["error_code"]
        == "validation_failed"
    )


def test_where_a_supabase_client_looks(auth: Any) -> None:
    auth.sign_up()
    assert (
        auth.post("/auth/v1/token?grant_type=password", email="ada@example.com", password="x").status_code
        == 400
    )
    assert auth.get("/auth/v1/.well-known/jwks.json").json()["keys"][0]["kty"] == "EC"
    assert auth.get("/auth/v1/health").json()["name"] == "backendhub jwt-auth"


def test_the_brief(auth: Any) -> None:
    made = auth.post("/register", email="ada@example.com", password="correct horse battery")
    assert (made.status_code, made.json()["message"]) == (201, "Registered.")
    login = auth.post("/login", email="ada@example.com", password="correct horse battery").json()
    assert auth.get("/me", login["token"]).json()["email"] == "ada@example.com"
    assert auth.post("/refresh", refresh_token=login["refresh_token"]).json()["message"] == "Refreshed."
    for wrong in (auth.get("/me"), auth.post("/login", email="ada@example.com", password="x")):
        assert wrong.status_code in (400, 401)
        assert wrong.json()["message"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/signup", {"email": "a@b.c"}, 400, "validation_failed"),
        ("/signup", {"email": "no address", "password": "correct horse"}, 400, "validation_failed"),
        ("/signup", {"email": "a@b.c\r\nBcc: x@y.z", "password": "correct horse"}, 400, "validation_failed"),
        (
            "/signup",
            {"email": "a@b.c", "phone": "491701234567", "password": "correct horse"},
            400,
            "validation_failed",
        ),
        ("/signup", {"email": "a@b.c", "password": "short"}, 422, "weak_password"),
        ("/signup", {"email": "a@b.c", "password": "password123"}, 422, "weak_password"),
        ("/signup", {"phone": "491701234567", "password": "correct horse"}, 400, "phone_provider_disabled"),
        ("/signup", {}, 422, "anonymous_provider_disabled"),
        ("/signup", {"email": 1}, 400, "validation_failed"),
        ("/signup", {"data": {"x": "y" * 9000}}, 400, "validation_failed"),
        ("/token", {}, 400, "invalid_credentials"),
        ("/token?grant_type=password", {}, 400, "validation_failed"),
        ("/token?grant_type=password", {"email": "a@b.c", "password": "x"}, 400, "invalid_credentials"),
        ("/token?grant_type=refresh_token", {}, 400, "validation_failed"),
        ("/token?grant_type=refresh_token", {"refresh_token": "\0"}, 400, "refresh_token_not_found"),
        ("/token?grant_type=pkce", {"auth_code": "x", "code_verifier": "y"}, 404, "flow_state_not_found"),
        ("/token?grant_type=id_token", {"provider": "google"}, 400, "provider_disabled"),
        ("/recover", {"email": "nobody"}, 400, "validation_failed"),
        ("/recover", {"email": "a@b.c", "code_challenge": "x"}, 400, "validation_failed"),
        ("/verify", {"type": "signup", "token": "1", "token_hash": "2"}, 400, "validation_failed"),
        ("/verify", {"type": "signup", "email": "a@b.c", "token": "123456"}, 403, "otp_expired"),
        ("/verify", {"type": "recovery", "token_hash": "x"}, 403, "otp_expired"),
        ("/nowhere", {}, 404, "not_found"),
    ],
)
def test_what_is_refused(auth: Any, path: str, body: dict[str, Any], status: int, code: str) -> None:
    old, new = auth.post(path, **body), auth.post(path, **body, headers=NEW)
    assert (old.status_code, old.json()["code"], old.json()["error_code"]) == (status, status, code), old.text
    assert (new.status_code, new.json()["code"], new.headers["x-sb-error-code"]) == (status, code, code)
    assert old.json()["msg"] == old.json()["message"] == new.json()["message"]


def test_bodies_that_are_none(auth: Any) -> None:
    for body in (b"{", b"[" * 100_000, b"\xff", b'{"email": "\\ud800"}'):
        done = auth.http.post("/signup", content=body, headers={"content-type": "application/json"})
        assert done.status_code == 400, body[:20]
        assert done.json()["error_code"] in ("bad_json", "validation_failed")
    large = auth.http.post("/signup", content=b"x" * 1_100_000, headers={"content-type": "application/json"})
    assert (large.status_code, large.json()["error_code"]) == (413, "request_entity_too_large")


def test_a_known_address(auth: Any, served: Callable[..., Any]) -> None:
    auth.sign_up()
    again = auth.post("/signup", email="ADA@example.com", password="another fine one")
    assert (again.status_code, again.json()["error_code"]) == (422, "user_already_exists")
    careful = served(limit="0", autoconfirm="false")
    hidden = careful.post("/signup", email="ada@example.com", password="another fine one").json()
    fresh = careful.post("/signup", email="bob@example.com", password="another fine one").json()
    assert set(hidden) == set(fresh) - {"confirmation_sent_at"}
    assert auth.sign_in().status_code == 200


def test_an_unknown_account_looks_like_a_wrong_password(auth: Any) -> None:
    auth.sign_up()
    wrong, unknown = auth.sign_in(password="x y z"), auth.sign_in("nobody@example.com")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())


def test_an_unknown_account_takes_as_long(auth: Any) -> None:
    """With the work that a hash really is, the rest of the request is noise."""
    auth.hub.passwords = Passwords(memory_kib=8192, passes=1, workers=1)
    auth.sign_up()

    def spent(email: str) -> float:
        start = perf_counter()
        auth.sign_in(email, "not the password")
        return perf_counter() - start

    pairs = [(spent("ada@example.com"), spent("nobody@example.com")) for _ in range(15)]
    known, unknown = (median(p[i] for p in pairs) for i in (0, 1))
    assert 0.6 < unknown / known < 1.7, (known, unknown)


def test_a_banned_account(auth: Any) -> None:
    made = auth.sign_up()
    auth.put(f"/admin/users/{made['user']['id']}", auth.admin(), ban_duration="1h")
    assert auth.get("/user", made["access_token"]).status_code == 403
    assert auth.sign_in().json()["error_code"] == "user_banned"
    assert auth.sign_in(password="wrong").json()["error_code"] == "invalid_credentials"
    assert auth.refresh(made["refresh_token"]).status_code == 400
    auth.put(f"/admin/users/{made['user']['id']}", auth.admin(), ban_duration="none")
    assert auth.sign_in().status_code == 200


def test_forged_tokens_are_401(auth: Any) -> None:
    token = auth.sign_up()["access_token"]
    head, body, signature = token.split(".")

    def b64(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    given = json.loads(base64.urlsafe_b64decode(head + "=="))
    forged = [
        f"{b64(given | {'alg': 'none'})}.{body}.",
        f"{b64(given | {'alg': 'HS256'})}.{body}.{signature}",
        f"{b64(given | {'kid': 'other'})}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{b64({'sub': '1', 'role': 'service_role'})}.{signature}",
        "x",
    ]
    for wrong in forged:
        for path in ("/user", "/admin/users"):
            done = auth.get(path, wrong)
            assert (done.status_code, done.json()["error_code"]) == (401, "bad_jwt"), wrong
    assert auth.get("/user").json()["error_code"] == "no_authorization"


def test_tries_are_limited(served: Callable[..., Any]) -> None:
    auth = served(limit="5")
    codes = [auth.sign_in("nobody@example.com").status_code for _ in range(7)]
    assert codes == [400] * 5 + [429] * 2
    told = auth.sign_in("nobody@example.com")
    assert told.json()["error_code"] == "over_request_rate_limit"
    assert int(told.headers["retry-after"]) > 0
    free = served(limit="1000")
    assert [free.sign_in("ada@example.com").status_code for _ in range(32)].count(
        429
    ) == 2  # one login, 30 guesses


def test_anonymous(served: Callable[..., Any]) -> None:
    auth = served(limit="0", anonymous="true", mail_interval="0")
    made = auth.post("/signup", data={"a": 1}).json()
    assert made["user"]["is_anonymous"]
    assert made["user"]["identities"] == []
    token = made["access_token"]
    assert auth.put("/user", token, password="correct horse").json()["error_code"] == "validation_failed"
    assert auth.post("/factors", token, factor_type="totp").status_code == 403
    user = auth.put("/user", token, email="ada@example.com", password="correct horse battery").json()
    assert (user["email"], user["is_anonymous"]) == ("ada@example.com", False)
    assert auth.sign_in().status_code == 200


def test_a_scoped_key_manages_no_account(auth: Any) -> None:
    from backendhub.kit.accounts import api_keys

    user = auth.sign_up()["user"]
    _, limited = auth.hub.unit(api_keys.make, user["id"], name="x", scopes=["posts:read"])
    _, whole = auth.hub.unit(api_keys.make, user["id"], name="x")
    assert auth.get("/user", limited).status_code == 403
    assert auth.get("/user", whole).status_code == 200
    assert auth.put("/user", whole, password="another fine one").json()["error_code"] == "session_not_found"
    assert auth.get("/admin/users", whole).json()["error_code"] == "not_admin"
