"""Topics and patterns: `chat.7.posted` is matched by itself, `chat.*.posted` and `chat.**`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

from backendhub.kit.errors import Invalid

_SEGMENT = r"[^\s.*\x00-\x1f\x7f]+"
_TOPIC = re.compile(rf"{_SEGMENT}(\.{_SEGMENT})*")
_PATTERN = re.compile(rf"({_SEGMENT}|\*)(\.({_SEGMENT}|\*))*(\.\*\*)?|\*\*")
MAX_LENGTH = 250
MAX_KNOWN = 10_000
"""Topics whose subscribers are kept ready."""


@lru_cache(maxsize=4096)
def topic(text: str) -> str:
    """A topic as given. Raises Invalid: segments between dots, without spaces and stars."""
    if len(text) > MAX_LENGTH or not _TOPIC.fullmatch(text):
        raise Invalid(f"{text[:80]!r} is no topic.", hint="segments between dots: chat.7.posted")
    return text


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> re.Pattern[str]:
    """What a pattern matches: `*` is one segment, `**` at the end one or more. Raises Invalid."""
    if len(pattern) > MAX_LENGTH or not _PATTERN.fullmatch(pattern):
        raise Invalid(
            f"{pattern[:80]!r} is no topic or pattern.", hint="chat.7.posted, chat.*.posted or chat.**"
        )
    words = {"*": r"[^.]+", "**": r".+"}
    return re.compile(r"\.".join(words.get(part) or re.escape(part) for part in pattern.split(".")))


class Subscriber(Protocol):
    """What can be subscribed."""

    @property
    def topics(self) -> tuple[str, ...]: ...


S = TypeVar("S", bound=Subscriber)


class Routes(Generic[S]):
    """Who gets what: subscribers by topic and by pattern. Not safe for several threads by itself."""

    def __init__(self) -> None:
        self._by_topic: dict[str, dict[S, None]] = {}
        self._known: dict[str | tuple[str, str], tuple[S, ...]] = {}

    def add(self, subscriber: S) -> list[str]:
        """Adds one; gives those of its topics and patterns that nobody had before."""
        self._known.clear()
        fresh = [name for name in subscriber.topics if name not in self._by_topic]
        for name in subscriber.topics:
            self._by_topic.setdefault(name, {})[subscriber] = None
        return fresh

    def remove(self, subscriber: S) -> list[str]:
        """Removes one; gives those of its topics and patterns that nobody has any more."""
        self._known.clear()
        left = []
        for name in subscriber.topics:
            subscribers = self._by_topic.get(name)
            if subscribers is not None and subscribers.pop(subscriber, 0) is None and not subscribers:
                del self._by_topic[name]
                left.append(name)
        return left

    def find(self, topic: str) -> tuple[S, ...]:
        """Everybody who gets a topic, each once."""
        known = self._known.get(topic)
        if known is None:
            found = dict(self._by_topic.get(topic, {}))
            for name, subscribers in self._by_topic.items():
                if matches(name, topic):
                    found.update(subscribers)
            known = self._know(topic, found)
        return known

    def by(self, name: str, topic: str) -> tuple[S, ...]:
        """Those who get a topic by this one of their topics and patterns: the first that matches, so that somebody
        who has several gets it once."""
        known = self._known.get((name, topic))
        if known is None:
            found = [
                subscriber
                for subscriber in self._by_topic.get(name, {})
                if name == next((n for n in subscriber.topics if n == topic or matches(n, topic)), None)
            ]
            known = self._know((name, topic), found)
        return known

    def _know(self, key: str | tuple[str, str], found: Iterable[S]) -> tuple[S, ...]:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        known = self._known[key] = tuple(found)
        return known

    def all(self) -> list[S]:
        """Everybody, each once."""
        return list({s: None for subscribers in self._by_topic.values() for s in subscribers})

    @property
    def names(self) -> list[str]:
        """Every topic and pattern that somebody has."""
        return list(self._by_topic)


def matches(pattern: str, topic: str) -> bool:
    """Whether a pattern (not a topic) matches."""
    return "*" in pattern and matcher(pattern).fullmatch(topic) is not None
