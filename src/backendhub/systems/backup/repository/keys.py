"""Who can do what: identities read, recipients are written to, write keys authenticate.

A *write key* is a secret that every host which backs up holds. It keys the chunk ids and goes into the key of
every sealed object, so that storage, which knows the public recipient, still cannot forge a snapshot. Reading
needs an *identity* as well: each object also takes a random secret that is age-encrypted to the recipients.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import WRONG_KEY, BackupError

from . import age
from .backend import Backend

KEY_LIMIT = 64 << 10


def wrong(hint: str | None = None) -> BackupError:
    """The one answer to any key that does not fit."""
    return BackupError("The key does not open this repository", WRONG_KEY, hint=hint)


@dataclass(slots=True)
class Keyring:
    """The keys that a process holds for one repository."""

    recipients: list[str]
    write_id: str
    write_keys: dict[str, bytes]
    identities: list[str] = field(default_factory=list)
    _parsed: list[Any] = field(default_factory=list)
    _to: list[Any] = field(default_factory=list)

    def set_recipients(self, recipients: list[str]) -> None:
        """Wraps for others from now on."""
        self.recipients, self._to = recipients, []

    @property
    def can_read(self) -> bool:
        """Whether data can be decrypted, not only written."""
        return bool(self.identities)

    def wrap(self, secret: bytes) -> bytes:
        """An age file that every recipient can open."""
        import pyrage

        if not self._to:
            self._to = [pyrage.x25519.Recipient.from_str(r) for r in self.recipients]
        return bytes(pyrage.encrypt(secret, self._to))

    def unwrap(self, wrapped: bytes) -> bytes:
        """The secret inside an age file; WRONG_KEY if no identity here opens it."""
        import pyrage

        if len(self._parsed) != len(self.identities):
            self._parsed = [pyrage.x25519.Identity.from_str(i) for i in self.identities]
        if not self._parsed:
            raise BackupError(
                "This host can only write to the repository",
                WRONG_KEY,
                hint="Use a host that holds the identity: --identity-file.",
            )
        try:
            return bytes(pyrage.decrypt(wrapped, self._parsed))
        except pyrage.DecryptError as e:
            raise wrong() from e

    def write_key(self, write_id: str) -> bytes:
        """A write key by id."""
        try:
            return self.write_keys[write_id]
        except KeyError:
            raise wrong("Another host wrote this; the identity opens it.") from None

    def chunk_key(self) -> bytes:
        """The key of the chunk ids made here."""
        return derive(self.write_keys[self.write_id], b"chunk id")


def derive(key: bytes, label: bytes, *parts: bytes) -> bytes:
    """A 32-byte key for one purpose: keyed BLAKE2b of label and parts, each with its length before it."""
    mac = hashlib.blake2b(digest_size=32, key=key)
    for part in (label, *parts):
        mac.update(len(part).to_bytes(4, "little") + part)
    return mac.digest()


def key_id(key: bytes) -> str:
    """The public name of a write key."""
    return derive(key, b"key id")[:8].hex()


def new_identity() -> tuple[str, str]:
    """A fresh X25519 identity and its recipient."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def check_recipient(text: str) -> str:
    """A valid age recipient, or Invalid."""
    import pyrage

    try:
        return str(pyrage.x25519.Recipient.from_str(text.strip()))
    except pyrage.RecipientError as e:
        raise Invalid(
            f"{text!r} is no age recipient", hint="It looks like age1…; make one with age-keygen."
        ) from e


def recipient_of(identity: str) -> str:
    """The public half of an identity; WRONG_KEY if it is none."""
    import pyrage

    try:
        return str(pyrage.x25519.Identity.from_str(identity.strip()).to_public())
    except pyrage.IdentityError as e:
        raise wrong("An identity looks like AGE-SECRET-KEY-1…") from e


def secret_write_key(identity: str, repo_id: str) -> bytes:
    """The write key of a passphrase repository follows from its identity, so that none can be slipped in."""
    return derive(hashlib.sha256(identity.encode()).digest(), b"write key", bytes.fromhex(repo_id))


def store_identities(backend: Backend, identities: list[str], passphrase: str) -> str:
    """Writes an identity file, newest first, closed with a passphrase; returns its name."""
    if not passphrase:
        raise Invalid("An empty passphrase protects nothing")
    text = f"# backendhub backup, {clock.iso(clock.now())}\n" + "".join(i + "\n" for i in identities)
    name = f"keys/{os.urandom(8).hex()}.age"
    backend.put(name, [age.encrypt(text.encode(), passphrase)])
    return name


def load_identities(backend: Backend, passphrase: str) -> list[str]:
    """The identities behind a passphrase; the same answer whichever part of it was wrong."""
    import pyrage

    for entry in backend.list("keys"):
        if entry.name.endswith(".write.age") or not entry.name.endswith(".age"):
            continue
        data = backend.get(entry.name, limit=KEY_LIMIT)
        if _work_factor(data) > 22:  # a planted file that would eat the machine
            continue
        try:
            text = bytes(pyrage.passphrase.decrypt(data, passphrase)).decode()
        except pyrage.DecryptError:
            continue
        return [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
    raise wrong("Check the passphrase; nothing was changed.")


def _work_factor(data: bytes) -> int:
    words = data[:200].split(b"\n")[1:2]
    parts = words[0].split() if words else []
    if len(parts) == 4 and parts[1] == b"scrypt" and parts[3].isdigit():
        return int(parts[3])
    return 99


def store_write_key(backend: Backend, key: bytes, ring_recipients: Iterable[str]) -> None:
    """Leaves a write key where the holders of the identities find it."""
    ring = Keyring(list(ring_recipients), "", {})
    backend.put(f"keys/{key_id(key)}.write.age", [ring.wrap(key)])


def load_write_keys(backend: Backend, ring: Keyring) -> dict[str, bytes]:
    """All write keys that the identities open."""
    found: dict[str, bytes] = {}
    for entry in backend.list("keys"):
        if entry.name.endswith(".write.age"):
            try:
                key = ring.unwrap(backend.get(entry.name, limit=KEY_LIMIT))
            except BackupError as e:
                if e.exit_code != WRONG_KEY:
                    raise
                continue
            if len(key) == 32:
                found[key_id(key)] = key
    return found


def local_write_key(cache: Path) -> bytes | None:
    """The write key that a write-only host keeps; None if its cache was lost."""
    path = cache / "write.key"
    if not path.exists():
        return None
    if os.name != "nt" and path.stat().st_mode & 0o077:
        raise BackupError(f"{path} can be read by others", WRONG_KEY, hint=f"chmod 600 {path}")
    key = path.read_bytes()
    return key if len(key) == 32 else None


def keep_local(cache: Path, name: str, data: bytes) -> None:
    """Writes a private file into the cache, whole or not at all."""
    path = cache / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    temporary.replace(path)


def config_mac(config: dict[str, Any], key: bytes) -> str:
    """Authenticates config.json, so that storage cannot add a recipient of its own."""
    text = json.dumps({k: v for k, v in config.items() if k != "mac"}, sort_keys=True)
    return derive(key, b"config", text.encode()).hex()
