"""Who asks, and whether they may: keys, passwords, tokens, groups."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from backendhub.kit import clock
from backendhub.kit.errors import Invalid

from .base import Answer, Context, Options, Pairs, Plugin, message

OWN = frozenset(
    (
        b"x-consumer-id", b"x-consumer-username", b"x-consumer-custom-id", b"x-consumer-groups",
        b"x-credential-identifier", b"x-anonymous-consumer", b"x-authenticated-groups",
    )
)  # fmt: skip
"""Fields that only the gateway may send: those of clients are dropped whatever the route."""


class Identity(Plugin, ABC):
    """Finds out who asks, or lets somebody anonymous through where that is configured."""

    identifies = True
    challenge = b"Key"

    def read(self, options: Options) -> None:
        """What all of them know."""
        self.hide = options.flag("hide_credentials") if "hide_credentials" in self.known else False
        self.anonymous = options.text("anonymous")
        self.preflight = options.flag("run_on_preflight", True)
        self.realm = options.text("realm", "service").encode("latin-1", "replace").replace(b'"', b"")

    def access(self, context: Context) -> Answer | Awaitable[Answer]:
        """Takes the credentials that were sent."""
        if not self.preflight and context.request.method == b"OPTIONS":
            return None
        if context.credential and self.anonymous:
            return None  # another plugin has found out who it is; somebody anonymous may still be somebody
        found = self.identify(context)
        if isinstance(found, str):
            if self.anonymous and (consumer := context.config.consumers.get(self.anonymous)) is not None:
                context.consumer = consumer
                self._tell(context, "")
                return None
            fields: Pairs = [(b"www-authenticate", self.challenge + b' realm="' + self.realm + b'"')]
            return message(401, found, fields)
        username, credential = found
        context.consumer, context.credential = context.config.consumers[username], credential
        self._tell(context, credential)
        return None

    def _tell(self, context: Context, credential: str) -> None:
        consumer = context.consumer
        assert consumer is not None
        said = {
            b"x-anonymous-consumer": None if credential else "true", b"x-consumer-id": consumer.id,
            b"x-consumer-username": consumer.username, b"x-consumer-custom-id": consumer.custom_id,
            b"x-credential-identifier": credential or None,
        }  # fmt: skip
        context.headers = [pair for pair in context.headers if pair[0] not in said] + [
            (name, value.encode()) for name, value in said.items() if value is not None
        ]

    @abstractmethod
    def identify(self, context: Context) -> tuple[str, str] | str:
        """The user name and credential of whoever asks, or what is told where that is nobody."""


class KeyAuth(Identity):
    """A key in a header or in the query."""

    name, priority = "key-auth", 1250
    known = (
        "key_names key_in_header key_in_query key_in_body hide_credentials anonymous run_on_preflight realm"
    )

    def read(self, options: Options) -> None:
        """Where keys are."""
        super().read(options)
        self.names = options.texts("key_names", ("apikey",))
        self.in_header, self.in_query = (
            options.flag("key_in_header", True),
            options.flag("key_in_query", True),
        )
        if options.flag("key_in_body"):
            raise Invalid(f"{options.where}: keys in bodies are not looked for here.")

    def identify(self, context: Context) -> tuple[str, str] | str:
        """The consumer of the key."""
        given = self._key(context)
        if given is None:
            return "No API key found in request"
        owner = context.config.keys.get(given)
        if owner is None:
            return "Unauthorized"
        if self.hide:
            for name in self.names:
                context.set(name, None)
            context.query = without(context.query, self.names)
        return owner, given[:4] + "…"

    def _key(self, context: Context) -> str | None:
        for name in self.names:
            if self.in_header and (value := context.header(name.lower())):
                return value
        if self.in_query:
            pairs = dict(reversed(parse_qsl(context.request.query.decode("latin-1"))))
            return next((pairs[name] for name in self.names if pairs.get(name)), None)
        return None


class BasicAuth(Identity):
    """A user name and a password."""

    name, priority, challenge = "basic-auth", 1100, b"Basic"
    known = "hide_credentials anonymous run_on_preflight realm"

    def identify(self, context: Context) -> tuple[str, str] | str:
        """The consumer of the user name, where the password is right."""
        scheme, _, value = (context.header("authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return "Unauthorized"
        try:
            username, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "Unauthorized"
        wanted, owner = context.config.passwords.get(username, ("", ""))
        if not hmac.compare_digest(wanted.encode(), password.encode()) or not owner or not colon:
            return "Unauthorized"
        if self.hide:
            context.set("authorization", None)
        return owner, username


class Jwt(Identity):
    """A JSON Web Token that a credential of a consumer has signed."""

    name, priority, challenge = "jwt", 1450, b"Bearer"
    known = (
        "uri_param_names cookie_names header_names key_claim_name secret_is_base64 claims_to_verify anonymous "
        "run_on_preflight maximum_expiration realm"
    )

    def read(self, options: Options) -> None:
        """Where tokens are, and what must be right about them."""
        super().read(options)
        self.params = options.texts("uri_param_names", ("jwt",))
        self.cookies = options.texts("cookie_names")
        self.names = options.texts("header_names", ("authorization",))
        self.claim = options.text("key_claim_name", "iss")
        self.encoded = options.flag("secret_is_base64")
        self.verify = options.texts("claims_to_verify", ("exp",))
        self.most = options.number("maximum_expiration", 0)
        if unknown := {*self.verify} - {"exp", "nbf"}:
            raise Invalid(
                f"{options.where}: {min(unknown)!r} is no claim that can be verified.", hint="exp, nbf"
            )

    def identify(self, context: Context) -> tuple[str, str] | str:
        """The consumer of the credential, where its signature and its times are right."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import OctKey, import_key

        token = self._token(context)
        if token is None:
            return "Unauthorized"
        claims = _claims(token)
        if claims is None:
            return "Bad token; invalid JSON"
        key = claims[1].get(self.claim) or claims[0].get(self.claim)
        if not isinstance(key, str) or not key:
            return f"No mandatory '{self.claim}' in claims"
        credential, owner = context.config.secrets.get(key, ({}, ""))
        if not owner:
            return "No credentials found for given '" + self.claim + "'"
        algorithm = credential.get("algorithm") or "HS256"
        if claims[0].get("alg") != algorithm:  # of the credential, never of the token
            return "Invalid algorithm"
        try:
            if algorithm.startswith("HS"):
                secret = str(credential.get("secret") or "").encode()
                found: Any = OctKey.import_key(base64.b64decode(secret + b"==") if self.encoded else secret)
            else:
                found = import_key(
                    str(credential.get("rsa_public_key") or ""), "EC" if algorithm[0] == "E" else "RSA"
                )
            jwt.decode(token, found, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError):
            return "Invalid signature"
        return self._times(claims[1]) or (owner, key)

    def _token(self, context: Context) -> str | None:
        pairs = dict(reversed(parse_qsl(context.request.query.decode("latin-1"))))
        for name in self.params:
            if pairs.get(name):
                return pairs[name]
        jar = dict(part.strip().partition("=")[::2] for part in (context.header("cookie") or "").split(";"))
        for name in self.cookies:
            if jar.get(name):
                return str(jar[name])
        for name in self.names:
            match = re.fullmatch(r"\s*bearer\s+(\S+)\s*", context.header(name.lower()) or "", re.IGNORECASE)
            if match:
                return match[1]
        return None

    def _times(self, claims: dict[str, Any]) -> str | None:
        now = clock.now().timestamp()
        for name in self.verify:
            value = claims.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return f"{name}: must be a number"
            if (name == "exp" and value <= now) or (name == "nbf" and value > now):
                return f"{name}: token {'expired' if name == 'exp' else 'not valid yet'}"
        if self.most and not now < float(claims.get("exp") or 0) <= now + self.most:
            return "exp: exceeds maximum allowed expiration"
        return None


def _claims(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The header and the claims of a token, as yet unproven."""
    from pydantic_core import from_json

    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        head, body = (
            from_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
    except ValueError:
        return None
    return (head, body) if isinstance(head, dict) and isinstance(body, dict) else None


class Acl(Plugin):
    """Groups that are let through, or kept out."""

    name, priority = "acl", 950
    known = "allow deny hide_groups_header"

    def read(self, options: Options) -> None:
        """Which groups."""
        self.allow, self.deny = frozenset(options.texts("allow")), frozenset(options.texts("deny"))
        self.hide = options.flag("hide_groups_header")
        if bool(self.allow) == bool(self.deny):
            raise Invalid(f"{options.where} has either allow or deny.")

    def access(self, context: Context) -> Answer:
        """403 for those that may not; 401 for who is not known."""
        if context.consumer is None:
            return message(401, "Unauthorized")
        groups = context.consumer.groups
        if (self.allow and not groups & self.allow) or groups & self.deny:
            return message(403, "You cannot consume this service")
        if not self.hide and groups:
            context.set("x-consumer-groups", ", ".join(sorted(groups)))
        return None


def without(query: bytes, names: tuple[str, ...]) -> bytes:
    """A query without some of its parameters."""
    wanted = {name.encode() for name in names}
    return b"&".join(
        part
        for part in query.split(b"&")
        if unquote_plus(part.partition(b"=")[0].decode("latin-1")).encode("latin-1", "replace") not in wanted
    )
