"""Passwords: what is taken, how it is hashed, and that a crowd does not take all the memory."""

from __future__ import annotations

import asyncio
import threading
import unicodedata

import pytest

from backendhub.kit.accounts.passwords import Passwords, Verdict
from backendhub.kit.accounts.policy import Weak, check
from backendhub.kit.errors import Invalid, TooMany
from backendhub.kit.settings import Settings


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "length"),
        ("", "length"),
        ("a\0bcdefgh", "length"),
        ("\ud800" * 9, "length"),
        ("x" * 1025, "length"),
        ("password123", "pwned"),
        ("PASSWORD123", "pwned"),
        ("zxzxzxzxzx", "pwned"),
        ("qwertyuiop99", "pattern"),
        ("0987654321", "pattern"),
        ("ada.lovelace", "context"),
        ("Lovelace1815!", "context"),
        ("backendhub1", "context"),
    ],
)
def test_what_is_not_taken(password: str, reason: str) -> None:
    with pytest.raises(Weak) as error:
        check(password, context=("ada.lovelace@example.com", "Ada Lovelace"))
    assert error.value.reasons == (reason,)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "tr0ub4dor&3x",
        "пароль-по-русски",
        "        x",
        "😀🙃🫠🦊🐙🦉🐢🦖",
        "".join(map(chr, range(200, 600))),
    ],
)
def test_what_is_taken(password: str) -> None:
    assert check(password, context=("ada@example.com",)) == unicodedata.normalize("NFKC", password)


def test_a_wire_may_ask_for_a_length_only() -> None:
    assert check("password123", known=False) == "password123"


def test_a_password_is_the_same_on_every_keyboard(passwords: Passwords) -> None:
    stored = passwords.hash("Zu\u0308rich-ﬁne")
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert passwords.verify("Z\u00fcrich-fine", stored).right
    assert not passwords.verify("Zurich-fine", stored).right


def test_nobody_and_nonsense_fit_nothing(passwords: Passwords) -> None:
    assert passwords.verify("x", None) == Verdict(False)
    assert passwords.verify("x", "plain text") == Verdict(False)
    assert passwords.verify("\0", passwords.hash("x")) == Verdict(False)
    assert passwords.verify("y" * 2000, passwords.hash("x")) == Verdict(False)


def test_a_hash_with_old_parameters_is_replaced() -> None:
    stored = Passwords(memory_kib=8, passes=1).hash("correct horse")
    verdict = Passwords(memory_kib=16, passes=1).verify("correct horse", stored)
    assert verdict.right
    assert verdict.replacement is not None
    assert "m=16" in verdict.replacement


def test_a_bcrypt_hash_of_another_product_is_verified_once_and_replaced(passwords: Passwords) -> None:
    import bcrypt

    long = "correct horse battery staple " * 4
    stored = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert passwords.recognises(stored)
    verdict = passwords.verify(long, stored)
    assert verdict.replacement is not None
    assert passwords.verify(long, verdict.replacement).right
    assert not passwords.verify(long[:72], verdict.replacement).right


def test_a_crowd_waits_in_line() -> None:
    hasher = Passwords(memory_kib=8, passes=1, workers=2, waiting=8)
    busy, peak, lock, go = [0], [0], threading.Lock(), threading.Event()
    real = hasher._verify

    def slow(password: str, stored: str | None) -> Verdict:
        with lock:
            busy[0] += 1
            peak[0] = max(peak[0], busy[0])
        go.wait(10)
        verdict = real(password, stored)
        with lock:
            busy[0] -= 1
        return verdict

    hasher._verify = slow  # type: ignore[method-assign]

    async def crowd() -> list[object]:
        asyncio.get_running_loop().call_later(0.01, go.set)
        return await asyncio.gather(*(hasher.averify("x", None) for _ in range(30)), return_exceptions=True)

    done = asyncio.run(crowd())
    assert peak[0] == 2
    assert sum(isinstance(d, TooMany) for d in done) == 20
    hasher.close()
    assert hasher._queued == 0


def test_awaited_and_plain_hashes_are_the_same(passwords: Passwords) -> None:
    stored = asyncio.run(passwords.ahash("correct horse"))
    assert passwords.verify("correct horse", stored) == Verdict(True)


def test_too_little_memory_is_refused() -> None:
    settings = Settings(environ={"BACKENDHUB_ACCOUNTS_HASH_MEMORY": "1024"})
    with pytest.raises(Invalid, match="hash_memory"):
        Passwords.of(settings)


def test_the_parameters_are_those_of_owasp() -> None:
    hasher = Passwords.of(Settings(environ={}))
    assert (hasher.memory_kib, hasher.passes, hasher.lanes) == (19_456, 2, 1)
    assert hasher.hash("correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
