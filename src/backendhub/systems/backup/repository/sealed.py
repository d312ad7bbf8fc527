"""The one container of everything encrypted: a plain header, numbered AES-256-GCM frames, a sealed footer.

magic | u32 header length | header JSON | frame 0 | frame 1 … | footer frame | u32 footer length | end mark
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import struct
from typing import Any

from backendhub.systems.backup.models import CORRUPT, BackupError

from .backend import Buffer
from .keys import Keyring, derive

MAGIC, END = b"BHUBSEA1", b"1AESBUHB"
HEADER_LIMIT = 64 << 10
FOOTER = 0xFFFF_FFFF
TAG = 16


class Corrupt(BackupError):
    """Stored bytes are not what was stored."""

    def __init__(self, text: str) -> None:
        super().__init__(text, CORRUPT, hint="Run `backendhub backup verify --read-data` to see what is hit.")


class Seal:
    """Encrypts or decrypts the frames of one object."""

    def __init__(self, header: dict[str, Any], key: bytes, context: str = "") -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.kind, self.id = header["kind"], header["id"]
        # The wrapped secret is bound, too: else a damaged one would pass for one of somebody else's.
        secret = header.get("secret", "")
        wrapped = hashlib.sha256(secret.encode()).hexdigest() if secret else ""
        self._aes = AESGCM(key)
        self._bound = f"{self.kind}\0{self.id}\0{context}\0{wrapped}\0".encode()

    def close(self, number: int, plain: Buffer) -> bytes:
        """Ciphertext and tag of a frame; the nonce is its number, the key is this object's alone."""
        nonce = number.to_bytes(12, "big")
        return self._aes.encrypt(nonce, plain, self._bound + nonce)

    def open(self, number: int, sealed: Buffer) -> bytes:
        """The plain frame; Corrupt if a single bit, its number or its object differs."""
        from cryptography.exceptions import InvalidTag

        nonce = number.to_bytes(12, "big")
        try:
            return self._aes.decrypt(nonce, sealed, self._bound + nonce)
        except (InvalidTag, ValueError) as e:
            raise Corrupt(f"{self.kind} {self.id}: frame {number} is damaged") from e


def new_seal(
    ring: Keyring, kind: str, *, readable_by: str = "identity", context: str = "", object_id: str = ""
) -> tuple[Seal, bytes]:
    """A seal for a new object and the bytes that begin its file.

    `readable_by="writer"` leaves the age secret out: any host with the write key can read it back.
    """
    object_id = object_id or os.urandom(16).hex()
    header: dict[str, Any] = {"kind": kind, "id": object_id, "write_key": ring.write_id}
    secret = b""
    if readable_by == "identity":
        secret = os.urandom(32)
        header["secret"] = base64.b64encode(ring.wrap(secret)).decode()
    text = json.dumps(header, separators=(",", ":")).encode()
    key = derive(ring.write_keys[ring.write_id], b"seal", kind.encode(), bytes.fromhex(object_id), secret)
    return Seal(header, key, context), MAGIC + struct.pack("<I", len(text)) + text


def read_header(data: Buffer, what: str) -> tuple[dict[str, Any], int]:
    """The plain header at the start of an object and where the frames begin."""
    view = bytes(data[:12])
    if len(view) < 12 or view[:8] != MAGIC:
        raise Corrupt(f"{what} does not begin as one of ours")
    (length,) = struct.unpack("<I", view[8:])
    if length > HEADER_LIMIT or len(data) < 12 + length:
        raise Corrupt(f"{what}: its header is cut short or too long")
    try:
        header = json.loads(bytes(data[12 : 12 + length]))
        if not (
            isinstance(header["kind"], str)
            and isinstance(header.get("secret", ""), str)
            and len(bytes.fromhex(header["id"])) == 16
        ):
            raise ValueError("fields")
    except (ValueError, KeyError, TypeError) as e:
        raise Corrupt(f"{what}: its header cannot be read") from e
    return header, 12 + length


def open_seal(ring: Keyring, header: dict[str, Any], *, context: str = "", level: str = "identity") -> Seal:
    """The seal of an object from its header; needs the identity if the header carries a secret.

    `level="writer"` gives the seal of the part that needs the write key only.
    """
    try:
        wrapped = (
            base64.b64decode(header["secret"], validate=True)
            if "secret" in header and level == "identity"
            else None
        )
        write_key = ring.write_key(str(header["write_key"]))
    except (KeyError, TypeError, binascii.Error) as e:
        raise Corrupt(f"{header['kind']} {header['id']}: its header cannot be read") from e
    secret = ring.unwrap(wrapped) if wrapped is not None else b""
    key = derive(write_key, b"seal", header["kind"].encode(), bytes.fromhex(header["id"]), secret)
    return Seal(header, key, context)


def trailer(footer: bytes) -> bytes:
    """The last twelve bytes of an object with a footer."""
    return struct.pack("<I", len(footer)) + END


def footer_length(tail: Buffer, what: str) -> int:
    """How long the sealed footer is that ends before the trailer."""
    if len(tail) < 12 or bytes(tail[-8:]) != END:
        raise Corrupt(f"{what} is cut short")
    (length,) = struct.unpack("<I", tail[-12:-8])
    return int(length)


def pack_small(value: Any) -> bytes:
    """JSON in zstd, for records."""
    import zstandard

    return zstandard.ZstdCompressor(level=9).compress(json.dumps(value, separators=(",", ":")).encode())


def unpack_small(data: Buffer, what: str, limit: int = 64 << 20) -> Any:
    """The other way; refuses what would grow beyond `limit`."""
    try:
        return json.loads(inflate(data, what, limit))
    except ValueError as e:
        raise Corrupt(f"{what} cannot be read") from e


def inflate(data: Buffer, what: str, limit: int) -> bytes:
    """Decompresses one zstd frame whose declared size is at most `limit`."""
    import zstandard

    try:
        declared = zstandard.frame_content_size(data)
        if not 0 <= declared <= limit:
            raise Corrupt(f"{what} declares {declared} bytes, more than it may hold")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=declared)
    except zstandard.ZstdError as e:
        raise Corrupt(f"{what} cannot be decompressed") from e
