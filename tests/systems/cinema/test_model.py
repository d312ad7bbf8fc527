"""Holds and bookings against a model of a few lines of Python: whatever Hypothesis does to both, they agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backendhub.kit import clock
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import Conflict, HubError
from backendhub.kit.states import IllegalMove
from backendhub.systems.cinema.models import SeatsTaken, ShowOver, TokenOver
from backendhub.systems.cinema.service import bookings, tokens, views, workspaces
from backendhub.systems.cinema.service.bookings import Choice

SEATS = ("A-1", "A-2", "A-3", "C-1")
PRICE = {"A": 950, "C": 1350}
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
some = st.lists(st.sampled_from(SEATS), min_size=1, max_size=3, unique=True)
which = st.integers(0, 20)
worlds = count(1)


class CinemaMachine(RuleBasedStateMachine):
    """The cinema, and beside it: tokens with their end and seats, bookings with their seats."""

    store: Store
    build: Callable[[Db], Any]

    def __init__(self) -> None:
        super().__init__()
        # A world of its own for each run: days apart, so that its shows are in nobody's way.
        self.start = START + timedelta(days=7 * next(worlds))
        self.now = self.start
        self.clock = clock.traveling(self.now)
        self.clock.__enter__()
        self.show_id = self.at(self.announce)
        self.tokens: dict[str, tuple[datetime, set[str]]] = {}
        self.bookings: dict[str, list[str]] = {}

    def announce(self, db: Db) -> str:
        if not hasattr(type(self), "world"):
            with clock.traveling(START):
                type(self).world = self.build(db)  # type: ignore[attr-defined]
        return str(type(self).world.announce(db, self.start + timedelta(hours=3)).id)  # type: ignore[attr-defined]

    def at(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        with clock.traveling(self.now):
            return self.store.unit(fn, *args, **kwargs)

    def teardown(self) -> None:
        self.clock.__exit__(None, None, None)

    # -- the model ----------------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        return self.now >= self.start + timedelta(hours=3)

    def live(self, token: str) -> bool:
        return self.tokens[token][0] > self.now

    def holder(self, seat: str) -> str | None:
        return next((t for t, (_, held) in self.tokens.items() if seat in held and self.live(t)), None)

    def sold(self, seat: str) -> bool:
        return any(seat in labels for labels in self.bookings.values())

    def free(self, wanted: list[str], token: str | None, *, holding: bool) -> bool:
        mine = () if holding or token is None else (token,)
        return not any(self.sold(s) or self.holder(s) not in (None, *mine) for s in wanted)

    # -- what people do -----------------------------------------------------------------------------------

    @rule(wanted=some, minutes=st.integers(1, 20))
    def hold(self, wanted: list[str], minutes: int) -> None:
        ttl = timedelta(minutes=minutes)
        if self.begun:
            with pytest.raises(ShowOver):
                self.at(bookings.hold, self.show_id, Choice(wanted), ttl=ttl)
        elif self.free(wanted, None, holding=True):
            held = self.at(bookings.hold, self.show_id, Choice(wanted), ttl=ttl)
            assert held.token.expires_at == self.now + ttl
            self.tokens[held.token.token] = (self.now + ttl, set(wanted))
        else:
            with pytest.raises(SeatsTaken):
                self.at(bookings.hold, self.show_id, Choice(wanted), ttl=ttl)

    @precondition(lambda self: self.tokens)
    @rule(n=which, wanted=some)
    def hold_more(self, n: int, wanted: list[str]) -> None:
        token = self.pick(n)
        if not self.live(token):
            with pytest.raises(TokenOver):
                self.at(bookings.hold, self.show_id, Choice(wanted), token=token)
        elif self.begun or not self.free(wanted, token, holding=True):
            with pytest.raises(Conflict):
                self.at(bookings.hold, self.show_id, Choice(wanted), token=token)
        else:
            self.at(bookings.hold, self.show_id, Choice(wanted), token=token)
            self.tokens[token][1].update(wanted)

    @precondition(lambda self: self.tokens)
    @rule(n=which, minutes=st.integers(1, 20))
    def extend(self, n: int, minutes: int) -> None:
        token, ttl = self.pick(n), timedelta(minutes=minutes)

        def go(db: Db) -> Any:
            return tokens.extend(db, tokens.get(db, workspaces.own(db), token), ttl)

        if self.live(token):
            self.at(go)
            self.tokens[token] = (self.now + ttl, self.tokens[token][1])
        else:
            with pytest.raises(TokenOver):
                self.at(go)

    @precondition(lambda self: self.tokens)
    @rule(n=which)
    def give_up(self, n: int) -> None:
        token = self.pick(n)
        self.at(bookings.give_up, token)
        if self.live(token):
            self.tokens[token] = (self.now, set())

    @precondition(lambda self: self.tokens)
    @rule(n=which)
    def book_hold(self, n: int) -> None:
        token = self.pick(n)
        labels = self.tokens[token][1]
        if not self.begun and self.live(token) and labels:
            made = self.at(bookings.book, self.show_id, Choice(), name="x", token=token)
            assert {t.label for t in made.tickets} == labels
            self.bookings[made.booking.id] = sorted(labels)
            labels.clear()
        else:
            with pytest.raises((TokenOver, ShowOver)):
                self.at(bookings.book, self.show_id, Choice(), name="x", token=token)

    @rule(n=which, wanted=some, with_token=st.booleans())
    def book(self, n: int, wanted: list[str], with_token: bool) -> None:
        token = self.pick(n) if with_token and self.tokens else None
        dead = token is not None and not self.live(token)
        if self.begun or dead or not self.free(wanted, token, holding=False):
            with pytest.raises((SeatsTaken, TokenOver, ShowOver)):
                self.at(bookings.book, self.show_id, Choice(wanted), name="x", token=token)
            return
        made = self.at(bookings.book, self.show_id, Choice(wanted), name="x", token=token)
        assert made.booking.amount == sum(PRICE[s[0]] for s in wanted)
        self.bookings[made.booking.id] = wanted
        if token is not None:
            self.tokens[token][1].difference_update(wanted)

    @precondition(lambda self: self.bookings)
    @rule(n=which)
    def cancel(self, n: int) -> None:
        id = list(self.bookings)[n % len(self.bookings)]
        if self.begun:
            with pytest.raises(ShowOver):
                self.at(bookings.cancel, id)
            return
        self.at(bookings.cancel, id)
        del self.bookings[id]
        with pytest.raises(IllegalMove):
            self.at(bookings.cancel, id)

    @rule(seconds=st.sampled_from([0.001, 1, 59.999, 60, 299, 300, 1200, 3600]))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.tokens)
    @rule(n=which, beside=st.sampled_from([-1, 0, 1]))
    def wait_for_the_end(self, n: int, beside: int) -> None:
        self.now = max(self.now, self.tokens[self.pick(n)][0] + timedelta(milliseconds=beside))

    def pick(self, n: int) -> str:
        return list(self.tokens)[n % len(self.tokens)]

    # -- what always holds --------------------------------------------------------------------------------

    @invariant()
    def they_agree(self) -> None:
        def look(db: Db) -> dict[str, str]:
            event = bookings.events.by_id(db, bookings.shows.get(db, self.show_id).event_id)
            seen = views.view(db, event, SEATS)
            return {label: seen.state(label).status for label in SEATS}

        with clock.traveling(self.now):
            found = self.store.read(look)
        for seat in SEATS:
            told = "booked" if self.sold(seat) else "reservedByToken" if self.holder(seat) else "free"
            assert found[seat] == told, seat


def run(
    store: Store, building: Any, invariants: Any, *, examples: int, steps: int, phases: Any = tuple(Phase)
) -> None:
    store.use("cinema")
    machine = type("Machine", (CinemaMachine,), {"store": store, "build": staticmethod(building)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            phases=phases,
            report_multiple_bugs=False,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert store.read(invariants)


def test_the_cinema_is_its_model_on_sqlite(building: Any, invariants: Any) -> None:
    store = connect(":memory:")
    run(store, building, invariants, examples=16, steps=20)
    store.close()


@pytest.mark.postgres
def test_the_cinema_is_its_model_on_postgres(postgres_url: str, building: Any, invariants: Any) -> None:
    store = connect(postgres_url)
    run(store, building, invariants, examples=3, steps=15)
    store.close()


def test_the_model_can_fail(building: Any, invariants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a token's end is not looked at, Hypothesis finds it."""
    monkeypatch.setattr(tokens, "live", tokens.get)
    store = connect(":memory:")
    with pytest.raises((AssertionError, pytest.fail.Exception, HubError)):
        run(store, building, invariants, examples=60, steps=30, phases=[Phase.generate])
    store.close()
