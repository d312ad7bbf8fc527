"""Breakers as resilience4j's actuator endpoints show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backendhub.kit import clock
from backendhub.kit.breaker import Breaker, Event, State

Json = dict[str, Any]
UPDATES = {"CLOSE": State.CLOSED, "FORCE_OPEN": State.FORCED_OPEN, "DISABLE": State.DISABLED}
MORE = {"METRICS_ONLY": State.METRICS_ONLY, "OPEN": State.OPEN, "HALF_OPEN": State.HALF_OPEN}
"""Further states that our `updateState` takes."""
STATUS = {State.CLOSED: "UP", State.OPEN: "CIRCUIT_OPEN", State.HALF_OPEN: "CIRCUIT_HALF_OPEN"}
ORDER = ("DOWN", "OUT_OF_SERVICE", "UP", "UNKNOWN", "CIRCUIT_OPEN", "CIRCUIT_HALF_OPEN")
"""Spring's order of severity, with what it does not know at the end."""
TYPES = (
    "ERROR", "IGNORED_ERROR", "SUCCESS", "NOT_PERMITTED", "STATE_TRANSITION", "RESET", "FAILURE_RATE_EXCEEDED",
    "SLOW_CALL_RATE_EXCEEDED",
)  # fmt: skip


def details(breaker: Breaker) -> Json:
    """A `CircuitBreakerDetails`."""
    found = breaker.snapshot()
    return {
        "failureRate": f"{round(found.failure_rate, 4)}%",
        "slowCallRate": f"{round(found.slow_rate, 4)}%",
        "failureRateThreshold": f"{float(breaker.policy.failure_rate)}%",
        "slowCallRateThreshold": f"{float(breaker.policy.slow_rate)}%",
        "bufferedCalls": found.sums.calls,
        "failedCalls": found.sums.failed,
        "slowCalls": found.sums.slow,
        "slowFailedCalls": found.sums.slow_failed,
        "notPermittedCalls": found.refused,
        "state": found.state.value,
    }


def event(found: Event) -> Json:
    """A `CircuitBreakerEventDTO`."""
    return {
        "circuitBreakerName": found.breaker,
        "type": found.type,
        "creationTime": clock.iso(found.at),
        "errorMessage": found.text if found.type in ("ERROR", "IGNORED_ERROR") else None,
        "durationInMs": None if found.duration is None else found.duration // 1000,
        "stateTransition": found.text if found.type == "STATE_TRANSITION" else None,
    }


def events(breakers: Iterable[Breaker], type: str | None = None) -> Json:
    """The latest events, the oldest first."""
    found = sorted((e for b in breakers for e in [*b.events] if type in (None, e.type)), key=lambda e: e.at)
    return {"circuitBreakerEvents": [event(e) for e in found]}


def health(breakers: Iterable[tuple[Breaker, bool]]) -> Json:
    """Spring's health with the component `circuitBreakers`; each comes with whether it may make the whole fail."""
    found = {}
    for breaker, may_fail in breakers:
        state = breaker.snapshot().state
        status = "DOWN" if state is State.OPEN and may_fail else STATUS.get(state, "UNKNOWN")
        found[breaker.name] = {"status": status, "details": details(breaker)}
    whole = min((each["status"] for each in found.values()), key=ORDER.index, default="UNKNOWN")
    component = {"status": whole, "details": found}
    return {"status": "UP" if whole == "UNKNOWN" else whole, "components": {"circuitBreakers": component}}
