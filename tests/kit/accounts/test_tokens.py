"""Access tokens: what is taken and, above all, what is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwk, jws, jwt

from backendhub.kit.accounts import sessions, tokens, users
from backendhub.kit.accounts.authentication import principal
from backendhub.kit.accounts.sessions import Sessions
from backendhub.kit.accounts.tokens import Tokens, jwks, make_key, revoke_key, rotate, signing_keys
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, Unauthenticated

SYSTEM = "accounts"
SECRET = "a secret that others share, 32 bytes or more"


def issued(db: Db, engine: Tokens, **claims: Any) -> tuple[str, str]:
    user = users.by_email(db, "ada@b.c") or users.add(db, email="ada@b.c", roles=["writer"])
    opened = Sessions().open(db, user)
    return engine.issue(db, subject=user.id, session=opened.session.id, **claims), user.id


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    return _json(head), _json(body), signature


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def _b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "RS256"])
def test_a_token_says_who_and_until_when(db: Db, algorithm: str) -> None:
    engine = Tokens(algorithm=algorithm)
    token, user = issued(db, engine, scopes=("posts:write",), email="ada@b.c", sub="somebody else")
    head, body, _ = parts(token)
    assert head == {"alg": algorithm, "typ": "at+jwt", "kid": signing_keys(db)[0].id}
    assert body["sub"] == user
    assert (body["iss"], body["aud"], body["scope"]) == ("backendhub", "authenticated", "posts:write")
    assert body["exp"] == body["iat"] + 3600
    assert {"jti", "session_id", "client_id", "email"} <= body.keys()
    claims = engine.verify(db, token)
    assert engine.verify(db, token) is claims  # remembered
    who = principal(db, claims)
    assert (who.id, who.roles, who.scopes) == (user, {"writer"}, {"posts:write"})


def test_a_published_key_verifies_what_was_signed(db: Db) -> None:
    token, user = issued(db, Tokens())
    keys = jwk.KeySet.import_key_set(jwks(db))
    assert jwt.decode(token, keys, algorithms=["ES256"]).claims["sub"] == user
    assert not any("d" in key for key in jwks(db)["keys"])


def _none(token: str) -> str:
    head, body, _ = parts(token)
    return f"{_b64(head | {'alg': 'none'})}.{_b64(body)}."


def _confused(token: str, db: Db) -> str:
    """HS256 with the public key's text as the secret: the classic."""
    head, body, _ = parts(token)
    public = jwk.import_key(jwks(db)["keys"][0], "EC").as_pem(private=False)
    key = jwk.OctKey.import_key(public[27:-26])
    return jws.serialize_compact(
        {"alg": "HS256", "typ": "at+jwt", "kid": head["kid"]}, json.dumps(body), key, algorithms=["HS256"]
    )


def _foreign(token: str, **header: Any) -> str:
    """Signed with a key of the attacker's own, which the header brings along."""
    head, body, _ = parts(token)
    key = jwk.generate_key("EC", "P-256")
    own = {"jwk": key.as_dict(private=False)} | header
    return jws.serialize_compact(head | own, json.dumps(body), key, algorithms=["ES256"])


def _head(token: str, **changes: Any) -> str:
    """The same body and signature under another header."""
    head, body, signature = token.split(".")
    return f"{_b64(_json(head) | changes)}.{body}.{signature}"


FORGERIES: dict[str, Callable[[str, Db], str]] = {
    "alg none": lambda t, db: _none(t),
    "alg None": lambda t, db: _head(t, alg="None"),
    "no signature": lambda t, db: t.rpartition(".")[0] + ".",
    "two parts": lambda t, db: t.rpartition(".")[0],
    "another body": lambda t, db: (
        f"{t.split('.')[0]}.{_b64(parts(t)[1] | {'sub': 'admin'})}.{t.split('.')[2]}"
    ),
    "another alg": lambda t, db: _head(t, alg="ES384"),
    "another kid": lambda t, db: _head(t, kid="x"),
    "kid of another key": lambda t, db: _head(t, kid=make_key(db, "Ed25519")),
    "kid is a list": lambda t, db: _head(t, kid=["x"]),
    "kid is SQL": lambda t, db: _head(t, kid="x' OR '1'='1"),
    "key confusion": _confused,
    "own jwk": lambda t, db: _foreign(t),
    "own jku": lambda t, db: _foreign(t, jku="https://evil.example/keys"),
    "crit": lambda t, db: _head(t, crit=["x"], x=1),
    "b64 false": lambda t, db: _head(t, crit=["b64"], b64=False),
    "header is a list": lambda t, db: f"{_b64(['alg'])}.{t.split('.')[1]}.{t.split('.')[2]}",
    "deep header": lambda t, db: f"{_b64(b'[' * 3000)}.{t.split('.')[1]}.{t.split('.')[2]}",
    "no JSON": lambda t, db: f"{_b64(b'x')}.{t.split('.')[1]}.{t.split('.')[2]}",
    "long": lambda t, db: t + "A" * 20_000,
    "not ASCII": lambda t, db: t + "ü",
    "empty": lambda t, db: "",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_not_taken(db: Db, name: str) -> None:
    engine = Tokens()
    token, _ = issued(db, engine)
    forged = FORGERIES[name](token, db)
    assert forged != token
    with pytest.raises(Unauthenticated):
        engine.verify(db, forged)


@pytest.mark.parametrize(
    ("change", "header"),
    [
        ({"exp": 1}, {}),
        ({"exp": None}, {}),
        ({"exp": "never"}, {}),
        ({"exp": 1e300}, {}),
        ({"exp": True}, {}),
        ({"nbf": 4e9}, {}),
        ({"iat": 4e9}, {}),
        ({"aud": "others"}, {}),
        ({"aud": None}, {}),
        ({"iss": "evil"}, {}),
        ({"sub": None}, {}),
        ({"sub": 1}, {}),
        ({"session_id": None}, {}),
        ({"scope": ["x"]}, {}),
        ({}, {"typ": "JWT"}),
        ({}, {"typ": "dpop+jwt"}),
    ],
)
def test_a_well_signed_token_for_something_else_is_not_taken(
    db: Db, change: dict[str, Any], header: dict[str, Any]
) -> None:
    engine = Tokens()
    token, _ = issued(db, engine)
    head, body, _ = parts(token)
    private = db.value("SELECT private FROM accounts_signing_key")
    key = jwk.import_key(json.loads(private), "EC")
    again = jws.serialize_compact(head | header, json.dumps(body | change), key, algorithms=["ES256"])
    with pytest.raises(Unauthenticated):
        engine.verify(db, again)


def test_a_token_ends_with_its_time(db: Db, frozen: Callable[[str], None]) -> None:
    engine = Tokens(lifetime_s=60)
    token, _ = issued(db, engine)
    engine.verify(db, token)
    frozen("2026-01-05T09:00:59Z")
    engine.verify(db, token)
    frozen("2026-01-05T09:01:00Z")
    with pytest.raises(Unauthenticated, match="expired"):
        engine.verify(db, token)


def test_keys_rotate_with_an_overlap(db: Db, frozen: Callable[[str], None]) -> None:
    engine = Tokens(lifetime_s=10 * 86_400)
    old, _ = issued(db, engine)
    frozen("2026-01-05T09:00:01Z")
    kid = rotate(db, "ES256", overlap_s=3600)
    new, _ = issued(db, engine)
    assert parts(new)[0]["kid"] == kid != parts(old)[0]["kid"]
    assert [k["kid"] for k in jwks(db)["keys"]] == [kid, parts(old)[0]["kid"]]
    principal(db, engine.verify(db, old))
    frozen("2026-01-05T10:00:02Z")
    assert [k["kid"] for k in jwks(db)["keys"]] == [kid]
    with pytest.raises(Unauthenticated):
        principal(db, engine.verify(db, old))  # remembered, and still asked for its key
    with pytest.raises(Unauthenticated):
        Tokens().verify(db, old)
    principal(db, engine.verify(db, new))


def test_a_key_that_leaked_is_taken_back_at_once(db: Db) -> None:
    engine = Tokens()
    token, _ = issued(db, engine)
    principal(db, engine.verify(db, token))
    revoke_key(db, parts(token)[0]["kid"])
    with pytest.raises(Unauthenticated):
        principal(db, engine.verify(db, token))
    with pytest.raises(NotFound):
        revoke_key(db, "none")


def test_revocation_is_seen_at_once(db: Db) -> None:
    engine = Tokens()
    token, user = issued(db, engine)
    other, _ = issued(db, engine)
    sessions.end(db, parts(token)[1]["session_id"])
    with pytest.raises(Unauthenticated):
        principal(db, engine.verify(db, token))
    users.edit(db, user, roles=["reader"])
    assert principal(db, engine.verify(db, other)).roles == {"reader"}
    users.edit(db, user, status=users.Status.DISABLED)
    with pytest.raises(Unauthenticated):
        principal(db, engine.verify(db, other))


def test_a_shared_secret(db: Db) -> None:
    engine = Tokens(algorithm="HS256", secret=SECRET)
    token, user = issued(db, engine)
    assert "kid" not in parts(token)[0]
    assert principal(db, engine.verify(db, token)).id == user
    key = jwk.OctKey.import_key(SECRET)
    foreign = jwt.encode({"alg": "HS256"}, {"role": "service_role", "exp": 4e9}, key, algorithms=["HS256"])
    claims = engine.verify(db, foreign)
    assert (claims.subject, claims.session, claims.all["role"]) == (None, None, "service_role")
    with pytest.raises(Unauthenticated):
        principal(db, claims)
    ours, _ = issued(db, Tokens())
    for wrong in (_none(token), ours):
        with pytest.raises(Unauthenticated):
            engine.verify(db, wrong)
    with pytest.raises(Unauthenticated):
        Tokens().verify(db, token)


def test_settings_that_cannot_be(db: Db) -> None:
    for wrong in ({"algorithm": "none"}, {"algorithm": "HS256"}, {"algorithm": "HS256", "secret": "short"}):
        with pytest.raises(Invalid):
            Tokens(**wrong)
    with pytest.raises(Invalid):
        make_key(db, "HS256")


def test_what_is_remembered_is_bounded(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "KEPT", 3)
    engine = Tokens()
    for _ in range(5):
        engine.verify(db, issued(db, engine)[0])
    assert len(engine._verified) == 3
