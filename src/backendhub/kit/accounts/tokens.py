"""Access tokens: JWTs by RFC 8725 and RFC 9068, signed with keys of the store that rotate, verified strictly.

What a token says is only who it was made for and until when. Whether the session behind it still goes on, and what the
account may do, is asked of the store each time, so that a revocation holds from the next request on.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, Unauthenticated
from backendhub.kit.ids import uuid7
from backendhub.kit.sealing import seal, unseal

from . import store
from .models import SigningKey

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from backendhub.kit.settings import Settings

ALGORITHMS = ("ES256", "Ed25519", "RS256", "HS256")
TYPE = "at+jwt"
LEEWAY_S = 5
"""How far another machine's clock may be ahead."""
LONGEST = 16_384
KEPT = 4096
"""Verified tokens remembered by a process (about 6 MB)."""
LEAST_SECRET = 32
"""Bytes of a shared secret (RFC 7518 §3.2)."""


class Claims(NamedTuple):
    """What a verified token says: `session` is None in one that another program signed with the shared secret."""

    subject: str | None
    session: str | None
    scopes: frozenset[str]
    key: str | None
    expires: float
    all: dict[str, Any]


class Tokens:
    """Issues and verifies the access tokens of one process, by its settings."""

    def __init__(
        self,
        *,
        algorithm: str = "ES256",
        secret: str | None = None,
        issuer: str = "backendhub",
        audience: str = "authenticated",
        lifetime_s: int = 3600,
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise Invalid(
                f"accounts.algorithm is {algorithm!r}.", hint="choose from " + ", ".join(ALGORITHMS)
            )
        if algorithm == "HS256" and len((secret or "").encode()) < LEAST_SECRET:
            raise Invalid(f"HS256 needs accounts.secret, at least {LEAST_SECRET} bytes.")
        self.algorithm, self.secret = algorithm, secret if algorithm == "HS256" else None
        self.issuer, self.audience, self.lifetime_s = issuer, audience, lifetime_s
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> Tokens:
        """As the settings say. Raises Invalid."""
        return cls(
            algorithm=settings.get("accounts.algorithm") or "ES256",
            secret=settings.get("accounts.secret"),
            issuer=settings.get("accounts.issuer") or "backendhub",
            audience=settings.get("accounts.audience") or "authenticated",
            lifetime_s=max(1, int(settings.number("accounts.access_ttl"))),
        )

    # -- issuing --------------------------------------------------------------------------------------------

    def issue(
        self,
        db: Db,
        *,
        subject: str,
        session: str,
        scopes: tuple[str, ...] = (),
        lifetime_s: int | None = None,
        **claims: Any,
    ) -> str:
        """A token for a session of an account, with further claims. Makes the first signing key where there is none."""
        from joserfc import jwt

        now = int(clock.precise().timestamp())
        # The registered claims come last: nothing of an account can overwrite them.
        body = claims | {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "client_id": self.issuer,
            "session_id": session,
            "jti": uuid7(),
            "iat": now,
            "exp": now + (lifetime_s or self.lifetime_s),
        }
        if scopes:
            body["scope"] = " ".join(scopes)
        header: dict[str, Any] = {"alg": self.algorithm, "typ": TYPE}
        if self.secret is not None:
            return jwt.encode(header, body, _shared(self.secret), algorithms=["HS256"], default_type=None)
        kid, private = current_key(db, self.algorithm)
        header["kid"] = kid
        return jwt.encode(header, body, _key(private), algorithms=[self.algorithm], default_type=None)

    # -- verifying ------------------------------------------------------------------------------------------

    def verify(self, db: Db, token: str) -> Claims:
        """What a token says, its signature, times, issuer and audience checked. Raises Unauthenticated.

        This alone does not say that its session goes on: `authentication.bearer` asks that too.
        """
        now = clock.precise().timestamp()
        if (known := self._verified.get(token)) is not None:
            if known.expires <= now:
                raise Unauthenticated("The token has expired.", token="expired")
            self._verified.move_to_end(token)
            return known
        claims = self._decode(db, token, now)
        self._verified[token] = claims
        if len(self._verified) > KEPT:
            self._verified.popitem(last=False)
        return claims

    def _decode(self, db: Db, token: str, now: float) -> Claims:
        header, body = self.signed(db, token)
        # Tokens for other purposes have another type (RFC 8725 §3.11); sharers of a secret may sign plain ones.
        kinds = (TYPE,) if self.secret is None else (TYPE, "jwt", "")
        if str(header.get("typ", "")).lower().removeprefix("application/") not in kinds:
            raise invalid("it is no access token")
        return self._read(body, header.get("kid") if self.secret is None else None, now)

    def signed(self, db: Db, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and body of a token that one of the keys here has signed, whatever it is for and however old.

        Raises Unauthenticated. `verify` is what asks the rest.
        """
        from joserfc import jws
        from joserfc.errors import JoseError

        if len(token) > LONGEST or not token.isascii() or token.count(".") != 2:
            raise invalid("it is no JWT")
        try:
            parsed = jws.extract_compact(token.encode())
            header = parsed.headers()
            kid = header.get("kid")
            algorithm, key = self._key_for(db, kid if isinstance(kid, str) else None)
            # The algorithm is that of the key, never the one that the token asks for (RFC 8725 §3.1).
            if header.get("alg") != algorithm or not jws.validate_compact(parsed, key, [algorithm]):
                raise invalid("its signature does not fit")
            body = json.loads(parsed.payload)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
            raise invalid("it is malformed") from None
        if not isinstance(body, dict):
            raise invalid("it is malformed")
        return header, body

    def shared(self, db: Db, header: dict[str, Any]) -> bool:
        """Whether a token's key is one that others have too: a secret by setting, or an imported key."""
        return self.secret is not None or bool(db.value(store.IS_SHARED, id=header.get("kid")))

    def _key_for(self, db: Db, kid: str | None) -> tuple[str, Key]:
        if self.secret is not None:
            return "HS256", _shared(self.secret)
        rows = db.fetch(store.KEY_BY_ID, {"id": kid, "now": clock.precise()}) if kid else []
        if not rows:
            raise invalid("nothing here signed it")
        return rows[0][0], _key(rows[0][1])

    def _read(self, body: dict[str, Any], kid: str | None, now: float) -> Claims:
        own = self.secret is None  # what others sign with a shared secret may say less of itself
        expires = _moment(body, "exp")
        if expires is None:
            raise invalid("it has no times")
        if expires <= now:
            raise Unauthenticated("The token has expired.", token="expired")
        if max(_moment(body, "nbf") or 0, _moment(body, "iat") or 0) > now + LEEWAY_S:
            raise invalid("it does not hold yet")
        audience = body.get("aud")
        meant = self.audience in (audience if isinstance(audience, list) else [audience])
        if not meant and (own or audience is not None):
            raise invalid("it is for somebody else")
        if body.get("iss") != self.issuer and (own or body.get("session_id") is not None):
            raise invalid("somebody else issued it")
        subject, session, scope = body.get("sub"), body.get("session_id"), body.get("scope", "")
        if not isinstance(scope, str) or any(
            not isinstance(v, (str, type(None))) for v in (subject, session)
        ):
            raise invalid("it is malformed")
        if own and (subject is None or session is None):
            raise invalid("it names nobody")
        return Claims(subject, session, frozenset(scope.split()), kid, expires, body)


def invalid(why: str) -> Unauthenticated:
    """The error for a token that is not taken."""
    return Unauthenticated(f"The token is not valid: {why}.", token="invalid")


def _moment(body: dict[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2). Raises Unauthenticated for what is none."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < 1e12:
        raise invalid("it has no times")
    return float(value)


@lru_cache(maxsize=64)
def _key(private: str) -> Key:
    from joserfc import jwk

    return jwk.import_key(json.loads(unseal(private)))


@lru_cache(maxsize=8)
def _shared(secret: str) -> Key:
    from joserfc.jwk import OctKey

    return OctKey.import_key(secret)


# -- signing keys ---------------------------------------------------------------------------------------------


def current_key(db: Db, algorithm: str) -> tuple[str, str]:
    """The id and the private JWK, as it is stored, of the key that signs; makes the first one."""
    rows = db.fetch(store.CURRENT_KEY, {"algorithm": algorithm})
    if not rows:
        make_key(db, algorithm)
        rows = db.fetch(store.CURRENT_KEY, {"algorithm": algorithm})
    return rows[0][0], rows[0][1]


def make_key(db: Db, algorithm: str) -> str:
    """A new key that signs from now on, unless another process has just made one; gives its id."""
    from joserfc import jwk

    key: Key
    if algorithm == "ES256":
        key = jwk.generate_key("EC", "P-256")
    elif algorithm == "Ed25519":
        key = jwk.generate_key("OKP", "Ed25519")
    elif algorithm == "RS256":
        key = jwk.generate_key("RSA", 2048)
    else:
        raise Invalid(
            f"{algorithm} has no keys of its own.", hint="its secret is the setting accounts.secret"
        )
    kid = key.thumbprint()
    private = json.dumps(key.as_dict(private=True), separators=(",", ":"))
    db.run(store.INSERT_KEY, id=kid, algorithm=algorithm, private=seal(private), now=clock.precise())
    return kid


def import_key(db: Db, key: dict[str, Any], *, overlap_s: int = 86_400) -> str:
    """Signs from now on with a private JWK that another product has used; gives its id. Raises Invalid.

    Whoever has the key may sign with it too: `Tokens.signed` takes what they sign.
    """
    from joserfc import jwk
    from joserfc.errors import JoseError

    algorithm = {"EC": "ES256", "OKP": "Ed25519", "RSA": "RS256"}.get(str(key.get("kty")))
    try:
        if algorithm is None or key.get("crv") not in (None, "P-256", "Ed25519") or "d" not in key:
            raise ValueError("it is not a private key of P-256, Ed25519 or RSA")
        whole = jwk.import_key(key)
        if algorithm == "RS256" and len(str(key.get("n"))) < 342:  # 2048 bits in base64 (RFC 7518 §3.3)
            raise ValueError("an RSA key has at least 2048 bits")
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Invalid(f"This key cannot be used: {error}.", hint="a private JWK (RFC 7517)") from None
    now, kid = clock.precise(), str(key.get("kid") or whole.thumbprint())
    db.run(store.RETIRE_KEYS, algorithm=algorithm, now=now, until=now + timedelta(seconds=overlap_s))
    bare = {n: v for n, v in whole.as_dict(private=True).items() if n not in ("key_ops", "use", "alg", "kid")}
    private = seal(json.dumps(bare))
    if not db.run(store.IMPORT_KEY, id=kid, algorithm=algorithm, private=private, now=now):
        raise Invalid("There is a key with this id already.", hint="backendhub user signing list")
    return kid


def rotate(db: Db, algorithm: str, *, overlap_s: int = 86_400) -> str:
    """Signs with a new key from now on; the old ones verify for `overlap_s` seconds more. Gives the new id."""
    now = clock.precise()
    db.run(store.RETIRE_KEYS, algorithm=algorithm, now=now, until=now + timedelta(seconds=overlap_s))
    db.run(store.SWEEP_KEYS, now=now)
    return make_key(db, algorithm)


def revoke_key(db: Db, id: str) -> None:
    """Takes a key back at once: what it has signed no longer verifies. Raises NotFound."""
    if not db.run(store.DROP_KEY, id=id):
        raise NotFound(f"There is no signing key {id[:80]!r}.", hint="backendhub user signing list")


def signing_keys(db: Db) -> list[SigningKey]:
    """Every key, newest first, without its private half."""
    return db.all(SigningKey, store.SIGNING_KEYS)


def jwks(db: Db) -> dict[str, Any]:
    """The public halves of the keys that verify (RFC 7517 §5)."""
    rows = db.fetch(store.VERIFYING, {"now": clock.precise()})
    return {
        "keys": [
            _key(private).as_dict(private=False)
            | {"kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["verify"]}
            for kid, algorithm, private in rows
        ]
    }
