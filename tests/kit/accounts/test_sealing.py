"""Signing keys and TOTP secrets are encrypted in the store where there is a key, on each engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from backendhub.kit import accounts, clock, sealing
from backendhub.kit.accounts import factors, store, tokens
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.outbox.store import HOLDER as OUTBOX

SYSTEM = "accounts"
HELD = (store.HOLDER, OUTBOX)
"""Of a part that this store has tables of, and of one that it has not."""
ONE, TWO = sealing.new_key(), sealing.new_key()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives this process keys; what it remembers of others is forgotten, as in a new process."""

    def use(text: str) -> None:
        monkeypatch.setenv(sealing.VARIABLE, text)
        tokens._key.cache_clear()

    return use


def stored(db: Db) -> list[str]:
    return [each.secret for each in db.all(sealing.Sealed, store.SECRETS)]


def filled(db: Db) -> tuple[str, str, factors.Enrolled]:
    """A token, its account and a second factor."""
    user = accounts.add(db, email="ada@example.com")
    opened = accounts.sessions.Sessions(lifetime_s=1000, idle_s=100, grace_s=10).open(
        db, user, method="password"
    )
    token = tokens.Tokens().issue(db, subject=user.id, session=opened.session.id)
    return token, user.id, factors.enrol(db, user.id, "totp", name="phone")


def works(db: Db, token: str, user: str, made: factors.Enrolled, back: int) -> None:
    assert tokens.Tokens().verify(db, token).subject == user
    assert made.secret is not None
    code = pyotp.TOTP(made.secret).at(clock.precise() + timedelta(seconds=30 * back))
    assert factors.right_totp(db, made.factor, code)


def test_with_a_key_nothing_can_be_read_in_the_store(db: Db, keys: Callable[[str], None]) -> None:
    keys(ONE)
    token, user, made = filled(db)
    assert len(stored(db)) == 2
    assert all(text.startswith("sealed:") and str(made.secret) not in text for text in stored(db))
    works(db, token, user, made, 0)
    assert "d" not in tokens.jwks(db)["keys"][0]


def test_without_a_key_they_stand_there_and_are_read_when_there_is_one(
    db: Db, keys: Callable[[str], None]
) -> None:
    token, user, made = filled(db)
    assert made.secret in stored(db) and sealing.counted(db, HELD) == (0, 2, 0)
    keys(ONE)
    works(db, token, user, made, -1)
    assert sealing.reseal(db, HELD) == 2
    assert sealing.counted(db, HELD) == (2, 0, 0)
    works(db, token, user, made, 0)


def test_a_rotation_loses_nothing(db: Db, keys: Callable[[str], None]) -> None:
    keys(ONE)
    token, user, made = filled(db)
    keys(f"{TWO} {ONE}")
    works(db, token, user, made, -1)
    sealing.reseal(db, HELD)
    keys(TWO)
    works(db, token, user, made, 0)
    sealing.reseal(db, HELD, plain=True)
    keys("")
    works(db, token, user, made, 1)


@pytest.mark.parametrize("given", ["", TWO], ids=["none", "another"])
def test_another_key_is_said_and_changes_nothing(db: Db, keys: Callable[[str], None], given: str) -> None:
    keys(ONE)
    token, _, made = filled(db)
    before = stored(db)
    keys(given)
    for call in (
        lambda: tokens.Tokens().verify(db, token),
        lambda: factors.right_totp(db, made.factor, "123456"),
        lambda: sealing.reseal(db, HELD),
    ):
        with pytest.raises(StoreError, match="another key"):
            call()
    assert stored(db) == before and sealing.counted(db, HELD) == (0, 0, 2)


def test_a_key_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(f"{TWO}\n{ONE}\n")
    monkeypatch.setenv(f"{sealing.VARIABLE}_FILE", str(file))
    assert sealing.unseal(sealing.seal("x")) == "x" and sealing.seal("x") != sealing.seal("x")
    for text in ("", "short"):
        file.write_text(text)
        with pytest.raises(Invalid):
            sealing.seal("x")
    monkeypatch.setenv(f"{sealing.VARIABLE}_FILE", str(tmp_path / "none"))
    with pytest.raises(Invalid, match="cannot be read"):
        sealing.seal("x")
