"""Cache, limits and events as endpoints use them: in this process, and between processes over Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.cache import MemoryCache
from backendhub.kit.errors import Invalid
from backendhub.kit.events import MemoryEvents, Message
from backendhub.kit.limits import MemoryLimits, Rule, enforce
from backendhub.kit.settings import Settings

RULE = Rule(3, 60, "gcra", name="minute")


def router(computed: list[str]) -> web.Router:
    """Routes that use all three."""
    made = web.Router("Engines.")

    @made.get("/limited", statuses=(429,))
    async def limited(request: web.Request) -> dict[str, int]:
        decision = await request.hub.limits.ahit("ada", RULE)
        return web.reply({"remaining": decision.remaining}, headers=enforce(decision))

    @made.get("/cached")
    async def cached(request: web.Request) -> dict[str, str]:
        async def make() -> dict[str, str]:
            await asyncio.sleep(0.05)
            computed.append(request.id)
            return {"by": request.id}

        return await request.hub.cache.space("thing").aget_or_set("k", make, ttl=60)

    @made.get("/next")
    async def wait(request: web.Request) -> Any:
        async with request.hub.events.subscribe("thing.**") as messages:
            request.hub.memory("waiting", asyncio.Event).set()
            message = await asyncio.wait_for(messages.get(), 5)
            assert isinstance(message, Message)
            return {"topic": message.topic, "data": message.data}

    @made.post("/say")
    async def say(request: web.Request) -> dict[str, str]:
        await request.hub.events.publish("thing.said", {"text": "hello"})
        return {}

    return made


@asynccontextmanager
async def served(
    application: Callable[..., web.Application], hub: hubs.Hub, computed: list[str]
) -> AsyncIterator[httpx.AsyncClient]:
    app: Any = application(router(computed), on=hub)
    await app.startup()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://thing"
    ) as client:
        yield client
    await app.shutdown()


@pytest.fixture(params=["one process", pytest.param("two over Redis", marks=pytest.mark.redis)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> list[hubs.Hub]:
    """The hubs of the processes that serve."""
    settings = {"database": str(tmp_path / "hub.db")}
    if request.param == "one process":
        return [hubs.Hub(Settings(settings))] * 2
    settings["redis"] = request.getfixturevalue("redis_url")
    made = [hubs.Hub(Settings(settings)) for _ in range(2)]
    for hub in made:
        hub.workers = 2
    return made


async def test_processes_share_limits_cache_and_events(application: Any, pair: list[hubs.Hub]) -> None:
    computed: list[str] = []
    async with (
        served(application, pair[0], computed) as one,
        served(application, pair[1], computed) as two,
    ):
        answers = [await (one, two)[n % 2].get("/limited") for n in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit"] == '"minute";r=2;t=20'
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=3;w=60'
        assert answers[3].headers["retry-after"] == "20" and '"minute";r=0' in answers[3].headers["ratelimit"]
        problem = answers[3].json()
        assert problem["violated-policies"] == ["minute"] and problem["code"] == "rate_limited"
        assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"

        cached = await asyncio.gather(*((one, two)[n % 2].get("/cached") for n in range(30)))
        assert len({a.text for a in cached}) == 1 and len(computed) == 1

        waiting = [asyncio.create_task(client.get("/next")) for client in (one, two)]
        for hub in pair:
            await asyncio.wait_for(hub.memory("waiting", asyncio.Event).wait(), 5)
        await asyncio.sleep(0.05)
        assert (await one.post("/say")).status_code == 200
        for task in waiting:
            assert (await task).json() == {"topic": "thing.said", "data": {"text": "hello"}}
        assert (await one.get("/readyz")).text == "ok\n"


def test_without_redis_they_are_in_memory_and_of_one_process() -> None:
    hub = hubs.Hub(Settings({"database": ":memory:"}))
    assert isinstance(hub.cache, MemoryCache) and isinstance(hub.limits, MemoryLimits)
    assert isinstance(hub.events, MemoryEvents) and hub.redis is None
    several = hubs.Hub(Settings({"database": ":memory:"}))
    several.workers = 2
    assert isinstance(several.cache, MemoryCache)
    for part in ("limits", "events"):
        with pytest.raises(Invalid, match=f"{part.capitalize()} of 2 processes"):
            getattr(several, part)


@pytest.mark.redis
async def test_a_redis_that_is_lost_is_told_and_only_events_need_it(
    application: Any, redis_server: Any, tmp_path: Path
) -> None:
    server = redis_server()
    hub = hubs.Hub(Settings({"database": str(tmp_path / "hub.db"), "redis": server.url}))
    computed: list[str] = []
    async with served(application, hub, computed) as client:
        assert (await client.get("/limited")).json() == {"remaining": 2}
        assert (await client.get("/cached")).status_code == 200
        server.stop()
        ready = await client.get("/readyz")
        assert ready.status_code == 200 and ready.text.startswith("redis: Redis at ")
        assert (await client.get("/limited")).status_code == 200  # the rule fails open
        assert (await client.get("/cached")).status_code == 200 and len(computed) == 2
        said = await client.post("/say")
        assert (
            said.status_code == 503
            and "retry-after" in said.headers
            and "does not answer" in said.json()["detail"]
        )
        assert (await client.get("/readyz")).status_code == 503  # events are in use by now
        server.start()
        for _ in range(500):
            if (await client.get("/readyz")).text == "ok\n":
                break
            await asyncio.sleep(0.02)
        assert (await client.post("/say")).status_code == 200
        assert (await client.get("/limited")).json() == {"remaining": 2}  # this Redis has begun anew
