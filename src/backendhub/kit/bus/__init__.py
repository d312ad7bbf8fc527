"""Events of the outbox on a bus that other programs read too: Redis Streams, RabbitMQ, NATS JetStream, by URL.

    bus = connect("nats://127.0.0.1:4222")      # backendhub serve shop --bus nats://127.0.0.1:4222

What leaves is CloudEvents 1.0 in JSON. `@job(on=…)` handlers of every store on the bus are told of every event, once;
without a bus the store itself is one for all who share it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from backendhub.kit.errors import Invalid

from .base import PARTITIONS, Bus, BusLost, Message, Reader, Received, partition

__all__ = ["PARTITIONS", "Bus", "BusLost", "Message", "Reader", "Received", "connect", "partition"]

HINT = "redis://host:6379/0, amqp://user:password@host/vhost or nats://host:4222"


def connect(url: str) -> Bus:
    """The bus at a URL; it connects when first used. Raises Invalid, MissingExtra."""
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss", "unix"):
        from .redis import RedisBus

        return RedisBus(url)
    if scheme in ("amqp", "amqps"):
        from .amqp import AmqpBus

        return AmqpBus(url)
    if scheme in ("nats", "tls"):
        from .nats import NatsBus

        return NatsBus(url)
    raise Invalid(f"There is no bus for {scheme or url!r}.", hint=HINT)
