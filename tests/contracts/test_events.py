"""Events in process and over Redis: the same suite on both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backendhub.kit.errors import Invalid
from backendhub.kit.events import Events, Gap, MemoryEvents, Message, Subscription, TooSlow


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Events]]:
    """Makes buses that reach each other: those of several processes, for Redis."""
    if request.param == "memory":
        bus = MemoryEvents()
        yield lambda: bus
        return
    from backendhub.kit.events.redis import RedisEvents
    from backendhub.kit.redis import Redis

    url = request.getfixturevalue("redis_url")
    made: list[RedisEvents] = []

    def one() -> Events:
        made.append(RedisEvents(Redis(url)))
        return made[-1]

    yield one
    for bus in made:
        bus.close()


@pytest.fixture
def events(make: Callable[[], Events]) -> Events:
    return make()


async def take(messages: Subscription, count: int) -> list[Any]:
    """The next messages' data; a Gap as it is."""
    found = [await asyncio.wait_for(messages.get(), 5) for _ in range(count)]
    return [m.data if isinstance(m, Message) else m for m in found]


async def settled(events: Events, messages: Subscription) -> list[Any]:
    """All that waits, once a last message has come the same way."""
    await events.publish(messages.topics[0].replace("**", "end").replace("*", "end"), "end")
    found: list[Any] = []
    while not found or found[-1] != "end":
        found += await take(messages, 1)
    return found[:-1]


@pytest.mark.parametrize("value", [None, 1, "caf\u00e9", {"a": [1, {"b": None}]}, b"\x00\xff", b""], ids=repr)
async def test_what_is_published_arrives(make: Callable[[], Events], value: Any) -> None:
    here, there = make(), make()
    async with here.subscribe("a.b") as one, there.subscribe("a.b") as other:
        await here.publish("a.b", value)
        for messages in (one, other):
            message = await asyncio.wait_for(messages.get(), 5)
            assert isinstance(message, Message) and message.topic == "a.b" and message.data == value


async def test_only_what_was_asked_for_arrives(events: Events) -> None:
    topics = ("chat", "chat.1", "chat.1.posted", "chat.2.posted", "chat.1.2.posted", "chatter.1", "mail.1")
    patterns: dict[str, list[str]] = {
        "chat.1": ["chat.1"],
        "chat.*": ["chat.1"],
        "chat.*.posted": ["chat.1.posted", "chat.2.posted"],
        "chat.**": ["chat.1", "chat.1.posted", "chat.2.posted", "chat.1.2.posted"],
        "*": ["chat"],
        "*.1": ["chat.1", "chatter.1", "mail.1"],
        "**": list(topics),
        "nobody": [],
    }
    subscriptions = {pattern: events.subscribe(pattern) for pattern in patterns}
    for messages in subscriptions.values():
        await messages.opened()
    for topic in topics:
        await events.publish(topic, topic)
    for pattern, wanted in patterns.items():
        assert await settled(events, subscriptions[pattern]) == wanted, pattern
        subscriptions[pattern].close()


async def test_one_who_asked_twice_gets_it_once(events: Events) -> None:
    async with events.subscribe("a.b", "a.*", "a.**", "a.b", "c") as messages:
        for topic in ("a.b", "a.c", "a.b.c", "c"):
            await events.publish(topic, topic)
        assert await settled(events, messages) == ["a.b", "a.c", "a.b.c", "c"]


async def test_characters_that_are_patterns_elsewhere_are_none_here(events: Events) -> None:
    async with events.subscribe("a[b]c?.^x", "a[b]c\\.*") as messages:
        for topic in ("a[b]c?.^x", "abc.x", "abcd.^x", "a[b]c\\.7", "abc.7"):
            await events.publish(topic, topic)
        await events.publish("a[b]c?.^x", "end")
        assert await take(messages, 3) == ["a[b]c?.^x", "a[b]c\\.7", "end"]


@pytest.mark.parametrize("topic", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "**", "a\n", "x" * 251])
async def test_topics_that_are_none(events: Events, topic: str) -> None:
    with pytest.raises(Invalid):
        events.publish(topic, 1)


@pytest.mark.parametrize("pattern", ["", "a.", "**.a", "a**", "a.*b", "a.**.b", "a b"])
async def test_patterns_that_are_none(events: Events, pattern: str) -> None:
    with pytest.raises(Invalid):
        events.subscribe(pattern)


async def test_each_publisher_is_heard_in_its_order_and_all_hear_the_same(make: Callable[[], Events]) -> None:
    buses = [make() for _ in range(3)]
    subscriptions = [bus.subscribe("n", limit=5000) for bus in buses for _ in range(2)]
    for messages in subscriptions:
        await messages.opened()

    async def publish(bus: Events, name: int) -> None:
        for n in range(100):
            sent = bus.publish("n", [name, n])
            if n % 10 == 0:
                await sent
        await sent

    await asyncio.gather(*(publish(bus, name) for name, bus in enumerate(buses)))
    heard = [await take(messages, 300) for messages in subscriptions]
    assert all(each == heard[0] for each in heard)
    for name in range(3):
        assert [n for who, n in heard[0] if who == name] == list(range(100))


async def test_nothing_published_after_opening_is_missed_and_nothing_after_closing_arrives(
    events: Events,
) -> None:
    for n in range(20):
        messages = events.subscribe("a")
        await messages.opened()
        sent = events.publish("a", n)
        if n % 2:
            await sent
        assert await take(messages, 1) == [n]
        messages.close()
        await events.publish("a", "late")
        assert await messages.get() is None


async def test_closing_ends_who_waits(events: Events) -> None:
    messages = events.subscribe("a")
    await messages.opened()

    async def read() -> list[Any]:
        return [m async for m in messages]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    messages.close()
    assert await asyncio.wait_for(reading, 5) == []


async def test_a_cancelled_wait_loses_nothing(events: Events) -> None:
    async with events.subscribe("a") as messages:
        for n in range(30):
            waiting = asyncio.create_task(messages.get())
            await asyncio.sleep(0)
            sent = events.publish("a", n)
            if n % 3 == 0:
                await sent
            waiting.cancel()
            found = (await asyncio.gather(waiting, return_exceptions=True))[0]
            if isinstance(found, Message):
                assert found.data == n
            else:
                assert await take(messages, 1) == [n]


async def test_two_readers_of_one_subscription_share_it(events: Events) -> None:
    async with events.subscribe("a") as messages:
        readers = [asyncio.create_task(take(messages, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        for n in range(20):
            await events.publish("a", n)
        found = await asyncio.gather(*readers)
        assert sorted(found[0] + found[1]) == list(range(20))


# -- slow readers --------------------------------------------------------------------------------------------


async def test_the_oldest_go_and_a_gap_says_so(events: Events) -> None:
    async with events.subscribe("a", limit=3, overflow="gap") as messages, events.subscribe("a") as other:
        for n in range(10):
            await events.publish("a", n)
        assert await take(other, 10) == list(range(10))
        assert await take(messages, 4) == [Gap("slow", 7), 7, 8, 9] and messages.dropped == 7
        await events.publish("a", 10)
        assert await take(messages, 1) == [10]


async def test_the_oldest_go_without_a_word(events: Events) -> None:
    async with events.subscribe("a", limit=3, overflow="drop") as messages, events.subscribe("a") as other:
        for n in range(10):
            await events.publish("a", n)
        await take(other, 10)
        assert await take(messages, 3) == [7, 8, 9] and messages.dropped == 7


async def test_who_is_too_slow_is_closed(events: Events) -> None:
    async with events.subscribe("a", limit=3, overflow="close") as messages, events.subscribe("a") as other:
        for n in range(5):
            await events.publish("a", n)
        await take(other, 5)
        with pytest.raises(TooSlow):
            await messages.get()
        assert messages.dropped == 4 and len(messages) == 0


async def test_bytes_are_bounded_too(events: Events) -> None:
    async with events.subscribe("a", max_bytes=10_000) as messages, events.subscribe("a") as other:
        for _ in range(20):
            await events.publish("a", b"x" * 4000)
        await take(other, 20)
        assert len(messages) == 2
        assert isinstance((await take(messages, 1))[0], Gap)
        await events.publish("a", b"x" * 50_000)
        await take(other, 1)
        assert len(messages) == 1  # one that is larger than all of the room is still worth delivering


async def test_a_subscription_says_what_it_wants(events: Events) -> None:
    for wrong in ({"overflow": "grow"}, {"limit": 0}):
        with pytest.raises(Invalid):
            events.subscribe("a", **wrong)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        events.subscribe()


# -- one serialisation, threads, loops ------------------------------------------------------------------------


async def test_a_message_is_written_out_once_however_many_read_it(events: Events) -> None:
    made = []

    def codec(message: Message) -> bytes:
        made.append(1)
        return b"data: " + message.body

    subscriptions = [events.subscribe("a") for _ in range(5)]
    for messages in subscriptions:
        await messages.opened()
    await events.publish("a", {"n": 1})
    found = [await asyncio.wait_for(messages.get(), 5) for messages in subscriptions]
    assert len({id(m) for m in found}) == 1
    assert {m.frame(codec) for m in found if isinstance(m, Message)} == {b'data: {"n":1}'} and made == [1]
    assert found[0].data is found[1].data  # type: ignore[union-attr]


async def test_threads_publish_too(make: Callable[[], Events]) -> None:
    events, other = make(), make()
    async with events.subscribe("a", limit=1000) as messages:

        def publish(name: int) -> None:
            for n in range(50):
                other.publish("a", [name, n])

        threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        found = await take(messages, 200)
        for name in range(4):
            assert [n for who, n in found if who == name] == list(range(50))
        for thread in threads:
            thread.join()


def test_several_loops_at_once(make: Callable[[], Events]) -> None:
    events, found, ready = make(), [], threading.Barrier(4)

    async def read() -> None:
        async with events.subscribe("a.*") as messages:
            await asyncio.to_thread(ready.wait)
            found.append(await take(messages, 20))

    threads = [threading.Thread(target=lambda: asyncio.run(read())) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    for n in range(20):
        events.publish("a.b", n)
    for thread in threads:
        thread.join(10)
    assert found == [list(range(20))] * 3


def test_subscribers_of_a_loop_that_has_ended_are_cleaned_up(make: Callable[[], Events]) -> None:
    events = make()
    left: list[Subscription] = []

    async def leave() -> None:
        left.append(events.subscribe("a", "b.*"))
        await left[-1].opened()

    asyncio.run(leave())
    asyncio.run(leave())

    async def use() -> None:
        async with events.subscribe("a") as messages:
            await events.publish("a", 1)
            assert await take(messages, 1) == [1]
            if isinstance(events, MemoryEvents):
                assert len(events) == 1

    asyncio.run(use())
    assert [len(s) for s in left] == [0, 0]
    for subscription in left:
        subscription.close()


async def test_leaving_and_coming_beside_each_other(events: Events) -> None:
    """Subscriptions of one topic that come and go at once: each gets what is published while it is open."""

    async def come_and_go(n: int) -> None:
        for round in range(10):
            async with events.subscribe("a", "b.*") as messages:
                mark = f"{n}.{round}"
                await events.publish("a" if round % 2 else "b.x", mark)
                while (await take(messages, 1)) != [mark]:
                    pass

    await asyncio.gather(*(come_and_go(n) for n in range(8)))
