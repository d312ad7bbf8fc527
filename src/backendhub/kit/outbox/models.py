"""Events, webhook endpoints, and the attempts to deliver the ones to the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened. `uid` is its id outside, `key` what it happened to (its events stay in order)."""

    id: int
    uid: str
    topic: str
    key: str | None
    data: str
    at: datetime
    traceparent: str | None

    @property
    def value(self) -> Any:
        """What was published, decoded."""
        import json

        return json.loads(self.data)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that is told of events. While `old_until` lasts, messages are signed with both secrets."""

    id: str
    url: str
    topics: list[str]
    note: str
    signer: str
    secret: str
    old_secret: str | None
    old_until: datetime | None
    enabled: bool
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt: the status of the answer, or why there was none."""

    id: int
    endpoint_id: str
    event_id: int
    job_id: int
    attempt: int
    at: datetime
    ok: bool
    status: int | None
    ms: int
    error: str | None
    answer: str | None
