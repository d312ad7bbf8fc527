"""What is stored, and what every part of the system knows of the request that it works for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
LATEST = "2026-10-28.endive"
"""The version of the wire in which objects are kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """An object of the wire. `name` is its id there; a `status` of a state machine stands in its own column."""

    id: int
    name: str
    kind: str
    created: int
    status: str | None
    deleted: bool
    data: Json


@dataclass(frozen=True, slots=True)
class Charged:
    """What was authorised, captured and refunded of a charge."""

    charge: str
    currency: str
    authorized: int
    captured: int
    refunded: int


@dataclass(frozen=True, slots=True)
class Credit:
    """How much of a line of an invoice was credited."""

    line: str
    amount: int
    discount: int
    tax: int


@dataclass(frozen=True, slots=True)
class Call:
    """The request that is being worked on; the default stands for jobs and sample data."""

    request_id: str | None = None
    key: str | None = None
    """Its Idempotency-Key."""
    base_url: str = "http://localhost:8000"
    version: str = LATEST
    fixtures: bool = False
    """Whether the ids of Stripe's own examples (`cus_123`) name things that exist."""
    writes: bool = True
    verb: str = ""
    """What is done to what the path names: `capture`."""
    owners: tuple[str, ...] = ()
    """What else the path names."""


_NOBODY = Call()
_call: ContextVar[Call] = ContextVar("payment_call", default=_NOBODY)


def call() -> Call:
    """The request that is being worked on."""
    return _call.get()


@contextmanager
def working_on(what: Call) -> Iterator[None]:
    """Makes a request the one that is being worked on."""
    token = _call.set(what)
    try:
        yield
    finally:
        _call.reset(token)
