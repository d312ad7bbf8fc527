"""The rules of HTTP caching (RFC 9111, RFC 5861, RFC 9213): pure functions of messages and moments.

Nothing here reads a clock, a file or a socket; tests are tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .fields import (
    Directives,
    Fields,
    cache_control,
    date_of,
    directives,
    members,
    seconds,
    targeted,
    value,
    values,
)

TARGETS = (b"cdn-cache-control",)
HEURISTIC = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
"""Statuses whose responses may be reused without explicit freshness (RFC 9110 §15.1)."""
UNDERSTOOD = HEURISTIC | {302, 303, 307, 400, 401, 403, 500, 502, 503, 504, 451, 421, 429}
"""Statuses whose caching rules are known here (`must-understand`)."""
HEURISTIC_SHARE = 0.1
HEURISTIC_MAX = 86_400.0
HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authentication-info proxy-authorization "
    b"te trailer transfer-encoding upgrade".split()
)
"""Fields of one connection, which are neither passed on nor stored."""
KEPT_AT_304 = frozenset(b"content-length content-encoding content-range content-type etag".split())
"""Fields that describe the stored content itself: a 304 does not change them (RFC 9111 §3.2)."""
ERRORS = frozenset((500, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Policy:
    """What is decided here rather than by the origin."""

    heuristics: bool = True
    grace: float = 86_400.0
    """Seconds for which a response may be served stale while the origin cannot be reached, where nothing forbids it."""
    default_ttl: float = 0.0
    """Freshness of responses that say nothing of it; 0: none."""
    cookies: bool = True
    """Whether responses with Set-Cookie are stored where they have explicit freshness."""


class Told(NamedTuple):
    """A freshness lifetime, and who says so."""

    lifetime: float
    source: str


class Verdict(NamedTuple):
    """Whether a response may be stored, and why."""

    stored: bool
    why: str


def effective(response: Fields) -> tuple[Directives, bool]:
    """The directives that count for this cache, and whether they are targeted at it: then Cache-Control and Expires are
    not looked at (RFC 9213 §2.2)."""
    aimed = targeted(response, TARGETS)
    return (aimed, True) if aimed is not None else (cache_control(response), False)


def lifetime(status: int, response: Fields, received: float, policy: Policy) -> Told:
    """How long a response is fresh (RFC 9111 §4.2.1)."""
    told, aimed = effective(response)
    name = "CDN-Cache-Control: " if aimed else ""
    for directive in ("s-maxage", "max-age"):
        if directive in told:
            given = seconds(told[directive])
            if given is None:
                return Told(0.0, f"{name}{directive} is invalid")
            return Told(float(given), f"{name}{directive}={given}")
    if not aimed and values(response, b"expires"):
        expires = date_of(response, b"expires")
        if expires is None:
            return Told(0.0, "Expires is invalid")
        dated = date_of(response, b"date")
        return Told(max(expires - (received if dated is None else dated), 0.0), "Expires")
    return _implicit(status, response, told, received, policy)


def _implicit(status: int, response: Fields, told: Directives, received: float, policy: Policy) -> Told:
    if status in HEURISTIC or "public" in told:
        if policy.default_ttl > 0:
            return Told(policy.default_ttl, "default_ttl")
        modified = date_of(response, b"last-modified")
        if modified is not None and policy.heuristics:
            dated = date_of(response, b"date")
            since = (received if dated is None else dated) - modified
            if since > 0:
                return Told(min(since * HEURISTIC_SHARE, HEURISTIC_MAX), "heuristic, Last-Modified")
    return Told(0.0, "no freshness is given")


def initial_age(response: Fields, asked: float, received: float) -> float:
    """The age of a response when it arrived (RFC 9111 §4.2.3). Of several values of Age the first counts, and one that
    is no number not at all (§5.1)."""
    given = (value(response, b"age") or b"").decode("latin-1").split(",")[0].strip()
    age = seconds(given) or 0
    dated = date_of(response, b"date")
    apparent = max(received - dated, 0.0) if dated is not None else 0.0
    return max(apparent, age + (received - asked))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says to a cache."""

    method: bytes
    fields: dict[bytes, bytes]
    told: Directives = field(default_factory=dict)

    @classmethod
    def of(cls, method: bytes, fields: dict[bytes, bytes]) -> Asked:
        """Reads Cache-Control, or Pragma where there is none (RFC 9111 §5.4)."""
        text = fields.get(b"cache-control")
        if text is not None:
            told = directives(text)
        else:
            told = {"no-cache": None} if "no-cache" in members(fields.get(b"pragma")) else {}
        return cls(method, fields, told)


def storable(asked: Asked, status: int, response: Fields, received: float, policy: Policy) -> Verdict:
    """Whether this cache, which is shared, may store a response (RFC 9111 §3)."""
    if "no-store" in asked.told:
        return Verdict(False, "the request says no-store")
    told, aimed = effective(response)
    name = "CDN-Cache-Control" if aimed else "Cache-Control"
    understood = status in UNDERSTOOD
    if "no-store" in told and not ("must-understand" in told and understood):
        return Verdict(False, f"{name}: no-store")
    if "must-understand" in told and not understood:
        return Verdict(False, f"{name}: must-understand, and {status} is not known here")
    if "private" in told and not told["private"]:
        return Verdict(False, f"{name}: private")
    if "*" in members(value(response, b"vary")):
        return Verdict(False, "Vary: *")
    if b"authorization" in asked.fields and not told.keys() & {"public", "must-revalidate", "s-maxage"}:
        return Verdict(False, "the request has Authorization, and nothing opens the answer to others")
    if status < 200 or status in (206, 304):
        return Verdict(False, f"{status} is no whole answer")
    fresh = lifetime(status, response, received, policy)
    if values(response, b"set-cookie"):
        if not policy.cookies:
            return Verdict(False, "Set-Cookie")
        if fresh.source.startswith(("heuristic", "default")):
            return Verdict(False, "Set-Cookie without explicit freshness")
    if fresh.lifetime > 0:
        return Verdict(True, fresh.source)
    if "no-cache" in told and validators(response):
        return Verdict(True, f"{name}: no-cache, to be validated")
    if status in HEURISTIC and validators(response):
        return Verdict(True, f"{fresh.source}, to be validated")
    if stale_window(told, "stale-while-revalidate") or stale_window(told, "stale-if-error"):
        return Verdict(True, f"{fresh.source}, stale answers are allowed")
    return Verdict(False, fresh.source)


def validators(response: Fields) -> bool:
    """Whether a response can be validated later."""
    return bool(values(response, b"etag") or values(response, b"last-modified"))


def stale_window(told: Directives, name: str) -> int:
    """Seconds of an extension of RFC 5861; 0 where it is not given."""
    return seconds(told.get(name)) or 0


def kept(response: Fields) -> Fields:
    """The fields of a response that are stored and passed on: not those of the connection, and not those that it takes
    back from caches by name (RFC 9111 §3.1)."""
    dropped = set(HOP)
    dropped |= {name.encode("latin-1") for name in members(value(response, b"connection"))}
    return [(name, text) for name, text in response if name not in dropped]


def stored_fields(response: Fields) -> Fields:
    """The fields of a response that a shared cache keeps: `no-cache="…"` and `private="…"` name others."""
    told = effective(response)[0]
    dropped = {
        name.encode("latin-1")
        for directive in ("no-cache", "private")
        for name in members((told.get(directive) or "").encode("latin-1"))
    }
    return [(name, text) for name, text in response if name not in dropped and name != b"age"]


def refreshed(stored: Fields, answer: Fields) -> Fields:
    """The stored fields after a 304 (RFC 9111 §3.2)."""
    new = [pair for pair in kept(answer) if pair[0] not in KEPT_AT_304]
    names = {name for name, _ in new}
    return [pair for pair in stored if pair[0] not in names] + stored_fields(new)


class Kind:
    """What becomes of a request for something that is stored."""

    HIT = "hit"
    STALE = "stale"
    """Served though stale, because somebody allows it."""
    REFRESH = "refresh"
    """Served though stale, and validated behind the client's back (RFC 5861 §3)."""
    VALIDATE = "validate"
    """The origin is asked first."""


class Decision(NamedTuple):
    """What becomes of a request, and why, for `X-Hub-Why` and `Cache-Status`."""

    kind: str
    why: str
    forward: str = ""
    """Why the origin is asked, in the words of RFC 9211 §2.2."""


@dataclass(slots=True)
class Freshness:
    """What is known of a stored response's time, computed once when it is stored or freshened."""

    lifetime: float
    source: str
    born: float
    """The moment at which its age was 0."""
    told: Directives
    marked: bool = False
    """Whether somebody has said that it is stale (a soft purge, an unsafe method)."""

    @classmethod
    def of(cls, status: int, response: Fields, asked: float, received: float, policy: Policy) -> Freshness:
        """Reads a response."""
        fresh = lifetime(status, response, received, policy)
        born = received - initial_age(response, asked, received)
        return cls(fresh.lifetime, fresh.source, born, effective(response)[0])

    @property
    def until(self) -> float:
        """The moment from which on it is stale, or always was."""
        return 0.0 if self.marked or self.validates else self.born + self.lifetime

    @property
    def validates(self) -> bool:
        """Whether it is never used without asking (`no-cache` without field names)."""
        return "no-cache" in self.told and not self.told["no-cache"]

    @property
    def strict(self) -> bool:
        """Whether it must not be served stale, whatever happens (RFC 9111 §4.2.4)."""
        return self.validates or not self.told.keys().isdisjoint(
            ("must-revalidate", "proxy-revalidate", "s-maxage")
        )


def decide(asked: Asked, fresh: Freshness, now: float) -> Decision:
    """What becomes of a request for a stored response (RFC 9111 §4)."""
    told, age, left = asked.told, now - fresh.born, fresh.until - now
    if "no-cache" in told:
        return Decision(Kind.VALIDATE, "the request says no-cache", "request")
    limit = seconds(told.get("max-age"))
    if limit is not None and age > limit:
        return Decision(Kind.VALIDATE, f"the request says max-age={limit}, its age is {age:.0f}", "request")
    wanted = seconds(told.get("min-fresh")) or 0
    if left > 0:
        if wanted and left < wanted:
            return Decision(
                Kind.VALIDATE, f"the request says min-fresh={wanted}, {left:.0f} are left", "request"
            )
        return Decision(Kind.HIT, f"fresh: {fresh.source}, age {age:.0f}")
    if fresh.marked and not fresh.strict and stale_window(fresh.told, "stale-while-revalidate"):
        return Decision(Kind.REFRESH, "marked stale, stale-while-revalidate", "stale")
    stale = age - fresh.lifetime
    if not fresh.strict and not fresh.marked:
        window = stale_window(fresh.told, "stale-while-revalidate")
        if stale < window:
            return Decision(Kind.REFRESH, f"stale for {stale:.0f}, stale-while-revalidate={window}", "stale")
        if "max-stale" in told:
            limit = seconds(told["max-stale"])
            if told["max-stale"] is None or (limit is not None and stale <= limit):
                return Decision(Kind.STALE, f"stale for {stale:.0f}, the request says max-stale", "stale")
    if fresh.validates:
        return Decision(Kind.VALIDATE, "no-cache: validated before every use", "stale")
    if fresh.marked:
        return Decision(Kind.VALIDATE, "marked stale", "stale")
    return Decision(Kind.VALIDATE, f"stale for {stale:.0f}: {fresh.source}", "stale")


def stale_on_error(
    asked: Asked, fresh: Freshness, now: float, policy: Policy, *, status: int | None
) -> str | None:
    """Why a stale response may be served though the origin fails: with an error (`status`) only where RFC 5861 §4 is
    invoked, out of reach (None) within the grace too. None where it may not."""
    if fresh.strict or "no-cache" in asked.told:
        return None
    stale = now - fresh.born - fresh.lifetime
    window = max(stale_window(fresh.told, "stale-if-error"), stale_window(asked.told, "stale-if-error"))
    if stale < window:
        return f"stale-if-error={window}"
    if status is None and stale < policy.grace:
        return "the origin is out of reach"
    return None
