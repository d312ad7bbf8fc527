"""What makes a password acceptable (NIST SP 800-63B): length, not on a list of known ones, nothing about the account.

No rules of composition: they make passwords worse.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from backendhub.kit.errors import Invalid

MIN_LENGTH = 8
MAX_BYTES = 1024
"""More than anybody types; bounds the work of hashing."""
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertzuiop")
SERVICE = ("backendhub", "password")


class Weak(Invalid):
    """A password that is not taken; `reasons` are `length`, `pwned`, `context` or `pattern`."""

    code = "weak_password"

    def __init__(self, message: str, *reasons: str) -> None:
        super().__init__(message, field="password", reasons=list(reasons))
        self.reasons = reasons


def normal(password: str) -> str:
    """The form that is hashed: NFKC (SP 800-63B), so that one password typed on two keyboards is one password.

    Raises Weak for one that is too long, empty or not well-formed text.
    """
    text = unicodedata.normalize("NFKC", password)
    if not text or "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise Weak("A password is text, and some of it.", "length")
    if len(text.encode()) > MAX_BYTES:
        raise Weak(f"A password has at most {MAX_BYTES} bytes.", "length")
    return text


def check(
    password: str, *, context: Iterable[str | None] = (), shortest: int = MIN_LENGTH, known: bool = True
) -> str:
    """The password in its normal form, if it may be chosen. Raises Weak.

    `context` are words that an attacker tries first: address, username, name. `known=False` leaves out the lists, for a
    wire whose clients expect no more than a length.
    """
    text = normal(password)
    if len(text) < shortest:
        raise Weak(f"Password should be at least {shortest} characters.", "length")
    if not known:
        return text
    plain = text.casefold()
    core = re.sub(r"[\W\d_]+$", "", plain)
    if plain in common() or _repeats(plain):
        raise Weak("This password is known from breaches and is tried first.", "pwned")
    if any(run in plain and len(plain) - len(run) < 4 for run in _runs(plain)):
        raise Weak("A row of keys is tried first.", "pattern")
    if core and core in _words(context):
        raise Weak("Do not make a password of your name or address.", "context")
    return text


@cache
def common() -> frozenset[str]:
    """The 30,000 passwords that are tried first, from zxcvbn's lists of breaches."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _words(context: Iterable[str | None]) -> set[str]:
    found = set(SERVICE)
    for text in context:
        for plain in {t.casefold() for t in ((text or ""), (text or "").partition("@")[0])}:
            parts = re.split(r"[\W_]+", plain)
            found |= {
                plain,
                "".join(parts),
                re.sub(r"[\W\d_]+$", "", plain),
                *(p for p in parts if len(p) > 3),
            }
    return found - {""}


def _repeats(plain: str) -> bool:
    """Whether it is one short piece over and over: `aaaaaaaa`, `abcabcabc`."""
    return any(plain == (plain[:n] * len(plain))[: len(plain)] for n in range(1, min(4, len(plain) // 2 + 1)))


def _runs(plain: str) -> list[str]:
    """Rows of the keyboard and the alphabet of six and more that are in it, either way round."""
    rows = [way for row in KEYBOARD for way in (row, row[::-1])]
    return [
        row[i : i + n]
        for row in rows
        for n in range(len(row), 5, -1)
        for i in range(len(row) - n + 1)
        if row[i : i + n] in plain
    ]
