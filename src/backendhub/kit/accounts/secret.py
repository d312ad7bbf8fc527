"""Secrets that are not chosen by people: made at random, recognisable, kept as SHA-256 only.

256 random bits need no slow hash: nobody can try them all.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from os import urandom
from zlib import crc32

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_LENGTH = 32
"""Random characters of a key: 190 bits."""
SUM_LENGTH = 6


def opaque() -> str:
    """A new secret of 256 bits as 43 characters of URL-safe text."""
    return urlsafe_b64encode(urandom(32)).rstrip(b"=").decode()


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256 in hex."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def derive(secret: str, nonce: str) -> str:
    """The successor that a secret has under a nonce: the same for everybody who holds both, and for nobody else."""
    mac = hmac.digest(secret.encode("utf-8", "replace"), nonce.encode(), "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


def base62(number: int, width: int) -> str:
    """A number in base 62, filled up with zeros."""
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = ALPHABET[rest] + text
    return text.rjust(width, "0")


def key(prefix: str = "bhk") -> str:
    """A new key: `bhk_` + 32 random characters + a checksum of 6, so that scanners know one and typos cost no query."""
    body = base62(int.from_bytes(urandom(24)) % 62**KEY_LENGTH, KEY_LENGTH)
    return f"{prefix}_{body}{_sum(prefix, body)}"


def is_key(text: str, prefix: str = "bhk") -> bool:
    """Whether a text is a key that `key` can have made: right prefix, length and checksum."""
    if len(text) != len(prefix) + 1 + KEY_LENGTH + SUM_LENGTH or not text.startswith(prefix + "_"):
        return False
    body, check = text[-KEY_LENGTH - SUM_LENGTH : -SUM_LENGTH], text[-SUM_LENGTH:]
    return text.isascii() and hmac.compare_digest(_sum(prefix, body), check)


def _sum(prefix: str, body: str) -> str:
    return base62(crc32(f"{prefix}_{body}".encode()), SUM_LENGTH)
