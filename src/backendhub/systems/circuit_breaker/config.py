"""The configuration, as resilience4j's Spring Boot starter has it: `configs`, `instances`, names in camel or kebab case."""

from __future__ import annotations

import re
from math import inf
from typing import Any

from backendhub.kit import yamls
from backendhub.kit.breaker import Policy, State
from backendhub.kit.errors import Invalid

from .models import Instance

Json = dict[str, Any]
ROOT = "resilience4j.circuitbreaker"
POLICY = {
    "failureRateThreshold": "failure_rate",
    "slowCallRateThreshold": "slow_rate",
    "slidingWindowSize": "size",
    "minimumNumberOfCalls": "minimum",
    "permittedNumberOfCallsInHalfOpenState": "half_open",
}
DURATIONS = {
    "slowCallDurationThreshold": "slow_s",
    "waitDurationInOpenState": "wait_s",
    "maxWaitDurationInHalfOpenState": "half_open_s",
}
OWN = {
    "upstream",
    "fallback",
    "failureStatuses",
    "ignoredStatuses",
    "maxConcurrentCalls",
    "maxWaitDuration",
    "maxAttempts",
    "timeout",
}
KNOWN = {
    *POLICY, *DURATIONS, *OWN, "slidingWindowType", "baseConfig", "enableExponentialBackoff",
    "exponentialBackoffMultiplier", "exponentialMaxWaitDurationInOpenState", "registerHealthIndicator",
    "allowHealthIndicatorToFail", "cancelledCalls", "initialState", "automaticTransitionFromOpenToHalfOpenEnabled",
    "eventConsumerBufferSize",
}  # fmt: skip
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_INSTANCES = 1000
MAX_COUNT = 1_000_000


def load(text: str, where: str) -> dict[str, Instance]:
    """The instances of a document. Raises Invalid for what it does not know, with its place."""
    root = yamls.read(text, where)
    if isinstance(root, dict) and isinstance(root.get("resilience4j"), dict):
        root = {f"resilience4j.{name}": value for name, value in root["resilience4j"].items()}
    if not isinstance(root, dict) or not isinstance(root.get(ROOT), dict):
        raise Invalid(f"{where}: there is no {ROOT}.")
    found = root[ROOT]
    for name in found:
        if name not in ("configs", "instances", "backends"):
            raise Invalid(f"{where}: {ROOT} has no {str(name)[:60]!r}.", hint="configs, instances")
    configs = {
        str(n): _words(v, where, f"config {n}") for n, v in _mapping(found.get("configs"), where).items()
    }
    instances = _mapping(found.get("instances"), where) | _mapping(found.get("backends"), where)
    if len(instances) > MAX_INSTANCES:
        raise Invalid(f"{where}: there are more than {MAX_INSTANCES} instances.")
    return {str(name): _instance(str(name), given, configs, where) for name, given in instances.items()}


def _mapping(found: Any, where: str) -> Json:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Invalid(f"{where}: {str(found)[:60]!r} stands where a mapping should.")
    return found


def _words(found: Any, where: str, what: str) -> Json:
    """The members of a config or an instance, in camel case."""
    given = {}
    for name, value in _mapping(found, where).items():
        word = re.sub(r"-(\w)", lambda m: m[1].upper(), str(name))
        if word not in KNOWN:
            raise Invalid(
                f"{where}: {what} has no {str(name)[:60]!r}.", hint="known: " + ", ".join(sorted(KNOWN))
            )
        given[word] = value
    return given


def _instance(name: str, found: Any, configs: dict[str, Json], where: str) -> Instance:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", name, re.ASCII):
        raise Invalid(f"{where}: {name[:60]!r} is no name of an instance.")
    given = _words(found, where, name)
    base = given.get("baseConfig")
    if base is not None and str(base) not in configs:
        raise Invalid(f"{where}: {name}: there is no config {str(base)[:60]!r}.")
    given = configs.get(str(base) if base is not None else "default", {}) | given
    try:
        return _made(name, given)
    except Invalid as error:
        raise Invalid(f"{where}: {name}: {error.message}", hint=error.hint) from None


def _made(name: str, given: Json) -> Instance:
    upstream = given.get("upstream")
    if upstream is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", str(upstream)):
        raise Invalid(f"{str(upstream)[:100]!r} is no http or https URL of an upstream.")
    ignored = _statuses(given.get("ignoredStatuses", []))
    state = str(given.get("initialState") or "CLOSED")
    if state not in State.__members__:
        raise Invalid(f"There is no state {state[:40]!r}.")
    return Instance(
        name,
        policy(given),
        State[state],
        upstream=None if upstream is None else str(upstream),
        statuses=_statuses(given.get("failureStatuses", "5xx")) - ignored,
        ignored=ignored,
        events=_count(given, "eventConsumerBufferSize", 100, most=100_000),
        fallback=None if given.get("fallback") is None else str(given["fallback"]),
        calls=_count(given, "maxConcurrentCalls", 25),
        wait_s=duration(given.get("maxWaitDuration", 0), "maxWaitDuration"),
        tries=_count(given, "maxAttempts", 1),
        timeout_s=duration(given.get("timeout", "30s"), "timeout") or 30.0,
        health=_flag(given, "registerHealthIndicator", True),
        may_fail=_flag(given, "allowHealthIndicatorToFail", False),
    )


def _count(given: Json, name: str, default: int, *, most: int = MAX_COUNT) -> int:
    found = int(_number(given.get(name, default), name, whole=True, least=1))
    if found > most:
        raise Invalid(f"{name} is at most {most:,}.")
    return found


def policy(given: Json) -> Policy:
    """A policy from its words. Raises Invalid."""
    found: Json = {
        ours: _number(given[word], word, whole=ours not in ("failure_rate", "slow_rate"))
        for word, ours in POLICY.items()
        if word in given
    }
    found |= {ours: duration(given[word], word) for word, ours in DURATIONS.items() if word in given}
    kind = str(given.get("slidingWindowType", "COUNT_BASED"))
    if kind not in ("COUNT_BASED", "TIME_BASED"):
        raise Invalid(f"{kind[:40]!r} is no slidingWindowType.", hint="COUNT_BASED or TIME_BASED")
    found["window"] = "time" if kind == "TIME_BASED" else "count"
    if _flag(given, "enableExponentialBackoff", False):
        found["wait_factor"] = float(_number(given.get("exponentialBackoffMultiplier", 1.5), "multiplier"))
        if "exponentialMaxWaitDurationInOpenState" in given:
            found["wait_max_s"] = duration(given["exponentialMaxWaitDurationInOpenState"], "longest wait")
    found["wait_max_s"] = max(found.get("wait_max_s", 3600.0), found.get("wait_s", 60.0))
    found["automatic"] = _flag(given, "automaticTransitionFromOpenToHalfOpenEnabled", False)
    if "cancelledCalls" in given:
        found["cancelled"] = given["cancelledCalls"]
    return Policy(**found)


def duration(value: Any, what: str) -> float:
    """Seconds: of a number of milliseconds, `10s`, `500ms` or `PT1M30S`, as Spring reads them. Raises Invalid."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf:
        return value / 1000
    text = str(value).strip()
    if match := re.fullmatch(r"(\d+)\s*(ns|us|ms|s|m|h|d)?", text, re.ASCII):
        return int(match[1]) * UNITS[match[2] or "ms"]
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", text, re.ASCII)
    if match and any(match.groups()):
        return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3] or 0)
    raise Invalid(f"{text[:40]!r} is no duration for {what}.", hint="such as 500ms, 10s, 1m")


def _number(value: Any, what: str, *, whole: bool = False, least: float = 0) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value < least
        or (whole and value % 1)
    ):
        raise Invalid(f"{str(value)[:40]!r} is no number for {what}.")
    return int(value) if whole else value


def _flag(given: Json, name: str, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise Invalid(f"{name} is true or false.")
    return value


def _statuses(value: Any) -> frozenset[int]:
    """`5xx`, `429`, `"500-504"`, or a list of them."""
    found: set[int] = set()
    for item in value if isinstance(value, list) else [value]:
        text = str(item)
        if match := re.fullmatch(r"([1-5])xx", text):
            found |= {*range(int(match[1]) * 100, int(match[1]) * 100 + 100)}
        elif match := re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", text):
            found |= {*range(int(match[1]), int(match[2] or match[1]) + 1)}
        else:
            raise Invalid(f"{text[:40]!r} is no status.", hint="such as 5xx, 429, 500-504")
    return frozenset(found)
