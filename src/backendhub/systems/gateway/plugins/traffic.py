"""How much, from where, and to which side: limits, addresses, sizes, breakers, canaries, mirrors."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Awaitable
from dataclasses import replace
from hashlib import blake2b
from math import ceil

from backendhub.kit.breaker import Breaker, NotPermitted, Outcome, Permit, Policy
from backendhub.kit.errors import Invalid
from backendhub.kit.limits import ALGORITHMS, Decision, MemoryLimits, Rule
from backendhub.kit.output import dumps

from .base import JSON, Answer, Context, Local, Options, Pairs, Plugin, message, networks, within

PERIODS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400, "year": 365 * 86_400,
}  # fmt: skip


class RateLimiting(Plugin):
    """So many requests a second, minute, …"""

    name, priority = "rate-limiting", 910
    known = (
        "second minute hour day month year limit_by header_name path policy fault_tolerant hide_client_headers "
        "error_code error_message algorithm"
    )

    def read(self, options: Options) -> None:
        """The limits; `algorithm` is ours, Kong counts in fixed windows."""
        algorithm: str = options.choice("algorithm", "fixed-window", *ALGORITHMS)
        fail = "open" if options.flag("fault_tolerant", True) else "closed"
        self.rules = [
            (unit, Rule(int(limit), period, algorithm, name=unit, fail=fail))  # type: ignore[arg-type]
            for unit, period in PERIODS.items()
            if (limit := options.number(unit, None, 1, 10**9)) is not None
        ]
        if not self.rules:
            raise Invalid(f"{options.where} has a limit for one of " + ", ".join(PERIODS))
        self.by = options.choice("limit_by", "consumer", "credential", "ip", "service", "header", "path")
        self.header = options.text("header_name").lower()
        self.path = options.text("path")
        options.choice("policy", "local", "cluster", "redis")
        self.hide = options.flag("hide_client_headers")
        self.status = int(options.number("error_code", 429, 400, 599))
        self.message = options.text("error_message", "API rate limit exceeded")

    def access(self, context: Context) -> Answer | Awaitable[Answer]:
        """Counts under every limit or none; without waiting where that is in memory."""
        key = f"gateway|{self.key}|{self._who(context)}"
        pairs = [(key, rule) for _, rule in self.rules]
        limits = context.gateway.hub.limits
        if isinstance(limits, MemoryLimits):
            return self._judged(context, limits.hit_all(pairs))
        return self._asked(context, limits.ahit_all(pairs))

    async def _asked(self, context: Context, asking: Awaitable[list[Decision]]) -> Answer:
        return self._judged(context, await asking)

    def _judged(self, context: Context, decisions: list[Decision]) -> Answer:
        refused = [d for d in decisions if not d.allowed]
        if refused and all(d.unsure for d in refused):
            return message(500, "An unexpected error occurred")
        fields: Pairs = []
        if not self.hide and not decisions[0].unsure:
            for (unit, rule), decision in zip(self.rules, decisions, strict=True):
                name = unit.title().encode()
                fields.append((b"x-ratelimit-limit-" + name.lower(), b"%d" % rule.limit))
                fields.append((b"x-ratelimit-remaining-" + name.lower(), b"%d" % decision.remaining))
            least = min(decisions, key=lambda d: (d.remaining, -d.reset_s))
            fields += [
                (b"ratelimit-limit", b"%d" % least.limit),
                (b"ratelimit-remaining", b"%d" % least.remaining),
                (b"ratelimit-reset", b"%d" % ceil(least.reset_s)),
            ]
        if refused:
            wait = max([1, *(ceil(d.retry_after_s) for d in refused)])
            return message(self.status, self.message, [*fields, (b"retry-after", b"%d" % wait)])
        context.early += fields
        return None

    def _who(self, context: Context) -> str:
        if self.by == "service":
            return "service"
        if self.by == "path":
            return "path" if context.path == self.path else "client:" + context.client
        if self.by == "header" and (value := context.header(self.header)):
            return "header:" + blake2b(value.encode(), digest_size=12).hexdigest()
        if self.by == "credential" and context.credential:
            return f"credential:{context.consumer.username if context.consumer else ''}:{context.credential}"
        if self.by in ("consumer", "credential") and context.consumer is not None:
            return "consumer:" + context.consumer.username
        return "client:" + context.client


class IpRestriction(Plugin):
    """Addresses that are let through, or kept out."""

    name, priority = "ip-restriction", 990
    known = "allow deny status message"

    def read(self, options: Options) -> None:
        """Which addresses."""
        self.allow = networks(options.texts("allow"), options.where)
        self.deny = networks(options.texts("deny"), options.where)
        if not self.allow and not self.deny:
            raise Invalid(f"{options.where} has allow or deny.")
        self.status = int(options.number("status", 403, 100, 599))
        self.message = options.text("message") or "IP address not allowed: "

    def access(self, context: Context) -> Answer:
        """403 for those that may not."""
        client = context.client
        if within(client, self.deny) or (self.allow and not within(client, self.allow)):
            shown = self.message + client if self.message.endswith(": ") else self.message
            return message(self.status, shown)
        return None


class SizeLimiting(Plugin):
    """Bodies up to a size."""

    name, priority = "request-size-limiting", 951
    known = "allowed_payload_size size_unit require_content_length"

    def read(self, options: Options) -> None:
        """How large."""
        unit = {"megabytes": 2**20, "kilobytes": 2**10, "bytes": 1}[
            options.choice("size_unit", "megabytes", "kilobytes", "bytes")
        ]
        self.most = int(options.number("allowed_payload_size", 128, 0)) * unit
        self.require = options.flag("require_content_length")

    def access(self, context: Context) -> Answer:
        """413 where the length says so; a body without one is counted on its way."""
        declared = context.request.fields.get(b"content-length")
        if declared is not None:
            return message(413, "Request size limit exceeded") if int(declared) > self.most else None
        if context.request.has_body:
            if self.require:
                return message(411, "A valid Content-Length header is required")
            context.most = self.most
        return None


class Termination(Plugin):
    """An answer without an upstream."""

    name, priority = "request-termination", 2
    known = "status_code message body content_type echo trigger"

    def read(self, options: Options) -> None:
        """Which answer."""
        self.status = int(options.number("status_code", 503, 100, 599))
        self.text = options.text("message")
        self.body = options.text("body")
        self.media = options.text("content_type", "application/json; charset=utf-8")
        self.trigger = options.text("trigger").lower()
        if self.text and self.body:
            raise Invalid(f"{options.where} has either a message or a body.")
        if options.flag("echo"):
            raise Invalid(f"{options.where}: echo is not there.")

    def access(self, context: Context) -> Answer:
        """Answers; with a trigger only requests that have that header or parameter."""
        if self.trigger and context.header(self.trigger) is None:
            names = [part.partition(b"=")[0] for part in context.query.split(b"&")]
            if self.trigger.encode() not in names:
                return None
        if self.body:
            return Local(self.status, [(b"content-type", self.media.encode("latin-1"))], self.body.encode())
        return message(
            self.status, self.text or ("Service unavailable" if self.status == 503 else "Terminated")
        )


class CircuitBreaker(Plugin):
    """A breaker of the kit's before the service (ours)."""

    name, priority = "circuit-breaker", 20
    known = (
        "failure_rate slow_rate slow_s window size minimum half_open wait_s wait_factor wait_max_s half_open_s "
        "statuses fallback_status fallback_body"
    )

    def read(self, options: Options) -> None:
        """Its policy."""
        given = {k: v for k, v in options.config.items() if not k.startswith("fallback") and k != "statuses"}
        try:
            policy = Policy(**given)
        except TypeError:
            raise Invalid(f"{options.where} has numbers, and a window of `count` or `time`.") from None
        self.breaker = Breaker(self.key, policy)
        self.statuses = frozenset(int(s) for s in options.texts("statuses")) or frozenset(range(500, 600))
        self.status = int(options.number("fallback_status", 503, 100, 599))
        self.body = options.text("fallback_body")

    def access(self, context: Context) -> Answer:
        """Refuses while it is open; else the call is recorded when its answer is there."""
        try:
            permit = self.breaker.acquire()
        except NotPermitted as error:
            fields: Pairs = [(b"retry-after", error.headers.get("Retry-After", "1").encode())]
            if self.body:
                return Local(self.status, [JSON, *fields], self.body.encode())
            return message(self.status, "The circuit is open", fields)
        context.breaker = Call(self, permit)
        return None


class Call:
    """One call that a breaker has let through; the first word about it counts."""

    def __init__(self, plugin: CircuitBreaker, permit: Permit) -> None:
        self.plugin = plugin
        self.permit: Permit | None = permit

    def heard(self, status: int) -> None:
        """The head of an answer has come."""
        if status in self.plugin.statuses:
            self._record(Outcome.FAILURE, f"status {status}")

    def failed(self, error: Exception) -> None:
        """No whole answer came."""
        self._record(self.plugin.breaker.judge(error), type(error).__name__)

    def settle(self, *, good: bool = False) -> None:
        """It is over; where nothing was said about it, it is a success, or says nothing."""
        self._record(Outcome.SUCCESS if good else Outcome.IGNORED)

    def _record(self, outcome: Outcome, why: str = "") -> None:
        if self.permit is not None:
            permit, self.permit = self.permit, None
            self.plugin.breaker.record(permit, outcome, why)


class Canary(Plugin):
    """A part of the traffic goes to another version (Kong Enterprise's plugin, its main options)."""

    name, priority = "canary", 13
    known = "percentage hash upstream_host upstream_port upstream_uri header_name"

    def read(self, options: Options) -> None:
        """How much, and where to."""
        self.percentage = float(options.number("percentage", 0, 0, 100))
        self.hash = options.choice("hash", "consumer", "ip", "none", "header")
        self.host, self.port = options.text("upstream_host"), options.number("upstream_port", None, 1, 65_535)
        self.uri, self.header = options.text("upstream_uri"), options.text("header_name").lower()
        if not (self.host or self.port or self.uri):
            raise Invalid(f"{options.where} has an upstream_host, upstream_port or upstream_uri.")

    def access(self, context: Context) -> Answer:
        """The same client takes the same side, unless the hash is none."""
        if context.service is None or self._share(context) >= self.percentage:
            return None
        service = context.service
        context.elsewhere = replace(
            service,
            host=self.host or service.host,
            port=int(self.port or service.port),
            path=self.uri or service.path,
        )
        return None

    def _share(self, context: Context) -> float:
        who: str | None = context.client
        if self.hash == "none":
            return random.random() * 100
        if self.hash == "header":
            who = context.header(self.header)
        elif self.hash == "consumer" and context.consumer is not None:
            who = context.consumer.username
        digest = blake2b(f"{self.key}|{who}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") % 10_000 / 100


class Mirror(Plugin):
    """A copy of each request goes to another server, whose answer nobody waits for (ours)."""

    name, priority = "mirror", 15
    known = "url percentage max_body timeout_s"

    def read(self, options: Options) -> None:
        """Where to, and how much."""
        self.url = options.text("url")
        if not self.url.startswith(("http://", "https://")):
            raise Invalid(f"{options.where} has an http or https url.")
        self.percentage = float(options.number("percentage", 100, 0, 100))
        self.most = int(options.number("max_body", 2**20, 0, 2**27))
        self.timeout = float(options.number("timeout_s", 5, 0.01, 600))

    async def access(self, context: Context) -> Answer:
        """Sends the copy in a task of its own."""
        request = context.request
        if random.random() * 100 >= self.percentage or b"upgrade" in request.fields:
            return None
        if (
            request.has_body
            and int(request.fields.get(b"content-length", b"%d" % (self.most + 1))) > self.most
        ):
            return None  # it would have to be kept as a whole, and nobody knows how large it is
        body = await context.read(self.most) if request.has_body else None
        target = request.target
        headers = [(n, v) for n, v in context.headers if n != b"content-length"]
        context.gateway.spawn(self._send(context, target, headers, body))
        return None

    async def _send(self, context: Context, target: bytes, headers: Pairs, body: bytes | None) -> None:
        origin = context.gateway.origin_of(self.url, connect_s=self.timeout, answer_s=self.timeout)
        async with asyncio.timeout(self.timeout):
            incoming = await origin.send(context.method, target, [*headers, (b"x-mirrored", b"1")], body)
            await incoming.read()


class Flood:
    """At most so many requests a second from one address, twice that at once; for the whole gateway."""

    def __init__(self, rate: float) -> None:
        self.rule = Rule(max(1, round(rate)), 1, "gcra", burst=max(1, round(2 * rate)), name="flood")
        self.limits = MemoryLimits()

    def refuses(self, client: str) -> Local | None:
        """429 for whoever sends more; counted in this process alone, for that is what is flooded."""
        decision = self.limits.hit(_network(client), self.rule)
        if decision.allowed:
            return None
        body = dumps({"message": "Too many requests"}, compact=True).encode()
        return Local(429, [JSON, (b"retry-after", b"%d" % max(1, ceil(decision.retry_after_s)))], body)


def _network(client: str) -> str:
    """An IPv4 address, or the /64 that an IPv6 address is in: one household has all of that."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    return client if address.version == 4 else str(ipaddress.ip_network(f"{client}/64", strict=False))
