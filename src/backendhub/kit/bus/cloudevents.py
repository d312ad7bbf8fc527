"""CloudEvents 1.0, structured JSON (https://github.com/cloudevents/spec): what leaves, and what is understood."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.errors import Malformed
from backendhub.kit.outbox import Event


class Told(NamedTuple):
    """An event that has come by the bus. `traceparent` is that of the extension for tracing."""

    id: str
    source: str
    topic: str
    key: str | None
    at: str
    data: Any
    traceparent: str | None


def encode(event: Event, source: str) -> bytes:
    """An event of the outbox as it leaves; its data goes as it is written."""
    about = {
        "specversion": "1.0",
        "id": event.uid,
        "source": source,
        "type": event.topic,
        "time": clock.iso(event.at),
        "datacontenttype": "application/json",
    }
    if event.key:
        about["subject"] = event.key
    if event.traceparent:
        about["traceparent"] = event.traceparent
    head = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    return f'{head[:-1]},"data":{event.data}}}'.encode()


def decode(body: bytes) -> Told:
    """Reads an event, of ours or of another program. Raises Malformed."""
    try:
        found = json.loads(body, parse_constant=_no_number)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(found, ensure_ascii=False).encode()  # half a pair of surrogates is no text
    except (ValueError, RecursionError):
        raise Malformed("What came by the bus is no JSON.") from None
    if not isinstance(found, dict) or found.get("specversion") != "1.0":
        raise Malformed("What came by the bus is no CloudEvent 1.0.")
    for name in ("id", "source", "type"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise Malformed(f"A CloudEvent without `{name}` came by the bus.")
    for name in ("subject", "time", "traceparent"):
        if not isinstance(found.get(name), str | None):
            raise Malformed(f"`{name}` of a CloudEvent is text.")
    if any("\0" in (found.get(name) or "") for name in ("id", "source", "type", "subject")):
        raise Malformed("A CloudEvent has a NUL in a name.")
    return Told(
        found["id"],
        found["source"],
        found["type"],
        found.get("subject"),
        found.get("time") or clock.iso(clock.precise()),
        found["data_base64"] if "data_base64" in found else found.get("data"),
        found.get("traceparent"),
    )


def _no_number(name: str) -> None:
    raise ValueError(name)
