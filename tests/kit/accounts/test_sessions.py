"""Sessions and the families of their refresh tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from backendhub.kit.accounts import NotSignedIn, Opened, Refused, User, sessions, users
from backendhub.kit.accounts.models import Proven
from backendhub.kit.accounts.sessions import Sessions
from backendhub.kit.db import Db, Store

SYSTEM = "accounts"
ENGINE = Sessions(lifetime_s=1000, idle_s=100, grace_s=10)


def opened(db: Db, **more: Any) -> Opened:
    user = users.by_username(db, "ada") or users.add(db, username="ada")
    return ENGINE.open(db, user, **more)


def went_on(outcome: Opened | Refused) -> Opened:
    assert isinstance(outcome, Opened), outcome
    return outcome


def test_each_use_gives_another_token(db: Db) -> None:
    first = opened(db, user_agent="x" * 1000, ip="127.0.0.1")
    second = went_on(ENGINE.refresh(db, first.secret))
    third = went_on(ENGINE.refresh(db, second.secret))
    assert len({first.secret, second.secret, third.secret}) == 3
    assert first.session.id == second.session.id == third.session.id
    assert len(first.session.user_agent or "") == 400
    assert first.user.last_sign_in_at is not None
    kept = str(db.fetch("SELECT * FROM accounts_refresh", {})) + str(
        db.fetch("SELECT * FROM accounts_session", {})
    )
    assert not any(o.secret in kept for o in (first, second, third))


def test_asked_twice_within_the_grace_it_is_one_chain(db: Db, frozen: Callable[[str], None]) -> None:
    first = opened(db)
    second = went_on(ENGINE.refresh(db, first.secret))
    frozen("2026-01-05T09:00:10Z")
    again = went_on(ENGINE.refresh(db, first.secret))
    assert again.secret == second.secret
    assert db.value("SELECT count(*) FROM accounts_refresh") == 2


def test_reuse_after_the_grace_ends_the_family(db: Db, frozen: Callable[[str], None]) -> None:
    first = opened(db)
    second = went_on(ENGINE.refresh(db, first.secret))
    frozen("2026-01-05T09:00:11Z")
    assert ENGINE.refresh(db, first.secret) == Refused("reused")
    assert ENGINE.refresh(db, second.secret) == Refused("reused")
    assert sessions.of_user(db, first.user.id) == []


def test_a_token_from_further_back_ends_the_family_even_within_the_grace(db: Db) -> None:
    first = opened(db)
    second = went_on(ENGINE.refresh(db, first.secret))
    third = went_on(ENGINE.refresh(db, second.secret))
    assert ENGINE.refresh(db, first.secret) == Refused("reused")
    assert ENGINE.refresh(db, third.secret) == Refused("reused")


def test_what_is_no_token(db: Db) -> None:
    for text in ("", "x", "\0", "\ud800", "x" * 10_000):
        assert ENGINE.refresh(db, text) == Refused("unknown")


def test_a_session_ends_by_idleness_by_age_and_by_command(db: Db, frozen: Callable[[str], None]) -> None:
    idle, old, done, banned = (opened(db) for _ in range(4))
    frozen("2026-01-05T09:01:39Z")
    old = went_on(ENGINE.refresh(db, old.secret))
    sessions.end(db, done.session.id)
    assert ENGINE.refresh(db, done.secret) == Refused("ended")
    frozen("2026-01-05T09:01:41Z")
    assert ENGINE.refresh(db, idle.secret) == Refused("expired")
    for minute in range(3, 17):
        frozen(f"2026-01-05T09:{minute:02}:00Z")
        old = went_on(ENGINE.refresh(db, old.secret))
    frozen("2026-01-05T09:16:40Z")
    assert ENGINE.refresh(db, old.secret) == Refused("expired")
    users.edit(db, banned.user.id, status=users.Status.DISABLED)
    assert isinstance(ENGINE.refresh(db, banned.secret), Refused)


def test_ending_all_but_one(db: Db) -> None:
    one, two, three = (opened(db) for _ in range(3))
    assert [s.id for s in sessions.of_user(db, one.user.id)] == [o.session.id for o in (three, two, one)]
    assert sessions.end_all(db, one.user.id, but=two.session.id) == 2
    assert [s.id for s in sessions.of_user(db, one.user.id)] == [two.session.id]
    assert not sessions.end(db, one.session.id)


def test_old_sessions_are_swept(db: Db, frozen: Callable[[str], None]) -> None:
    opened(db)
    frozen("2026-01-05T10:00:00Z")
    assert sessions.sweep(db) == 0
    frozen("2026-02-05T10:00:00Z")
    assert sessions.sweep(db) == 1
    assert db.value("SELECT count(*) FROM accounts_refresh") == 0


def race(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `count` threads got that began at once."""
    barrier, done = Barrier(count), []

    def run() -> None:
        barrier.wait()
        done.append(work())

    threads = [Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_many_refreshes_at_once_are_one_chain(store: Store) -> None:
    store.use("accounts")
    first = store.unit(opened)
    outcomes = race(12, lambda: store.unit(ENGINE.refresh, first.secret))
    assert len({went_on(o).secret for o in outcomes}) == 1
    assert store.read(lambda db: db.value("SELECT count(*) FROM accounts_refresh")) == 2
    went_on(store.unit(ENGINE.refresh, outcomes[0].secret))


def test_many_reuses_at_once_all_fail_and_end_it(store: Store) -> None:
    store.use("accounts")
    first = store.unit(opened)
    strict = Sessions(grace_s=-1)
    outcomes = race(12, lambda: store.unit(strict.refresh, first.secret))
    assert sum(isinstance(o, Opened) for o in outcomes) <= 1
    assert store.unit(strict.refresh, first.secret) == Refused("reused")
    assert store.read(sessions.of_user, first.user.id) == []


def test_one_address_is_registered_once(store: Store) -> None:
    from backendhub.kit.accounts import Taken

    store.use("accounts")

    def register() -> User | Taken:
        try:
            return store.unit(users.add, email="ada@example.com", username="ada")
        except Taken as error:
            return error

    outcomes = race(12, register)
    assert sum(isinstance(o, User) for o in outcomes) == 1
    assert {o.field for o in outcomes if isinstance(o, Taken)} == {"email"}


def test_two_administrators_cannot_each_remove_the_other(store: Store) -> None:
    from backendhub.kit.errors import Conflict

    store.use("accounts")
    for _ in range(5):
        ids = [store.unit(users.add, username=f"admin{n}", roles=["admin"]).id for n in range(2)]
        queue = list(ids)

        def demote(queue: list[str] = queue) -> Any:
            try:
                return store.unit(users.edit, queue.pop(), roles=[])
            except Conflict as error:
                return error

        race(2, demote)
        left = store.read(users.listed, role="admin").items
        assert len(left) == 1
        store.unit(users.add, username="keeper", roles=["admin"])
        for user in (*ids,):
            store.unit(users.remove, user)
        keeper = store.read(users.by_username, "keeper")
        assert keeper is not None
        store.unit(lambda db, id=keeper.id: db.run("DELETE FROM accounts_user WHERE id = :id", id=id))


def test_a_password_that_was_changed_while_it_was_compared_opens_no_session(store: Store) -> None:
    """Hashing takes no lock: who began with the old password must not stay behind when all sessions have ended."""
    store.use("accounts")
    user = store.unit(users.add, username="ada", password_hash="old")
    proven = Proven.of(user, "old")
    begun, made = Event(), []

    def sign_in(db: Db) -> None:
        made.append(ENGINE.open(db, proven))
        begun.set()
        time.sleep(
            0.1
        )  # the change must wait for this commit, or it would not see the session that it has to end

    def change(db: Db) -> int:
        users.set_hash(db, user.id, "new")
        return sessions.end_all(db, user.id, by="password")

    thread = Thread(target=store.unit, args=(sign_in,))
    thread.start()
    begun.wait(5)
    assert store.unit(change) == 1
    thread.join()
    assert store.read(sessions.of_user, user.id) == []
    with pytest.raises(NotSignedIn):
        store.unit(lambda db: ENGINE.open(db, proven))
    assert store.unit(lambda db: ENGINE.open(db, Proven.of(user, "new"))).session.ended_at is None
