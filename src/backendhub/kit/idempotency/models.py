"""What is kept of a request that was answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent. `headers` is JSON: a list of pairs."""

    digest: str
    status: int | None
    headers: str | None
    media: str | None
    body: bytes | None
