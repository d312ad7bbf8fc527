"""The states against a model that recounts every call, with a virtual clock; and beside pybreaker."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from backendhub.kit.breaker import Machine, Outcome, Permit, Policy, State
from backendhub.kit.errors import Invalid

SECOND = 1_000_000
POLICIES = st.builds(
    Policy,
    failure_rate=st.sampled_from([1.0, 34.0, 50.0, 100.0]),
    slow_rate=st.sampled_from([50.0, 100.0]),
    slow_s=st.just(2.0),
    window=st.sampled_from(["count", "time"]),
    size=st.integers(1, 8),
    minimum=st.integers(1, 10),
    half_open=st.integers(1, 4),
    wait_s=st.sampled_from([1.0, 5.0]),
    wait_factor=st.sampled_from([1.0, 2.0]),
    wait_max_s=st.just(12.0),
    half_open_s=st.sampled_from([0.0, 3.0]),
)


@dataclass
class Entry:
    """A call that counted, as the model remembers it."""

    at: int
    failed: bool
    slow: bool


class Model(RuleBasedStateMachine):
    """The state worked out from the whole history each time, the slow way."""

    permits: Any = Bundle("permits")

    @initialize(policy=POLICIES)
    def begin(self, policy: Policy) -> None:
        self.policy, self.now = policy, 1_800_000_000 * SECOND
        self.machine = Machine(policy, now=self.now)
        self.state, self.entered, self.opened, self.epoch = State.CLOSED, self.now, 0, 0
        self.calls: list[Entry] = []
        self.out: dict[Permit, int] = {}  # permit → epoch
        self.given = 0  # in this half-open state
        self.actions: list[Any] = [("start", self.now)]

    # -- the model ----------------------------------------------------------------------------------------

    def enter(self, state: State, at: int) -> None:
        self.state, self.entered, self.given = state, at, 0
        self.epoch += 1
        if state is State.OPEN:
            self.opened += 1
        else:
            self.calls = []
            self.opened = 0 if state is State.CLOSED else self.opened

    def wait(self) -> int:
        return round(min(self.policy.wait_s * self.policy.wait_factor ** (self.opened - 1), 12) * SECOND)

    def tick(self) -> None:
        limit = round(self.policy.half_open_s * SECOND)
        if self.state is State.HALF_OPEN and limit and self.now >= self.entered + limit:
            self.enter(State.OPEN, self.entered + limit)

    def known(self) -> list[Entry]:
        if self.state is State.HALF_OPEN:
            return self.calls[-self.policy.half_open :]
        if self.policy.window == "count":
            return self.calls[-self.policy.size :]
        oldest = self.now // SECOND - self.policy.size + 1
        return [c for c in self.calls if c.at // SECOND >= oldest]

    def needed(self) -> int:
        if self.state is State.HALF_OPEN:
            return min(self.policy.minimum, self.policy.half_open)
        return (
            min(self.policy.minimum, self.policy.size)
            if self.policy.window == "count"
            else self.policy.minimum
        )

    def decide(self) -> None:
        known = self.known()
        if len(known) < self.needed():
            return
        failed = 100 * sum(c.failed for c in known) / len(known) >= self.policy.failure_rate
        slow = 100 * sum(c.slow for c in known) / len(known) >= self.policy.slow_rate
        if failed or slow:
            self.enter(State.OPEN, self.now)
        elif self.state is State.HALF_OPEN:
            self.enter(State.CLOSED, self.now)

    # -- what happens -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.000001, 0.5, 0.999999, 1.0, 2.5, 5.0, 12.0]) | st.floats(0, 13))
    def wait_a_while(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    @rule(target=permits)
    def call(self) -> Any:
        self.actions.append(("acquire", self.now))
        self.tick()
        permit = self.machine.acquire(self.now)
        if self.state is State.OPEN and self.now >= self.entered + self.wait():
            self.enter(State.HALF_OPEN, self.now)
        admitted = self.state is State.CLOSED or (
            self.state is State.HALF_OPEN and self.given < self.policy.half_open
        )
        assert (permit is not None) == admitted, self.state
        if permit is None:
            return None
        self.given += 1
        self.out[permit] = self.epoch
        return permit, len(self.actions)

    @rule(given=consumes(permits), outcome=st.sampled_from(Outcome))
    def back(self, given: Any, outcome: Outcome) -> None:
        if given is None or given[0] not in self.out:
            return
        permit = given[0]
        self.actions.append(("record", self.now, permit, outcome))
        self.tick()
        mine = self.out.pop(permit) == self.epoch
        self.machine.record(permit, self.now, outcome)
        if not mine or self.state not in (State.CLOSED, State.HALF_OPEN):
            return
        if outcome is Outcome.IGNORED:
            self.given -= 1
            return
        slow = self.now - permit.began > self.policy.slow_s * SECOND
        self.calls.append(Entry(self.now, outcome is Outcome.FAILURE, slow))
        self.decide()

    @rule(state=st.sampled_from([State.CLOSED, State.OPEN, State.HALF_OPEN]))
    def force(self, state: State) -> None:
        self.actions.append(("force", self.now, state))
        self.tick()
        self.machine.force(state, self.now)
        self.enter(state, self.now)

    @invariant()
    def the_same_state(self) -> None:
        found = self.machine.snapshot(self.now)
        self.tick()
        assert found.state is self.state
        if self.state is State.OPEN:
            assert found.retry_after == max(0, self.entered + self.wait() - self.now)
        if self.state is State.HALF_OPEN:
            assert self.given <= self.policy.half_open
        if self.state in (State.CLOSED, State.HALF_OPEN):
            known = self.known()
            assert found.sums.calls == len(known) and found.sums.failed == sum(c.failed for c in known)

    def teardown(self) -> None:
        """The same outcomes at the same times give the same state."""
        if not hasattr(self, "machine"):
            return
        again = Machine(self.policy, now=self.actions[0][1])
        for kind, now, *more in self.actions[1:]:
            if kind == "acquire":
                again.acquire(now)
            elif kind == "record":
                again.record(more[0], now, more[1])
            else:
                again.force(more[0], now)
        assert again.snapshot(self.now) == self.machine.snapshot(self.now)


Model.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase


@given(st.integers(1, 20), st.lists(st.booleans(), max_size=20))
def test_half_open_admits_exactly_so_many(k: int, outcomes: list[bool]) -> None:
    machine = Machine(Policy(half_open=k, minimum=100, wait_s=10))
    machine.force(State.OPEN, 0)
    assert machine.acquire(10 * SECOND - 1) is None
    permits = [machine.acquire(10 * SECOND) for _ in range(k + 5)]
    assert [p is not None for p in permits] == [True] * k + [False] * 5
    for permit, good in zip(permits, outcomes, strict=False):
        if permit is not None and machine.snapshot(11 * SECOND).state is State.HALF_OPEN:
            machine.record(permit, 11 * SECOND, Outcome.SUCCESS if good else Outcome.FAILURE)
            if machine.snapshot(11 * SECOND).state is State.HALF_OPEN:
                assert machine.acquire(11 * SECOND) is None


def test_what_began_before_decides_nothing_after() -> None:
    machine = Machine(Policy(size=2, minimum=2, half_open=1, wait_s=1))
    old = [machine.acquire(0) for _ in range(5)]
    for permit in old[:2]:
        assert permit
        machine.record(permit, 0, Outcome.FAILURE)
    trial = machine.acquire(SECOND)
    assert trial and machine.snapshot(SECOND).state is State.HALF_OPEN
    for permit in old[2:4]:
        assert permit
        machine.record(permit, SECOND, Outcome.FAILURE)
    assert machine.snapshot(SECOND).state is State.HALF_OPEN
    machine.record(trial, SECOND, Outcome.SUCCESS)
    assert machine.snapshot(SECOND).state is State.CLOSED
    assert old[4]
    machine.record(old[4], SECOND, Outcome.FAILURE)
    assert machine.snapshot(SECOND).sums.calls == 0


def test_states_that_are_set_by_hand_stay() -> None:
    for state, admits in ((State.DISABLED, True), (State.METRICS_ONLY, True), (State.FORCED_OPEN, False)):
        notes: list[str] = []
        machine = Machine(Policy(size=2, minimum=2), note=lambda kind, now, text, n=notes: n.append(kind))  # type: ignore[misc]
        machine.force(state, 0)
        for now in range(5):
            permit = machine.acquire(now * 100 * SECOND)
            assert (permit is not None) is admits
            if permit is not None:
                machine.record(permit, now * 100 * SECOND, Outcome.FAILURE)
        found = machine.snapshot(1000 * SECOND)
        assert found.state is state
        assert found.sums.calls == (2 if state is State.METRICS_ONLY else 0)
        assert notes.count("FAILURE_RATE_EXCEEDED") == (1 if state is State.METRICS_ONLY else 0)
        assert notes.count("NOT_PERMITTED") == (5 if state is State.FORCED_OPEN else 0)


def test_waits_grow_until_their_bound_and_begin_anew_when_closed() -> None:
    machine = Machine(Policy(size=1, minimum=1, half_open=1, wait_s=1, wait_factor=2, wait_max_s=5))
    now, waits = 0, []
    for outcome in [Outcome.FAILURE] * 5 + [Outcome.SUCCESS, Outcome.FAILURE]:
        permit = machine.acquire(now)
        assert permit
        machine.record(permit, now, outcome)
        waits.append(machine.snapshot(now).retry_after // SECOND)
        now += machine.snapshot(now).retry_after
    assert waits == [1, 2, 4, 5, 5, 0, 1]


def test_a_wait_that_no_number_holds_is_the_longest() -> None:
    assert Policy(wait_factor=10, wait_max_s=90).wait(100_000) == 90 * SECOND


def test_with_automatic_the_wait_alone_makes_it_half_open() -> None:
    notes: list[tuple[str, int, str]] = []
    policy = Policy(size=1, minimum=1, half_open=2, wait_s=5, half_open_s=3, automatic=True)
    machine = Machine(policy, note=lambda *note: notes.append(note))
    failing = machine.acquire(0)
    assert failing
    machine.record(failing, 0, Outcome.FAILURE)
    assert machine.snapshot(5 * SECOND - 1).state is State.OPEN
    assert machine.snapshot(6 * SECOND).state is State.HALF_OPEN  # nobody has called
    assert [machine.acquire(6 * SECOND) is not None for _ in range(3)] == [True, True, False]
    assert machine.snapshot(8 * SECOND).state is State.OPEN  # they were not back
    moves = [(when, text) for kind, when, text in notes if kind == "STATE_TRANSITION"]
    assert moves == [
        (0, "CLOSED_TO_OPEN"), (5 * SECOND, "OPEN_TO_HALF_OPEN"), (8 * SECOND, "HALF_OPEN_TO_OPEN"),
    ]  # fmt: skip
    assert machine.snapshot(14 * SECOND).state is State.HALF_OPEN
    assert machine.snapshot(10**9 * SECOND).state in (State.OPEN, State.HALF_OPEN)  # in no time


def test_defaults_are_those_of_resilience4j() -> None:
    policy = Policy()
    assert (policy.failure_rate, policy.size, policy.minimum, policy.half_open) == (50, 100, 100, 10)
    assert (policy.wait_s, policy.slow_rate, policy.slow_s, policy.window) == (60, 100, 60, "count")
    machine = Machine(policy)
    for n in range(100):
        assert machine.snapshot(n).state is State.CLOSED
        permit = machine.acquire(n)
        assert permit
        machine.record(permit, n, Outcome.FAILURE if n % 2 else Outcome.SUCCESS)
    assert machine.snapshot(100).state is State.OPEN and machine.snapshot(100).failure_rate == 50


@pytest.mark.parametrize(
    "bad",
    [
        {"failure_rate": 0}, {"failure_rate": 101}, {"window": "x"}, {"size": 0}, {"minimum": 0}, {"half_open": 0},
        {"wait_s": float("inf"), "wait_max_s": float("inf")}, {"half_open_s": float("nan")}, {"slow_s": float("inf")},
        {"wait_s": 0}, {"wait_factor": 0.5}, {"wait_max_s": 1}, {"slow_s": 0}, {"half_open_s": -1}, {"cancelled": "x"},
    ],
)  # fmt: skip
def test_policies_that_nothing_could_follow(bad: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Policy(**bad)


# -- another breaker -----------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["ok", "fail", "wait"]), max_size=40))
def test_it_decides_as_pybreaker_where_both_can(fail_max: int, steps: list[str]) -> None:
    """So many failures in a row open it, one trial decides: pybreaker's rule, which is a case of ours."""
    pybreaker = pytest.importorskip("pybreaker")
    now = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return now[0]

    other = pybreaker.CircuitBreaker(fail_max=fail_max, reset_timeout=10)
    ours = Machine(Policy(failure_rate=100, size=fail_max, minimum=fail_max, half_open=1, wait_s=10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pybreaker, "datetime", Clock)
        for step in steps:
            if step == "wait":
                now[0] = datetime.fromtimestamp(now[0].timestamp() + 4, UTC)
                continue
            called: list[int] = []

            def fn(step: str = step, called: list[int] = called) -> None:
                called.append(1)
                if step == "fail":
                    raise ValueError

            with contextlib.suppress(ValueError, pybreaker.CircuitBreakerError):
                other.call(fn)
            micros = round(now[0].timestamp()) * SECOND
            permit = ours.acquire(micros)
            assert bool(called) == (permit is not None)
            if permit is not None:
                ours.record(permit, micros, Outcome.FAILURE if step == "fail" else Outcome.SUCCESS)
            assert other.current_state.replace("-", "_").upper() == ours.snapshot(micros).state.value
