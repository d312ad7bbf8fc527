"""Administration: accounts, links, keys that others share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

SECRET = "a secret that others share, 32 bytes or more"


def test_accounts(auth: Any) -> None:
    key = auth.admin()
    made = auth.post(
        "/admin/users", key, email="ada@example.com", password="correct horse battery", email_confirm=True,
        user_metadata={"a": 1}, app_metadata={"plan": "x"}, role="writer",
    ).json()  # fmt: skip
    assert (made["role"], made["user_metadata"]) == ("writer", {"a": 1})
    assert made["app_metadata"] == {"provider": "email", "providers": ["email"], "plan": "x"}
    path = f"/admin/users/{made['id']}"
    token = auth.sign_in().json()["access_token"]
    changed = auth.put(path, key, user_metadata={"a": None, "b": 2}, email="lovelace@example.com").json()
    assert (changed["user_metadata"], changed["email"]) == ({"b": 2}, "lovelace@example.com")
    auth.put(path, key, password="quite another one")
    assert auth.get("/user", token).status_code == 403
    assert auth.get(path, key).json()["email"] == "lovelace@example.com"
    assert auth.delete(path, key).json() == {}
    assert auth.get(path, key).json()["error_code"] == "user_not_found"


def test_a_deleted_account_may_leave_its_id(auth: Any) -> None:
    key, made = auth.admin(), auth.sign_up()
    path = f"/admin/users/{made['user']['id']}"
    gone = auth.http.request("DELETE", path, json={"should_soft_delete": True}, headers=auth.bearer(key))
    assert gone.status_code == 200
    left = auth.get(path, key).json()
    assert (left["email"], left["user_metadata"], "deleted_at" in left) == ("", {}, True)
    assert auth.get("/user", made["access_token"]).status_code == 403
    assert auth.sign_in().status_code == 400
    assert [u["email"] for u in auth.get("/admin/users", key).json()["users"]] == ["root@example.com"]
    auth.sign_up()


def test_pages(auth: Any) -> None:
    key = auth.admin()
    for n in range(5):
        auth.sign_up(f"user{n}@example.com")
    first = auth.get("/admin/users?page=1&per_page=2", key)
    assert [u["email"] for u in first.json()["users"]] == ["user4@example.com", "user3@example.com"]
    assert first.headers["x-total-count"] == "6"
    assert first.headers["link"] == (
        '</admin/users?page=2&per_page=2>; rel="next", </admin/users?page=3&per_page=2>; rel="last"'
    )
    assert len(auth.get("/admin/users?page=3&per_page=2", key).json()["users"]) == 2
    assert auth.get("/admin/users?page=9&per_page=2", key).json()["users"] == []
    assert len(auth.get("/admin/users?page=&per_page=", key).json()["users"]) == 6
    assert auth.get("/admin/users?page=-1", key).status_code == 400


def test_a_password_of_another_product(auth: Any) -> None:
    import bcrypt

    stored = bcrypt.hashpw(b"correct horse battery", bcrypt.gensalt(4)).decode()
    auth.post("/admin/users", auth.admin(), email="ada@example.com", password_hash=stored, email_confirm=True)
    assert auth.sign_in().status_code == 200
    assert auth.sign_in().status_code == 200
    kept = auth.hub.read(lambda db: db.value("SELECT hash FROM accounts_password"))
    assert kept.startswith("$argon2id$")
    bad = auth.post("/admin/users", auth.admin(), email="b@example.com", password_hash="md5")
    assert bad.json()["error_code"] == "validation_failed"


def test_what_is_refused(auth: Any) -> None:
    key, made = auth.admin(), auth.sign_up()
    checks: list[tuple[Any, int, str]] = [
        (auth.post("/admin/users", key), 400, "validation_failed"),
        (auth.post("/admin/users", key, email="ada@example.com"), 422, "email_exists"),
        (auth.post("/admin/users", key, email="x@y.z", id="1"), 400, "validation_failed"),
        (auth.post("/admin/users", key, email="x@y.z", ban_duration="forever"), 400, "validation_failed"),
        (auth.get("/admin/users/1", key), 404, "validation_failed"),
        (auth.get(f"/admin/users/{uuid4()}", key), 404, "user_not_found"),
        (auth.get("/admin/users", made["access_token"]), 403, "not_admin"),
        (auth.get("/admin/users"), 401, "no_authorization"),
        (auth.post("/invite", made["access_token"], email="x@y.z"), 403, "not_admin"),
        (auth.put("/user", made["access_token"], app_metadata={"role": "admin"}), 403, "not_admin"),
    ]
    for done, status, code in checks:
        assert (done.status_code, done.json()["error_code"]) == (status, code), done.text
    root = auth.hub.read(lambda db: db.value("SELECT id FROM accounts_user WHERE email = 'root@example.com'"))
    assert auth.delete(f"/admin/users/{root}", key).status_code == 409  # the last administrator


def test_signing_up_makes_no_administrator(auth: Any) -> None:
    made = auth.sign_up(
        data={"role": "admin", "roles": ["admin"]}, role="admin", app_metadata={"role": "admin"}
    )
    assert made["user"]["role"] == "authenticated"
    assert auth.get("/admin/users", made["access_token"]).status_code == 403


def test_invitations_and_links(auth: Any) -> None:
    key = auth.admin()
    invited = auth.post("/invite", key, email="ada@example.com", data={"a": 1}).json()
    assert invited["invited_at"]
    assert auth.sent()[0]["template"] == "invite"
    link = auth.post("/admin/generate_link", key, type="magiclink", email="new@example.com").json()
    assert link["verification_type"] == "signup"
    assert auth.sent("new@example.com") == []
    done = auth.post("/verify", type="signup", token_hash=link["hashed_token"]).json()
    assert done["user"]["email"] == "new@example.com"
    link = auth.post("/admin/generate_link", key, type="recovery", email="new@example.com").json()
    assert (
        auth.post("/verify", type="recovery", email="new@example.com", token=link["email_otp"]).status_code
        == 200
    )
    for body, code in (
        ({"type": "recovery", "email": "nobody@example.com"}, "user_not_found"),
        ({"type": "x", "email": "new@example.com"}, "validation_failed"),
        ({"type": "signup", "email": "new@example.com", "password": "correct horse"}, "email_exists"),
        (
            {"type": "email_change_new", "email": "new@example.com", "new_email": "root@example.com"},
            "email_exists",
        ),
    ):
        assert auth.post("/admin/generate_link", key, **body).json()["error_code"] == code


def test_a_server_with_the_shared_secret(served: Callable[..., Any]) -> None:
    auth = served(limit="0", **{"accounts.algorithm": "HS256", "accounts.secret": SECRET})
    user = auth.sign_up()

    def signed(secret: str = SECRET, **claims: Any) -> str:
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret), algorithms=["HS256"])

    assert auth.get("/admin/users", signed(role="service_role")).status_code == 200
    assert auth.get("/admin/users", signed(role="service_role", exp=4e9)).status_code == 200
    for wrong in (
        signed(role="service_role", exp=1),
        signed(role="service_role", exp="never"),
        signed(role="service_role", nbf=4e9),
        signed(role="anon"),
        signed("another secret, 32 bytes or more also", role="service_role"),
        user["access_token"],
    ):
        assert auth.get("/admin/users", wrong).status_code in (401, 403), wrong


def test_a_server_with_an_imported_key(auth: Any) -> None:
    from backendhub.kit.accounts import tokens

    key = RSAKey.generate_key(2048)
    auth.hub.unit(tokens.import_key, key.as_dict(private=True) | {"kid": "theirs"})
    service = jwt.encode(
        {"alg": "RS256", "kid": "theirs"}, {"role": "service_role"}, key, algorithms=["RS256"]
    )
    assert auth.get("/admin/users", service).status_code == 200
    ours = auth.hub.unit(tokens.current_key, "ES256")
    import json

    from joserfc.jwk import import_key

    forged = jwt.encode(
        {"alg": "ES256", "kid": ours[0]},
        {"role": "service_role"},
        import_key(json.loads(ours[1]), "EC"),
        algorithms=["ES256"],
    )
    assert auth.get("/admin/users", forged).status_code == 401  # a key of our own signs for accounts only
