"""An answer of another server, whether it came over the wire or out of the cache, and what its headers say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.errors import Upstream

# Query parameters that are credentials wherever they turn up.
SECRET_QUERY = (
    r"(?i)([?&](?:api_?key|key|access_token|token|client_secret|secret|password|sig|signature)=)[^&#\s]*"
)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `url` is safe to print, header names are lower-case.

    `source` is `network`, `cache` (younger than its TTL), `revalidated` (a 304 said that it still holds) or
    `stale` (the network failed, or was not to be asked).
    """

    service: str
    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    fetched_at: datetime
    source: str = "network"

    def json(self) -> Any:
        """The body as JSON. Raises Upstream where it is none."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Upstream(
                f"{self.service} answered with something that is not JSON.",
                hint=f"{self.url} may be another server",
            ) from None

    def record(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Upstream for anything else."""
        data = self.json()
        if not isinstance(data, dict):
            raise Upstream(f"{self.service} answered in an unexpected shape (no object at {self.url}).")
        return data

    def records(self) -> list[dict[str, Any]]:
        """The body as a list of JSON objects. Raises Upstream for anything else."""
        data = self.json()
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise Upstream(f"{self.service} answered in an unexpected shape (no list at {self.url}).")
        return data

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode(errors="replace")

    @property
    def age(self) -> str:
        """How old the data is: `3h ago`."""
        return clock.ago(self.fetched_at)

    @property
    def next(self) -> str | None:
        """The address of the next page (RFC 8288 `Link: <…>; rel="next"`)."""
        found = re.search(r'<([^>]*)>\s*;[^,]*\brel="?next"?', self.headers.get("link", ""))
        return found[1] if found else None

    @property
    def remaining(self) -> int | None:
        """How many requests the rate limit still allows, where the server says."""
        return _number(self.headers.get("x-ratelimit-remaining") or self.headers.get("ratelimit-remaining"))

    @property
    def poll_interval(self) -> int:
        """Seconds the server wants between two polls, 0 where it does not say."""
        return _number(self.headers.get("x-poll-interval")) or 0

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait: `Retry-After` as a number or a date."""
        text = self.headers.get("retry-after", "").strip()
        if (seconds := _number(text)) is not None:
            return float(seconds)
        if not text:
            return None
        from email.utils import parsedate_to_datetime

        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - clock.precise()).total_seconds())

    @property
    def available_at(self) -> datetime | None:
        """When the server wants to be asked again: `Retry-After`, else `X-RateLimit-Reset`."""
        if (wait := self.retry_after) is not None:
            return clock.precise() + timedelta(seconds=min(wait, 366 * 86400))
        reset = _number(self.headers.get("x-ratelimit-reset") or self.headers.get("ratelimit-reset"))
        if reset is None:
            return None
        if reset < 1_000_000_000:  # some servers count the seconds from now
            return clock.precise() + timedelta(seconds=reset)
        return datetime.fromtimestamp(min(reset, 253_402_300_799), UTC)

    def because(self, source: str, headers: dict[str, str] | None = None) -> Response:
        """The same answer from another source, its headers brought up to date."""
        return replace(self, source=source, headers=self.headers | (headers or {}))


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\s*\d{1,15}\s*", text) else None


def redact(text: str, secret: str | None = None) -> str:
    """Text without credentials: the secret itself, those in a query, and `user:password@` of an address."""
    if secret:
        from urllib.parse import quote

        for form in {secret, quote(secret, safe="")}:
            text = text.replace(form, "***")
    text = re.sub(SECRET_QUERY, r"\1***", text)
    return re.sub(r"(://)[^/@\s]*@", r"\1***@", text)
