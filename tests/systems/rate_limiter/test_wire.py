"""Envoy's messages: as JSON, as protobuf, and over gRPC with Envoy's own classes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.kit.errors import Malformed
from backendhub.kit.limits import MemoryLimits
from backendhub.systems.rate_limiter import board, protobuf, rls, service
from backendhub.systems.rate_limiter.config import load
from backendhub.systems.rate_limiter.demo import SHOP
from backendhub.systems.rate_limiter.engine import Engine
from backendhub.systems.rate_limiter.models import Defaults, Descriptor

envoy = pytest.importorskip("envoy_data_plane.envoy.service.ratelimit.v3")
common = pytest.importorskip("envoy_data_plane.envoy.extensions.common.ratelimit.v3")


def message(domain: str, *descriptors: tuple[dict[str, str], int | None], hits: int = 0) -> Any:
    """A request made of Envoy's own classes."""
    made = [
        common.RateLimitDescriptor(
            entries=[common.RateLimitDescriptorEntry(key=k, value=v) for k, v in entries.items()],
            hits_addend=addend,
        )
        for entries, addend in descriptors
    ]
    return envoy.RateLimitRequest(domain=domain, descriptors=made, hits_addend=hits)


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(
    WORDS,
    st.lists(
        st.tuples(
            st.dictionaries(WORDS, WORDS, min_size=1, max_size=4), st.none() | st.integers(0, 2**32 - 1)
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 2**32 - 1),
)
def test_what_envoy_writes_is_read_either_way(domain: str, descriptors: Any, hits: int) -> None:
    sent = message(domain, *descriptors, hits=hits)
    wanted = (domain, [Descriptor((*e.items(),), None, addend) for e, addend in descriptors], hits or 1)
    assert protobuf.request(bytes(sent)) == wanted
    assert rls.request(sent.to_json().encode()) == wanted


async def test_what_we_write_envoy_reads() -> None:
    engine = Engine(MemoryLimits(clock=lambda: 1_800_000_000.5), load([("shop", SHOP)], Defaults()))
    asked = [{"plan": "free"}, {"user": "monitoring"}, {"unknown": "x"}, {"plan": "blocked"}]
    verdict = await engine.check(*protobuf.request(bytes(message("shop", *((a, None) for a in asked)))))
    read = envoy.RateLimitResponse.parse(protobuf.response(verdict))
    assert read.overall_code.name == "OVER_LIMIT"
    assert [s.code.name for s in read.statuses] == ["OK", "OK", "OK", "OVER_LIMIT"]
    free, unlimited, unknown, blocked = read.statuses
    assert (free.current_limit.requests_per_unit, free.current_limit.unit.name) == (1000, "DAY")
    assert (free.limit_remaining, unlimited.limit_remaining) == (1000, 2**32 - 1)
    assert (
        unlimited.current_limit is None
        and unknown.current_limit is None
        and blocked.current_limit is not None
    )
    assert envoy.RateLimitResponse.from_dict(rls.response(verdict)) == read


def test_a_limit_that_the_request_brings() -> None:
    sent = message("d", ({"a": "b"}, None))
    sent.descriptors[0].limit = common.RateLimitDescriptorRateLimitOverride(requests_per_unit=7, unit=2)
    wanted = Descriptor((("a", "b"),), (7, "minute"))
    assert protobuf.request(bytes(sent))[1] == [wanted]
    assert rls.request(sent.to_json().encode())[1] == [wanted]
    snake = b'{"domain":"d","descriptors":[{"entries":[{"key":"a","value":"b"}],"limit":{"requests_per_unit":"7","unit":2}}]}'
    assert rls.request(snake)[1] == [wanted]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"domain":"d"}', b'{"domain":"","descriptors":[{"entries":[{"key":"a"}]}]}',
        b'{"domain":"d","descriptors":[]}', b'{"domain":"d","descriptors":[{}]}', b'{"domain":7,"descriptors":[]}',
        b'{"domain":"d","descriptors":[{"entries":[{"key":""}]}]}', b'{"domain":"d","other":1}',
        b'{"domain":"d","descriptors":[{"entries":[{"key":"a"}]}],"hitsAddend":-1}',
        b'{"domain":"d","descriptors":[{"entries":[{"key":"a"}]}],"hitsAddend":1.5}',
        b'{"domain":"d","descriptors":[{"entries":[{"key":"a"}],"limit":{"unit":"EON","requestsPerUnit":1}}]}',
    ],
)  # fmt: skip
def test_what_is_no_request_in_json(body: bytes) -> None:
    with pytest.raises(Malformed):
        rls.request(body)


@given(st.binary(max_size=60))
def test_what_is_no_request_in_protobuf(data: bytes) -> None:
    try:
        domain, descriptors, hits = protobuf.request(data)
    except Malformed:
        return
    assert domain and descriptors and hits


async def test_over_grpc(hub: Any) -> None:
    grpc = pytest.importorskip("grpc")
    from backendhub.systems.rate_limiter import grpc as face

    hub.unit(lambda db: service.put(db, domain="shop", config=SHOP))
    board.of(hub).refresh(hub)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = asyncio.create_task(face.serve(hub, f"127.0.0.1:{port}"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await asyncio.wait_for(channel.channel_ready(), 20)
        call = channel.unary_unary(
            "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
            request_serializer=bytes,
            response_deserializer=envoy.RateLimitResponse.parse,
        )
        asked = message("shop", ({"login": "form", "remote_address": "192.0.2.1"}, None))
        codes = [(await call(asked)).overall_code.name for _ in range(7)]
        assert codes == ["OK"] * 5 + ["OVER_LIMIT"] * 2
        refused = await call(asked)
        assert 1 <= refused.statuses[0].duration_until_reset.total_seconds() <= 60
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(envoy.RateLimitRequest())
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await health(b"") == b"\x08\x01"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
