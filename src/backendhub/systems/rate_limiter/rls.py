"""Envoy's `RateLimitRequest` and `RateLimitResponse` as protobuf's JSON has them."""

from __future__ import annotations

from math import ceil
from typing import Any

from pydantic_core import from_json

from backendhub.kit.errors import Malformed

from .models import MOST, UNITS, Descriptor, Entries, Status, Verdict

REQUEST = {"domain": "domain", "descriptors": "descriptors", "hitsAddend": "hits", "hits_addend": "hits"}
DESCRIPTOR = {"entries": "entries", "limit": "limit", "hitsAddend": "hits", "hits_addend": "hits"}
ENTRY = {"key": "key", "value": "value"}
LIMIT = {"requestsPerUnit": "amount", "requests_per_unit": "amount", "unit": "unit"}
UNIT_NAMES = ("UNKNOWN", *(name.upper() for name in UNITS))
MAX_DESCRIPTORS, MAX_ENTRIES = 100, 100
Asked = tuple[str, list[Descriptor], int]
Json = dict[str, Any]


def request(body: bytes) -> Asked:
    """Domain, descriptors and hits of a request. Raises Malformed as Envoy's service answers 400."""
    try:
        found = from_json(body)
    except ValueError as error:
        raise Malformed(f"The body is no JSON: {error}.") from None
    given = _message(found, "the request", REQUEST)
    descriptors = [_descriptor(item) for item in _list(given.get("descriptors"), "descriptors")]
    return checked(
        _text(given.get("domain"), "domain"), descriptors, _number(given.get("hits", 0), "hitsAddend")
    )


def checked(domain: str, descriptors: list[Descriptor], hits: int) -> Asked:
    """A request that makes sense; 0 hits are one, as on Envoy's wire. Raises Malformed."""
    if not domain:
        raise Malformed("The domain must not be empty.")
    if not descriptors:
        raise Malformed("The list of descriptors must not be empty.")
    if len(descriptors) > MAX_DESCRIPTORS or any(len(d.entries) > MAX_ENTRIES for d in descriptors):
        raise Malformed(f"A request has {MAX_DESCRIPTORS} descriptors of {MAX_ENTRIES} entries at most.")
    return domain, descriptors, hits or 1


def _descriptor(found: Any) -> Descriptor:
    given = _message(found, "a descriptor", DESCRIPTOR)
    entries = []
    for item in _list(given.get("entries"), "entries"):
        entry = _message(item, "an entry", ENTRY)
        entries.append((_text(entry.get("key"), "key"), _text(entry.get("value"), "value")))
    hits = given.get("hits")
    return described(
        tuple(entries), _override(given.get("limit")), None if hits is None else _number(hits, "hitsAddend")
    )


def described(entries: Entries, override: tuple[int, str] | None, hits: int | None) -> Descriptor:
    """A descriptor. Raises Malformed for one whose keys are empty."""
    if not entries or not all(key for key, _ in entries):
        raise Malformed("A descriptor has entries, and each has a key.")
    return Descriptor(entries, override, hits)


def _override(found: Any) -> tuple[int, str] | None:
    if found is None:
        return None
    given = _message(found, "limit", LIMIT)
    unit = given.get("unit", 0)
    name = UNIT_NAMES[unit] if isinstance(unit, int) and 0 <= unit < len(UNIT_NAMES) else str(unit)
    return _number(given.get("amount", 0), "requestsPerUnit"), unit_of(name)


def unit_of(name: str) -> str:
    """A unit by its name on the wire. Raises Malformed."""
    if name.lower() not in UNITS:
        raise Malformed(f"{name[:40]!r} is no unit of a limit.")
    return name.lower()


def _message(found: Any, what: str, known: dict[str, str]) -> Json:
    if not isinstance(found, dict):
        raise Malformed(f"{what.capitalize()} is no object.")
    given: Json = {}
    for name, value in found.items():
        if name not in known:
            raise Malformed(f"{what.capitalize()} has no field {name[:40]!r}.")
        if value is not None:
            given[known[name]] = value
    return given


def _list(found: Any, what: str) -> list[Any]:
    if not isinstance(found, list | None):
        raise Malformed(f"{what} is no list.")
    return found or []


def _text(found: Any, what: str) -> str:
    if not isinstance(found, str | None):
        raise Malformed(f"{what} is no text.")
    return found or ""


def _number(found: Any, what: str) -> int:
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 12:
        found = int(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= MOST:
        raise Malformed(f"{what} is no number from 0 to {MOST:,}.")
    return found


def response(verdict: Verdict) -> Json:
    """A `RateLimitResponse`; members that are empty or 0 are left out, as protobuf's JSON has it."""
    return {"overallCode": code(verdict.over), "statuses": [_status(status) for status in verdict.statuses]}


def code(over: bool) -> str:
    """`Code` of a response."""
    return "OVER_LIMIT" if over else "OK"


def _status(status: Status) -> Json:
    found: Json = {"code": code(status.over)}
    limit = status.limit
    if limit is not None and not limit.unlimited:
        found["currentLimit"] = {"unit": limit.unit.upper()}
        if limit.amount:
            found["currentLimit"]["requestsPerUnit"] = limit.amount
        if limit.name:
            found["currentLimit"]["name"] = limit.name
    if remaining := left(status):
        found["limitRemaining"] = remaining
    if (seconds := wait(status)) is not None:
        found["durationUntilReset"] = f"{seconds}s"
    return found


def left(status: Status) -> int:
    """What remains, as the wire has room for it."""
    if status.limit is not None and status.limit.unlimited:
        return MOST
    return min(status.remaining, MOST)


def wait(status: Status) -> int | None:
    """Whole seconds until there is more; after a refusal until the same request is admitted. None without a limit."""
    if status.decision is None:
        return None
    return ceil(status.decision.retry_after_s if status.over else status.decision.reset_s)
