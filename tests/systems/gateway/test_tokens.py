"""JSON Web Tokens of other algorithms than the usual, and what must not pass for one."""

from __future__ import annotations

import base64
import hmac
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from backendhub.systems.gateway.models import Config, Consumer
from backendhub.systems.gateway.plugins.identity import Jwt, without

RSA, EC = RSAKey.generate_key(2048), ECKey.generate_key("P-256")


def ask(credential: dict[str, Any], token: str, **config: Any) -> Any:
    settings = Config(consumers={"ada": Consumer("ada")}, secrets={"iss": (credential, "ada")})
    fields = {"authorization": "Bearer " + token}
    request = SimpleNamespace(query=b"", method=b"GET")
    context: Any = SimpleNamespace(config=settings, header=fields.get, request=request)
    return Jwt(config, "jwt", "k").identify(context)


def claims() -> dict[str, Any]:
    return {"iss": "iss", "exp": int(time.time()) + 60}


def by_hand(algorithm: str, secret: str) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    signed = ".".join(part(json.dumps(value).encode()) for value in ({"alg": algorithm}, claims()))
    return signed + "." + part(hmac.digest(secret.encode(), signed.encode(), "sha256"))


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", EC)])
def test_public_keys(algorithm: str, key: Any) -> None:
    pem = key.as_pem(private=False).decode()
    credential = {"algorithm": algorithm, "rsa_public_key": pem}
    assert ask(credential, jwt.encode({"alg": algorithm}, claims(), key)) == ("ada", "iss")
    other = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
    assert ask(credential, jwt.encode({"alg": algorithm}, claims(), other)) == "Invalid signature"
    # the public key as the secret of an HMAC: the classic
    assert ask(credential, by_hand("HS256", pem)) == "Invalid algorithm"
    assert ask(credential, by_hand("none", "")) == "Invalid algorithm"
    assert ask(credential, by_hand(algorithm, pem)) == "Invalid signature"


def test_times() -> None:
    credential = {"secret": "s" * 40}
    key = OctKey.import_key(b"s" * 40)

    def made(**more: Any) -> str:
        return jwt.encode({"alg": "HS256"}, claims() | more, key)

    assert ask(credential, made()) == ("ada", "iss")
    assert (
        ask(credential, made(nbf=int(time.time()) + 50), claims_to_verify=["exp", "nbf"])
        == "nbf: token not valid yet"
    )
    assert ask(credential, made(exp="soon")) == "exp: must be a number"
    assert "maximum" in ask(credential, made(exp=int(time.time()) + 999), maximum_expiration=100)


def test_parameters_are_taken_out_of_a_query() -> None:
    assert without(b"a=1&apikey=x&b=2&api%6Bey=y&apikey", ("apikey",)) == b"a=1&b=2"
