"""The passphrase form of an age file (age-encryption.org/v1) with a bounded work factor.

pyrage picks the factor by timing and takes 2^20 here: 1 GiB of memory and two seconds for every backup run.
This writes 2^16 (64 MiB); any `age` opens the result, and reading is left to pyrage.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

WORK_FACTOR = 16
_LINE = 64


def encrypt(data: bytes, passphrase: str) -> bytes:
    """One passphrase recipient around `data` (at most 64 KiB, so one chunk)."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    work_factor = WORK_FACTOR
    if len(data) > 1 << 16:
        raise ValueError("too long for a key file")
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrap = hashlib.scrypt(
        passphrase.encode(),
        salt=b"age-encryption.org/v1/scrypt" + salt,
        n=1 << work_factor,
        r=8,
        p=1,
        maxmem=256 << 20,
        dklen=32,
    )
    body = _text(ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None))
    lines = [
        body[i : i + _LINE] for i in range(0, len(body) + 1, _LINE)
    ]  # a full last line needs an empty one
    stanza = f"-> scrypt {_text(salt)} {work_factor}\n" + "".join(line + "\n" for line in lines)
    header = f"age-encryption.org/v1\n{stanza}---"
    mac = hmac.digest(_hkdf(file_key, b"", b"header"), header.encode(), "sha256")
    payload = ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))
    last_chunk = bytes(11) + b"\x01"
    return f"{header} {_text(mac)}\n".encode() + nonce + payload.encrypt(last_chunk, data, None)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) of exactly one block."""
    return hmac.digest(hmac.digest(salt or bytes(32), key, "sha256"), info + b"\x01", "sha256")
