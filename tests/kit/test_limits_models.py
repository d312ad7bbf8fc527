"""Each algorithm against a model that counts the slow way, with a virtual clock in microseconds."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid
from backendhub.kit.limits import ALGORITHMS, Rule
from backendhub.kit.limits.algorithms import State, Step, released, step
from backendhub.kit.limits.rules import BURSTING, EXACT

MODEL = settings(max_examples=100, deadline=None)
START = 1_800_000_000_123_456


class Key:
    """One key under one rule: every hit, and those that were admitted."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state: State = None
        self.now = START
        self.admitted: list[tuple[int, int, int]] = []  # when, cost, delay
        self.keep_until = 0

    def look(self, cost: int, later: int = 0) -> Step:
        state = self.state if self.now + later < self.keep_until else None
        return step(self.rule, state, self.now + later, cost, f"{cost}:{len(self.admitted)}")

    def hit(self, cost: int) -> Step:
        found = self.look(cost)
        if found.allowed and cost:
            self.state, self.keep_until = found.state, self.now + found.keep
            self.admitted.append((self.now, cost, found.delay))
        return found


def rules(*algorithms: str) -> st.SearchStrategy[Rule]:
    """Rules whose numbers share factors, and such that do not."""

    def make(algorithm: str, limit: int, period: float, burst: int | None) -> Rule:
        return Rule(limit, period, algorithm, burst if algorithm in BURSTING else None)  # type: ignore[arg-type]

    return st.builds(
        make,
        st.sampled_from(algorithms or ALGORITHMS),
        st.integers(1, 12),
        st.sampled_from([0.001, 0.007, 1, 1.5, 60, 3600, 86_400]),
        st.none() | st.integers(1, 20),
    )


# How far to go on: in parts of a period, to moments that the last answers named, or nowhere.
MOVES = st.sampled_from(["stay", "retry", "reset", "tick"]) | st.floats(0, 1.3)
HITS = st.lists(st.tuples(MOVES, st.integers(0, 4)), max_size=40)


def drive(key: Key, hits: list[tuple[Any, int]]) -> list[tuple[Step, int]]:
    found: list[tuple[Step, int]] = []
    for move, cost in hits:
        if isinstance(move, float):
            key.now += int(move * key.rule.period * 1_000_000)
        elif move == "tick":
            key.now += 1
        elif found and move in ("retry", "reset"):
            key.now += getattr(found[-1][0], move)
        cost = min(cost, key.rule.most)
        found.append((key.hit(cost), cost))
    return found


def period(rule: Rule) -> int:
    return round(rule.period * 1_000_000)


@MODEL
@given(rules(), HITS)
def test_obeying_retry_after_always_succeeds_and_nothing_sooner_does(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    for move, cost in hits:
        ((found, cost),) = drive(key, [(move, cost)])
        if found.allowed:
            assert found.retry == 0
        else:
            assert found.retry > 0
            assert key.look(cost, found.retry).allowed
            assert not key.look(cost, found.retry - 1).allowed


@MODEL
@given(rules(), HITS)
def test_remaining_is_what_is_admitted_at_once_and_reset_is_when_it_grows(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    for move, cost in hits:
        drive(key, [(move, cost)])
        found = key.look(0)
        assert 0 <= found.remaining <= rule.most
        if found.remaining:
            assert key.look(found.remaining).allowed
        if found.remaining < rule.most:
            assert not key.look(found.remaining + 1).allowed
            assert found.reset > 0
            assert key.look(0, found.reset).remaining > found.remaining
            assert key.look(0, found.reset - 1).remaining == found.remaining
        else:
            assert found.reset == 0


@MODEL
@given(rules(), HITS)
def test_after_its_time_a_state_says_no_more_than_none_does(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    drive(key, hits)
    if key.state is not None:
        later = max(0, key.keep_until - key.now)
        kept = step(rule, key.state, key.now + later, 0)
        assert (kept.remaining, kept.reset) == (rule.most, 0)


@MODEL
@given(rules(), HITS)
def test_a_refused_hit_and_a_look_change_nothing(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    for move, cost in hits:
        drive(key, [(move, cost)])
        before = key.look(1)
        key.hit(0)
        assert key.look(1) == before


# -- never more, never less ----------------------------------------------------------------------------------


@MODEL
@given(rules("fixed-window"), HITS)
def test_fixed_window(rule: Rule, hits: Any) -> None:
    key, used = Key(rule), {}
    for move, cost in hits:
        ((found, cost),) = drive(key, [(move, cost)])
        window = key.now // period(rule)
        assert found.allowed == (used.get(window, 0) + max(cost, 1) <= rule.limit)
        used[window] = used.get(window, 0) + cost * found.allowed
        assert used[window] <= rule.limit


@MODEL
@given(rules("sliding-log"), HITS)
def test_sliding_log(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    for move, cost in hits:
        before = list(key.admitted)
        ((found, cost),) = drive(key, [(move, cost)])
        used = sum(c for t, c, _ in before if t > key.now - period(rule))
        assert found.allowed == (used + max(cost, 1) <= rule.limit)
    for start, _, _ in key.admitted:  # the worst windows are those that begin with a hit
        inside = [c for t, c, _ in key.admitted if start <= t < start + period(rule)]
        assert sum(inside) <= rule.limit


@MODEL
@given(rules("sliding-counter"), HITS)
def test_sliding_counter(rule: Rule, hits: Any) -> None:
    key = Key(rule)
    p = period(rule)
    for move, cost in hits:
        before = list(key.admitted)
        ((found, cost),) = drive(key, [(move, cost)])
        window = key.now // p
        this = sum(c for t, c, _ in before if t // p == window)
        last = sum(c for t, c, _ in before if t // p == window - 1)
        estimate = this + Fraction(last * (p - key.now % p), p)
        assert found.allowed == (estimate + max(cost, 1) <= rule.limit)
        assert this + cost * found.allowed <= rule.limit


@MODEL
@given(rules("token-bucket", "gcra"), HITS)
def test_token_bucket_and_gcra(rule: Rule, hits: Any) -> None:
    key, burst = Key(rule), rule.burst or rule.limit
    level, last = Fraction(burst), START
    for move, cost in hits:
        ((found, cost),) = drive(key, [(move, cost)])
        level = min(Fraction(burst), level + Fraction((key.now - last) * rule.limit, period(rule)))
        last = key.now
        assert found.allowed == (level >= max(cost, 1))
        level -= cost * found.allowed
    for i, (start, _, _) in enumerate(key.admitted):
        for sum_, (t, _, _) in zip(
            accumulate(c for _, c, _ in key.admitted[i:]), key.admitted[i:], strict=True
        ):
            assert (sum_ - burst) * period(rule) <= rule.limit * (t - start)


@MODEL
@given(rules("leaky-bucket"), HITS)
def test_leaky_bucket(rule: Rule, hits: Any) -> None:
    key, free, pace = Key(rule), Fraction(START), Fraction(period(rule), rule.limit)
    burst = rule.burst or rule.limit
    for move, cost in hits:
        ((found, cost),) = drive(key, [(move, cost)])
        free = max(free, Fraction(key.now))
        assert found.allowed == (free - key.now + (max(cost, 1) - 1) * pace <= burst * pace)
        if found.allowed:
            assert found.delay == -((key.now - free) // 1)  # up to the next whole microsecond
            free += cost * pace
    turns = [(t + delay, cost) for t, cost, delay in key.admitted]
    for start, _ in turns:
        assert (
            sum(c for t, c in turns[:-1] if start <= t < start + period(rule))
            <= rule.limit + max((c for _, c in turns), default=0) - 1
        )


@MODEL
@given(
    rules("concurrency"),
    st.lists(st.tuples(st.floats(0, 0.7), st.integers(0, 4), st.integers(-1, 9)), max_size=40),
)
def test_concurrency(rule: Rule, hits: Any) -> None:
    key, inside = Key(rule), {}
    for move, cost, leaves in hits:
        key.now += int(move * period(rule))
        if inside and leaves >= 0:
            lease = list(inside)[leaves % len(inside)]
            del inside[lease]
            key.state = released(key.state, lease)
        inside = {name: (end, size) for name, (end, size) in inside.items() if end > key.now}
        used, cost = sum(c for _, c in inside.values()), min(cost, rule.limit)
        lease = f"{cost}:{len(key.admitted)}"
        found = key.hit(cost)
        assert found.allowed == (used + max(cost, 1) <= rule.limit)
        if found.allowed and cost:
            inside[lease] = (key.now + period(rule), cost)
        assert sum(c for _, c in inside.values()) <= rule.limit


@MODEL
@given(rules(), HITS, st.integers(1, 10**7))
def test_a_clock_that_steps_back_admits_nothing_more(rule: Rule, hits: Any, back: int) -> None:
    key = Key(rule)
    drive(key, hits)
    before = key.look(0)
    key.now -= back
    assert key.look(0).remaining <= before.remaining


# -- numbers -------------------------------------------------------------------------------------------------


@MODEL
@given(
    st.sampled_from(ALGORITHMS),
    st.integers(1, 10**6),
    st.sampled_from([0.001, 1, 59.5, 3600, 86_400, 31 * 86_400]),
    st.lists(st.integers(0, 10**12), max_size=10),
)
def test_every_product_stays_exact_for_lua(
    algorithm: Any, limit: int, seconds: float, moves: list[int]
) -> None:
    rule = Rule(limit, seconds, algorithm)
    n = rule.numbers
    assert n.limit * n.period * 2 < EXACT and n.burst * n.one < EXACT
    assert Fraction(n.flow, n.one) == Fraction(n.limit, n.period)
    key = Key(rule)
    for move in moves:
        key.now += move
        found = key.hit(limit)
        if not found.allowed:
            assert key.look(limit, found.retry).allowed
            assert not key.look(limit, found.retry - n.tick_us).allowed


def test_rules_that_nothing_could_obey_are_refused() -> None:
    for bad in (
        {"limit": 0}, {"period": 0}, {"algorithm": "magic"}, {"burst": 3}, {"algorithm": "gcra", "burst": 0},
        {"fail": "maybe"}, {"name": ""}, {"name": "caf\u00e9"}, {"limit": 10**16},
    ):  # fmt: skip
        with pytest.raises(Invalid):
            Rule(**({"limit": 1, "period": 1} | bad))  # type: ignore[arg-type]


def test_another_rule_of_the_same_name_has_counts_of_its_own() -> None:
    assert Rule(5, 60).id != Rule(6, 60).id != Rule(6, 60, "gcra").id
    assert Rule(5, 60).id == Rule(5, 60, fail="closed").id


def test_a_log_waits_for_as_many_ends_as_a_hit_needs() -> None:
    key, second = Key(Rule(4, 60)), 1_000_000
    for _ in range(4):
        assert key.hit(1).allowed
        key.now += 10 * second
    assert [key.look(cost).retry // second for cost in (1, 2, 3, 4)] == [20, 30, 40, 50]
    key.now += 35 * second  # two have ended
    assert key.hit(1).remaining == 1
    assert [key.look(cost).retry // second for cost in (1, 2, 3, 4)] == [0, 5, 15, 60]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_retry_after_counts_a_clock_that_stepped_back(algorithm: Any) -> None:
    key = Key(Rule(2, 60, algorithm))
    while key.hit(1).allowed:
        pass
    before = key.look(1).retry
    key.now -= 5_000_000
    found = key.look(1)
    assert not found.allowed and found.retry == before + 5_000_000
    assert key.look(1, found.retry).allowed
