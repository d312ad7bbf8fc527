"""What webhooks send and how they sign it: Standard Webhooks (https://www.standardwebhooks.com), and Stripe's way.

Standard: `webhook-id` names the message (the same for every attempt), `webhook-timestamp` the attempt in Unix seconds,
and `webhook-signature` is a list of `v1,<base64 of HMAC-SHA256>` over `id.timestamp.body`, one for each secret that holds.

Stripe: the body is what was published, and `Stripe-Signature` is `t=<seconds>,v1=<hex of HMAC-SHA256>` over
`timestamp.body`, with a `v1` for each secret that holds; the key is the text of the secret.
"""

from __future__ import annotations

import hmac
import json
import os
import string
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from backendhub.kit import clock
from backendhub.kit.errors import Invalid, Unauthenticated

from .models import Event

PREFIX = "whsec_"
LETTERS = string.ascii_letters + string.digits
TOLERANCE_S = 300
"""How far the timestamp of a received message may be off."""


class Signer(Protocol):
    """What messages to an endpoint hold, and how they are signed."""

    def secret(self) -> str:
        """A new secret."""

    def body(self, event: Event) -> bytes:
        """What is sent of an event."""

    def headers(self, secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:
        """The headers of one attempt, signed with every secret."""


class Standard:
    """Standard Webhooks, symmetric (`v1`)."""

    def secret(self) -> str:
        """`whsec_` and 32 random bytes."""
        return PREFIX + b64encode(os.urandom(32)).decode()

    def body(self, event: Event) -> bytes:
        """`type`, `timestamp`, `data`."""
        return _json({"type": event.topic, "timestamp": clock.iso(event.at), "data": event.value})

    def headers(self, secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:
        """`webhook-id`, `webhook-timestamp` and `webhook-signature`."""
        stamp = str(int(at.timestamp()))
        signatures = " ".join("v1," + b64encode(_mac(secret, id, stamp, body)).decode() for secret in secrets)
        return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signatures}


class Stripe:
    """As Stripe signs: `t=…,v1=…`."""

    def secret(self) -> str:
        """`whsec_` and 32 letters and digits."""
        return PREFIX + "".join(LETTERS[byte % len(LETTERS)] for byte in os.urandom(32))

    def body(self, event: Event) -> bytes:
        """What was published, as it is."""
        return _json(event.value)

    def headers(self, secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:
        """`Stripe-Signature`."""
        stamp = str(int(at.timestamp()))
        signatures = [f"v1={_stripe_mac(secret, stamp, body)}" for secret in secrets]
        return {"stripe-signature": ",".join([f"t={stamp}", *signatures])}


SIGNERS: dict[str, Signer] = {"standard": Standard(), "stripe": Stripe()}
"""The ways to sign, by name."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = TOLERANCE_S) -> str:
    """The id of a received message (lower-case header names) whose signature and time are right.

    Raises Unauthenticated otherwise. Ask `outbox.once` whether it comes for the first time.
    """
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Unauthenticated("The message is not signed.")
    if abs(clock.precise().timestamp() - int(stamp)) > tolerance:
        raise Unauthenticated("The message is too old, or a clock is wrong.")
    expected = b64encode(_mac(secret, id, stamp, body)).decode()
    for signature in headers.get("webhook-signature", "").split():
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected.encode()):
            return id
    raise Unauthenticated("The signature of the message is wrong.")


def verify_stripe(secret: str, header: str, body: bytes, *, tolerance: float = TOLERANCE_S) -> None:
    """Checks a received message by its `Stripe-Signature`. Raises Unauthenticated where signature or time are wrong."""
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamp = next((value for name, value in pairs if name == "t"), "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Unauthenticated("The message is not signed.")
    if abs(clock.precise().timestamp() - int(stamp)) > tolerance:
        raise Unauthenticated("The message is too old, or a clock is wrong.")
    expected = _stripe_mac(secret, stamp, body).encode()
    if not any(name == "v1" and hmac.compare_digest(value.encode(), expected) for name, value in pairs):
        raise Unauthenticated("The signature of the message is wrong.")


def _stripe_mac(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _mac(secret: str, id: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(key(secret), f"{id}.{stamp}.".encode() + body, sha256).digest()


def key(secret: str) -> bytes:
    """The bytes of a secret. Raises Invalid unless it is `whsec_` and the base64 of 24 to 64 bytes."""
    text = secret.removeprefix(PREFIX)
    try:
        found = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        found = b""
    if not 24 <= len(found) <= 64:
        raise Invalid(
            "A secret is `whsec_` and the base64 of 24 to 64 bytes.", hint="leave it out to have one made"
        )
    return found
