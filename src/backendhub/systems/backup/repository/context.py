"""An open repository: storage, keys, cache and configuration, shared by everything that works on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from backendhub.kit import clock
from backendhub.kit.errors import Conflict, Invalid
from backendhub.systems.backup.models import CORRUPT, NO_REPOSITORY, WRONG_KEY, BackupError

from . import chunkers, keys, locks
from .backend import Backend, Missing
from .keys import Keyring

FORMAT = 1
Progress = Callable[[str, int], None]
"""Called with what is happening (`read`, `verify`, `copy`…) and the bytes done so far."""


@dataclass(slots=True)
class Context:
    """What every operation needs."""

    backend: Backend
    ring: Keyring
    cache: Path
    config: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The repository's id."""
        return str(self.config["id"])

    @contextmanager
    def lock(self, name: str, what: str, *, wait: float = 0, shared: bool = False) -> Iterator[None]:
        """Holds a kernel lock, in the repository itself if it is a directory, else in the cache."""
        with locks.held(self.lock_path(name), what, wait=wait, shared=shared):
            yield

    def lock_path(self, name: str) -> str:
        """Where a lock lies."""
        path = self.backend.lock_file(name)
        if path is None:
            folder = self.cache / "locks"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = str(folder / name)
        return path


def encoded(target: str) -> str:
    """A target's name as one safe path component; long or odd ones are percent-encoded, never trusted."""
    text = quote(target, safe="").replace(".", "%2E").replace("~", "%7E")
    if not text or len(text) > 200:
        raise Invalid(f"{target!r} is no usable name of a target", hint="Use 1 to 200 plain characters.")
    return text


def decoded(text: str) -> str:
    """The other way."""
    return unquote(text)


def create(backend: Backend, cache_root: Path, *, passphrase: str | None, recipients: list[str]) -> Context:
    """Makes a repository. The configuration is stored last and only if there is none."""
    if (passphrase is None) == (not recipients):
        raise Invalid("Give either a passphrase or recipients")
    if backend.stat("config.json") is not None:
        raise Conflict(f"There is already a repository at {backend.url}")
    repo_id = os.urandom(16).hex()
    config: dict[str, Any] = {
        "format": FORMAT,
        "id": repo_id,
        "created": clock.iso(clock.now()),
        "chunker": {"min": chunkers.MINIMUM, "avg": chunkers.AVERAGE, "max": chunkers.MAXIMUM},
    }
    cache = cache_root / repo_id
    identities: list[str] = []
    if passphrase is not None:
        identity, recipient = keys.new_identity()
        identities = [identity]
        key = keys.secret_write_key(identity, repo_id)
        config |= {"mode": "passphrase", "recipients": [recipient]}
        keys.store_identities(backend, identities, passphrase)
        config["mac"] = keys.config_mac(config, key)
    else:
        key = os.urandom(32)
        config |= {"mode": "recipients", "recipients": [keys.check_recipient(r) for r in recipients]}
        keys.keep_local(cache, "write.key", key)
        _pin(cache, config)
        keys.store_write_key(backend, key, config["recipients"])
    backend.reserve()
    if not backend.create("config.json", json.dumps(config, indent=1).encode()):
        raise Conflict(f"Another process has just made a repository at {backend.url}")
    ring = Keyring(list(config["recipients"]), keys.key_id(key), {keys.key_id(key): key}, identities)
    return Context(backend, ring, _private(cache), config)


def open_(backend: Backend, cache_root: Path, *, passphrase: str | None, identity: str | None) -> Context:
    """Opens a repository with what the host holds; a key that does not fit changes nothing anywhere."""
    config = _read_config(backend)
    if config["mode"] == "passphrase" and passphrase is None and identity is None:
        raise BackupError("This repository needs a passphrase", WRONG_KEY, hint="--passphrase-file FILE")
    cache = cache_root / config["id"]
    if passphrase is not None:
        identities = keys.load_identities(backend, passphrase)
    else:
        identities = [i.strip() for i in (identity or "").splitlines() if i.startswith("AGE-SECRET-KEY-")]
        if identity is not None and not identities:
            raise keys.wrong("An identity looks like AGE-SECRET-KEY-1…")
    if identities:
        ring = _reading_ring(backend, config, identities)
        return Context(backend, ring, _private(cache), config)
    return _writing_only(backend, config, cache)


def _reading_ring(backend: Backend, config: dict[str, Any], identities: list[str]) -> Keyring:
    ring = Keyring(list(config["recipients"]), "", {}, identities)
    derived = {}
    for identity in identities:
        keys.recipient_of(identity)
        key = keys.secret_write_key(identity, config["id"])
        derived[keys.key_id(key)] = key
    if config["mode"] == "passphrase":
        current = next((k for k in derived.values() if keys.config_mac(config, k) == config.get("mac")), None)
        if current is not None:
            ring.write_keys, ring.write_id = derived, keys.key_id(current)
            return ring
        if keys.recipient_of(identities[0]) in config["recipients"] and len(config["recipients"]) == 1:
            raise BackupError("config.json is not as it was written", CORRUPT)
    # A recipient of its own, made elsewhere: the write keys were left for it.
    found = keys.load_write_keys(backend, ring)
    if config["mode"] == "passphrase":
        found = {i: k for i, k in found.items() if keys.config_mac(config, k) == config.get("mac")} and found
    if not found:
        raise keys.wrong()
    ring.write_keys = found
    ring.write_id = min(found)
    return ring


def _writing_only(backend: Backend, config: dict[str, Any], cache: Path) -> Context:
    key = keys.local_write_key(cache)
    warnings = []
    if key is None:
        key = os.urandom(32)
        warnings.append(
            "This host's cache is new or was lost: the next run of each target uploads everything again."
        )
        keys.store_write_key(backend, key, config["recipients"])
        keys.keep_local(cache, "write.key", key)
        _pin(cache, config)
    pinned = cache / "recipients.json"
    if json.loads(pinned.read_bytes()) != config["recipients"]:
        raise BackupError(
            "The recipients in config.json are not those this host knows",
            WRONG_KEY,
            hint=f"If you changed them yourself, delete {pinned}; otherwise somebody wants to read your backups.",
        )
    ring = Keyring(list(config["recipients"]), keys.key_id(key), {keys.key_id(key): key})
    return Context(backend, ring, _private(cache), config, warnings)


def _pin(cache: Path, config: dict[str, Any]) -> None:
    keys.keep_local(cache, "recipients.json", json.dumps(config["recipients"]).encode())


def _private(cache: Path) -> Path:
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cache


def _read_config(backend: Backend) -> dict[str, Any]:
    try:
        config = json.loads(backend.get("config.json", limit=1 << 20))
    except Missing as e:
        raise BackupError(
            f"There is no repository at {backend.url}", NO_REPOSITORY, hint="Run `backendhub backup init`."
        ) from e
    except ValueError as e:
        raise BackupError("config.json cannot be read", CORRUPT) from e
    try:
        sound = (
            len(bytes.fromhex(config["id"])) == 16
            and config["mode"] in ("passphrase", "recipients")
            and 0 < len(config["recipients"]) <= 100
            and all(isinstance(r, str) for r in config["recipients"])
        )
        if config["format"] != FORMAT:
            raise BackupError(
                f"Format {config['format']} of the repository is newer than this program", NO_REPOSITORY
            )
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise BackupError("config.json cannot be read", CORRUPT) from e
    if not sound:
        raise BackupError("config.json cannot be read", CORRUPT)
    return dict(config)
