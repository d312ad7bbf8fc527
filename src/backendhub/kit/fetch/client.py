"""One request and the redirects that follow from it, in an async and a sync face."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote_to_bytes

from backendhub.kit.errors import Invalid, Upstream

from .policy import Policy, Refused, check

if TYPE_CHECKING:
    import ssl

    import httpx

    from .kept import Kept, Pools
    from .pinned import Resolve

REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
REDIRECTS = (301, 302, 303, 307, 308)
# What goes along to another origin: nothing that could be a secret.
CARRIED = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent")


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whatever its status. `url` is where it came from in the end, `hops` the addresses before."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    hops: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """The declared type without its parameters, lower case; "" where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, in the declared character set or UTF-8."""
        from email.message import Message

        message = Message()
        message["content-type"] = self.headers.get("content-type", "text/plain")
        try:
            return self.body.decode(message.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises Upstream where it is none."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Upstream(f"{self.url[:200]} did not answer with JSON.") from None


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is the same for every hop of a request."""

    policy: Policy
    accept: tuple[str, ...]
    into: BinaryIO | None
    read: bool
    trusted: str | None
    repeatable: bool
    kept: Kept | None


class Fetcher:
    """Sends requests under a policy. `resolve` and `context` (TLS) are for tests; `offline` refuses everything."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
        offline: bool = False,
    ) -> None:
        self.policy = policy or Policy()
        self.resolve = resolve
        self.context = context
        self.offline = offline
        self._pools: Pools | None = None

    def check(self, url: str) -> str:
        """The address in its normal form. Raises Refused for one that would not be asked; see `policy.check`."""
        return str(check(url, self.policy))

    def send(self, method: str, url: str, **options: Any) -> Fetched:
        """`asend` for threads and commands. Must not be called in an event loop, which it would stop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.asend(method, url, **options, keep=False))
        raise RuntimeError("in an event loop: await fetch.asend(…)")

    async def asend(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        accept: Sequence[str] = (),
        redirects: int | None = None,
        max_bytes: int | None = None,
        total: float | None = None,
        idle: float | None = None,
        into: BinaryIO | None = None,
        read: bool = True,
        trusted: bool = False,
        repeatable: bool = False,
        keep: bool = True,
    ) -> Fetched:
        """Sends one request and gives the answer, whatever its status.

        `accept` lists media types that are read (`image/*`), none means any. GET and HEAD follow redirects (5), other
        methods only where `redirects` says so. `into` takes the body instead of memory; `read=False` leaves it on the
        wire. `trusted` is for an address that the operator wrote: its host may be anywhere, other hosts that it
        redirects to may not. `repeatable` says that a POST may come twice (methods that may are known); `keep=False` keeps
        no connection. Raises Refused (a rule), Upstream (no answer, too slow, too large, of another type) and
        Invalid (a header that cannot be sent).
        """
        if self.offline:
            raise Upstream("The network is switched off (--offline).")
        await _loaded()
        following = (
            redirects if redirects is not None else self.policy.redirects if method in ("GET", "HEAD") else 0
        )
        policy = replace(
            self.policy,
            redirects=following,
            max_bytes=self.policy.max_bytes if max_bytes is None else max_bytes,
            total=self.policy.total if total is None else total,
            idle=self.policy.idle if idle is None else idle,
        )
        first = check(url, policy, trusted=trusted)
        sent = _headers(headers, accept)
        if first.userinfo:
            sent.setdefault("authorization", "Basic " + b64encode(unquote_to_bytes(first.userinfo)).decode())
            first = first.copy_with(userinfo=b"")
        named = first.host.rstrip(".") if trusted else None
        again = repeatable or method.upper() in REPEATABLE
        ask = _Ask(policy, tuple(accept), into, read, named, again, self._kept() if keep else None)
        try:
            async with asyncio.timeout(policy.total):
                return await self._follow(method.upper(), first, sent, content, ask)
        except TimeoutError:
            raise Upstream(f"{first.host} did not finish its answer within {policy.total:g} s.") from None

    def _kept(self) -> Kept:
        from .kept import Pools

        if self._pools is None:
            self._pools = Pools()
        return self._pools.here()

    async def _follow(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None, ask: _Ask
    ) -> Fetched:
        hops: list[str] = []
        while True:
            answer = await self._once(method, url, headers, content, ask)
            place = answer.headers.get("location")
            if not ask.policy.redirects or answer.status not in REDIRECTS or place is None:
                return replace(answer, hops=tuple(hops))
            if len(hops) >= ask.policy.redirects:
                raise Upstream(f"{url.host} redirects more than {ask.policy.redirects} times.")
            hops.append(str(url))
            before, url = url, self._next(url, place, ask)
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, content = ("HEAD" if method == "HEAD" else "GET"), None
                headers = {k: v for k, v in headers.items() if k != "content-type"}
            if (url.scheme, url.host, url.port) != (before.scheme, before.host, before.port):
                headers = {k: v for k, v in headers.items() if k in CARRIED}

    def _next(self, url: httpx.URL, place: str, ask: _Ask) -> httpx.URL:
        import httpx

        try:
            target = url.join(place)
        except (httpx.InvalidURL, ValueError):
            raise Refused(f"{url.host} redirects to something that is no URL.") from None
        return check(str(target), ask.policy, trusted=target.host.rstrip(".") == ask.trusted)

    async def _once(
        self, method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None, ask: _Ask
    ) -> Fetched:
        import httpx

        from backendhub.kit.http.wire import reason

        from .pinned import Gate, PinnedTransport, system_resolve, trust

        gate = Gate(ask.policy, self.resolve or system_resolve, ask.trusted)
        waits = httpx.Timeout(ask.policy.idle).as_dict()
        try:
            request = httpx.Request(
                method, url, headers=headers, content=content, extensions={"timeout": waits}
            )
            transport = PinnedTransport(gate, self.context or trust(), ask.kept, repeatable=ask.repeatable)
            async with transport:
                response = await transport.handle_async_request(request)
                try:
                    return await _read(method, response, url, ask)
                finally:
                    await response.aclose()
        except (httpx.LocalProtocolError, UnicodeEncodeError) as error:
            raise Invalid(f"The request cannot be sent: {error}.") from None
        except httpx.HTTPError as error:
            raise Upstream(f"{url.host} cannot be reached: {reason(error, ask.policy.idle)}.") from error


_ready = False


async def _loaded() -> None:
    """Imports what sends, in a thread: three hundred modules would hold up the event loop of a server."""
    global _ready
    if not _ready:
        await asyncio.to_thread(import_module, "backendhub.kit.fetch.pinned")
        _ready = True


async def _read(method: str, response: httpx.Response, url: httpx.URL, ask: _Ask) -> Fetched:
    """The head of an answer, and its body as far as it is wanted. Raises Upstream."""
    from .bodies import Inflater, TooMuch

    headers = {name.lower(): value for name, value in response.headers.items()}
    answer = Fetched(str(url), response.status_code, headers, b"")
    redirected = ask.policy.redirects and response.status_code in REDIRECTS and "location" in headers
    if not ask.read or redirected or method == "HEAD":
        return answer
    if ask.accept and answer.ok and not _accepted(answer.media_type, ask.accept):
        wanted = ", ".join(ask.accept)
        raise Upstream(f"{url.host} sent {answer.media_type[:80] or 'no declared type'}, not {wanted}.")
    declared = headers.get("content-length", "")
    if (
        declared.isascii()
        and declared.isdigit()
        and len(declared) < 20
        and int(declared) > ask.policy.max_bytes
    ):
        raise TooMuch(
            f"{url.host} would send {int(declared):,} bytes; {ask.policy.max_bytes:,} are accepted."
        )
    inflater = Inflater(headers.get("content-encoding", ""), ask.policy.max_bytes, url.host)
    body = bytearray()
    async for raw in response.stream:  # type: ignore[union-attr]
        for piece in inflater.feed(raw):
            if ask.into is None:
                body += piece
            else:
                ask.into.write(piece)
    inflater.close()
    return replace(answer, body=bytes(body))


def _accepted(media_type: str, accept: tuple[str, ...]) -> bool:
    return any(
        media_type == wanted
        or wanted == "*/*"
        or (wanted.endswith("/*") and media_type.startswith(wanted[:-1]))
        for wanted in accept
    )


def _headers(given: Mapping[str, str] | None, accept: Sequence[str]) -> dict[str, str]:
    from backendhub.kit.http.wire import USER_AGENT

    headers = {
        "user-agent": USER_AGENT,
        "accept": ", ".join(accept) or "*/*",
        "accept-encoding": "gzip, deflate",
    }
    headers |= {name.lower(): value for name, value in (given or {}).items()}
    if fixed := [
        name for name in ("host", "content-length", "transfer-encoding", "connection") if name in headers
    ]:
        raise Invalid(f"The header {fixed[0]} follows from the request.", hint="leave it out")
    return headers
