"""A client of one service: its address, its credential, its cache lifetime, and what its failures mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode, urlsplit

from backendhub.kit import clock
from backendhub.kit.errors import HubError, Invalid, Upstream

from . import cache as caching
from . import failures
from .response import Response, redact

if TYPE_CHECKING:
    from backendhub.kit.db import Store
    from backendhub.kit.output import Output
    from backendhub.kit.settings import Settings

    from .wire import Wire

FOREVER = float("inf")
DOWN_FOR = 20.0
SAFE = ("GET", "HEAD", "OPTIONS")


class Needs(Protocol):
    """What is asked of a hub."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def output(self) -> Output: ...


class Credential:
    """A secret and where it goes: an `Authorization` header or a query parameter. Never printed."""

    __slots__ = ("name", "secret")

    def __init__(self, secret: str, *, query: str | None = None) -> None:
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise Invalid(
                "The credential holds characters that no credential has.", hint="check for a line break"
            )
        self.secret = secret
        self.name = query

    def __repr__(self) -> str:
        return "Credential(***)"

    @property
    def hash(self) -> str:
        """What stands for it in a cache key."""
        from hashlib import sha256

        return sha256(f"{self.name}={self.secret}".encode()).hexdigest()


class Client:
    """Requests to one service. Made by `Http.client`."""

    def __init__(
        self,
        http: Http,
        *,
        base_url: str,
        name: str,
        ttl: float,
        headers: Mapping[str, str],
        credential: Credential | None,
        hints: Mapping[str, str],
        explain: Callable[[Response], HubError | None] | None,
    ) -> None:
        self._http = http
        self.base_url = base_url.rstrip("/")
        self.name = name
        self.ttl = ttl
        self._headers = {"accept": "application/json"} | {k.lower(): v for k, v in headers.items()}
        self._credential = credential
        self._hints = dict(hints)
        self._explain = explain
        self._check_base()

    def _check_base(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(
                f"{redact(self.base_url)!r} is not an address of {self.name}.", hint="write https://host/path"
            )

    @property
    def authenticated(self) -> bool:
        """Whether requests carry a credential."""
        return self._credential is not None

    def get(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        ttl: float | None = None,
        keep: bool = True,
        expect: Collection[int] = (),
    ) -> Response:
        """GETs a path (or an address on the same server). Raises the error that the answer means.

        `ttl` seconds long the same question is answered without asking; `keep=False` leaves the cache out;
        statuses in `expect` are returned instead of raised.
        """
        return self._request("GET", path, params, headers or {}, b"", ttl, keep, expect)

    def query(self, path: str, body: object, *, ttl: float | None = None) -> Response:
        """POSTs a JSON question that changes nothing (GraphQL): retried and cached like a GET."""
        import json

        content = json.dumps(body, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        return self._request("POST", path, None, headers, content, ttl, True, ())

    # -- one request --------------------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None,
        extra: Mapping[str, str],
        content: bytes,
        ttl: float | None,
        keep: bool,
        expect: Collection[int],
    ) -> Response:
        http = self._http
        url = self._url(path, params)
        headers = self._headers | {k.lower(): v for k, v in extra.items()}
        key = ""
        known = None
        if keep:
            key = caching.key(
                method, url, headers, content, self._credential.hash if self._credential else ""
            )
            known = http.cache.get(key, self.name) if http.offline or http.caching else None
        if http.offline:
            return self._offline(known)
        if known is not None and self._fresh(known, self.ttl if ttl is None else ttl):
            http.trace(method, known, "cache, no request")
            return known
        try:
            answer = self._send(method, url, headers, content, known)
        except Unreached as error:
            if known is None:
                raise Upstream(
                    f"{self.name} cannot be reached: {error}.",
                    hint="check the network; --offline answers from the cache",
                ) from error
            return self._stale(known, f"{self.name} cannot be reached: {error}")
        return self._judge(answer, known, key, expect)

    def _judge(self, answer: Response, known: Response | None, key: str, expect: Collection[int]) -> Response:
        http = self._http
        if answer.status == 304 and known is not None:
            current = known.because("revalidated", answer.headers)
            current = Response(
                self.name,
                known.url,
                known.status,
                current.headers,
                known.body,
                answer.fetched_at,
                "revalidated",
            )
            http.cache.renew(key, current)
            return current
        if 200 <= answer.status < 300:
            if key and answer.status == 200:
                http.cache.put(key, answer)
            return answer
        if answer.status in expect:
            return answer
        error = self._explain(answer) if self._explain else None
        secret = self._credential.secret if self._credential else None
        error = error or failures.of(answer, secret=secret, hints=self._hints)
        if known is not None and isinstance(error, Upstream) and answer.status >= 500:
            return self._stale(known, f"{self.name} answered {answer.status}")
        raise error

    def _offline(self, known: Response | None) -> Response:
        if known is None:
            raise Upstream(
                f"{self.name}: this is not in the cache, and the network is switched off.",
                hint="leave --offline out once (or BACKENDHUB_OFFLINE, if it is set)",
            )
        return self._stale(known, f"{self.name}, offline")

    def _stale(self, known: Response, why: str) -> Response:
        self._http.stale(self.name, f"{why} (cached {known.age})")
        return known.because("stale")

    def _fresh(self, known: Response, ttl: float) -> bool:
        if ttl <= 0:
            return False
        # A server may ask to be polled less often than we would.
        return (clock.now() - known.fetched_at).total_seconds() < max(ttl, known.poll_interval)

    def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes, known: Response | None
    ) -> Response:
        http = self._http
        origin = urlsplit(url).netloc
        if (reason := http.is_down(origin)) is not None:
            raise Unreached(reason)
        for header, validator in (("if-none-match", "etag"), ("if-modified-since", "last-modified")):
            if known is not None and (value := known.headers.get(validator)):
                headers = headers | {header: value}
        secret = self._credential.secret if self._credential else None
        target = url
        if self._credential is not None and self._credential.name is None:
            headers = headers | {"authorization": f"Bearer {secret}"}
        elif self._credential is not None:
            target += ("&" if "?" in url else "?") + urlencode({self._credential.name or "": secret})
        started = time.perf_counter()
        from .wire import Unreachable

        try:
            status, got, body = http.wire.send(
                method,
                target,
                headers=headers,
                content=content or None,
                retry=method in SAFE or bool(content),
            )
        except Unreachable as error:
            reason = redact(str(error), secret)
            http.is_down(origin, reason)
            raise Unreached(reason) from None  # its chain may hold the address with the secret
        if secret:
            got = {k: v.replace(secret, "***") for k, v in got.items()}
        answer = Response(self.name, redact(url, secret), status, got, body, clock.now())
        http.trace(method, answer, f"{(time.perf_counter() - started) * 1000:.0f} ms")
        return answer

    def _url(self, path: str, params: Mapping[str, object] | None) -> str:
        """The address, without the credential. Raises Upstream for one that leads to another server."""
        if "://" in path:
            if urlsplit(path)[:2] != urlsplit(self.base_url)[:2]:
                raise Upstream(f"{self.name} points to another server ({redact(path)}); not followed.")
            url = path
        else:
            url = self.base_url + path
        given = {k: v for k, v in (params or {}).items() if v is not None}
        return url + ("&" if "?" in url else "?") + urlencode(given) if given else url


class Unreached(Exception):
    """No answer, now or a moment ago."""


class Http:
    """The HTTP side of a hub: one connection pool, one cache, and what this run has found out so far."""

    def __init__(self, hub: Needs) -> None:
        self._hub = hub
        self._wire: Wire | None = None
        self.cache = caching.Cache(hub.store)
        self.offline = hub.settings.flag("offline")
        self.caching = hub.settings.flag("cache")
        self._down: dict[str, tuple[float, str]] = {}
        self._told: set[str] = set()
        if self.offline and not self.caching:
            raise Invalid(
                "--offline answers from the cache and --no-cache leaves it out.", hint="choose one of them"
            )

    @property
    def wire(self) -> Wire:
        """The connection pool; made by the first request, because importing httpx takes longer than most commands."""
        if self._wire is None:
            from .wire import Wire

            timeout = self._hub.settings.number("timeout")
            if not 0 < timeout <= 3600:
                raise Invalid(
                    f"The timeout is {timeout:g}.", hint="give seconds, more than 0 and at most 3600"
                )
            self._wire = Wire(timeout)
        return self._wire

    def client(
        self,
        *,
        base_url: str,
        name: str,
        ttl: float = 0,
        headers: Mapping[str, str] | None = None,
        secret: Credential | None = None,
        hints: Mapping[str, str] | None = None,
        explain: Callable[[Response], HubError | None] | None = None,
    ) -> Client:
        """A client of one service, called `name` in messages.

        `ttl` is how long its answers are taken without asking again; older ones are revalidated. `hints` are
        told with an error of that code (`unauthenticated`, `rate_limited`, …); `explain` may know better what
        an unwelcome answer means.
        """
        return Client(
            self,
            base_url=base_url,
            name=name,
            ttl=ttl,
            headers=headers or {},
            credential=secret,
            hints=hints or {},
            explain=explain,
        )

    def is_down(self, origin: str, reason: str | None = None) -> str | None:
        """Why a server did not answer a moment ago (a `reason` says so): the next twenty requests need not wait."""
        if reason is not None:
            self._down[origin] = (time.monotonic() + DOWN_FOR, reason)
        until, why = self._down.get(origin, (0.0, ""))
        return why if time.monotonic() < until else None

    def stale(self, service: str, text: str) -> None:
        """Says once for each service that its data is old."""
        if service not in self._told:
            self._told.add(service)
            self._hub.output.note(text)

    def trace(self, method: str, answer: Response, how: str) -> None:
        """Under --debug, one line for each request; the address is redacted already."""
        if self._hub.settings.flag("debug"):
            self._hub.output.note(f"{method} {answer.url} {answer.status} ({how}, {len(answer.body)} bytes)")

    def close(self) -> None:
        """Closes the connections, if there are any."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
