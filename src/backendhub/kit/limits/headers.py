"""Decisions as a client is told them: `RateLimit` and `RateLimit-Policy` fields, `Retry-After`, a 429 problem.

Fields and problem types are those of draft-ietf-httpapi-ratelimit-headers-10, which is still a draft.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from math import ceil

from backendhub.kit.errors import StoreError, TooMany

from .rules import BURSTING, Decision, Rule

TYPES = "https://iana.org/assignments/http-problem-types#"


class TooManyHits(TooMany):
    """A refusal by one or more rules, with all that its response has to say."""

    def __init__(self, decisions: Sequence[Decision], *, partition: bytes | None = None) -> None:
        refused = [d for d in decisions if not d.allowed]
        wait = retry_after(refused)
        names = ", ".join(f"{d.rule.limit} {d.rule.unit} {_per(d.rule)}" for d in refused)
        super().__init__(
            f"Too many requests: {names}.",
            hint=f"try again in {wait} s",
        )
        self.details = {
            "type": TYPES + "quota-exceeded",
            "violated-policies": [d.rule.name for d in refused],
        }
        self.headers = fields(decisions, partition=partition) | {"Retry-After": str(wait)}


def enforce(*decisions: Decision, partition: bytes | None = None) -> dict[str, str]:
    """The header fields of an admitted response.

    Raises TooManyHits (429) for what was refused, and StoreError (503) where it was refused because a rule that fails
    closed could not count.
    """
    refused = [d for d in decisions if not d.allowed]
    if not refused:
        return fields(decisions, partition=partition)
    if all(d.unsure for d in refused):
        error = StoreError("Requests cannot be counted at the moment, and uncounted ones are refused.")
        error.details = {
            "type": TYPES + "temporary-reduced-capacity",
            "violated-policies": [d.rule.name for d in refused],
        }
        error.headers = {"Retry-After": str(retry_after(refused))}
        raise error
    raise TooManyHits(decisions, partition=partition)


def retry_after(refused: Sequence[Decision]) -> int:
    """Whole seconds after which the same request is admitted."""
    return max(1, *(ceil(d.retry_after_s) for d in refused)) if refused else 0


def fields(decisions: Sequence[Decision], *, partition: bytes | None = None) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` of these decisions; none where nothing could be counted.

    `partition` (nothing secret) tells a client which of its requests share a quota.
    """
    known = [d for d in decisions if not d.unsure]
    if not known:
        return {}
    key = f";pk=:{b64encode(partition).decode()}:" if partition is not None else ""
    return {
        "RateLimit-Policy": ", ".join(_policy(d.rule) + key for d in known),
        "RateLimit": ", ".join(_service(d) + key for d in known),
    }


def _policy(rule: Rule) -> str:
    text = f"{_string(rule.name)};q={rule.limit}"
    if rule.algorithm == "concurrency":
        return text + ';qu="concurrent-requests"'
    if rule.unit != "requests":
        text += f";qu={_string(rule.unit)}"
    if rule.period == int(rule.period):
        text += f";w={int(rule.period)}"
    if rule.algorithm in BURSTING and rule.burst is not None:
        text += f";backendhub-burst={rule.burst}"
    return text


def _service(decision: Decision) -> str:
    text = f"{_string(decision.rule.name)};r={decision.remaining}"
    return text + (f";t={ceil(decision.reset_s)}" if decision.reset_s > 0 else "")


def _string(text: str) -> str:
    """A String of RFC 9651 §3.3.3."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _per(rule: Rule) -> str:
    if rule.algorithm == "concurrency":
        return "at a time"
    names = {1: "second", 60: "minute", 3600: "hour", 86400: "day"}
    return f"per {names.get(rule.period) or f'{rule.period:g} s'}"  # type: ignore[call-overload]
