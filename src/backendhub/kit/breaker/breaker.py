"""A breaker for calls: the machine with a clock and a lock, for threads and event loops."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple, TypeVar

from backendhub.kit import clock
from backendhub.kit.errors import Upstream

from .machine import Machine, Outcome, Permit, Snapshot, State
from .policy import Policy

T = TypeVar("T")
EVENTS = 100


class NotPermitted(Upstream):
    """A breaker refuses a call (503): the other side is not asked."""

    status, code, title = 503, "not_permitted", "Circuit open"

    def __init__(self, name: str, snapshot: Snapshot) -> None:
        seconds = max(1, -(-snapshot.retry_after // 1_000_000))
        super().__init__(f"{name} is {snapshot.state} and admits no call.", hint=f"try again in {seconds} s")
        self.details = {"breaker": name, "state": str(snapshot.state)}
        if snapshot.state is not State.FORCED_OPEN:
            self.headers = {"Retry-After": str(seconds)}


class Event(NamedTuple):
    """Something that happened at a breaker, in resilience4j's words."""

    breaker: str
    type: str
    at: datetime
    text: str = ""
    duration: int | None = None
    """Microseconds of the call."""


@dataclass(slots=True)
class Call:
    """A call that was admitted. Whoever makes it may say what it was; else success, or what its exception is."""

    permit: Permit
    outcome: Outcome | None = None
    why: str = ""

    def failed(self, why: str = "") -> None:
        """The call came back, and was a failure all the same: a 503, a wrong answer."""
        self.outcome, self.why = Outcome.FAILURE, why

    def ignored(self, why: str = "") -> None:
        """The call says nothing about the other side."""
        self.outcome, self.why = Outcome.IGNORED, why


class Breaker:
    """One for each thing that may fail. It remembers the last `events`; `clock` in seconds is for tests."""

    def __init__(
        self,
        name: str,
        policy: Policy | None = None,
        *,
        state: State = State.CLOSED,
        events: int = EVENTS,
        clock: Callable[[], float] = clock.steady,
    ) -> None:
        self.name = name
        self.policy = policy or Policy()
        self.events: deque[Event] = deque(maxlen=events)
        self.listeners: list[Callable[[Event], None]] = []
        """Told while the breaker is held: they must not ask it anything."""
        self._clock = clock
        self._lock = Lock()
        self._duration: int | None = None
        self._machine = Machine(self.policy, note=self._note, state=state, now=self._now())

    def _now(self) -> int:
        return round(self._clock() * 1_000_000)

    def _note(self, kind: str, now: int, text: str) -> None:
        duration = self._duration if kind in ("SUCCESS", "ERROR", "IGNORED_ERROR") else None
        event = Event(self.name, kind, datetime.fromtimestamp(now / 1_000_000, UTC), text, duration)
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    # -- calls --------------------------------------------------------------------------------------------

    def acquire(self) -> Permit:
        """Leave for one call, whose outcome must be recorded. Raises NotPermitted."""
        with self._lock:
            now = self._now()
            permit = self._machine.acquire(now)
            if permit is None:
                raise NotPermitted(self.name, self._machine.snapshot(now))
            return permit

    def record(self, permit: Permit, outcome: Outcome, why: str = "", *, took: int | None = None) -> None:
        """Records what became of a call; `took` in microseconds where it was over sooner than now."""
        with self._lock:
            now = self._now()
            self._duration = now - permit.began if took is None else took
            self._machine.record(permit, now, outcome, why, took)

    def since(self, permit: Permit) -> int:
        """Microseconds since a call began."""
        return self._now() - permit.began

    def judge(self, error: BaseException) -> Outcome:
        """What an exception says about the other side."""
        policy = self.policy
        if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt | SystemExit):
            return Outcome.FAILURE if policy.cancelled == "failure" else Outcome.IGNORED
        if isinstance(error, policy.ignored):
            return Outcome.IGNORED
        return Outcome.FAILURE if isinstance(error, policy.recorded) else Outcome.SUCCESS

    @contextmanager
    def guard(self) -> Iterator[Call]:
        """A block that is one call. Raises NotPermitted instead of running it."""
        call = Call(self.acquire())
        try:
            yield call
        except BaseException as error:
            self.record(call.permit, call.outcome or self.judge(error), call.why or type(error).__name__)
            raise
        self.record(call.permit, call.outcome or Outcome.SUCCESS, call.why)

    @asynccontextmanager
    async def aguard(self) -> AsyncIterator[Call]:
        """`guard` for event loops."""
        with self.guard() as call:
            yield call

    def call(self, fn: Callable[[], T], *, fallback: Callable[[Exception], T] | None = None) -> T:
        """Calls a function. With a fallback nothing is raised: it is given the error, refusals too."""
        try:
            with self.guard():
                return fn()
        except Exception as error:
            if fallback is None:
                raise
            return fallback(error)

    async def acall(
        self, fn: Callable[[], Awaitable[T]], *, fallback: Callable[[Exception], Awaitable[T]] | None = None
    ) -> T:
        """`call` for event loops."""
        try:
            with self.guard():
                return await fn()
        except Exception as error:
            if fallback is None:
                raise
            return await fallback(error)

    # -- looking and steering -----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """How it is now."""
        with self._lock:
            return self._machine.snapshot(self._now())

    def force(self, state: State) -> None:
        """Goes into a state: FORCED_OPEN, DISABLED, METRICS_ONLY, or one of the others."""
        with self._lock:
            self._machine.force(state, self._now())

    def reset(self) -> None:
        """Closed, and as if nothing had ever happened."""
        with self._lock:
            self._machine.reset(self._now())
