"""Limits beyond the contract: header fields, refusals, bounds of memory, a store that cannot be asked."""

from __future__ import annotations

import socket

import pytest

from backendhub.kit.errors import StoreError
from backendhub.kit.limits import Decision, MemoryLimits, Rule, TooManyHits, enforce, fields

MINUTE = Rule(100, 60, name="minute")


def test_fields_of_an_admitted_hit() -> None:
    assert enforce(Decision(True, MINUTE, 41, 12.2, 0)) == {
        "RateLimit-Policy": '"minute";q=100;w=60',
        "RateLimit": '"minute";r=41;t=13',
    }


def test_fields_of_several_rules_and_kinds() -> None:
    found = fields(
        [
            Decision(True, MINUTE, 100, 0, 0),
            Decision(True, Rule(10, 0.5, "gcra", burst=20, name='so "odd" \\'), 3, 0.2, 0),
            Decision(True, Rule(4, 30, "concurrency", name="at once"), 3, 9.5, 0),
            Decision(True, Rule(10**6, 86_400, name="day", unit="content-bytes"), 5, 1, 0),
        ],
        partition=b"ada",
    )
    assert found["RateLimit-Policy"] == (
        '"minute";q=100;w=60;pk=:YWRh:, "so \\"odd\\" \\\\";q=10;backendhub-burst=20;pk=:YWRh:, '
        '"at once";q=4;qu="concurrent-requests";pk=:YWRh:, "day";q=1000000;qu="content-bytes";w=86400;pk=:YWRh:'
    )
    assert found["RateLimit"] == (
        '"minute";r=100;pk=:YWRh:, "so \\"odd\\" \\\\";r=3;t=1;pk=:YWRh:, "at once";r=3;t=10;pk=:YWRh:, '
        '"day";r=5;t=1;pk=:YWRh:'
    )


def test_a_refusal() -> None:
    with pytest.raises(TooManyHits) as caught:
        enforce(Decision(True, Rule(5, 1, name="second"), 2, 1, 0), Decision(False, MINUTE, 0, 2.5, 7.01))
    error = caught.value
    assert (error.status, error.exit_code) == (429, 6)
    assert error.details == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "violated-policies": ["minute"],
    }
    assert error.headers["Retry-After"] == "8" and '"second";r=2' in error.headers["RateLimit"]
    assert error.message == "Too many requests: 100 requests per minute."


def test_retry_after_is_never_earlier_than_the_reset() -> None:
    limits = MemoryLimits(clock=lambda: 1_800_000_000.7)
    rule = Rule(3, 7, "sliding-counter")
    for _ in range(5):
        decision = limits.hit("k", rule)
    with pytest.raises(TooManyHits) as caught:
        enforce(decision)
    reset = int(caught.value.headers["RateLimit"].rpartition("t=")[2])
    assert 0 < reset <= int(caught.value.headers["Retry-After"]) <= 14


def test_memory_forgets_what_has_ended_and_nothing_else() -> None:
    now = [1_800_000_000.0]
    limits = MemoryLimits(clock=lambda: now[0], max_weight=100)
    short, long = Rule(1, 10), Rule(1, 1000)
    for n in range(40):
        assert limits.hit(f"a{n}", short).allowed
    now[0] += 20
    for n in range(49):
        assert limits.hit(f"b{n}", long).allowed
    assert limits._weight <= 100 and not limits.hit("b0", long).allowed


def test_full_memory_is_decided_by_the_rule_and_forgets_no_count() -> None:
    limits = MemoryLimits(clock=lambda: 1_800_000_000.0, max_weight=20)
    closed, opened = Rule(1, 1000, "gcra", fail="closed"), Rule(1, 1000, "gcra", fail="open")
    for n in range(20):
        assert limits.hit(f"k{n}", closed).allowed
    refused, admitted = limits.hit("more", closed), limits.hit("more", opened)
    assert (refused.allowed, refused.unsure, admitted.allowed, admitted.unsure) == (False, True, True, True)
    assert not limits.hit("k0", closed).allowed and not limits.hit("k0", closed).unsure
    assert fields([admitted]) == {}
    with pytest.raises(StoreError) as caught:
        enforce(refused)
    assert caught.value.status == 503 and caught.value.headers == {"Retry-After": "1"}


def test_a_log_weighs_as_much_as_it_holds() -> None:
    limits = MemoryLimits(clock=lambda: 1_800_000_000.0, max_weight=50)
    rule = Rule(10**6, 1000)
    assert sum(not limits.hit("k", rule).unsure for _ in range(100)) == 49
    limits.reset("k", rule)
    assert limits._weight == 0 and not limits.hit("k", rule).unsure


async def test_without_redis_the_rule_decides() -> None:
    from backendhub.kit.limits.redis import RedisLimits
    from backendhub.kit.redis import Redis

    with socket.socket() as taken:  # bound and not listening: nobody answers here
        taken.bind(("127.0.0.1", 0))
        limits = RedisLimits(Redis(f"redis://127.0.0.1:{taken.getsockname()[1]}"))
        opened, closed = Rule(1, 60), Rule(1, 60, "concurrency", fail="closed")
        for decisions in (limits.hit_all([("k", opened), ("k", closed)]), [await limits.ahit("k", closed)]):
            assert [d.unsure for d in decisions] == [True] * len(decisions)
            assert [d.allowed for d in decisions] == [d.rule is opened for d in decisions]
        limits.release("k", decisions[0])
        with pytest.raises(StoreError):
            limits.reset("k", opened)
