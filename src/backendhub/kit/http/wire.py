"""The one httpx.Client of a process: time limits, retries with jitter, and a limit on how much is read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple

from backendhub import __version__
from backendhub.kit import clock, telemetry
from backendhub.kit.errors import Upstream

from .response import Response

USER_AGENT = f"backendhub/{__version__} (+https://github.com/backendhub/backendhub)"
TRIES = 3
PATIENCE = 5.0  # the longest Retry-After that is waited for here; anything longer is the user's decision
MAX_BODY = 16 * 1024 * 1024
RETRIED = (502, 503, 504)


class Unreachable(Exception):
    """No answer at all; the text says why, without an address."""


class Reply(NamedTuple):
    """What came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """Sends requests. httpx is imported by the first one."""

    def __init__(self, timeout: float, *, max_body: int = MAX_BODY) -> None:
        import logging

        import httpx

        # These log whole addresses and headers, credentials included; the client logs its own redacted line.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.timeout = timeout
        self.max_body = max_body
        self.sleep: Callable[[float], None] = time.sleep
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout),
            headers={"user-agent": USER_AGENT},
            follow_redirects=True,
            max_redirects=5,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # answers must not depend on history
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, retry: bool
    ) -> Reply:
        """One answer, whatever its status. Raises Unreachable, and Upstream for one that is too large."""
        import httpx

        started = time.monotonic()
        pause: float | None
        for attempt in range(1, TRIES + 1):
            last = not retry or attempt == TRIES or time.monotonic() - started > self.timeout
            try:
                reply = self._once(method, url, headers, content)
            except httpx.TransportError as error:
                if last or isinstance(error, httpx.UnsupportedProtocol):
                    raise Unreachable(reason(error, self.timeout)) from error
                pause = _backoff(attempt)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Unreachable(reason(error, self.timeout)) from error
            else:
                pause = None if last else _pause(reply, attempt)
                if pause is None:
                    return reply
            self.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        import httpx

        # httpx limits each wait for a byte; a server that drips must end too.
        deadline = time.monotonic() + self.timeout * 4
        body = bytearray()
        sent = dict(headers)
        if (
            trace := telemetry.traceparent.get()
        ) is not None:  # W3C Trace Context: the request being served goes on
            sent.setdefault("traceparent", trace)
        with self._client.stream(method, url, headers=sent, content=content) as answer:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > self.max_body:
                    raise Upstream(
                        f"{answer.url.host} sent more than {self.max_body // 1024 // 1024} MB; it was not read."
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer did not end in time")
            return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))


def reason(error: Exception, timeout: float) -> str:
    """Why a request of httpx had no answer, in a few words without an address; `timeout` is in seconds."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout:g} s"
    text = str(error).strip().rstrip(".")
    if "Name or service not known" in text or "name resolution" in text or "nodename nor servname" in text:
        return "its name cannot be looked up"
    if "refused" in text:
        return "connection refused"
    if "CERTIFICATE" in text.upper():
        return "its certificate cannot be verified"
    return text or type(error).__name__


def _backoff(attempt: int) -> float:
    """Exponential with full jitter, so that many clients do not come back at once."""
    return random.uniform(0, 0.4 * 2.0**attempt)


def _pause(reply: Reply, attempt: int) -> float | None:
    """How long to wait before asking again; None where the answer stands."""
    wait = Response("", "", reply.status, reply.headers, b"", clock.now()).retry_after
    if reply.status in RETRIED or (reply.status == 429 and wait is not None):
        if wait is None:
            return _backoff(attempt)
        return wait + random.uniform(0, 0.25) if wait <= PATIENCE else None
    return None
