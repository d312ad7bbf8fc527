"""`backendhub user`: accounts, tokens, keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import accounts
from backendhub.kit.db import connect
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings, user_dir

PASSWORD = "correct horse battery"


def rows(ran: Any) -> Any:
    assert ran.code == 0, ran
    return json.loads(ran.out)


@pytest.fixture
def user(cli: Any) -> Any:
    """`user("list")`: a command of `backendhub user`; there is an account ada@example.com."""

    def run(*args: str, stdin: str = "", tty: bool = False) -> Any:
        return cli("user", *args, stdin=stdin, tty=tty)

    ran = run("add", "ada@example.com", "--username", "ada", "--stdin", stdin=PASSWORD + "\n")
    assert re.fullmatch(r"Added ada \(\S{36}\)\.\n", ran.out), ran
    return run


def opened() -> Hub:
    """What the commands wrote."""
    store = connect(str(user_dir("data") / "hub.db"))
    store.use("accounts")
    return Hub(Settings(environ={}), store=store)


def test_the_first_account_is_no_administrator_unless_told(user: Any) -> None:
    assert rows(user("list", "--json"))[0]["roles"] == []
    user("add", "root@example.com", "--admin", "--role", "editor", "--no-password")
    assert rows(user("show", "root@example.com", "--json"))["roles"] == ["admin", "editor"]
    assert rows(user("show", "root@example.com", "--json"))["password"] == "none"


def test_passwords_never_come_by_argument(user: Any) -> None:
    assert user("add", "b@example.com").code == 2
    assert "--stdin or --generate" in user("add", "b@example.com").err
    assert user("add", "b@example.com", "--stdin", "--generate").code == 2
    assert user("add", "b@example.com", "--stdin", stdin="password123\n").code == 2
    assert user("add", "b@example.com", "--stdin", stdin="short\n").code == 2
    assert user("add", "not an address", "--stdin", stdin=PASSWORD).code == 2
    assert user("add").code == 2
    made = user("add", "b@example.com", "--generate")
    assert re.search(r"Password: \S{20}\n", made.err)
    assert len(rows(user("list", "--json"))) == 2


def test_a_password_can_be_typed(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "another"])
    monkeypatch.setattr("getpass.getpass", lambda *a, **k: next(typed))
    assert user("add", "b@example.com", tty=True).code == 0
    assert user("passwd", "b@example.com", tty=True).code == 2


def test_names_are_taken_once(user: Any) -> None:
    ran = user("add", "ADA@example.com", "--stdin", stdin=PASSWORD)
    assert (ran.code, ran.err) == (1, "Error: There is already an account with this email.\n")


def test_roles(user: Any) -> None:
    assert user("promote", "ada").out == "ada is now: admin.\n"
    assert user("promote", "ada", "--role", "writer").out == "ada is now: admin, writer.\n"
    assert user("demote", "ada").code == 1
    assert user("demote", "ada", "--role", "writer").out == "ada is now: admin.\n"
    assert user("disable", "ada").code == 1
    assert user("remove", "ada", "--yes").code == 1
    user("add", "root@example.com", "--admin", "--no-password")
    assert user("demote", "ada").out == "ada is now: without a role.\n"
    assert [u["email"] for u in rows(user("list", "--role", "admin", "--json"))] == ["root@example.com"]


def test_disabled_and_removed(user: Any) -> None:
    token = user("token", "ada").out.strip()
    user("disable", "ada")
    assert [u["username"] for u in rows(user("list", "--disabled", "--json"))] == ["ada"]
    hub = opened()
    with pytest.raises(accounts.authentication.Unauthenticated):
        hub.read(accounts.bearer, accounts.of(hub), token)
    hub.close()
    assert user("enable", "ada").out == "ada is active.\n"
    assert user("remove", "ada").code == 2
    assert user("remove", "ada", "--yes").out == "Removed ada.\n"
    assert user("show", "ada").code == 3
    assert user("list").out == ""


def test_a_token_holds_until_it_is_taken_back(user: Any) -> None:
    token = user("token", "ada", "--for", "8h", "--scope", "posts:read").out.strip()
    hub = opened()
    who = hub.read(accounts.bearer, accounts.of(hub), token)
    assert (who.name, who.scopes) == ("ada", {"posts:read"})
    assert rows(user("sessions", "ada", "--json"))[0]["userAgent"] == "backendhub user token"
    assert user("logout", "ada").err == "Ended 1 sign-ins.\n"
    with pytest.raises(accounts.authentication.Unauthenticated):
        hub.read(accounts.bearer, accounts.of(hub), token)
    hub.close()
    assert user("token", "ada", "--for", "yesterday").code == 2
    assert user("token", "nobody").code == 3
    assert user("token", "ada", "--scope", "Not A Scope").code == 2


def test_changing_a_password_ends_the_sign_ins(user: Any) -> None:
    user("token", "ada")
    ran = user("passwd", "ada", "--stdin", "--keep-sessions", stdin="another fine password\n")
    assert ran.err == "Changed the password of ada; 0 sign-ins ended.\n"
    assert user("passwd", "ada", "--generate").err.endswith("1 sign-ins ended.\n")


def test_keys(user: Any) -> None:
    made = rows(
        user("key", "add", "ada", "--name", "ci", "--scope", "posts:read", "--expires", "90d", "--json")
    )
    hub = opened()
    assert hub.read(accounts.bearer, accounts.of(hub), made["secret"]).via == "api-key"
    hub.close()
    listed = rows(user("key", "list", "ada", "--json"))
    assert (listed[0]["name"], listed[0]["start"]) == ("ci", made["secret"][:8])
    assert made["secret"] not in str(listed)
    assert user("key", "revoke", made["id"]).out == f"Revoked ci ({made['secret'][:8]}…).\n"
    assert user("key", "revoke", "none").code == 3
    assert rows(user("show", "ada", "--json"))["keys"] == 0


def test_signing_keys(user: Any) -> None:
    assert user("signing", "list").out == ""
    user("token", "ada")
    old = rows(user("signing", "list", "--json"))[0]["id"]
    new = user("signing", "rotate", "--overlap", "60").out.strip()
    assert [k["id"] for k in rows(user("signing", "list", "--json"))] == [new, old]
    assert user("signing", "revoke", old).code == 2
    assert user("signing", "revoke", old, "--yes").code == 0
    assert [k["id"] for k in rows(user("signing", "list", "--json"))] == [new]


def test_a_key_of_another_product(user: Any, tmp_path: Path) -> None:
    from joserfc.jwk import ECKey, RSAKey

    keys = [
        k.as_dict(private=True) | {"kid": name}
        for k, name in ((ECKey.generate_key(), "one"), (RSAKey.generate_key(), "two"))
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": keys}))
    assert user("signing", "import", str(file)).out == "one\ntwo\n"
    assert {k["algorithm"] for k in rows(user("signing", "list", "--json"))} == {"ES256", "RS256"}
    token = user("token", "ada").out.strip()
    hub = opened()
    assert hub.read(accounts.bearer, accounts.of(hub), token).name == "ada"
    hub.close()
    public = json.dumps(ECKey.generate_key().as_dict(private=False))
    for wrong in (public, "{}", "[]", "x", '{"kty": "oct", "k": "AAAA"}', json.dumps(keys[0])):
        assert user("signing", "import", "-", stdin=wrong).code == 2, wrong


def test_secrets_are_encrypted_where_there_is_a_key(
    user: Any, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctor() -> str:
        found = [line for line in json.loads(cli("doctor", "--json").out) if line["check"] == "secrets"]
        return " ".join(f"{line['status']} {line['detail']}" for line in found)

    assert doctor() == ""
    assert user("signing", "rotate").code == 0
    assert "not encrypted" in doctor()
    assert user("secret", "apply").code == 2
    keys = [user("secret", "key").out.strip() for _ in range(2)]
    monkeypatch.setenv("BACKENDHUB_SECRET_KEY", keys[0])
    assert doctor() == "warn 1 of 1 secrets are not encrypted yet"
    assert user("secret", "apply").out == "1 secrets encrypted with the first key\n"
    assert doctor() == "ok 1 secrets (signing keys, TOTP, webhooks), encrypted"
    hook = json.loads(cli("webhook", "add", "https://example.org/hook", "--json").out)
    assert doctor().startswith("ok 2 secrets")
    monkeypatch.setenv("BACKENDHUB_SECRET_KEY", keys[1])
    assert doctor().startswith("fail 2 ")
    assert user("secret", "apply").code == 7
    assert cli("webhook", "secret", hook["id"]).code == 7
    monkeypatch.setenv("BACKENDHUB_SECRET_KEY", f"{keys[1]} {keys[0]}")
    assert user("secret", "apply", "--plain").code == 0
    monkeypatch.delenv("BACKENDHUB_SECRET_KEY")
    assert doctor().startswith("ok 2 ")
    assert cli("webhook", "secret", hook["id"]).out.strip() == hook["secret"]
