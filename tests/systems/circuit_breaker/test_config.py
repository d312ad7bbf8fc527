"""The configuration of Spring's starter."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.kit.breaker import Policy, State
from backendhub.kit.errors import Invalid
from backendhub.systems.circuit_breaker.config import duration, load

SPRING = """
resilience4j.circuitbreaker:
  configs:
    default:
      slidingWindowSize: 100
      permittedNumberOfCallsInHalfOpenState: 10
      waitDurationInOpenState: 10s
      failureRateThreshold: 60
    slow: {slowCallDurationThreshold: 200ms, slowCallRateThreshold: 30, registerHealthIndicator: false}
  instances:
    backendA:
      slidingWindowSize: 6
      minimum-number-of-calls: 3
      waitDurationInOpenState: 5000
      failureRateThreshold: 70
      allowHealthIndicatorToFail: true
      upstream: http://127.0.0.1:9000/api
      failureStatuses: [5xx, 429]
      fallback: '{"items": []}'
      maxAttempts: 3
    backendB:
      baseConfig: slow
      slidingWindowType: TIME_BASED
      slidingWindowSize: 10
      enableExponentialBackoff: true
      exponentialBackoffMultiplier: 2
      exponentialMaxWaitDurationInOpenState: PT5M
      initialState: METRICS_ONLY
      automaticTransitionFromOpenToHalfOpenEnabled: true
      eventConsumerBufferSize: 5
      ignoredStatuses: "503"
    plain:
"""


def test_what_spring_reads() -> None:
    found = load(SPRING, "application.yaml")
    a, b, plain = found["backendA"], found["backendB"], found["plain"]
    assert a.policy == Policy(failure_rate=70, size=6, minimum=3, half_open=10, wait_s=5)
    assert (a.upstream, a.tries, a.may_fail, a.fallback) == (
        "http://127.0.0.1:9000/api",
        3,
        True,
        '{"items": []}',
    )
    assert {429, 500, 599} <= a.statuses and 404 not in a.statuses
    assert b.policy == Policy(
        slow_s=0.2,
        slow_rate=30,
        window="time",
        size=10,
        wait_factor=2,
        wait_max_s=300,
        wait_s=60,
        automatic=True,
    )
    assert (b.events, b.ignored, a.events, a.ignored) == (5, {503}, 100, frozenset())
    assert 503 not in b.statuses and 500 in b.statuses
    assert (b.state, b.health, b.upstream) == (State.METRICS_ONLY, False, None)
    assert plain.policy == Policy(failure_rate=60, wait_s=10)
    nested = SPRING.replace("resilience4j.circuitbreaker:", "resilience4j:\n circuitbreaker:").replace(
        "\n  ", "\n   "
    )
    assert load(nested, "x") == found


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1500, 1.5),
        ("1500", 1.5),
        ("10s", 10),
        ("500ms", 0.5),
        ("2m", 120),
        ("PT1M30S", 90),
        ("PT0.5S", 0.5),
        ("0", 0),
    ],
)
def test_durations(value: Any, seconds: float) -> None:
    assert duration(value, "x") == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1", "no resilience4j.circuitbreaker"),
        ("resilience4j.circuitbreaker: {instance: {}}", "'instance'"),
        ("resilience4j.circuitbreaker: {instances: {a: {failureRate: 1}}}", "'failureRate'"),
        ("resilience4j.circuitbreaker: {instances: {a: {failureRateThreshold: 0}}}", "above 0"),
        ("resilience4j.circuitbreaker: {instances: {a: {slidingWindowSize: 1.5}}}", "no number"),
        ("resilience4j.circuitbreaker: {instances: {a: {slidingWindowType: X}}}", "'X'"),
        ("resilience4j.circuitbreaker: {instances: {a: {waitDurationInOpenState: soon}}}", "no duration"),
        ("resilience4j.circuitbreaker: {instances: {a: {baseConfig: none}}}", "'none'"),
        ("resilience4j.circuitbreaker: {instances: {a: {upstream: 'ftp://x'}}}", "no http"),
        ("resilience4j.circuitbreaker: {instances: {a: {failureStatuses: 700}}}", "no status"),
        ("resilience4j.circuitbreaker: {instances: {a: {initialState: AJAR}}}", "'AJAR'"),
        ("resilience4j.circuitbreaker: {instances: {a: {maxAttempts: .inf}}}", "no number"),
        ("resilience4j.circuitbreaker: {instances: {a: {waitDurationInOpenState: .inf}}}", "no duration"),
        ("resilience4j.circuitbreaker: {instances: {a: {eventConsumerBufferSize: 1e9}}}", "no number"),
        ("resilience4j.circuitbreaker: {instances: {a: {eventConsumerBufferSize: 1000000000}}}", "at most"),
        ("resilience4j.circuitbreaker: {instances: {a b: {}}}", "no name"),
        ("resilience4j.circuitbreaker: {instances: [a]}", "mapping"),
    ],
)
def test_mistakes_are_named(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(text, "application.yaml")
    assert caught.value.message.startswith("application.yaml") and says in caught.value.message
