"""Secrets that the server itself has to read again (signing keys, TOTP and webhook secrets), encrypted in the store where
there is a key.

The key is BACKENDHUB_SECRET_KEY, or what is in the file that BACKENDHUB_SECRET_KEY_FILE names. It is no setting: a
key in the config file would be copied along with the store that it protects. Several keys, one a word, are a rotation: the
first encrypts, all of them decrypt. Without a key secrets stand in the store as they are, and the file's mode protects them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from backendhub.kit.db import Db, status
from backendhub.kit.errors import Invalid, StoreError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

VARIABLE = "BACKENDHUB_SECRET_KEY"
PREFIX = "sealed:"
"""What a stored secret begins with where it is encrypted: neither JSON nor base 32 does, and no webhook's may."""


class Holder(NamedTuple):
    """A part of the kit that keeps secrets: what selects them (`Sealed`), and what replaces one of each kind, if it still
    is the one that was read."""

    part: str
    select: str
    replace: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored secret that can be read again."""

    kind: str
    id: str
    secret: str


def new_key() -> str:
    """A new key (Fernet: AES-128 in CBC mode with HMAC-SHA-256)."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def keys() -> str:
    """The keys of this process, newest first; '' where there are none. Raises Invalid for a file that cannot be read."""
    if given := os.environ.get(VARIABLE, "").split():
        return " ".join(given)
    named = os.environ.get(f"{VARIABLE}_FILE", "")
    if not named:
        return ""
    try:
        given = Path(named).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"The key file {named} cannot be read: {error}.", hint=f"{VARIABLE}_FILE") from None
    if not given:
        raise Invalid(f"The key file {named} is empty.", hint="backendhub user secret key")
    return " ".join(given)


@lru_cache(maxsize=8)
def _box(text: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    try:
        return MultiFernet([Fernet(key) for key in text.split()])
    except ValueError:
        raise Invalid(
            f"{VARIABLE} holds no usable key.", hint="backendhub user secret key makes one"
        ) from None


def seal(secret: str) -> str:
    """A secret as it is stored: encrypted where this process has a key."""
    given = keys()
    return PREFIX + _box(given).encrypt(secret.encode()).decode() if given else secret


def unseal(stored: str) -> str:
    """A stored secret as it was. Raises StoreError where this process lacks its key."""
    if not stored.startswith(PREFIX):
        return stored
    from cryptography.fernet import InvalidToken

    given = keys()
    try:
        if given:
            return _box(given).decrypt(stored.removeprefix(PREFIX)).decode()
    except InvalidToken:
        pass
    raise StoreError("A secret of this store is encrypted with another key.", hint=f"set {VARIABLE} to it")


def reseal(db: Db, holders: Iterable[Holder], *, plain: bool = False) -> int:
    """Stores every secret under the newest key of this process, or as it is. Gives how many there are.

    Raises StoreError where it lacks the key of one; nothing is changed then.
    """
    count = 0
    for holder, each in _all(db, holders):
        secret = unseal(each.secret)
        values = {"id": each.id, "old": each.secret, "secret": secret if plain else seal(secret)}
        db.run(holder.replace[each.kind], **values)
        count += 1
    return count


def counted(db: Db, holders: Iterable[Holder]) -> tuple[int, int, int]:
    """How many secrets are encrypted and readable here, how many stand there as they are, how many cannot be read."""
    sealed = plain = lost = 0
    for _, each in _all(db, holders):
        try:
            unseal(each.secret)
        except StoreError:
            lost += 1
        else:
            sealed += each.secret.startswith(PREFIX)
            plain += not each.secret.startswith(PREFIX)
    return sealed, plain, lost


def _all(db: Db, holders: Iterable[Holder]) -> list[tuple[Holder, Sealed]]:
    """The secrets of the parts that this store has tables of."""
    there = [holder for holder in holders if all(m.applied for m in status(db, holder.part))]
    return [(holder, each) for holder in there for each in db.all(Sealed, holder.select)]
